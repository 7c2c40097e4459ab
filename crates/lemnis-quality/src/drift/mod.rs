//! Drift: does a table look like the one a model was trained on?
//!
//! A column is judged by size and by chance together: its test must be significant after correction for the number of
//! columns, and its population stability index must be large. Missing values are judged on their own, because a
//! distribution of what is left says nothing of them. A column that cannot be judged says why.

mod adjust;
mod chi2;
mod column;
mod kolmogorov;
mod ks;
mod psi;

use lemnis_table::Table;
use serde::{Deserialize, Serialize};

pub use adjust::{Correction, adjust_pvalues};
pub use chi2::{Chi2, chi2_homogeneity};
pub use ks::{KsMethod, Test, ks, ks_sorted, ks_whole};
pub use psi::{Psi, Smoothing, noise_floor, psi, psi_of_counts};

use self::column::judge;
use crate::{Error, Result};

pub(crate) use ks::sort;
pub(crate) use psi::quantile;

/// What counts as drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriftSettings {
    /// A test below this p-value, after correction, is significant.
    pub alpha: f64,
    /// A significant column drifts when its population stability index reaches this.
    pub psi_threshold: f64,
    /// The table drifts when at least this share of the judged columns does.
    pub drift_share: f64,
    /// Quantile bins of the index.
    pub bins: usize,
    /// A text column with more categories than this is not judged.
    pub max_categories: usize,
    /// A significant change of the share of missing values is drift when it is at least this large.
    pub null_share_margin: f64,
    /// How p-values are corrected for the number of columns.
    pub correction: Correction,
}

impl Default for DriftSettings {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            psi_threshold: 0.1,
            drift_share: 0.3,
            bins: 10,
            max_categories: 1_000,
            null_share_margin: 0.05,
            correction: Correction::Bh,
        }
    }
}

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing changed that counts.
    Ok,
    /// It drifted.
    Drift,
    /// It could not be judged.
    NotComputed,
}

/// The shares of one bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinShare {
    /// The interval or the category.
    pub label: String,
    /// Share of the reference's values.
    pub reference: f64,
    /// Share of the present values.
    pub current: f64,
}

/// One column, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Its name.
    pub column: String,
    /// `numeric` or `categorical`.
    pub kind: String,
    /// How it stands.
    pub status: Status,
    /// Why it could not be judged.
    pub reason: Option<String>,
    /// Population stability index.
    pub psi: Option<f64>,
    /// What two samples of one population of these sizes show on average.
    pub psi_noise_floor: Option<f64>,
    /// `ks` or `chi2`.
    pub test: Option<String>,
    /// The test's statistic.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// The p-value after correction.
    pub adjusted_p_value: Option<f64>,
    /// Share of missing values in the reference.
    pub null_share_reference: f64,
    /// Share of missing values now.
    pub null_share_current: f64,
    /// p-value of the difference of the two shares, after correction.
    pub null_p_value: Option<f64>,
    /// Whether the share of missing values changed enough to count.
    pub null_drift: bool,
    /// Categories that the reference does not have.
    pub new_categories: Vec<String>,
    /// Categories that are gone.
    pub gone_categories: Vec<String>,
    /// The histogram of both, in the same bins.
    pub bins: Vec<BinShare>,
}

impl ColumnDrift {
    /// Whether the column drifted.
    pub fn drifted(&self) -> bool {
        self.status == Status::Drift
    }
}

/// A table, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Rows of the reference.
    pub rows_reference: usize,
    /// Rows of the present.
    pub rows_current: usize,
    /// The columns, in the reference's order.
    pub columns: Vec<ColumnDrift>,
    /// Columns that could be judged.
    pub number_of_columns: usize,
    /// Those of them that drifted.
    pub number_of_drifted_columns: usize,
    /// The one divided by the other; 0 where no column could be judged.
    pub share_of_drifted_columns: f64,
    /// The share from which on the table drifted.
    pub drift_share_threshold: f64,
    /// Whether it did.
    pub drift: bool,
    /// How many columns would be significant by chance alone, without correction.
    pub expected_false_alarms: f64,
}

