//! Stage `prepare`: typed cleaning and a split by seed.
//!
//! A row's part depends on its position and the seed alone, so that rows appended later move no earlier row. Labelled
//! live rows have no fixed position; theirs depends on what they say.

use std::path::Path;

use lemnis_table::{Column, Kind, Table};
use serde::Serialize;

use super::{PrepareParams, feedback};
use crate::frame::read_table;
use crate::{Context, Error};

/// How many rows each part got, and which columns the model will see.
#[derive(Clone, Debug, Serialize)]
pub struct Prepared {
    /// Rows to train on.
    pub train_rows: usize,
    /// Rows to compare models on.
    pub holdout_rows: usize,
    /// Rows to replay as live traffic.
    pub live_rows: usize,
    /// Labelled live rows that joined the training and holdout rows.
    pub feedback_rows: usize,
    /// Rows left out because the target is missing.
    pub rows_without_target: usize,
    /// The columns that the model sees.
    pub features: Vec<String>,
}

/// Reads `data` and the labelled live rows in `feedback`, cleans, splits, and writes `train.parquet`,
/// `holdout.parquet` and `live.parquet` into `out`.
pub fn prepare(
    data: &Path,
    feedback: Option<&Path>,
    out: &Path,
    params: &PrepareParams,
) -> Result<Prepared, Error> {
    check_shares(params)?;
    let raw = read_table(data)?;
    if !raw.has(&params.target) {
        return Err(Error::invalid_with(
            format!("{} has no column {:?} to predict", data.display(), params.target),
            format!("its columns are {}", raw.names().join(", ")),
        ));
    }
    let rows_read = raw.rows();
    let table = clean(raw, params)?;
    let rows_without_target = rows_read - table.rows();

    let mut train = Vec::new();
    let mut holdout = Vec::new();
    let mut live = Vec::new();
    for row in 0..table.rows() {
        let place = unit(params.seed, row as u64);
        if place < params.holdout_share {
            holdout.push(row);
        } else if place < params.holdout_share + params.live_share {
            live.push(row);
        } else {
            train.push(row);
        }
    }
    let mut train = table.take(&train).context("splitting")?;
    let mut holdout = table.take(&holdout).context("splitting")?;
    let live = table.take(&live).context("splitting")?;

    let names = table.names();
    let mut feedback_rows = 0;
    if let Some(dir) = feedback {
        let live = feedback::read(dir, &table, params)?;
        feedback_rows = live.train.rows() + live.holdout.rows();
        train = Table::concat(&[train, live.train]).context("joining feedback")?;
        holdout = Table::concat(&[holdout, live.holdout]).context("joining feedback")?;
    }
    if train.rows() == 0 || holdout.rows() == 0 {
        return Err(Error::invalid_with(
            format!(
                "{} leaves {} rows to train on and {} to hold out",
                data.display(),
                train.rows(),
                holdout.rows()
            ),
            "give more rows, or change prepare.holdout_share in params.yaml",
        ));
    }

    std::fs::create_dir_all(out).map_err(Error::file(out, "created"))?;
    for (name, part) in [("train", &train), ("holdout", &holdout), ("live", &live)] {
        let path = out.join(format!("{name}.parquet"));
        part.write_parquet(&path).context(format!("writing {}", path.display()))?;
    }
    Ok(Prepared {
        train_rows: train.rows(),
        holdout_rows: holdout.rows(),
        live_rows: live.rows(),
        feedback_rows,
        rows_without_target,
        features: names
            .iter()
            .filter(|name| **name != params.target)
            .map(|name| (*name).to_owned())
            .collect(),
    })
}

fn check_shares(params: &PrepareParams) -> Result<(), Error> {
    let shares = [params.holdout_share, params.live_share, params.feedback_holdout_share];
    let sane = shares.iter().all(|share| (0.0..1.0).contains(share));
    if !sane || params.holdout_share + params.live_share >= 1.0 {
        return Err(Error::invalid_with(
            "prepare's shares in params.yaml leave nothing to train on",
            "each share is at least 0 and below 1, and holdout_share + live_share is below 1",
        ));
    }
    Ok(())
}

