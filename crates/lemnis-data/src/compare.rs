//! `metrics show`, `metrics diff` and `params diff`: values as tables and as DVC's JSON.

use std::path::Path;

use indexmap::IndexMap;

use crate::error::Result;
use crate::fsx;
use crate::pyjson;
use crate::repo::Repo;
use crate::values::{self, FileValues, RevisionScope, Values, Wanted};
use crate::yaml::{Key, Map, Value, python_float};

/// Metrics by revision and file.
#[derive(Clone, Debug)]
pub struct Metrics {
    revisions: IndexMap<String, Values>,
}

/// How values differ: file → key → before and after.
#[derive(Clone, Debug, Default)]
pub struct ValuesDiff {
    files: IndexMap<String, IndexMap<String, Delta>>,
    /// Revisions of which files could not be read.
    pub failed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Delta {
    old: Value,
    new: Value,
    difference: Option<Value>,
}

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct CompareOptions {
    /// The older revision.
    pub old: String,
    /// The newer revision, or `workspace`.
    pub new: String,
    /// Only these files.
    pub targets: Vec<String>,
    /// Values that did not change as well.
    pub all: bool,
    /// Only parameters that stages depend on.
    pub deps_only: bool,
}

/// A heading and rows of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueTable {
    /// Column names.
    pub headings: Vec<String>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

/// The metrics of the workspace and of the revisions in `scope`.
pub fn metrics_show(repo: &Repo, targets: &[String], scope: RevisionScope) -> Result<Metrics> {
    let wanted = Wanted { targets: values::target_paths(repo, targets)?, stages_only: false };
    let mut revisions =
        values::by_revision(repo, scope, |repo, index| values::metrics(repo, index, &wanted))?;
    for values in revisions.values_mut() {
        let files = std::mem::take(&mut values.files);
        values.files = files.into_iter().map(|(path, file)| (seen_from_here(repo, &path), file)).collect();
    }
    Ok(Metrics { revisions })
}

/// How metrics changed.
pub fn metrics_diff(repo: &Repo, options: &CompareOptions) -> Result<ValuesDiff> {
    compare(repo, options, values::metrics)
}

/// How parameters changed.
pub fn params_diff(repo: &Repo, options: &CompareOptions) -> Result<ValuesDiff> {
    compare(repo, options, values::params)
}

fn compare(
    repo: &Repo,
    options: &CompareOptions,
    gather: fn(&Repo, &crate::index::Index, &Wanted) -> Result<Values>,
) -> Result<ValuesDiff> {
    if repo.git_root().is_none() || repo.has_no_commits()? {
        return Ok(ValuesDiff::default());
    }
    let targets = values::target_paths(repo, &options.targets)?;
    let wanted = Wanted { targets, stages_only: options.deps_only };
    let old = values::at(repo, &options.old, |repo, index| gather(repo, index, &wanted))?;
    let new = values::at(repo, &options.new, |repo, index| gather(repo, index, &wanted))?;
    let mut diff = difference(&old, &new, options.all);
    let files = std::mem::take(&mut diff.files);
    diff.files = files.into_iter().map(|(path, keys)| (seen_from_here(repo, &path), keys)).collect();
    for (name, values) in [(&options.old, &old), (&options.new, &new)] {
        if values.has_failures() {
            diff.failed.push(name.clone());
        }
    }
    Ok(diff)
}

fn seen_from_here(repo: &Repo, path: &str) -> String {
    fsx::relative(&fsx::normalize(repo.root(), Path::new(path)), repo.cwd())
}

/// How `new` differs from `old`.
pub(crate) fn difference(old: &Values, new: &Values, all: bool) -> ValuesDiff {
    let mut diff = ValuesDiff::default();
    let mut paths: Vec<&String> = old.files.keys().collect();
    paths.extend(new.files.keys().filter(|path| !old.files.contains_key(*path)));
    for path in paths {
        let (before, after) = (flat(old.files.get(path)), flat(new.files.get(path)));
        let mut names: Vec<&String> = before.keys().collect();
        names.extend(after.keys().filter(|name| !before.contains_key(*name)));
        names.sort();
        let mut keys = IndexMap::new();
        for name in names {
            let value = |side: &IndexMap<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
            let (old, new) = (value(&before), value(&after));
            if all || !old.same(&new) {
                let difference = subtract(&new, &old);
                keys.insert(name.clone(), Delta { old, new, difference });
            }
        }
        if !keys.is_empty() {
            diff.files.insert(path.clone(), keys);
        }
    }
    diff
}

/// Dotted names → values; lists as Python writes them.
fn flat(file: Option<&FileValues>) -> IndexMap<String, Value> {
    let mut out = IndexMap::new();
    match file {
        Some(FileValues::Data(Value::Map(map))) => flatten(map, "", &mut out),
        Some(FileValues::Data(Value::Null)) | Some(FileValues::Failed { .. }) | None => {}
        Some(FileValues::Data(other)) => drop(out.insert(String::new(), spelt(other))),
    }
    out
}

pub(crate) fn flatten(map: &Map, prefix: &str, out: &mut IndexMap<String, Value>) {
    for (key, value) in map {
        let name = if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
        match value {
            Value::Map(inner) => flatten(inner, &name, out),
            other => drop(out.insert(name, spelt(other))),
        }
    }
}

fn spelt(value: &Value) -> Value {
    match value {
        Value::Seq(_) => Value::Str(python_repr(value)),
        other => other.clone(),
    }
}

fn subtract(a: &Value, b: &Value) -> Option<Value> {
    let whole = |value: &Value| match value {
        Value::Int(number) => Some(*number),
        Value::Bool(truth) => Some(i128::from(*truth)),
        _ => None,
    };
    let number = |value: &Value| match value {
        Value::Float(number) => Some(*number),
        other => whole(other).map(|number| number as f64),
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(Value::Int(a - b)),
        _ => Some(Value::Float(number(a)? - number(b)?)),
    }
}

/// `repr()` of a value.
pub(crate) fn python_repr(value: &Value) -> String {
    match value {
        Value::Str(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut out = String::from(quote);
            for ch in text.chars() {
                match ch {
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    ch if ch == quote => out.extend(['\\', ch]),
                    ch => out.push(ch),
                }
            }
            out.push(quote);
            out
        }
        Value::Seq(items) => {
            let items: Vec<String> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let key =
                |key: &Key| if key.typed { key.text.clone() } else { python_repr(&key.text.as_str().into()) };
            let items: Vec<String> =
                map.iter().map(|(name, value)| format!("{}: {}", key(name), python_repr(value))).collect();
            format!("{{{}}}", items.join(", "))
        }
        other => python_str(other),
    }
}

/// `str()` of a value.
pub(crate) fn python_str(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => "nan".into(),
        Value::Float(number) if number.is_infinite() => if *number > 0.0 { "inf" } else { "-inf" }.into(),
        Value::Float(number) => python_float(*number),
        Value::Str(text) | Value::Date(text) => text.clone(),
        other => python_repr(other),
    }
}

