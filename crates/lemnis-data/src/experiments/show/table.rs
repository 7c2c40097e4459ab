//! The table of `exp show`: one row a state, one column a metric, a parameter and a dependency, with DVC's names and
//! order of columns.

use std::cmp::Ordering;

use indexmap::{IndexMap, IndexSet};
use regex::Regex;

use super::{Data, ExperimentTable, State, rounded};
use crate::compare::ValueTable;
use crate::error::{Error, Result};
use crate::values::{FileValues, Values};
use crate::yaml::{Map, Value};

/// The columns that come before those of metrics.
const HEAD: [&str; 7] = ["Experiment", "rev", "typ", "Created", "parent", "State", "Executor"];
/// What stands where a file could not be read.
const FAILED: &str = "!";

/// For whom the table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// For programs: names and commits in columns of their own, whole timestamps, and floats rounded on demand.
    Csv {
        /// Significant digits.
        precision: Option<usize>,
    },
    /// For people: a tree of experiments, times of this day and dates, floats of five significant digits.
    Tree {
        /// The present day, as in `2024-01-31`.
        today: String,
    },
}

/// Which rows and columns in which order.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// For whom.
    pub style: Style,
    /// The metric or parameter that orders the experiments of a commit: `NAME` or `FILE:NAME`.
    pub sort_by: Option<String>,
    /// The greatest first.
    pub descending: bool,
    /// Leave out columns in which all values are equal.
    pub only_changed: bool,
    /// Leave out columns whose names start with what one of these regular expressions matches.
    pub drop: Vec<String>,
    /// Keep such columns in any case.
    pub keep: Vec<String>,
}

/// File → names of values.
type Names = IndexMap<String, IndexSet<String>>;
/// One of the two sets of values of a state.
type Pick = fn(&Data) -> &Values;

struct Column {
    name: String,
    cells: Vec<String>,
    kept: bool,
}

impl ExperimentTable {
    /// The table as DVC has it.
    pub fn table(&self, options: &TableOptions) -> Result<ValueTable> {
        let (metrics, params) = (self.names(|data| &data.metrics), self.names(|data| &data.params));
        let mut count: IndexMap<&str, usize> = HEAD.iter().map(|name| (*name, 1)).collect();
        for name in metrics.values().chain(params.values()).flatten() {
            *count.entry(name).or_default() += 1;
        }
        let header = |file: &str, name: &str| match count.get(name) {
            Some(1) => name.to_owned(),
            _ => format!("{file}:{name}"),
        };
        let fill = match options.style {
            Style::Csv { .. } => "",
            Style::Tree { .. } => "-",
        };
        let of_files = [&metrics, &params].into_iter().flatten();
        let of_files = of_files.flat_map(|(file, names)| names.iter().map(|name| header(file, name)));
        let mut names: IndexSet<String> =
            HEAD.iter().map(|name| (*name).to_owned()).chain(of_files).collect();
        names.extend(self.deps());
        let mut columns: Vec<Column> =
            names.into_iter().map(|name| Column { name, cells: Vec::new(), kept: false }).collect();
        for (typ, state) in self.ordered(options, &metrics, &params)? {
            let mut cells = head(typ, state, &options.style, fill);
            if let Some(data) = &state.data {
                for (names, pick) in
                    [(&metrics, (|data| &data.metrics) as Pick), (&params, |data| &data.params)]
                {
                    for (file, values) in &pick(data).files {
                        let found = flat(values);
                        for name in names.get(file).into_iter().flatten() {
                            cells.insert(header(file, name), cell(values, found.get(name), options, fill));
                        }
                    }
                }
                for (path, dep) in &data.deps {
                    let hash = match dep {
                        Value::Map(dep) => dep.get("hash"),
                        _ => None,
                    };
                    if let Some(Value::Str(hash)) = hash {
                        cells.insert(path.text.clone(), hash.clone());
                    }
                }
            }
            for column in &mut columns {
                let cell = cells.swap_remove(&column.name);
                column.cells.push(cell.unwrap_or_else(|| fill.to_owned()));
            }
        }
        narrow(&mut columns, options, fill)?;
        let rows = columns.first().map_or(0, |column| column.cells.len());
        Ok(ValueTable {
            rows: (0..rows)
                .map(|at| columns.iter().map(|column| column.cells[at].clone()).collect())
                .collect(),
            headings: columns.into_iter().map(|column| column.name).collect(),
        })
    }