/// Drops what no model may see, expands dates, makes whole numbers with gaps floats and booleans 0 or 1.
fn clean(raw: Table, params: &PrepareParams) -> Result<Table, Error> {
    let target = raw.texts(&params.target).context("reading the target")?;
    let kept: Vec<usize> = (0..raw.rows()).filter(|row| target[*row].is_some()).collect();
    let raw = raw.take(&kept).context("leaving out rows without a target")?;
    let mut columns = Vec::new();
    for (name, kind) in raw.kinds() {
        if name != params.target && params.drop.iter().any(|dropped| dropped == name) {
            continue;
        }
        let column = raw.column(name).context("cleaning")?;
        match column {
            _ if name == params.target => columns.push((name.to_owned(), column)),
            Column::Date(days) => date_parts(name, &days, &mut columns),
            Column::Timestamp(micros) => {
                let days: Vec<Option<i32>> = micros
                    .iter()
                    .map(|value| value.map(|value| value.div_euclid(86_400_000_000) as i32))
                    .collect();
                date_parts(name, &days, &mut columns);
                let hours = micros
                    .iter()
                    .map(|value| value.map(|value| value.rem_euclid(86_400_000_000) / 3_600_000_000));
                columns.push((format!("{name}_hour"), gapless(hours.collect())));
            }
            Column::Bool(values) => {
                columns.push((
                    name.to_owned(),
                    gapless(values.iter().map(|value| value.map(i64::from)).collect()),
                ));
            }
            Column::Int(values) => columns.push((name.to_owned(), gapless(values))),
            other => {
                debug_assert!(matches!(kind, Kind::Float | Kind::Text));
                columns.push((name.to_owned(), other));
            }
        }
    }
    Table::from_columns(columns).context("cleaning")
}

/// Whole numbers without gaps stay whole; with gaps they become floats, which have a missing value in every tool.
fn gapless(values: Vec<Option<i64>>) -> Column {
    if values.iter().all(Option::is_some) {
        Column::Int(values)
    } else {
        Column::Float(values.into_iter().map(|value| value.map(|value| value as f64)).collect())
    }
}

fn date_parts(name: &str, days: &[Option<i32>], columns: &mut Vec<(String, Column)>) {
    let civil: Vec<Option<Civil>> =
        days.iter().map(|day| day.map(|day| Civil::from_days(i64::from(day)))).collect();
    let mut part = |suffix: &str, pick: fn(&Civil) -> i64| {
        let values = civil.iter().map(|date| date.as_ref().map(pick)).collect();
        columns.push((format!("{name}_{suffix}"), gapless(values)));
    };
    part("year", |date| date.year);
    part("month", |date| date.month);
    part("day", |date| date.day);
    part("weekday", |date| date.weekday);
    part("yearday", |date| date.yearday);
}

/// A calendar date in the proleptic Gregorian calendar.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    /// Monday is 1, Sunday 7.
    weekday: i64,
    yearday: i64,
}

impl Civil {
    /// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * from_march + 2) / 153;
        let day = from_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][(month - 1) as usize];
        let yearday = before + day + i64::from(leap && month > 2);
        Self { year, month, day, weekday: (days + 3).rem_euclid(7) + 1, yearday }
    }
}

/// A number in [0, 1) that depends on `seed` and `row` alone (SplitMix64, Steele et al. 2014).
pub(super) fn unit(seed: u64, row: u64) -> f64 {
    let mut state = seed.wrapping_add(row.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_parts_follow_the_gregorian_calendar() {
        let date = Civil::from_days(0);
        assert_eq!((date.year, date.month, date.day, date.weekday, date.yearday), (1970, 1, 1, 4, 1));
        let leap = Civil::from_days(19_782);
        assert_eq!((leap.year, leap.month, leap.day, leap.weekday, leap.yearday), (2024, 2, 29, 4, 60));
        let end = Civil::from_days(20_088);
        assert_eq!((end.year, end.month, end.day, end.yearday), (2024, 12, 31, 366));
    }

    #[test]
    fn a_rows_part_does_not_depend_on_later_rows() {
        let first: Vec<f64> = (0..10).map(|row| unit(42, row)).collect();
        let again: Vec<f64> = (0..1000).map(|row| unit(42, row)).take(10).collect();
        assert_eq!(first, again);
        let mean = (0..10_000).map(|row| unit(7, row)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
