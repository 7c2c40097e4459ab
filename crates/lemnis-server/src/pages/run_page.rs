//! What the pages of runs and models work out from their read models: sortable heads, links, charts.

use askama::filters::Safe;
use lemnis_app::view::{MetricSeries, ModelDetail, RunList};

use super::html::{Markup, number, plain, segment};
use super::plot::{Axis, Chart, Series, lines};

/// Metrics that the list of runs has room for.
pub(super) const METRIC_COLUMNS: usize = 7;
/// Params that the list of runs has room for.
pub(super) const PARAM_COLUMNS: usize = 4;

/// The head of a column that runs can be sorted by.
pub(super) struct Head {
    /// What it says.
    pub(super) name: String,
    /// Leads to the list sorted by it; the other way round where it is already.
    pub(super) href: String,
    /// `ascending` or `descending` where the list is sorted by it.
    pub(super) sorted: Option<&'static str>,
    /// Whether its values are numbers.
    pub(super) numeric: bool,
}

/// The heads `Started` and one for each metric.
pub(super) fn heads(view: &RunList, metrics: &[String]) -> Vec<Head> {
    let (key, ascending) = order(&view.order_by);
    let head = |name: &str, by: String, numeric: bool| {
        let is_sorted = key == by || (key.is_empty() && by == START);
        let sorted =
            is_sorted.then_some(if ascending && !key.is_empty() { "ascending" } else { "descending" });
        let next = if sorted == Some("descending") { format!("{by} ASC") } else { format!("{by} DESC") };
        Head { name: name.to_owned(), href: href(view, &next, 0), sorted, numeric }
    };
    let mut heads = vec![head("Started", START.to_owned(), false)];
    heads.extend(metrics.iter().map(|name| head(name, metric_key(name), true)));
    heads
}

const START: &str = "attributes.start_time";

