//! Files of the log, merged into one table.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lemnis_core::Millis;
use lemnis_table::{Column, Kind, ReadLimits, Table};

use super::OpenFile;
use super::columns::append_missing;
use crate::{Error, Result};

/// By how much a file's time of change may lag behind its newest row.
const CLOCK_SLACK_MS: Millis = 5_000;

pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) changed_ms: Millis,
}

/// The newest `limit` rows in `folder` from `since_ms` on, oldest first. The rows of `open` files are taken as they are
/// there: on the disk those files are older, or not there yet.
pub(super) fn read(folder: &Path, mut open: Vec<OpenFile>, since_ms: Millis, limit: usize) -> Result<Table> {
    let mut kept: Vec<Table> = Vec::new();
    // Moments of the kept rows, newest first: tells when an older file cannot matter any more.
    let mut moments: Vec<i64> = Vec::new();
    let is_open: HashSet<PathBuf> = open.iter().map(|file| file.path.clone()).collect();
    open.sort_by(|a, b| b.path.cmp(&a.path));
    for OpenFile { path, rows } in open {
        let table = fresh(&rows.map_err(broken(&path))?, since_ms).map_err(broken(&path))?;
        moments.extend(times(&table));
        kept.push(table);
    }
    moments.sort_unstable_by(|a, b| b.cmp(a));
    for file in files(folder)? {
        if is_open.contains(&file.path) {
            continue;
        }
        if file.changed_ms.saturating_add(CLOCK_SLACK_MS) < since_ms {
            break;
        }
        let oldest_kept = limit.checked_sub(1).and_then(|place| moments.get(place));
        if limit == 0
            || oldest_kept.is_some_and(|oldest| {
                file.changed_ms.saturating_add(CLOCK_SLACK_MS).saturating_mul(1_000) < *oldest
            })
        {
            break;
        }
        let table = match Table::read(&file.path, &ReadLimits::default()) {
            Ok(table) => table,
            Err(error) => {
                tracing::warn!(%error, path = %file.path.display(), "a file of predictions cannot be read");
                continue;
            }
        };
        let table = fresh(&table, since_ms).map_err(broken(&file.path))?;
        moments.extend(times(&table));
        moments.sort_unstable_by(|a, b| b.cmp(a));
        kept.push(table);
    }
    // Oldest file first, so that rows of the same moment stay in the order in which they were answered.
    kept.reverse();
    let merged = merge(&kept).map_err(broken(folder))?;
    let times = times(&merged);
    let mut order: Vec<usize> = (0..merged.rows()).collect();
    order.sort_by_key(|row| times.get(*row).copied());
    let newest = order.split_off(order.len().saturating_sub(limit));
    merged.take(&newest).map_err(broken(folder))
}

/// The rows from `since_ms` on.
fn fresh(table: &Table, since_ms: Millis) -> Result<Table, lemnis_table::Error> {
    let since_us = since_ms.saturating_mul(1_000);
    let rows = times(table).into_iter().enumerate().filter(|(_, at_us)| *at_us >= since_us);
    let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
    table.take(&rows)
}

/// The Parquet files of a folder, newest first.
pub(super) fn files(folder: &Path) -> Result<Vec<File>> {
    let failed = |source: std::io::Error| Error::Log {
        path: folder.to_owned(),
        action: "read",
        source: Box::new(source),
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let changed = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH);
            files.push(File { changed_ms: millis(changed), path });
        }
    }
    files.sort_by(|a, b| (b.changed_ms, &b.path).cmp(&(a.changed_ms, &a.path)));
    Ok(files)
}

fn millis(moment: SystemTime) -> Millis {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

fn times(table: &Table) -> Vec<i64> {
    match table.column("at_us") {
        Ok(Column::Timestamp(values) | Column::Int(values)) => {
            values.into_iter().map(Option::unwrap_or_default).collect()
        }
        _ => vec![0; table.rows()],
    }
}

fn broken(path: &Path) -> impl Fn(lemnis_table::Error) -> Error {
    move |source| Error::Log { path: path.to_owned(), action: "read", source: Box::new(source) }
}

/// The rows of all tables below each other, with every column that one of them has.
fn merge(tables: &[Table]) -> Result<Table, lemnis_table::Error> {
    let mut names: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    for table in tables {
        names.extend(table.names().into_iter().filter(|name| seen.insert(*name)));
    }
    // Outputs stay behind the features of every version.
    names.sort_by_key(|name| name.starts_with("out_"));
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let mut kinds = tables.iter().filter(|table| table.has(name)).map(|table| table.kind(name));
        let first = kinds.next().transpose()?.unwrap_or(Kind::Text);
        let kind = kinds.try_fold(first, |kind, next| next.map(|next| common(kind, next)))?;
        let mut column = empty(kind);
        for table in tables {
            if table.has(name) {
                extend(&mut column, table, name)?;
            } else {
                append_missing(&mut column, table.rows());
            }
        }
        columns.push((name.to_owned(), column));
    }
    Table::from_columns(columns)
}

fn common(a: Kind, b: Kind) -> Kind {
    match (a, b) {
        (a, b) if a == b => a,
        (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Kind::Float,
        _ => Kind::Text,
    }
}

fn empty(kind: Kind) -> Column {
    match kind {
        Kind::Bool => Column::Bool(Vec::new()),
        Kind::Int => Column::Int(Vec::new()),
        Kind::Float => Column::Float(Vec::new()),
        Kind::Text => Column::Text(Vec::new()),
        Kind::Date => Column::Date(Vec::new()),
        Kind::Timestamp => Column::Timestamp(Vec::new()),
    }
}

fn extend(to: &mut Column, table: &Table, name: &str) -> Result<(), lemnis_table::Error> {
    match (to, table.column(name)?) {
        (Column::Bool(to), Column::Bool(from)) => to.extend(from),
        (Column::Int(to), Column::Int(from)) => to.extend(from),
        (Column::Float(to), Column::Float(from)) => to.extend(from),
        (Column::Float(to), Column::Int(from)) => {
            to.extend(from.into_iter().map(|value| value.map(|n| n as f64)))
        }
        (Column::Date(to), Column::Date(from)) => to.extend(from),
        (Column::Timestamp(to), Column::Timestamp(from)) => to.extend(from),
        (Column::Text(to), _) => to.extend(table.texts(name)?),
        (to, _) => append_missing(to, table.rows()),
    }
    Ok(())
}
