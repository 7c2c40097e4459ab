//! Labelled live rows for stage `prepare`: each prediction once, some to train on and some to hold out.
//!
//! The windows of two verdicts may overlap, so a row can stand in several files. Where it goes depends on its features
//! and the seed alone: no row that a model trained on is ever among those that judge it, whichever file brings it again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use lemnis_table::{Column, Kind, Table};

use super::PrepareParams;
use super::prepare::unit;
use crate::frame::read_table;
use crate::{Context, Error};

/// A target of numbers with so few values names classes.
const CLASSES_OF_NUMBERS: usize = 2;

/// The parts of the labelled live rows.
pub(super) struct Feedback {
    pub(super) train: Table,
    pub(super) holdout: Table,
}

/// Reads the files in `dir` in the columns and types of the cleaned data `like`.
///
/// Rows whose label is missing, or means nothing beside the labels of `like`, are left out.
pub(super) fn read(dir: &Path, like: &Table, params: &PrepareParams) -> Result<Feedback, Error> {
    let nothing = like.take(&[]).context("joining feedback")?;
    let (mut train, mut holdout) = (vec![nothing.clone()], vec![nothing]);
    let known = Target::of(like, &params.target)?;
    let mut kept: HashMap<String, usize> = HashMap::new();
    for file in files(dir)? {
        let rows = read_table(&file)?;
        for name in like.names() {
            if !rows.has(name) {
                return Err(Error::invalid(format!("{} has no column {name:?}", file.display())));
            }
        }
        let labels = rows.texts(&params.target).context("joining feedback")?;
        let meant: Vec<usize> = (0..rows.rows()).filter(|row| known.takes(labels[*row].as_deref())).collect();
        if meant.len() < rows.rows() {
            let left_out = rows.rows() - meant.len();
            tracing::warn!(file = %file.display(), left_out, "rows whose label means nothing are left out");
        }
        let rows = rows.take(&meant).context("joining feedback")?;
        let contents = contents(&rows, like, &params.target)?;

        // A row that stands twice in one file was predicted twice; one that stands in two files was collected twice.
        let mut here: HashMap<&str, usize> = HashMap::new();
        let (mut more_train, mut more_holdout) = (Vec::new(), Vec::new());
        for (row, content) in contents.iter().enumerate() {
            let times = here.entry(content.whole.as_str()).or_default();
            *times += 1;
            let before = kept.get(&content.whole).copied().unwrap_or_default();
            if *times <= before {
                continue;
            }
            let held = unit(params.seed ^ 0x5eed, content.features) < params.feedback_holdout_share;
            if held { more_holdout.push(row) } else { more_train.push(row) }
        }
        for (content, times) in here {
            let before = kept.entry(content.to_owned()).or_default();
            *before = times.max(*before);
        }
        let rows = conform(&rows, like, &known, &params.target)?;
        train.push(rows.take(&more_train).context("splitting")?);
        holdout.push(rows.take(&more_holdout).context("splitting")?);
    }
    Ok(Feedback {
        train: Table::concat(&train).context("joining feedback")?,
        holdout: Table::concat(&holdout).context("joining feedback")?,
    })
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::file(dir, "read"))? {
        let path = entry.map_err(Error::file(dir, "read"))?.path();
        if path.extension().is_some_and(|extension| extension == "csv" || extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the target of the cleaned data says about labels.
enum Target {
    /// One of these names.
    Classes(HashSet<String>),
    /// True or false.
    Bool,
    /// Whole numbers; only these where they are few enough to be classes.
    Whole(Option<HashSet<i64>>),
    /// Any finite number.
    Number,
}

impl Target {
    fn of(like: &Table, target: &str) -> Result<Self, Error> {
        Ok(match like.column(target).context("reading the target")? {
            Column::Bool(_) => Target::Bool,
            Column::Float(_) => Target::Number,
            Column::Int(values) => {
                let distinct: HashSet<i64> = values.into_iter().flatten().collect();
                Target::Whole((distinct.len() <= CLASSES_OF_NUMBERS).then_some(distinct))
            }
            _ => {
                let texts = like.texts(target).context("reading the target")?;
                Target::Classes(texts.into_iter().flatten().collect())
            }
        })
    }

    fn takes(&self, label: Option<&str>) -> bool {
        let Some(label) = label else { return false };
        match self {
            Target::Classes(known) => known.contains(label),
            Target::Bool => truth(label).is_some(),
            Target::Whole(known) => {
                whole(label).is_some_and(|value| known.as_ref().is_none_or(|known| known.contains(&value)))
            }
            Target::Number => number(label).is_some(),
        }
    }

    fn column(&self, labels: Vec<Option<String>>) -> Column {
        let read = labels.iter().map(|label| label.as_deref());
        match self {
            Target::Classes(_) => Column::Text(labels),
            Target::Bool => Column::Bool(read.map(|label| label.and_then(truth)).collect()),
            Target::Whole(_) => Column::Int(read.map(|label| label.and_then(whole)).collect()),
            Target::Number => Column::Float(read.map(|label| label.and_then(number)).collect()),
        }
    }
}

fn number(label: &str) -> Option<f64> {
    label.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

fn whole(label: &str) -> Option<i64> {
    number(label).map(|value| value.round() as i64)
}

fn truth(label: &str) -> Option<bool> {
    match label.trim() {
        "true" | "True" | "1" => Some(true),
        "false" | "False" | "0" => Some(false),
        _ => None,
    }
}

/// What a row says, before gaps are filled: files fill them differently.
struct Content {
    /// Names the whole row.
    whole: String,
    /// A number made of its features.
    features: u64,
}

fn contents(rows: &Table, like: &Table, target: &str) -> Result<Vec<Content>, Error> {
    let mut texts = vec![String::new(); rows.rows()];
    for name in like.names().into_iter().filter(|name| *name != target) {
        let add = |text: &mut String, part: Option<&str>| {
            // The length stands before the value, so that no two rows make the same text.
            match part {
                Some(part) => text.push_str(&format!("{}:{part}", part.len())),
                None => text.push('-'),
            }
        };
        if like.kind(name).context("joining feedback")? == Kind::Text {
            for (text, part) in texts.iter_mut().zip(rows.texts(name).context("joining feedback")?) {
                add(text, part.as_deref());
            }
        } else {
            for (text, value) in texts.iter_mut().zip(rows.floats(name).context("joining feedback")?) {
                let part = value.is_finite().then(|| value.to_string());
                add(text, part.as_deref());
            }
        }
    }
    let labels = rows.texts(target).context("joining feedback")?;
    let made = texts.into_iter().zip(labels).map(|(text, label)| {
        let features = Digest::sha256(text.as_bytes());
        let start = features.hex().get(..16).unwrap_or_default();
        let features = u64::from_str_radix(start, 16).unwrap_or_default();
        let label = label.unwrap_or_default();
        // 1 and 1.0 are one label: a gap elsewhere in the file's column changes how it is written.
        let label = number(&label).map_or(label, |value| value.to_string());
        Content { whole: format!("{text}={label}"), features }
    });
    Ok(made.collect())
}

/// The labelled rows with the columns and types of the cleaned data.
fn conform(rows: &Table, like: &Table, known: &Target, target: &str) -> Result<Table, Error> {
    let mut columns = Vec::new();
    for name in like.names() {
        let column = match like.kind(name).context("joining feedback")? {
            _ if name == target => known.column(rows.texts(name).context("joining feedback")?),
            Kind::Text => Column::Text(rows.texts(name).context("joining feedback")?),
            Kind::Float => {
                let values = rows.floats(name).context("joining feedback")?;
                Column::Float(values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect())
            }
            _ => match rows.column(name).context("joining feedback")? {
                Column::Int(values) if values.iter().all(Option::is_some) => Column::Int(values),
                _ => Column::Int(
                    // A gap in a whole-number column arrives only in live traffic; the nearest whole value that the
                    // column's type can hold is its median, so that the column keeps its type.
                    fill_gaps(&rows.floats(name).context("joining feedback")?),
                ),
            },
        };
        columns.push((name.to_owned(), column));
    }
    Table::from_columns(columns).context("joining feedback")
}

fn fill_gaps(values: &[f64]) -> Vec<Option<i64>> {
    let mut present: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    present.sort_by(f64::total_cmp);
    let median = present.get(present.len() / 2).copied().unwrap_or(0.0);
    values.iter().map(|value| Some(if value.is_finite() { value.round() } else { median } as i64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> PrepareParams {
        serde_json::from_value(serde_json::json!({ "target": "y" })).unwrap()
    }

    fn like(target: Column) -> Table {
        let x = Column::Int((0..target.len() as i64).map(Some).collect());
        Table::from_columns(vec![("x".to_owned(), x), ("y".to_owned(), target)]).unwrap()
    }

    fn parts(files: &[(&str, String)], like: &Table) -> (Vec<f64>, Vec<f64>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let read = read(dir.path(), like, &params()).unwrap();
        (read.train.floats("x").unwrap(), read.holdout.floats("x").unwrap())
    }

    fn rows(numbers: impl Iterator<Item = u32>) -> String {
        numbers.fold("x,y\n".to_owned(), |text, x| format!("{text}{x},{}\n", ["no", "yes"][x as usize % 2]))
    }

    fn classes() -> Table {
        like(Column::Text(vec![Some("no".to_owned()), Some("yes".to_owned())]))
    }

    #[test]
    fn a_row_in_two_files_counts_once_and_never_stands_on_both_sides() {
        let overlapping = [("a.csv", rows(100..200)), ("b.csv", rows(150..250))];
        let (train, holdout) = parts(&overlapping, &classes());
        assert_eq!(train.len() + holdout.len(), 150);
        assert!(train.iter().all(|x| !holdout.contains(x)));
        assert!(train.len() > 45 && holdout.len() > 45, "{} and {}", train.len(), holdout.len());
        // Another order of the same rows moves none of them.
        let (again, _) = parts(&[("a.csv", rows((100..250).rev()))], &classes());
        let sorted = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values
        };
        assert_eq!(sorted(train), sorted(again));
    }

    #[test]
    fn rows_that_are_equal_within_one_file_are_all_kept() {
        let text = "x,y\n7,yes\n7,yes\n8,no\n".to_owned();
        let (train, holdout) = parts(&[("a.csv", text.clone()), ("b.csv", text)], &classes());
        assert_eq!(train.len() + holdout.len(), 3);
    }

    #[test]
    fn a_label_that_means_nothing_costs_its_row_alone() {
        let text = "x,y\n1,yes\n2,maybe\n3,no\n4,\n".to_owned();
        let (train, holdout) = parts(&[("a.csv", text)], &classes());
        assert_eq!(train.len() + holdout.len(), 2);
        let numbers = like(Column::Float(vec![Some(0.5), Some(1.5)]));
        let (train, holdout) = parts(&[("a.csv", "x,y\n1,2.5\n2,abc\n3,\n".to_owned())], &numbers);
        assert_eq!(train.len() + holdout.len(), 1);
        let flags = like(Column::Int(vec![Some(0), Some(1)]));
        let (train, holdout) = parts(&[("a.csv", "x,y\n1,1\n2,2\n3,\n".to_owned())], &flags);
        assert_eq!(train.len() + holdout.len(), 1);
    }
}