    fn states(&self) -> impl Iterator<Item = &State> {
        self.rows.iter().flat_map(|row| std::iter::once(&row.state).chain(&row.experiments))
    }

    fn names(&self, pick: Pick) -> Names {
        let mut names = Names::new();
        for data in self.states().filter_map(|state| state.data.as_ref()) {
            for (file, values) in &pick(data).files {
                names.entry(file.clone()).or_default().extend(flat(values).into_keys());
            }
        }
        names
    }

    fn deps(&self) -> Vec<String> {
        let states = self.states().filter_map(|state| state.data.as_ref());
        let mut deps: Vec<String> =
            states.flat_map(|data| data.deps.keys().map(|key| key.text.clone())).collect();
        deps.sort();
        deps.dedup();
        deps
    }

    /// The rows with DVC's word for their place in the tree.
    fn ordered(
        &self,
        options: &TableOptions,
        metrics: &Names,
        params: &Names,
    ) -> Result<Vec<(&'static str, &State)>> {
        let mut out = Vec::new();
        for row in &self.rows {
            out.push(("baseline", &row.state));
            let mut own: Vec<&State> = row.experiments.iter().collect();
            if let Some(by) = options.sort_by.as_deref().filter(|_| !own.is_empty()) {
                let (file, name, pick) = sort_column(by, metrics, params)?;
                sort(&mut own, options.descending, |state| {
                    let values = state.data.as_ref().and_then(|data| pick(data).files.get(file))?;
                    flat(values).swap_remove(name).filter(|value| !matches!(value, Value::Null))
                })?;
            }
            let last = own.len().saturating_sub(1);
            let typ = |at| if at == last { "branch_base" } else { "branch_commit" };
            out.extend(own.into_iter().enumerate().map(|(at, state)| (typ(at), state)));
        }
        Ok(out)
    }
}

/// Dotted names → values; lists stay lists.
fn flat(values: &FileValues) -> IndexMap<String, Value> {
    fn collect(map: &Map, prefix: &str, out: &mut IndexMap<String, Value>) {
        for (key, value) in map {
            let name = format!("{prefix}{}", key.text);
            match value {
                Value::Map(inner) => collect(inner, &format!("{name}."), out),
                other => drop(out.insert(name, other.clone())),
            }
        }
    }
    let mut out = IndexMap::new();
    if let FileValues::Data(Value::Map(map)) = values {
        collect(map, "", &mut out);
    }
    out
}

fn cell(values: &FileValues, value: Option<&Value>, options: &TableOptions, fill: &str) -> String {
    let digits = match options.style {
        Style::Csv { precision } => precision,
        Style::Tree { .. } => Some(5),
    };
    match (value, values) {
        (Some(Value::Null) | None, FileValues::Failed { .. }) => FAILED.into(),
        (Some(Value::Null) | None, _) => fill.into(),
        (Some(value), _) => rounded(value, digits),
    }
}

fn head(typ: &str, state: &State, style: &Style, fill: &str) -> IndexMap<String, String> {
    let name = state.name.clone().unwrap_or_default();
    let timestamp = state.data.as_ref().and_then(|data| data.timestamp.as_deref());
    let created = match (timestamp, style) {
        (None, _) => fill.to_owned(),
        (Some(time), Style::Csv { .. }) => time.to_owned(),
        (Some(time), Style::Tree { today }) => for_people(time, today),
    };
    let (experiment, rev) = match (style, typ) {
        (Style::Csv { .. }, "baseline") if name.is_empty() => (String::new(), state.short().to_owned()),
        (Style::Csv { .. }, "baseline") => (String::new(), name),
        (Style::Csv { .. }, _) => (name, state.short().to_owned()),
        (_, "baseline") if name.is_empty() => (state.short().to_owned(), String::new()),
        (_, "baseline") => (name, String::new()),
        (_, typ) => {
            let branch = if typ == "branch_base" { "└──" } else { "├──" };
            (format!("{branch} {} [{name}]", state.short()), String::new())
        }
    };
    let mut cells = vec![experiment, rev, typ.to_owned(), created, String::new()];
    if let Some(executor) = &state.executor {
        cells.push(executor.state.to_string());
        cells.extend(executor.name().map(|_| "Dvc-task".to_owned()));
    }
    HEAD.iter().map(|name| (*name).to_owned()).zip(cells).collect()
}