/// Judges `current` against `reference`, column by column; only `columns` where they are named.
///
/// A column that the present table lacks drifted. One that the reference lacks, an empty one, dates and identifiers are
/// not computed, and say so.
pub fn compare(
    reference: &Table,
    current: &Table,
    columns: Option<&[String]>,
    settings: &DriftSettings,
) -> Result<DriftReport> {
    check(settings)?;
    if reference.rows() == 0 {
        return Err(Error::Empty { what: "the reference" });
    }
    if current.rows() == 0 {
        return Err(Error::Empty { what: "the present table" });
    }
    let names: Vec<String> = match columns {
        Some(columns) => columns.to_vec(),
        None => reference.names().into_iter().map(str::to_owned).collect(),
    };
    let mut judged =
        names.iter().map(|name| judge(reference, current, name, settings)).collect::<Result<Vec<_>>>()?;
    correct(&mut judged, settings);

    let computed = judged.iter().filter(|column| column.status != Status::NotComputed).count();
    let drifted = judged.iter().filter(|column| column.drifted()).count();
    let share = if computed == 0 { 0.0 } else { drifted as f64 / computed as f64 };
    Ok(DriftReport {
        rows_reference: reference.rows(),
        rows_current: current.rows(),
        number_of_columns: computed,
        number_of_drifted_columns: drifted,
        share_of_drifted_columns: share,
        drift_share_threshold: settings.drift_share,
        drift: drifted > 0 && share >= settings.drift_share,
        expected_false_alarms: computed as f64 * settings.alpha,
        columns: judged,
    })
}

fn check(settings: &DriftSettings) -> Result<()> {
    let shares = [
        ("alpha", settings.alpha),
        ("drift_share", settings.drift_share),
        ("null_share_margin", settings.null_share_margin),
    ];
    for (what, value) in shares {
        if !(0.0..=1.0).contains(&value) {
            return Err(Error::Range { what, value, wanted: "between 0 and 1" });
        }
    }
    if settings.bins < 2 || settings.bins > 1_000 {
        return Err(Error::Range { what: "bins", value: settings.bins as f64, wanted: "between 2 and 1000" });
    }
    Ok(())
}

/// Corrects both families of p-values and decides.
fn correct(columns: &mut [ColumnDrift], settings: &DriftSettings) {
    let places: Vec<usize> = (0..columns.len()).filter(|place| columns[*place].p_value.is_some()).collect();
    let raw: Vec<f64> = places.iter().filter_map(|place| columns[*place].p_value).collect();
    for (place, p) in places.iter().zip(adjust_pvalues(&raw, settings.correction)) {
        columns[*place].adjusted_p_value = Some(p);
    }
    let places: Vec<usize> =
        (0..columns.len()).filter(|place| columns[*place].null_p_value.is_some()).collect();
    let raw: Vec<f64> = places.iter().filter_map(|place| columns[*place].null_p_value).collect();
    for (place, p) in places.iter().zip(adjust_pvalues(&raw, settings.correction)) {
        columns[*place].null_p_value = Some(p);
    }
    for column in columns {
        let gap = (column.null_share_current - column.null_share_reference).abs();
        column.null_drift =
            column.null_p_value.is_some_and(|p| p < settings.alpha) && gap >= settings.null_share_margin;
        let moved = column.adjusted_p_value.is_some_and(|p| p < settings.alpha)
            && column.psi.is_some_and(|psi| psi >= settings.psi_threshold);
        if moved || column.null_drift {
            column.status = Status::Drift;
        }
    }
}

#[cfg(test)]
mod tests {
    use lemnis_table::Column;

    use super::*;

    fn table(rows: usize, shift: f64, gap: usize) -> Table {
        let noise = |row: usize| ((row * 7919) % 1000) as f64 / 100.0;
        let x = (0..rows).map(|row| (gap == 0 || row % gap != 0).then(|| noise(row) + shift)).collect();
        let c = (0..rows).map(|row| Some(["a", "b", "c"][(row * 31) % 3].to_owned())).collect();
        Table::from_columns(vec![("x".to_owned(), Column::Float(x)), ("c".to_owned(), Column::Text(c))])
            .unwrap()
    }

    #[test]
    fn the_same_distribution_does_not_drift() {
        let report =
            compare(&table(2000, 0.0, 0), &table(500, 0.0, 0), None, &DriftSettings::default()).unwrap();
        assert!(!report.drift, "{report:?}");
        assert_eq!(report.number_of_columns, 2);
    }

    #[test]
    fn a_shift_of_one_column_is_named() {
        let report =
            compare(&table(2000, 0.0, 0), &table(500, 3.0, 0), None, &DriftSettings::default()).unwrap();
        let drifted: Vec<&str> =
            report.columns.iter().filter(|c| c.drifted()).map(|c| c.column.as_str()).collect();
        assert_eq!(drifted, ["x"]);
        assert!(report.drift);
    }

    #[test]
    fn missing_values_alone_are_drift() {
        let report =
            compare(&table(2000, 0.0, 0), &table(500, 0.0, 4), None, &DriftSettings::default()).unwrap();
        let x = &report.columns[0];
        assert!(x.null_drift && x.drifted(), "{x:?}");
    }

    #[test]
    fn a_column_that_went_away_drifted_and_says_so() {
        let current = table(500, 0.0, 0).drop(&["x"]).unwrap();
        let report = compare(&table(2000, 0.0, 0), &current, None, &DriftSettings::default()).unwrap();
        assert_eq!(report.columns[0].status, Status::Drift);
        assert!(report.columns[0].reason.as_deref().unwrap().contains("is gone"));
    }
}
