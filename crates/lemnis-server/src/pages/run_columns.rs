//! The columns of the table of runs: which are shown, which are offered, and how each is sorted and drawn.

use lemnis_app::view::{RunList, RunRow};

use super::html::{escape, number};
use super::run_table::Asked;

/// Metrics that are shown where none was chosen.
const METRICS: usize = 7;
/// Params that are shown where none was chosen.
const PARAMS: usize = 4;

/// A column that the reader can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Metric(String),
    Param(String),
    Tag(String),
}

impl Column {
    /// `metrics.NAME`, `params.NAME` or `tags.NAME`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('.')?;
        let name = name.trim_matches('`').to_owned();
        match kind {
            _ if name.is_empty() => None,
            "metrics" => Some(Self::Metric(name)),
            "params" => Some(Self::Param(name)),
            "tags" => Some(Self::Tag(name)),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Metric(name) | Self::Param(name) | Self::Tag(name) => name,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Metric(_) => "metrics",
            Self::Param(_) => "params",
            Self::Tag(_) => "tags",
        }
    }

    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.kind(), self.name())
    }

    /// The key of an order, in MLflow's grammar.
    fn order(&self) -> String {
        let name = self.name();
        let plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        if plain { self.key() } else { format!("{}.`{name}`", self.kind()) }
    }

    pub(super) fn cell(&self, run: &RunRow, out: &mut String) {
        let text = match self {
            Self::Metric(name) => {
                out.push_str("<td class=\"num\">");
                if let Some(value) = run.metrics.get(name) {
                    out.push_str(&number(*value));
                }
                out.push_str("</td>");
                return;
            }
            Self::Param(name) => run.params.get(name),
            Self::Tag(name) => run.tags.get(name),
        };
        let text = text.map_or("", String::as_str);
        let shown: String = text.chars().take(120).collect();
        let whole: String = text.chars().take(600).collect();
        out.push_str("<td class=\"param\" title=\"");
        out.push_str(&escape(&whole));
        out.push_str("\">");
        out.push_str(&escape(&shown));
        out.push_str("</td>");
    }
}

/// The head of a column that runs can be sorted by.
pub(super) struct Head {
    /// What it says.
    pub(super) name: String,
    /// What kind of thing it is: `metrics`, `params`, `tags`, or nothing.
    pub(super) kind: &'static str,
    /// Leads to the table sorted by it; the other way round where it is already.
    pub(super) href: String,
    /// `ascending` or `descending` where the table is sorted by it.
    pub(super) sorted: Option<&'static str>,
    /// Whether its values are numbers.
    pub(super) numeric: bool,
}

const START: &str = "attributes.start_time";

/// The heads of every column that can be sorted by, from `Run` on.
pub(super) fn heads(asked: &Asked, columns: &[Column]) -> Vec<Head> {
    let (key, ascending) = order(&asked.order_by);
    let head = |name: &str, kind: &'static str, by: String| {
        let is_sorted = key == by || (key.is_empty() && by == START);
        let sorted =
            is_sorted.then_some(if ascending && !key.is_empty() { "ascending" } else { "descending" });
        // Numbers and moments are wanted from the top, texts from A on; a second click turns round.
        let first_ascending = !matches!(kind, "metrics") && by != START;
        let next_ascending = match sorted {
            Some(direction) => direction == "descending",
            None => first_ascending,
        };
        let next = format!("{by} {}", if next_ascending { "ASC" } else { "DESC" });
        Head { name: name.to_owned(), kind, href: asked.href(&next, 0), sorted, numeric: kind == "metrics" }
    };
    let mut heads = vec![
        head("Run", "", "attributes.run_name".to_owned()),
        head("Status", "", "attributes.status".to_owned()),
        head("Started", "", START.to_owned()),
    ];
    heads.extend(columns.iter().map(|column| head(column.name(), column.kind(), column.order())));
    heads
}

/// The key of an order and whether it is ascending; MLflow's default direction is ascending.
fn order(order_by: &str) -> (String, bool) {
    let trimmed = order_by.trim();
    for (direction, ascending) in [(" DESC", false), (" ASC", true)] {
        if trimmed.len() > direction.len()
            && trimmed.is_char_boundary(trimmed.len() - direction.len())
            && trimmed[trimmed.len() - direction.len()..].eq_ignore_ascii_case(direction)
        {
            return (trimmed[..trimmed.len() - direction.len()].trim().to_owned(), ascending);
        }
    }
    (trimmed.to_owned(), true)
}

/// The columns that were asked for, or the commonest metrics and the params that tell the runs apart.
pub(super) fn chosen(asked: &Asked, view: &RunList) -> Vec<Column> {
    // A later part of a table has the first part's columns, even if that has none.
    if asked.rows_only || !asked.columns.is_empty() {
        return asked.columns.clone();
    }
    let metrics = view.metrics.iter().take(METRICS).cloned().map(Column::Metric);
    metrics.chain(view.params.iter().take(PARAMS).cloned().map(Column::Param)).collect()
}

/// Every column that there is something to show in, and whether it is shown.
pub(super) fn offered(view: &RunList, shown: &[Column]) -> Vec<(Column, bool)> {
    let mut params: Vec<&String> = view.runs.iter().flat_map(|run| run.params.keys()).collect();
    let mut tags: Vec<&String> = view.runs.iter().flat_map(|run| run.tags.keys()).collect();
    for names in [&mut params, &mut tags] {
        names.sort();
        names.dedup();
    }
    let mut metrics: Vec<&String> = view.metrics.iter().collect();
    metrics.sort();
    let metrics = metrics.into_iter().cloned().map(Column::Metric);
    let params = params.into_iter().cloned().map(Column::Param);
    let mut all: Vec<Column> =
        metrics.chain(params).chain(tags.into_iter().cloned().map(Column::Tag)).collect();
    let absent: Vec<Column> = shown.iter().filter(|column| !all.contains(column)).cloned().collect();
    all.extend(absent);
    all.into_iter().map(|column| (column.clone(), shown.contains(&column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_by(order_by: &str) -> Vec<Head> {
        let asked =
            Asked { order_by: order_by.to_owned(), filter: "metrics.x > 1".to_owned(), ..Asked::default() };
        heads(&asked, &[Column::Metric("roc_auc".to_owned()), Column::Param("a b".to_owned())])
    }

    #[test]
    fn a_head_sorts_and_then_turns_the_order_round() {
        let heads = sorted_by("metrics.roc_auc DESC");
        assert_eq!(heads[3].sorted, Some("descending"));
        assert_eq!(heads[3].href, "/runs?filter=metrics.x+%3E+1&order_by=metrics.roc_auc+ASC");
        assert_eq!((heads[2].sorted, heads[4].sorted), (None, None));
        assert!(heads[4].href.ends_with("order_by=params.%60a+b%60+ASC"));
    }

    #[test]
    fn newest_first_is_the_order_without_one() {
        assert_eq!(sorted_by("")[2].sorted, Some("descending"));
        assert_eq!(order("metrics.é desc"), ("metrics.é".to_owned(), false));
        assert_eq!(order("é"), ("é".to_owned(), true));
    }
}