/// `2024-01-31T19:36:00` as `07:36 PM` on that day and as `Jan 31, 2024` later.
fn for_people(time: &str, today: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<usize> =
        time.split(['-', 'T', ':']).map(|part| part.parse().unwrap_or_default()).collect();
    let [year, month, day, hour, minute, _] = parts[..] else { return time.to_owned() };
    if time.starts_with(today) {
        let half = if hour < 12 { "AM" } else { "PM" };
        return format!("{:02}:{minute:02} {half}", (hour + 11) % 12 + 1);
    }
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("?");
    format!("{month} {day:02}, {year}")
}

/// Takes columns away that are empty by nature, do not change, or are not wanted.
fn narrow(columns: &mut Vec<Column>, options: &TableOptions, fill: &str) -> Result<()> {
    if !options.keep.is_empty() {
        let keep = starts_with(&options.keep)?;
        columns.iter_mut().for_each(|column| column.kept = keep.is_match(&column.name));
    }
    let is_tree = matches!(options.style, Style::Tree { .. });
    columns.retain(|column| {
        let unused = match column.name.as_str() {
            "State" | "Executor" => column.cells.iter().all(|cell| cell == fill),
            "rev" | "typ" | "parent" => is_tree,
            _ => false,
        };
        column.kept || !unused
    });
    if options.only_changed {
        let varies = |cells: &[String]| cells.is_empty() || cells.iter().any(|cell| *cell != cells[0]);
        columns.retain(|column| column.kept || varies(&column.cells));
    }
    if !options.drop.is_empty() {
        let drop = starts_with(&options.drop)?;
        columns.retain(|column| column.kept || !drop.is_match(&column.name));
    }
    Ok(())
}

fn starts_with(patterns: &[String]) -> Result<Regex> {
    let pattern = format!("^(?:{})", patterns.join("|"));
    Regex::new(&pattern).map_err(|error| {
        let what = format!("'{}' is not a regular expression: {error}", patterns.join("|"));
        Error::hinted(what, "write a pattern such as 'train\\..*'")
    })
}

/// The column that `FILE:NAME` or `NAME` means.
fn sort_column<'n>(by: &str, metrics: &'n Names, params: &'n Names) -> Result<(&'n str, &'n str, Pick)> {
    let sets = [(metrics, (|data| &data.metrics) as Pick), (params, |data| &data.params)];
    let mut found: Vec<(&str, &str, Pick)> = Vec::new();
    for (at, _) in by.match_indices(':') {
        for (names, pick) in sets {
            if let Some((file, names)) = names.get_key_value(&by[..at])
                && let Some(name) = names.get(&by[at + 1..])
            {
                found.push((file, name, pick));
            }
        }
    }
    let name = by.strip_prefix(':').unwrap_or(by);
    for (names, pick) in sets.into_iter().filter(|_| found.is_empty()).collect::<Vec<_>>() {
        for (file, names) in names {
            found.extend(names.get(name).map(|name| (file.as_str(), name.as_str(), pick)));
        }
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(Error::hinted(
            format!("no metric or parameter is called '{by}'"),
            "give the name of one of the columns",
        )),
        _ => {
            let several: Vec<String> = found.iter().map(|(file, name, _)| format!("{file}:{name}")).collect();
            Err(Error::hinted(
                format!("'{by}' may be {}", several.join(" or ")),
                "give the file before the name, as in FILE:NAME",
            ))
        }
    }
}

/// What lacks the value comes last, first where the greatest comes first.
fn sort(states: &mut [&State], descending: bool, key: impl Fn(&State) -> Option<Value>) -> Result<()> {
    let mut failed = None;
    states.sort_by(|a, b| {
        let (a, b) = if descending { (key(b), key(a)) } else { (key(a), key(b)) };
        match (a, b) {
            (Some(a), Some(b)) => compare(&a, &b).unwrap_or_else(|| {
                failed = Some((a.type_name(), b.type_name()));
                Ordering::Equal
            }),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    });
    match failed {
        Some((one, other)) => Err(Error::invalid(format!("a {one} and a {other} cannot be put in order"))),
        None => Ok(()),
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    let number = |value: &Value| match value {
        Value::Float(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    };
    match (a, b) {
        (Value::Str(a) | Value::Date(a), Value::Str(b) | Value::Date(b)) => Some(a.cmp(b)),
        (Value::Seq(a), Value::Seq(b)) => {
            for (a, b) in a.iter().zip(b) {
                match compare(a, b)? {
                    Ordering::Equal => {}
                    other => return Some(other),
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        // what is no number stays where it is
        _ => Some(number(a)?.partial_cmp(&number(b)?).unwrap_or(Ordering::Equal)),
    }
}
