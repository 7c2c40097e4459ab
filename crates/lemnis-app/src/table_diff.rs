//! Two versions of a table side by side: columns, rows, and each column in figures.
//!
//! Both are read where they lie, such as in a cache, part by part: memory does not grow with the files.

use std::path::Path;

use lemnis_quality::drift::{DriftReport, DriftSettings, compare};
use lemnis_quality::summary::{ColumnSummary, Summariser, Summary};
use lemnis_table::{ReadLimits, Table};
use serde::Serialize;

use crate::{Context, Error};

/// A version of a table: where its bytes lie, and what the file is called.
#[derive(Clone, Copy, Debug)]
pub struct TableAt<'a> {
    /// Where its bytes lie.
    pub place: &'a Path,
    /// What it is called; the extension tells tabs from commas.
    pub name: &'a Path,
}

/// What differs between two tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableDiff {
    /// Rows before.
    pub rows_old: u64,
    /// Rows after.
    pub rows_new: u64,
    /// Columns that came, with their kinds.
    pub columns_added: Vec<NamedKind>,
    /// Columns that went.
    pub columns_removed: Vec<NamedKind>,
    /// Columns of another kind.
    pub columns_retyped: Vec<Retyped>,
    /// Every column, in the order of the newer table, removed ones last.
    pub columns: Vec<ColumnDiff>,
    /// Whether the distributions drifted, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftReport>,
}

/// A column and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedKind {
    /// Its name.
    pub column: String,
    /// `bool`, `int`, `float`, `text`, `date` or `timestamp`.
    pub kind: String,
}

/// A column whose kind changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retyped {
    /// Its name.
    pub column: String,
    /// Its kind before.
    pub old: String,
    /// Its kind after.
    pub new: String,
}

/// One column on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnDiff {
    /// Its name.
    pub column: String,
    /// Whether any figure differs.
    pub changed: bool,
    /// Before; nothing for a column that came.
    pub old: Option<ColumnSummary>,
    /// After; nothing for a column that went.
    pub new: Option<ColumnSummary>,
}

/// Compares two versions of a table; with `drift` also their distributions, for which both are read into memory.
pub fn diff_tables(old: TableAt<'_>, new: TableAt<'_>, drift: bool) -> Result<TableDiff, Error> {
    let (before, after) = std::thread::scope(|scope| {
        let before = scope.spawn(|| summarise(old));
        let after = summarise(new);
        let panicked = |_| Err(Error::invalid("a table could not be summarised"));
        (before.join().unwrap_or_else(panicked), after)
    });
    let mut diff = of_summaries(&before?, &after?);
    if drift {
        let read = |at: TableAt<'_>| {
            Table::read(at.place, &ReadLimits::default()).context(format!("reading {}", at.name.display()))
        };
        let report = compare(&read(old)?, &read(new)?, None, &DriftSettings::default());
        diff.drift = Some(report.context("comparing the distributions")?);
    }
    Ok(diff)
}

fn summarise(at: TableAt<'_>) -> Result<Summary, Error> {
    let mut summariser = Summariser::default();
    let done =
        lemnis_table::scan::<lemnis_quality::Error>(at.place, at.name, &mut |part| summariser.push(part));
    let what = || format!("reading {}", at.name.display());
    match done {
        Ok(()) => Ok(summariser.finish()),
        // The file's own error says where in it.
        Err(lemnis_quality::Error::Table(error)) => Err(error).context(what()),
        Err(error) => Err(error).context(what()),
    }
}

fn of_summaries(old: &Summary, new: &Summary) -> TableDiff {
    let find = |summary: &Summary, name: &str| {
        summary.columns.iter().find(|column| column.profile.name == name).cloned()
    };
    let named = |column: &ColumnSummary| NamedKind {
        column: column.profile.name.clone(),
        kind: column.profile.kind.clone(),
    };
    let mut diff = TableDiff {
        rows_old: old.rows,
        rows_new: new.rows,
        columns_added: Vec::new(),
        columns_removed: Vec::new(),
        columns_retyped: Vec::new(),
        columns: Vec::new(),
        drift: None,
    };
    for column in &new.columns {
        let name = &column.profile.name;
        let before = find(old, name);
        match &before {
            None => diff.columns_added.push(named(column)),
            Some(before) if before.profile.kind != column.profile.kind => {
                diff.columns_retyped.push(Retyped {
                    column: name.clone(),
                    old: before.profile.kind.clone(),
                    new: column.profile.kind.clone(),
                })
            }
            Some(_) => {}
        }
        let changed = before.as_ref() != Some(column);
        diff.columns.push(ColumnDiff {
            column: name.clone(),
            changed,
            old: before,
            new: Some(column.clone()),
        });
    }
    for column in old.columns.iter().filter(|column| find(new, &column.profile.name).is_none()) {
        diff.columns_removed.push(named(column));
        let name = column.profile.name.clone();
        diff.columns.push(ColumnDiff { column: name, changed: true, old: Some(column.clone()), new: None });
    }
    diff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_rows_and_figures_are_compared() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("object"), dir.path().join("new.csv"));
        std::fs::write(&old, "id,price,gone\n1,2.5,a\n2,3.5,b\n").unwrap();
        std::fs::write(&new, "id,price,came\n1,x,1\n2,y,2\n3,z,3\n").unwrap();
        let name = Path::new("data.csv");
        let diff =
            diff_tables(TableAt { place: &old, name }, TableAt { place: &new, name: &new }, true).unwrap();
        assert_eq!((diff.rows_old, diff.rows_new), (2, 3));
        assert_eq!(diff.columns_added[0].column, "came");
        assert_eq!(diff.columns_removed[0].column, "gone");
        assert_eq!(
            diff.columns_retyped[0],
            Retyped { column: "price".into(), old: "float".into(), new: "text".into() }
        );
        assert!(diff.columns[0].changed && diff.drift.is_some());
        let same = diff_tables(TableAt { place: &old, name }, TableAt { place: &old, name }, false).unwrap();
        assert!(same.columns.iter().all(|column| !column.changed));
    }
}
