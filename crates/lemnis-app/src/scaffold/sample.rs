//! The built-in customer-churn sample: synthetic, seeded, and said to be so wherever it is shown.
//!
//! No real customer is in it. The relation between the columns and `churn` is a logistic model with an interaction
//! and noise, so that a good model reaches a ROC AUC near 0.85 and none reaches 1.

use std::path::Path;

use lemnis_table::{Column, Table};

use crate::{Context, Error};

/// The sample's file name.
pub const SAMPLE_NAME: &str = "customers.csv";
/// The column to predict.
pub const SAMPLE_TARGET: &str = "churn";
const ROWS: usize = 12_000;

/// Writes the sample as CSV. The same bytes every time.
pub fn write_sample(path: &Path) -> Result<(), Error> {
    let mut random = Random(20_240_229);
    let mut ids = Vec::with_capacity(ROWS);
    let mut tenure = Vec::with_capacity(ROWS);
    let mut contract = Vec::with_capacity(ROWS);
    let mut internet = Vec::with_capacity(ROWS);
    let mut payment = Vec::with_capacity(ROWS);
    let mut monthly = Vec::with_capacity(ROWS);
    let mut total = Vec::with_capacity(ROWS);
    let mut calls = Vec::with_capacity(ROWS);
    let mut satisfaction = Vec::with_capacity(ROWS);
    let mut churn = Vec::with_capacity(ROWS);
    for row in 0..ROWS {
        let months = (random.unit().powf(1.3) * 72.0).floor() as i64;
        let contract_kind = random.pick(&[("month-to-month", 0.55), ("one year", 0.24), ("two years", 0.21)]);
        let line = random.pick(&[("fibre", 0.44), ("dsl", 0.34), ("none", 0.22)]);
        let pays = random.pick(&[("card", 0.3), ("bank transfer", 0.3), ("electronic check", 0.4)]);
        let base = if line == "fibre" {
            75.0
        } else if line == "dsl" {
            50.0
        } else {
            20.0
        };
        let charge = ((base + 30.0 * random.unit()) * 100.0).round() / 100.0;
        let support = (random.unit().powi(3) * 9.0).floor() as i64;
        let score = 1 + (random.unit() * 5.0).floor() as i64;
        let logit = -1.35 - 0.045 * months as f64
            + if contract_kind == "month-to-month" {
                1.3
            } else if contract_kind == "one year" {
                -0.2
            } else {
                -1.2
            }
            + if line == "fibre" {
                0.7
            } else if line == "none" {
                -0.6
            } else {
                0.0
            }
            + if pays == "electronic check" { 0.4 } else { 0.0 }
            + 0.33 * support as f64
            - 0.25 * (score - 3) as f64
            + if months < 6 && charge > 80.0 { 0.8 } else { 0.0 };
        let leaves = random.unit() < 1.0 / (1.0 + (-logit).exp());
        ids.push(Some(format!("C{:06}", 100_000 + row * 7)));
        tenure.push(Some(months));
        contract.push(Some(contract_kind.to_owned()));
        internet.push(Some(line.to_owned()));
        payment.push(Some(pays.to_owned()));
        monthly.push(Some(charge));
        total.push(if months == 0 { None } else { Some((charge * months as f64 * 100.0).round() / 100.0) });
        calls.push(Some(support));
        satisfaction.push(if random.unit() < 0.06 { None } else { Some(score as f64) });
        churn.push(Some(if leaves { "yes" } else { "no" }.to_owned()));
    }
    let table = Table::from_columns(vec![
        ("customer_id".to_owned(), Column::Text(ids)),
        ("tenure_months".to_owned(), Column::Int(tenure)),
        ("contract".to_owned(), Column::Text(contract)),
        ("internet".to_owned(), Column::Text(internet)),
        ("payment".to_owned(), Column::Text(payment)),
        ("monthly_charges".to_owned(), Column::Float(monthly)),
        ("total_charges".to_owned(), Column::Float(total)),
        ("support_calls".to_owned(), Column::Int(calls)),
        ("satisfaction".to_owned(), Column::Float(satisfaction)),
        (SAMPLE_TARGET.to_owned(), Column::Text(churn)),
    ])
    .context("making the sample")?;
    table.write_csv(path).context(format!("writing {}", path.display()))
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for a sample, and the same on every machine.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut state = self.0;
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((state ^ (state >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn pick(&mut self, choices: &[(&'static str, f64)]) -> &'static str {
        let mut place = self.unit();
        for (name, share) in choices {
            place -= share;
            if place < 0.0 {
                return name;
            }
        }
        choices.last().map_or("", |(name, _)| name)
    }
}