/// A cell: floats rounded to `precision` digits after the point, `-` for nothing.
fn cell(value: &Value, precision: Option<usize>) -> String {
    match (value, precision) {
        (Value::Null, _) => "-".into(),
        (Value::Float(number), Some(digits)) if number.is_finite() => {
            let rounded = format!("{number:.digits$}").parse().unwrap_or(*number);
            python_str(&Value::Float(rounded))
        }
        _ => python_str(value),
    }
}

impl Metrics {
    /// DVC's JSON: revision → `data` → file → `data` or `error`.
    pub fn json(&self) -> String {
        let revision =
            |values: &Values| Value::Map(std::iter::once((Key::from("data"), values.to_value())).collect());
        let all = self.revisions.iter().map(|(name, values)| (Key::from(name.as_str()), revision(values)));
        pyjson::text(&Value::Map(all.collect()))
    }

    /// Revisions of which files could not be read.
    pub fn failed(&self) -> Vec<&str> {
        let failed = self.revisions.iter().filter(|(_, values)| values.has_failures());
        failed.map(|(name, _)| name.as_str()).collect()
    }

    /// One row a revision and file, one column a metric.
    pub fn table(&self, precision: usize, with_revision: bool) -> ValueTable {
        let mut names: Vec<String> = Vec::new();
        let mut found = Vec::new();
        for (revision, values) in &self.revisions {
            for (path, file) in &values.files {
                let cells = flat(Some(file));
                names.extend(cells.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
                found.push((revision, path, cells));
            }
        }
        names.sort();
        let mut table = ValueTable::default();
        table.headings.extend(with_revision.then(|| "Revision".to_owned()));
        table.headings.push("Path".into());
        table.headings.extend(names.iter().cloned());
        for (revision, path, cells) in found {
            let mut row = Vec::new();
            row.extend(with_revision.then(|| revision.clone()));
            row.push(path.clone());
            row.extend(names.iter().map(|name| match cells.get(name) {
                Some(value) => cell(value, Some(precision)),
                None => "-".to_owned(),
            }));
            table.rows.push(row);
        }
        table
    }
}

impl ValuesDiff {
    /// DVC's JSON: file → key → `old`, `new` and, for numbers, `diff`.
    pub fn json(&self) -> String {
        pyjson::text(&self.to_value())
    }

