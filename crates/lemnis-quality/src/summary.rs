//! A profile of a table that goes by in parts, in memory that does not grow with it.
//!
//! Up to 65,536 values of a column, and as many different ones, every figure is exact and equals [`crate::profile`]'s.
//! Beyond that quantiles come from a sample, the number of different values from the least of their hashes (an error of
//! 2 % is usual), and the counts of frequent values are lower bounds; the column says `estimated`.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use lemnis_table::{Column, Kind, Table};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::drift::{quantile, sort};
use crate::profile::{ColumnProfile, NumberProfile};

/// Values that a sample holds, and different values that are counted one by one.
const EXACT: usize = 1 << 16;
/// The least hashes that a count of different values is estimated from.
const HASHES: usize = 1 << 12;
/// Different texts that are counted at once.
const TEXTS: usize = 10_000;
/// The longest text that is counted, in bytes.
const TEXT_BYTES: usize = 256;
/// Most frequent values that are listed.
const TOP: usize = 20;

/// A table in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// The columns, in order.
    pub columns: Vec<ColumnSummary>,
}

/// One column in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    /// Its figures.
    #[serde(flatten)]
    pub profile: ColumnProfile,
    /// Of dates and moments: the first and the last, in ISO 8601.
    pub range: Option<(String, String)>,
    /// Whether quantiles, different values or frequent values are estimates.
    pub estimated: bool,
}

/// Collects a [`Summary`] part by part.
#[derive(Debug, Default)]
pub struct Summariser {
    rows: u64,
    columns: Vec<Collected>,
}

#[derive(Debug)]
struct Collected {
    name: String,
    kind: Kind,
    nulls: usize,
    distinct: Distinct,
    numbers: Numbers,
    texts: Texts,
    lengths: Option<(usize, usize)>,
    range: Option<(String, String)>,
}

impl Summariser {
    /// Adds the rows of `part`, which has the columns of the parts before it.
    pub fn push(&mut self, part: &Table) -> Result<()> {
        for (at, (name, kind)) in part.kinds().into_iter().enumerate() {
            if at >= self.columns.len() {
                self.columns.push(Collected::new(name, kind));
            }
            let column = &mut self.columns[at];
            if column.kind == Kind::Int && kind == Kind::Float {
                column.kind = kind;
            }
            let values = part.column(name)?;
            let words =
                if matches!(kind, Kind::Date | Kind::Timestamp) { part.texts(name)? } else { Vec::new() };
            column.push(&values);
            for word in words.into_iter().flatten() {
                column.range = Some(match column.range.take() {
                    None => (word.clone(), word),
                    Some((first, last)) => (first.min(word.clone()), last.max(word)),
                });
            }
        }
        self.rows += part.rows() as u64;
        Ok(())
    }

    /// The figures of everything that was added.
    pub fn finish(self) -> Summary {
        Summary { rows: self.rows, columns: self.columns.into_iter().map(Collected::finish).collect() }
    }
}

