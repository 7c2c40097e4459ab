//! One column of both tables: cleaned, tested, binned.

use std::collections::BTreeMap;

use lemnis_table::{Column, Kind, Table};

use super::chi2::{chi2_homogeneity, two_proportions};
use super::ks::{KsMethod, ks, ks_whole};
use super::psi::{Smoothing, noise_floor, psi, psi_of_counts};
use super::{BinShare, ColumnDrift, DriftSettings, Status};
use crate::Result;

/// A numeric reference with at most this many distinct values gets a bin for each.
const DISTINCT_BINS: usize = 20;
/// Categories beyond these are shown as one bin.
const SHOWN_CATEGORIES: usize = 20;
/// Whole numbers beyond this lose digits as floats.
const EXACT: i64 = 1 << 53;

pub(super) fn judge(
    reference: &Table,
    current: &Table,
    name: &str,
    settings: &DriftSettings,
) -> Result<ColumnDrift> {
    let mut judged = ColumnDrift {
        column: name.to_owned(),
        kind: "numeric".to_owned(),
        status: Status::Ok,
        reason: None,
        psi: None,
        psi_noise_floor: None,
        test: None,
        statistic: None,
        p_value: None,
        adjusted_p_value: None,
        null_share_reference: 0.0,
        null_share_current: 0.0,
        null_p_value: None,
        null_drift: false,
        new_categories: Vec::new(),
        gone_categories: Vec::new(),
        bins: Vec::new(),
    };
    if !reference.has(name) {
        return Ok(not_computed(judged, "it is not there in the reference"));
    }
    if !current.has(name) {
        // Whatever a model would be given instead, it is not what it learned from.
        judged.status = Status::Drift;
        judged.reason = Some("it is gone: the present table does not have it".to_owned());
        return Ok(judged);
    }
    let kind = reference.kind(name)?;
    if kind == Kind::Text || kind == Kind::Bool {
        judged.kind = "categorical".to_owned();
    }
    if matches!(kind, Kind::Date | Kind::Timestamp) {
        return Ok(not_computed(judged, "dates move by nature"));
    }
    if kind == Kind::Text || kind == Kind::Bool {
        categorical(judged, &reference.texts(name)?, &current.texts(name)?, settings)
    } else if current.kind(name)? == Kind::Text && !all_missing(current, name)? {
        Ok(not_computed(judged, "it holds numbers in the reference and text now"))
    } else {
        numeric(judged, reference, current, name, settings)
    }
}

fn not_computed(mut judged: ColumnDrift, reason: &str) -> ColumnDrift {
    judged.status = Status::NotComputed;
    judged.reason = Some(reason.to_owned());
    judged
}

fn all_missing(table: &Table, name: &str) -> Result<bool> {
    Ok(table.texts(name)?.iter().all(Option::is_none))
}

fn missing(judged: &mut ColumnDrift, reference: (usize, usize), current: (usize, usize)) {
    judged.null_share_reference = reference.0 as f64 / reference.1 as f64;
    judged.null_share_current = current.0 as f64 / current.1 as f64;
    judged.null_p_value = Some(two_proportions(reference.0, reference.1, current.0, current.1));
}

fn numeric(
    mut judged: ColumnDrift,
    reference: &Table,
    current: &Table,
    name: &str,
    settings: &DriftSettings,
) -> Result<ColumnDrift> {
    let clean =
        |values: Vec<f64>| -> Vec<f64> { values.into_iter().filter(|value| value.is_finite()).collect() };
    let numbers = |table: &Table| -> Result<Vec<f64>> {
        if table.kind(name)? == Kind::Text {
            Ok(vec![f64::NAN; table.rows()])
        } else {
            Ok(table.floats(name)?)
        }
    };
    let (a, b) = (clean(numbers(reference)?), clean(numbers(current)?));
    missing(
        &mut judged,
        (reference.rows() - a.len(), reference.rows()),
        (current.rows() - b.len(), current.rows()),
    );
    if a.is_empty() {
        return Ok(not_computed(judged, "the reference has no value in it"));
    }
    if b.is_empty() {
        // The share of missing values has been tested; it alone decides.
        judged.reason = Some("every value is missing now".to_owned());
        return Ok(judged);
    }
    let whole = match (reference.column(name)?, current.column(name)?) {
        (Column::Int(a), Column::Int(b))
            if a.iter().chain(&b).flatten().any(|value| value.abs() >= EXACT) =>
        {
            Some((a.into_iter().flatten().collect::<Vec<_>>(), b.into_iter().flatten().collect::<Vec<_>>()))
        }
        _ => None,
    };
    let test = match whole {
        Some((a, b)) => ks_whole(&a, &b, method(a.len(), b.len())),
        None => ks(&a, &b, method(a.len(), b.len())),
    };
    if let Some(test) = test {
        judged.test = Some("ks".to_owned());
        judged.statistic = Some(test.statistic);
        judged.p_value = Some(test.p_value);
    }
    if let Some(found) = psi(&a, &b, settings.bins, Smoothing::Jeffreys, DISTINCT_BINS) {
        judged.psi_noise_floor = Some(noise_floor(found.ref_counts.len(), a.len(), b.len()));
        judged.psi = Some(found.psi);
        let labels = match (&found.edges, &found.values) {
            (Some(edges), _) => interval_labels(edges),
            (None, values) => values.iter().flatten().map(|value| short(*value)).collect(),
        };
        judged.bins = shares(labels, &found.ref_counts, &found.cur_counts);
    }
    Ok(judged)
}

