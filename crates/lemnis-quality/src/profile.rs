//! A table in figures: for each column what it holds, how much of it is missing, how it is spread.

use std::collections::{BTreeMap, HashSet};

use lemnis_table::{Column, Kind, Table};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::drift::{quantile, sort};

/// Most frequent values that are listed.
const TOP: usize = 10;

/// A table in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: usize,
    /// The columns, in order.
    pub columns: Vec<ColumnProfile>,
}

/// One column in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// `bool`, `int`, `float`, `text`, `date` or `timestamp`.
    pub kind: String,
    /// Missing values, NaN among them.
    pub nulls: usize,
    /// Different values.
    pub distinct: usize,
    /// Of numbers: their spread.
    pub numbers: Option<NumberProfile>,
    /// Of text and booleans: the most frequent values with their counts, most frequent first.
    pub top: Vec<(String, usize)>,
    /// Of text: the fewest and the most characters.
    pub lengths: Option<(usize, usize)>,
}

/// The spread of a column of numbers; infinite values are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation; nothing with a single value.
    pub std: Option<f64>,
    /// Quantiles at 1, 5, 25, 50, 75, 95 and 99 %, interpolated linearly.
    pub quantiles: [f64; 7],
    /// Zeros.
    pub zeros: usize,
    /// Values below zero.
    pub negative: usize,
}

/// Profiles every column of `table`.
pub fn profile(table: &Table) -> Result<Profile> {
    let columns =
        table.kinds().into_iter().map(|(name, kind)| column(table, name, kind)).collect::<Result<_>>()?;
    Ok(Profile { rows: table.rows(), columns })
}

fn column(table: &Table, name: &str, kind: Kind) -> Result<ColumnProfile> {
    let values = table.column(name)?;
    let word = match kind {
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Float => "float",
        Kind::Text => "text",
        Kind::Date => "date",
        Kind::Timestamp => "timestamp",
    };
    let mut profile = ColumnProfile {
        name: name.to_owned(),
        kind: word.to_owned(),
        nulls: 0,
        distinct: 0,
        numbers: None,
        top: Vec::new(),
        lengths: None,
    };
    match &values {
        Column::Int(values) => {
            let present: Vec<i64> = values.iter().flatten().copied().collect();
            profile.nulls = values.len() - present.len();
            profile.distinct = present.iter().collect::<HashSet<_>>().len();
            profile.numbers = spread(present.into_iter().map(|value| value as f64).collect());
        }
        Column::Float(values) => {
            let present: Vec<f64> =
                values.iter().flatten().copied().filter(|value| !value.is_nan()).collect();
            profile.nulls = values.len() - present.len();
            profile.distinct =
                present.iter().map(|value| (value + 0.0).to_bits()).collect::<HashSet<_>>().len();
            profile.numbers = spread(present);
        }
        Column::Date(values) => {
            profile.nulls = values.iter().filter(|value| value.is_none()).count();
            profile.distinct = values.iter().flatten().collect::<HashSet<_>>().len();
        }
        Column::Timestamp(values) => {
            profile.nulls = values.iter().filter(|value| value.is_none()).count();
            profile.distinct = values.iter().flatten().collect::<HashSet<_>>().len();
        }
        Column::Bool(_) | Column::Text(_) => {
            let values = table.texts(name)?;
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for value in values.iter().flatten() {
                *counts.entry(value).or_default() += 1;
            }
            profile.nulls = values.iter().filter(|value| value.is_none()).count();
            profile.distinct = counts.len();
            let lengths: Vec<usize> = counts.keys().map(|value| value.chars().count()).collect();
            if kind == Kind::Text {
                profile.lengths = lengths.iter().copied().min().zip(lengths.iter().copied().max());
            }
            let mut top: Vec<(String, usize)> =
                counts.into_iter().map(|(value, count)| (value.to_owned(), count)).collect();
            top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            top.truncate(TOP.max(20));
            profile.top = top;
        }
    }
    Ok(profile)
}

fn spread(values: Vec<f64>) -> Option<NumberProfile> {
    let mut finite: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    if finite.is_empty() {
        return None;
    }
    sort(&mut finite);
    let count = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / count;
    let squares: f64 = finite.iter().map(|value| (value - mean).powi(2)).sum();
    Some(NumberProfile {
        min: finite[0],
        max: finite[finite.len() - 1],
        mean,
        std: (finite.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
        quantiles: [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map(|share| quantile(&finite, share)),
        zeros: finite.iter().filter(|value| **value == 0.0).count(),
        negative: finite.iter().filter(|value| **value < 0.0).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_and_spread_are_counted() {
        let table = Table::from_columns(vec![
            ("x".to_owned(), Column::Float(vec![Some(1.0), None, Some(f64::NAN), Some(3.0)])),
            ("c".to_owned(), Column::Text(vec![Some("b".into()), Some("a".into()), Some("b".into()), None])),
        ])
        .unwrap();
        let found = profile(&table).unwrap();
        assert_eq!((found.columns[0].nulls, found.columns[0].distinct), (2, 2));
        assert_eq!(found.columns[0].numbers.as_ref().unwrap().mean, 2.0);
        assert_eq!(found.columns[1].top[0], ("b".to_owned(), 2));
    }
}