    pub(crate) fn to_value(&self) -> Value {
        let delta = |delta: &Delta| {
            let mut map = Map::new();
            map.insert("old".into(), delta.old.clone());
            map.insert("new".into(), delta.new.clone());
            if let Some(difference) = &delta.difference {
                map.insert("diff".into(), difference.clone());
            }
            Value::Map(map)
        };
        let file = |keys: &IndexMap<String, Delta>| {
            Value::Map(keys.iter().map(|(key, value)| (Key::from(key.as_str()), delta(value))).collect())
        };
        Value::Map(self.files.iter().map(|(path, keys)| (Key::from(path.as_str()), file(keys))).collect())
    }

    /// One row a value. `title` heads the names, `precision` rounds floats, `changes` adds the differences.
    pub fn table(
        &self,
        title: &str,
        revisions: (&str, &str),
        no_path: bool,
        precision: Option<usize>,
        changes: bool,
    ) -> ValueTable {
        let mut table = ValueTable::default();
        table.headings.extend((!no_path).then(|| "Path".to_owned()));
        table.headings.extend([title, revisions.0, revisions.1].map(str::to_owned));
        table.headings.extend(changes.then(|| "Change".to_owned()));
        for (path, keys) in &self.files {
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            for (key, delta) in keys {
                let mut row = Vec::new();
                row.extend((!no_path).then(|| path.clone()));
                row.push(key.clone());
                row.extend([cell(&delta.old, precision), cell(&delta.new, precision)]);
                let change = delta.difference.as_ref().unwrap_or(&Value::Null);
                row.extend(changes.then(|| cell(change, precision)));
                table.rows.push(row);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    fn values(text: &str) -> Values {
        let value = parse(text, "").expect("reads").to_value();
        Values { files: std::iter::once(("f".to_owned(), FileValues::Data(value))).collect() }
    }

    #[test]
    fn differences_are_flat_and_numbers_are_subtracted() {
        let diff =
            difference(&values("a: {b: 1, c: [1, x]}\nt: true"), &values("a: {b: 3, c: [2]}\nn: 1.5"), false);
        assert_eq!(
            diff.json(),
            r#"{"f": {"a.b": {"old": 1, "new": 3, "diff": 2}, "a.c": {"old": "[1, 'x']", "new": "[2]"}, "n": {"old": null, "new": 1.5}, "t": {"old": true, "new": null}}}"#
        );
    }

    #[test]
    fn equal_values_are_left_out_unless_all_are_wanted() {
        let (one, float) = (values("a: 1"), values("a: 1.0"));
        assert_eq!(difference(&one, &float, false).json(), "{}");
        assert_eq!(
            difference(&one, &float, true).json(),
            r#"{"f": {"a": {"old": 1, "new": 1.0, "diff": 0.0}}}"#
        );
    }
}