impl Collected {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            nulls: 0,
            distinct: Distinct::default(),
            numbers: Numbers::default(),
            texts: Texts::default(),
            lengths: None,
            range: None,
        }
    }

    fn push(&mut self, values: &Column) {
        match values {
            Column::Int(values) => {
                for value in values {
                    match value {
                        Some(value) => {
                            self.distinct.see(hash(value));
                            self.numbers.see(*value as f64);
                        }
                        None => self.nulls += 1,
                    }
                }
            }
            Column::Float(values) => {
                for value in values {
                    match value.filter(|value| !value.is_nan()) {
                        Some(value) => {
                            self.distinct.see(hash((value + 0.0).to_bits()));
                            self.numbers.see(value);
                        }
                        None => self.nulls += 1,
                    }
                }
            }
            Column::Date(values) => {
                values.iter().flatten().for_each(|value| self.distinct.see(hash(value)));
                self.nulls += values.iter().filter(|value| value.is_none()).count();
            }
            Column::Timestamp(values) => {
                values.iter().flatten().for_each(|value| self.distinct.see(hash(value)));
                self.nulls += values.iter().filter(|value| value.is_none()).count();
            }
            Column::Bool(values) => {
                self.nulls += values.iter().filter(|value| value.is_none()).count();
                values.iter().flatten().for_each(|value| self.text(if *value { "true" } else { "false" }));
            }
            Column::Text(values) => {
                self.nulls += values.iter().filter(|value| value.is_none()).count();
                for value in values.iter().flatten() {
                    self.text(value);
                    let length = value.chars().count();
                    let (least, most) = self.lengths.unwrap_or((length, length));
                    self.lengths = Some((least.min(length), most.max(length)));
                }
            }
        }
    }

    fn text(&mut self, value: &str) {
        self.distinct.see(hash(value));
        self.texts.see(value);
    }

    fn finish(self) -> ColumnSummary {
        let estimated =
            self.distinct.is_estimate() || self.numbers.seen > EXACT as u64 || self.texts.is_estimate();
        let kind = match self.kind {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "text",
            Kind::Date => "date",
            Kind::Timestamp => "timestamp",
        };
        let profile = ColumnProfile {
            name: self.name,
            kind: kind.to_owned(),
            nulls: self.nulls,
            distinct: self.distinct.count(),
            numbers: self.numbers.finish(),
            top: self.texts.top(),
            lengths: self.lengths,
        };
        ColumnSummary { profile, range: self.range, estimated }
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// How many different values there are: exact, or from the least of their hashes.
#[derive(Debug)]
enum Distinct {
    Exact(HashSet<u64>),
    Least(BTreeSet<u64>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(HashSet::new())
    }
}

impl Distinct {
    fn see(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT {
                    let sorted: BTreeSet<u64> = hashes.drain().collect();
                    *self = Self::Least(sorted.into_iter().take(HASHES).collect());
                }
            }
            Self::Least(hashes) => {
                if hashes.last().is_some_and(|last| hash < *last) && hashes.insert(hash) {
                    hashes.pop_last();
                }
            }
        }
    }

    fn is_estimate(&self) -> bool {
        matches!(self, Self::Least(_))
    }

    fn count(&self) -> usize {
        match self {
            Self::Exact(hashes) => hashes.len(),
            Self::Least(hashes) => {
                let share = hashes.last().map_or(1.0, |last| *last as f64 / u64::MAX as f64);
                ((hashes.len() - 1) as f64 / share).round() as usize
            }
        }
    }
}

/// The spread of numbers: moments by Welford's recurrence, quantiles from a uniform sample (Vitter's algorithm R).
#[derive(Debug, Default)]
struct Numbers {
    seen: u64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
    zeros: usize,
    negative: usize,
    sample: Vec<f64>,
    state: u64,
}

impl Numbers {
    fn see(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.seen += 1;
        let gap = value - self.mean;
        self.mean += gap / self.seen as f64;
        self.squares += gap * (value - self.mean);
        (self.min, self.max) =
            if self.seen == 1 { (value, value) } else { (self.min.min(value), self.max.max(value)) };
        self.zeros += usize::from(value == 0.0);
        self.negative += usize::from(value < 0.0);
        if self.sample.len() < EXACT {
            self.sample.push(value);
            return;
        }
        // SplitMix64 from a fixed seed: the same data always give the same figures.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let place = ((u128::from(bits) * u128::from(self.seen)) >> 64) as usize;
        if let Some(slot) = self.sample.get_mut(place) {
            *slot = value;
        }
    }