fn metric_key(name: &str) -> String {
    let plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if plain { format!("metrics.{name}") } else { format!("metrics.`{name}`") }
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

/// The list of runs with another order or start, and the same filter.
pub(super) fn href(view: &RunList, order_by: &str, offset: u64) -> String {
    let mut parts = Vec::new();
    for (name, value) in [
        ("filter", view.filter.as_str()),
        ("experiment", view.experiment.as_deref().unwrap_or_default()),
        ("order_by", order_by),
    ] {
        if !value.is_empty() {
            parts.push(format!("{name}={}", segment(value)));
        }
    }
    if offset > 0 {
        parts.push(format!("offset={offset}"));
    }
    if parts.is_empty() { "/runs".to_owned() } else { format!("/runs?{}", parts.join("&")) }
}

/// A chart for each metric with a history; training and validation curves of one name share a chart.
pub(super) fn charts(metrics: &[MetricSeries]) -> Vec<(String, Markup)> {
    let mut charts: Vec<(String, Vec<&MetricSeries>)> = Vec::new();
    for metric in metrics.iter().filter(|metric| metric.points.len() > 1) {
        let stem = stem(&metric.key);
        match charts.iter_mut().find(|(name, series)| *name == stem && series.len() < 4) {
            Some((_, series)) => series.push(metric),
            None => charts.push((stem, vec![metric])),
        }
    }
    charts
        .into_iter()
        .map(|(stem, group)| {
            let name = if let [only] = group.as_slice() { only.key.clone() } else { stem };
            let drawn = history(&name, &group);
            (name, Safe(drawn))
        })
        .collect()
}

/// `train_loss`, `val_loss` and `validation-loss` are all about `loss`.
fn stem(key: &str) -> String {
    for prefix in ["train", "training", "val", "valid", "validation", "test", "eval", "holdout"] {
        if let Some(rest) = key.strip_prefix(prefix)
            && let Some(stem) = rest.strip_prefix(['_', '-', '.', '/'])
            && !stem.is_empty()
        {
            return stem.to_owned();
        }
    }
    key.to_owned()
}

fn history(name: &str, group: &[&MetricSeries]) -> String {
    let classes = ["a", "b", "c", "d"];
    let longest = group.iter().copied().max_by_key(|metric| metric.points.len());
    let title = |place: usize| {
        let Some(at) = longest.and_then(|metric| metric.points.get(place)) else { return String::new() };
        let values: Vec<String> = group
            .iter()
            .filter_map(|metric| {
                let point = metric.points.iter().find(|point| point.step == at.step)?;
                Some(format!("{} {}", metric.key, number(point.value)))
            })
            .collect();
        format!("step {}: {}", at.step, values.join(", "))
    };
    lines(&Chart {
        label: &format!("{name} by step"),
        series: group
            .iter()
            .zip(classes)
            .map(|(metric, class)| Series {
                name: &metric.key,
                class,
                points: metric.points.iter().map(|point| (point.step as f64, point.value)).collect(),
                dots: metric.points.len() <= 12,
                alarms: Vec::new(),
            })
            .collect(),
        axis: Axis::Number,
        format: plain,
        include: Vec::new(),
        threshold: None,
        title: &title,
    })
}

/// The model's first metric over its versions, where at least two have it.
pub(super) fn by_version(view: &ModelDetail, metric: &str) -> Option<Markup> {
    let mut versions: Vec<_> =
        view.model.versions.iter().filter(|one| one.metrics.contains_key(metric)).collect();
    versions.sort_by_key(|version| version.version);
    if versions.len() < 2 {
        return None;
    }
    let value = |place: usize| versions[place].metrics.get(metric).copied().unwrap_or(f64::NAN);
    let title = |place: usize| {
        versions.get(place).map_or_else(String::new, |one| {
            let gate = if one.gate.is_empty() { String::new() } else { format!(", gate {}", one.gate) };
            format!("version {}: {metric} {}{gate}", one.version, number(value(place)))
        })
    };
    let alarms =
        versions.iter().enumerate().filter(|(_, one)| one.gate == "failed").map(|(place, _)| place).collect();
    Some(Safe(lines(&Chart {
        label: &format!("{metric} by version"),
        series: vec![Series {
            name: metric,
            class: "a",
            points: (0..versions.len()).map(|place| (place as f64, value(place))).collect(),
            dots: true,
            alarms,
        }],
        axis: Axis::Slots(versions.iter().map(|one| format!("v{}", one.version)).collect()),
        format: plain,
        include: Vec::new(),
        threshold: None,
        title: &title,
    })))
}

/// The metrics that the table of versions shows: the model's first one, then the commonest, five at most.
pub(super) fn version_metrics(view: &ModelDetail, first: &str) -> Vec<String> {
    let mut names: Vec<(String, usize)> = Vec::new();
    for version in &view.model.versions {
        for name in version.metrics.keys() {
            match names.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += 1,
                None => names.push((name.clone(), 1)),
            }
        }
    }
    names.sort_by_key(|(name, count)| (name != first, usize::MAX - count));
    names.into_iter().map(|(name, _)| name).take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(order_by: &str) -> RunList {
        RunList {
            runs: Vec::new(),
            metrics: vec!["roc_auc".to_owned(), "a b".to_owned()],
            params: Vec::new(),
            experiments: Vec::new(),
            experiment: Some("0".to_owned()),
            filter: "metrics.x > 1".to_owned(),
            order_by: order_by.to_owned(),
            error: None,
            offset: 0,
            next_offset: None,
        }
    }

    #[test]
    fn a_head_sorts_and_then_turns_the_order_round() {
        let view = list("metrics.roc_auc DESC");
        let heads = heads(&view, &view.metrics);
        assert_eq!(heads[1].sorted, Some("descending"));
        assert_eq!(
            heads[1].href,
            "/runs?filter=metrics.x%20%3E%201&experiment=0&order_by=metrics.roc_auc%20ASC"
        );
        assert_eq!((heads[0].sorted, heads[2].sorted), (None, None));
        assert!(heads[2].href.ends_with("order_by=metrics.%60a%20b%60%20DESC"));
    }

    #[test]
    fn newest_first_is_the_order_without_one() {
        let view = list("");
        assert_eq!(heads(&view, &view.metrics)[0].sorted, Some("descending"));
        assert_eq!(order("metrics.é desc"), ("metrics.é".to_owned(), false));
        assert_eq!(order("é"), ("é".to_owned(), true));
    }

    #[test]
    fn curves_of_one_name_share_a_chart() {
        assert_eq!(stem("train_loss"), "loss");
        assert_eq!(stem("validation-loss"), "loss");
        assert_eq!(stem("training"), "training");
        assert_eq!(stem("test_"), "test_");
    }
}