/// The exact law costs n·m steps: it is worth that only while a check stays in milliseconds.
fn method(n: usize, m: usize) -> KsMethod {
    if n.saturating_mul(m) <= 1_000_000 { KsMethod::Exact } else { KsMethod::Asymptotic }
}

fn categorical(
    mut judged: ColumnDrift,
    reference: &[Option<String>],
    current: &[Option<String>],
    settings: &DriftSettings,
) -> Result<ColumnDrift> {
    let nulls = |values: &[Option<String>]| values.iter().filter(|value| value.is_none()).count();
    missing(&mut judged, (nulls(reference), reference.len()), (nulls(current), current.len()));
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for value in reference.iter().flatten() {
        counts.entry(value).or_default().0 += 1;
    }
    let known = counts.len();
    for value in current.iter().flatten() {
        counts.entry(value).or_default().1 += 1;
    }
    let present = reference.len() - nulls(reference);
    if present == 0 {
        return Ok(not_computed(judged, "the reference has no value in it"));
    }
    if known > 2 && known * 2 > present {
        return Ok(not_computed(judged, "nearly every row has a value of its own, as identifiers have"));
    }
    if known > settings.max_categories {
        return Ok(not_computed(judged, "it has more categories than max_categories"));
    }
    judged.new_categories = named(&counts, |(r, c)| r == 0 && c > 0);
    judged.gone_categories = named(&counts, |(r, c)| r > 0 && c == 0);
    if nulls(current) == current.len() {
        judged.reason = Some("every value is missing now".to_owned());
        return Ok(judged);
    }
    let r: Vec<u64> = counts.values().map(|count| count.0).collect();
    let c: Vec<u64> = counts.values().map(|count| count.1).collect();
    if let Some(test) = chi2_homogeneity(&r, &c, false) {
        judged.test = Some("chi2".to_owned());
        judged.statistic = Some(test.statistic);
        judged.p_value = Some(test.p_value);
    }
    judged.psi = Some(psi_of_counts(&r, &c, Smoothing::Jeffreys));
    judged.psi_noise_floor = Some(noise_floor(r.len(), present, current.len() - nulls(current)));
    let mut order: Vec<(&str, (u64, u64))> = counts.into_iter().collect();
    order.sort_by_key(|(name, (r, c))| (std::cmp::Reverse(r + c), (*name).to_owned()));
    let rest = order.split_off(order.len().min(SHOWN_CATEGORIES));
    let mut labels: Vec<String> = order.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut r: Vec<u64> = order.iter().map(|(_, count)| count.0).collect();
    let mut c: Vec<u64> = order.iter().map(|(_, count)| count.1).collect();
    if !rest.is_empty() {
        labels.push(format!("{} more", rest.len()));
        r.push(rest.iter().map(|(_, count)| count.0).sum());
        c.push(rest.iter().map(|(_, count)| count.1).sum());
    }
    judged.bins = shares(labels, &r, &c);
    Ok(judged)
}

/// At most twenty categories that `wanted` picks.
fn named(counts: &BTreeMap<&str, (u64, u64)>, wanted: impl Fn((u64, u64)) -> bool) -> Vec<String> {
    let picked = counts.iter().filter(|(_, count)| wanted(**count)).map(|(name, _)| (*name).to_owned());
    picked.take(SHOWN_CATEGORIES).collect()
}

fn shares(labels: Vec<String>, reference: &[u64], current: &[u64]) -> Vec<BinShare> {
    let (n, m) = (reference.iter().sum::<u64>().max(1) as f64, current.iter().sum::<u64>().max(1) as f64);
    labels
        .into_iter()
        .zip(reference.iter().zip(current))
        .map(|(label, (r, c))| BinShare { label, reference: *r as f64 / n, current: *c as f64 / m })
        .collect()
}

fn interval_labels(edges: &[f64]) -> Vec<String> {
    let mut labels = Vec::with_capacity(edges.len() + 1);
    let mut low: Option<f64> = None;
    for edge in edges {
        labels.push(match low {
            None => format!("≤ {}", short(*edge)),
            Some(low) => format!("{} – {}", short(low), short(*edge)),
        });
        low = Some(*edge);
    }
    labels.push(low.map_or_else(|| "all".to_owned(), |low| format!("> {}", short(low))));
    labels
}

/// Four significant digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if !(-6..=8).contains(&digits) {
        return format!("{value:.3e}");
    }
    let factor = 10f64.powi(digits);
    let rounded = (value * factor).round() / factor;
    format!("{rounded}")
}