    fn finish(mut self) -> Option<NumberProfile> {
        if self.seen == 0 {
            return None;
        }
        sort(&mut self.sample);
        let sample = &self.sample;
        Some(NumberProfile {
            min: self.min,
            max: self.max,
            mean: self.mean,
            std: (self.seen > 1).then(|| (self.squares / (self.seen - 1) as f64).sqrt()),
            quantiles: [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map(|share| quantile(sample, share)),
            zeros: self.zeros,
            negative: self.negative,
        })
    }
}

/// Frequent texts: counted one by one while they are few, by Misra and Gries's counters beyond that.
#[derive(Debug, Default)]
struct Texts {
    counts: HashMap<String, usize>,
    dropped: bool,
}

impl Texts {
    fn see(&mut self, value: &str) {
        if let Some(count) = self.counts.get_mut(value) {
            *count += 1;
        } else if value.len() > TEXT_BYTES {
            self.dropped = true;
        } else if self.counts.len() < TEXTS {
            self.counts.insert(value.to_owned(), 1);
        } else {
            self.dropped = true;
            self.counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }

    fn is_estimate(&self) -> bool {
        self.dropped
    }

    fn top(self) -> Vec<(String, usize)> {
        let mut top: Vec<(String, usize)> = self.counts.into_iter().collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        top.truncate(TOP);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::profile;

    fn summary(parts: &[Table]) -> Summary {
        let mut summariser = Summariser::default();
        parts.iter().for_each(|part| summariser.push(part).unwrap());
        summariser.finish()
    }

    #[test]
    fn a_small_table_in_parts_has_the_figures_of_its_profile() {
        let floats = (0..999).map(|n| (n % 10 != 0).then_some(f64::from(n) * 1.7 - 300.0)).collect();
        let texts = (0..999).map(|n| (n % 7 != 0).then(|| format!("t{}", n % 23))).collect();
        let table = Table::from_columns(vec![
            ("x".to_owned(), Column::Float(floats)),
            ("n".to_owned(), Column::Int((0..999).map(|n| Some(n % 50)).collect())),
            ("t".to_owned(), Column::Text(texts)),
            ("b".to_owned(), Column::Bool((0..999).map(|n| Some(n % 3 == 0)).collect())),
            ("d".to_owned(), Column::Date((0..999).map(|n| Some(n % 40)).collect())),
        ])
        .unwrap();
        let whole = profile(&table).unwrap();
        let found = summary(&[table.slice(0, 400).unwrap(), table.slice(400, 599).unwrap()]);
        assert_eq!(found.rows, 999);
        for (one, other) in found.columns.iter().zip(&whole.columns) {
            assert!(!one.estimated);
            let (mut a, mut b) = (one.profile.clone(), other.clone());
            if let (Some(x), Some(y)) = (a.numbers.take(), b.numbers.take()) {
                assert!((x.mean - y.mean).abs() < 1e-9 && (x.std.unwrap() - y.std.unwrap()).abs() < 1e-9);
                assert_eq!((x.quantiles, x.min, x.max, x.zeros), (y.quantiles, y.min, y.max, y.zeros));
            }
            assert_eq!(a, b);
        }
        assert_eq!(found.columns[4].range, Some(("1970-01-01".to_owned(), "1970-02-09".to_owned())));
    }

    #[test]
    fn a_large_table_is_estimated_within_bounds() {
        let parts: Vec<Table> = (0..50)
            .map(|part| {
                let values: Vec<i64> = (0..10_000).map(|n| part * 10_000 + n).collect();
                let texts =
                    values.iter().map(|n| Some(if n % 2 == 0 { "even".into() } else { format!("{n}") }));
                Table::from_columns(vec![
                    ("n".to_owned(), Column::Int(values.iter().copied().map(Some).collect())),
                    ("t".to_owned(), Column::Text(texts.collect())),
                ])
                .unwrap()
            })
            .collect();
        let found = summary(&parts);
        let numbers = found.columns[0].profile.numbers.as_ref().unwrap();
        assert!(found.columns[0].estimated);
        assert!((found.columns[0].profile.distinct as f64 / 500_000.0 - 1.0).abs() < 0.06);
        assert!((numbers.quantiles[3] / 249_999.5 - 1.0).abs() < 0.02, "{}", numbers.quantiles[3]);
        assert_eq!((numbers.min, numbers.max), (0.0, 499_999.0));
        assert!((numbers.mean - 249_999.5).abs() < 1e-6);
        let (word, count) = &found.columns[1].profile.top[0];
        assert!(word == "even" && *count > 200_000 && *count <= 250_000, "{word} {count}");
    }
}
