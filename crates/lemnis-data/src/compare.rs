//! `metrics show`, `metrics diff` and `params diff`: values as tables and as DVC's JSON.

use std::path::Path;

use indexmap::IndexMap;

use crate::error::Result;
use crate::repo::Repo;
use crate::values::{self, FileValues, RevisionScope, Values, WORKSPACE, Wanted};
use crate::yaml::{Key, Map, Value, python_float};
use crate::{datafile, fsx, pyjson};

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
    if repo.has_no_commits()? || are_one_commit(repo, &options.old, &options.new)? {
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

/// Whether two names stand for one commit: there is nothing to compare, as in DVC even where all values are asked for.
fn are_one_commit(repo: &Repo, old: &str, new: &str) -> Result<bool> {
    let workspaces = [old, new].into_iter().filter(|name| *name == WORKSPACE).count();
    match workspaces {
        0 => Ok(old != new && repo.resolve(old)? == repo.resolve(new)?),
        1 => Ok(false),
        // the workspace has nothing but commits to be compared with
        _ => repo.resolve(WORKSPACE).map(|_| false),
    }
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
        let mut keys = IndexMap::new();
        for (name, old, new) in pairs(Held::of(old.files.get(path)), Held::of(new.files.get(path))) {
            if all || !old.same(&new) {
                let difference = subtract(&new, &old);
                keys.insert(name, Delta { old, new, difference });
            }
        }
        if !keys.is_empty() {
            diff.files.insert(path.clone(), keys);
        }
    }
    diff
}

/// What a file holds, for a comparison.
enum Held {
    /// Dotted names → values; lists as Python writes them. Nothing where the file is not there.
    Names(IndexMap<String, Value>),
    /// No mapping.
    One(Value),
}

impl Held {
    fn of(file: Option<&FileValues>) -> Self {
        let Some(FileValues::Data(value)) = file else { return Self::Names(IndexMap::new()) };
        // a text that is JSON counts as what it says, and so does a list as Python writes it
        let said = match spelt(value) {
            Value::Str(text) => datafile::read_json(&text).unwrap_or(Value::Str(text)),
            other => other,
        };
        match said {
            Value::Map(map) => {
                let mut names = IndexMap::new();
                flatten(&map, "", &mut names);
                Self::Names(names)
            }
            other => Self::One(other),
        }
    }

    fn into_names(self) -> IndexMap<String, Value> {
        match self {
            Self::Names(names) => names,
            Self::One(Value::Null) => IndexMap::new(),
            Self::One(value) => IndexMap::from([(String::new(), spelt(&value))]),
        }
    }

    /// What stands under the name; as DVC says it where there are no names.
    fn get(&self, name: &str) -> Value {
        match self {
            Self::Names(names) => names.get(name).cloned().unwrap_or(Value::Null),
            Self::One(value) if values::is_falsy(value) => Value::Null,
            Self::One(_) => Value::from("unable to parse"),
        }
    }
}

/// What there is to compare: name, before, after. A value without names has an empty one, and is compared with another
/// such value alone.
fn pairs(before: Held, after: Held) -> Vec<(String, Value, Value)> {
    let mut names: Vec<String> = Vec::new();
    match (&before, &after) {
        (Held::One(old), Held::One(new)) => {
            let (mut old, mut new) = (old, new);
            while let (Value::Seq(one), Value::Seq(other)) = (old, new)
                && let ([one], [other]) = (one.as_slice(), other.as_slice())
            {
                (old, new) = (one, other);
            }
            return vec![(String::new(), old.clone(), new.clone())];
        }
        (Held::Names(old), Held::Names(new)) => {
            names.extend(old.keys().cloned());
            names.extend(new.keys().filter(|name| !old.contains_key(*name)).cloned());
        }
        (Held::Names(known), _) | (_, Held::Names(known)) => names.extend(known.keys().cloned()),
    }
    names.sort();
    let pair = |name: String| (before.get(&name), after.get(&name), name);
    names.into_iter().map(pair).map(|(old, new, name)| (name, old, new)).collect()
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
                let cells = Held::of(Some(file)).into_names();
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

    /// File, name, before, after and difference of each value, by name inside a file.
    pub(crate) fn entries(&self) -> Vec<(&str, &str, &Value, &Value, Option<&Value>)> {
        let mut out = Vec::new();
        for (path, keys) in &self.files {
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            let entry = |(key, delta)| {
                let (key, Delta { old, new, difference }): (&String, &Delta) = (key, delta);
                (path.as_str(), key.as_str(), old, new, difference.as_ref())
            };
            out.extend(keys.into_iter().map(entry));
        }
        out
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
        for (path, key, old, new, change) in self.entries() {
            let mut row = Vec::new();
            row.extend((!no_path).then(|| path.to_owned()));
            row.push(key.to_owned());
            row.extend([cell(old, precision), cell(new, precision)]);
            row.extend(changes.then(|| cell(change.unwrap_or(&Value::Null), precision)));
            table.rows.push(row);
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
    fn a_value_without_names_is_compared_with_another_alone() {
        let says = |old: &str, new: &str| difference(&values(old), &values(new), false).json();
        assert_eq!(says("[1]", "[3]"), r#"{"f": {"": {"old": 1, "new": 3, "diff": 2}}}"#);
        assert_eq!(says("word", "'2'"), r#"{"f": {"": {"old": "word", "new": 2}}}"#);
        assert_eq!(says("a: 1", "5"), r#"{"f": {"a": {"old": 1, "new": "unable to parse"}}}"#);
        assert_eq!(says("a: 1", "0"), r#"{"f": {"a": {"old": 1, "new": null}}}"#);
        assert_eq!(difference(&Values::default(), &values("5"), true).json(), "{}");
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
