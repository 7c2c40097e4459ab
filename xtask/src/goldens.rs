//! `cargo xtask goldens`: this workspace's answers to a kit of statistical cases, for the kit's own comparer.
//!
//! A case that is not implemented is left out, so that it counts as missing and not as passed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use lemnis_quality::drift::{
    Correction, KsMethod, Smoothing, adjust_pvalues, chi2_homogeneity, ks, ks_whole, psi,
};
use lemnis_quality::metrics::{BinaryInput, binary_of, multiclass, regression_weighted};
use lemnis_table::{Column, ReadLimits, Table};
use serde_json::{Map, Value, json};

/// Whole numbers beyond this lose digits as floats.
const EXACT: i64 = 1 << 53;

/// Answers every case of the kit that is implemented here.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut kit = PathBuf::from("../shared/conformance/quality");
    let mut out = PathBuf::from("out.json");
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--kit" => kit = PathBuf::from(value),
            "--out" => out = PathBuf::from(value),
            _ => bail!("{word} is unknown: --kit DIR, --out FILE"),
        }
    }
    let mut answers = Map::new();
    let mut data = Data { kit: kit.clone(), tables: HashMap::new() };
    let mut seen = 0;
    for area in ["drift", "metrics"] {
        let path = kit.join("cases").join(format!("{area}.json"));
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let cases: Value = serde_json::from_str(&text)?;
        for case in cases["cases"].as_array().into_iter().flatten() {
            seen += 1;
            let id = case["id"].as_str().unwrap_or_default().to_owned();
            match answer(&mut data, case) {
                Ok(Some(fields)) => {
                    answers.insert(id, fields);
                }
                Ok(None) => {}
                Err(error) => {
                    answers.insert(id, json!({ "error": error.to_string() }));
                }
            }
        }
    }
    println!("answered {} of {seen} cases", answers.len());
    std::fs::write(&out, serde_json::to_string(&answers)?)
        .with_context(|| format!("{} cannot be written", out.display()))
}

fn answer(data: &mut Data, case: &Value) -> Result<Option<Value>> {
    let (inputs, params) = (&case["inputs"], &case["params"]);
    Ok(Some(match case["op"].as_str().unwrap_or_default() {
        "drift.ks" => drift_ks(data, inputs, params)?,
        "drift.psi" => drift_psi(data, inputs, params)?,
        "drift.chi2" => drift_chi2(data, inputs, params)?,
        "stats.adjust_pvalues" => adjust(inputs, params)?,
        "metrics.binary" | "metrics.binary_threshold" => binary(data, inputs, params)?,
        "metrics.regression" | "metrics.smape" => regression(data, inputs)?,
        "metrics.multiclass" if inputs["weight"].is_null() && inputs["y_proba"].is_null() => {
            classes(data, inputs)?
        }
        _ => return Ok(None),
    }))
}

fn drift_ks(data: &mut Data, inputs: &Value, params: &Value) -> Result<Value> {
    let method = match params["method"].as_str() {
        Some("exact") => KsMethod::Exact,
        Some("asymp") => KsMethod::Asymptotic,
        Some("kolmogorov") => KsMethod::Kolmogorov,
        _ => KsMethod::Auto,
    };
    let whole = match (data.whole(&inputs["ref"])?, data.whole(&inputs["cur"])?) {
        (Some(a), Some(b)) if a.iter().chain(&b).any(|value| value.abs() >= EXACT) => Some((a, b)),
        _ => None,
    };
    let (reference, current) = (data.numbers(&inputs["ref"])?, data.numbers(&inputs["cur"])?);
    let test = match whole {
        Some((a, b)) => ks_whole(&a, &b, method),
        None => ks(&finite(&reference), &finite(&current), method),
    };
    let test = test.ok_or_else(|| anyhow!("a side is empty"))?;
    let mut fields = json!({ "statistic": test.statistic, "p_value": test.p_value });
    if !inputs["ref"]["gen"].is_null() {
        fields["ref_first"] = json!(reference[0]);
        fields["ref_mean"] = json!(reference.iter().sum::<f64>() / reference.len() as f64);
    }
    Ok(fields)
}

fn drift_psi(data: &mut Data, inputs: &Value, params: &Value) -> Result<Value> {
    let smoothing = match params["smoothing"][0].as_str() {
        Some("jeffreys") => Smoothing::Jeffreys,
        _ => Smoothing::Floor(params["smoothing"][1].as_f64().unwrap_or(1e-4)),
    };
    if data.is_category(&inputs["ref"])? {
        let (r, c) = data.counts(inputs)?;
        return Ok(json!({ "psi": lemnis_quality::drift::psi_of_counts(&r, &c, smoothing) }));
    }
    let (a, b) = (finite(&data.exact_numbers(inputs, "ref")?), finite(&data.exact_numbers(inputs, "cur")?));
    let buckets = params["buckets"].as_u64().unwrap_or(10) as usize;
    let distinct = params["categorical_at_most"].as_u64().unwrap_or(20) as usize;
    let found = psi(&a, &b, buckets, smoothing, distinct).ok_or_else(|| anyhow!("a side is empty"))?;
    Ok(
        json!({ "psi": found.psi, "edges": found.edges, "ref_counts": found.ref_counts, "cur_counts": found.cur_counts }),
    )
}

fn drift_chi2(data: &mut Data, inputs: &Value, params: &Value) -> Result<Value> {
    let (r, c) = data.counts(inputs)?;
    let yates = params["yates"].as_bool().unwrap_or(false);
    let test = chi2_homogeneity(&r, &c, yates).ok_or_else(|| anyhow!("a side is empty"))?;
    Ok(json!({ "statistic": test.statistic, "p_value": test.p_value, "dof": test.dof }))
}

fn adjust(inputs: &Value, params: &Value) -> Result<Value> {
    let p: Vec<f64> = inputs["p"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let correction = match params["method"].as_str() {
        Some("bonferroni") => Correction::Bonferroni,
        Some("by") => Correction::By,
        Some("bh") => Correction::Bh,
        other => bail!("unknown correction {other:?}"),
    };
    Ok(json!({ "adjusted": adjust_pvalues(&p, correction) }))
}

fn binary(data: &mut Data, inputs: &Value, params: &Value) -> Result<Value> {
    let flags = |values: Vec<f64>| -> Vec<bool> { values.into_iter().map(|value| value != 0.0).collect() };
    let labels = flags(data.numbers(&inputs["y_true"])?);
    let scores = data.numbers(&inputs["y_score"])?;
    let predicted =
        if inputs["y_pred"].is_null() { None } else { Some(flags(data.numbers(&inputs["y_pred"])?)) };
    let weights = if inputs["weight"].is_null() { None } else { Some(data.numbers(&inputs["weight"])?) };
    let found = binary_of(&BinaryInput {
        labels: &labels,
        scores: &scores,
        predicted: predicted.as_deref(),
        weights: weights.as_deref(),
        threshold: params["threshold"].as_f64().unwrap_or(0.5),
    })?;
    let fields = serde_json::to_value(&found)?;
    Ok(not_a_number(fields, "roc_auc", found.roc_auc))
}

fn regression(data: &mut Data, inputs: &Value) -> Result<Value> {
    let (truth, predicted) = (data.numbers(&inputs["y_true"])?, data.numbers(&inputs["y_pred"])?);
    let weights = if inputs["weight"].is_null() { None } else { Some(data.numbers(&inputs["weight"])?) };
    Ok(serde_json::to_value(regression_weighted(&truth, &predicted, weights.as_deref())?)?)
}

fn classes(data: &mut Data, inputs: &Value) -> Result<Value> {
    let (truth, predicted) = (data.texts(&inputs["y_true"])?, data.texts(&inputs["y_pred"])?);
    let plain =
        |values: Vec<Option<String>>| values.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
    Ok(serde_json::to_value(multiclass(&plain(truth), &plain(predicted))?)?)
}

fn not_a_number(mut fields: Value, name: &str, value: f64) -> Value {
    if value.is_nan() {
        fields[name] = "NaN".into();
    }
    fields
}

fn finite(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|value| value.is_finite()).collect()
}

/// The kit's tables, each read once.
struct Data {
    kit: PathBuf,
    tables: HashMap<String, Table>,
}

impl Data {
    fn table(&mut self, file: &str) -> Result<&Table> {
        if !self.tables.contains_key(file) {
            let path = self.kit.join(Path::new(file));
            let table = Table::read(&path, &ReadLimits::default())?;
            self.tables.insert(file.to_owned(), table);
        }
        self.tables.get(file).ok_or_else(|| anyhow!("{file} is not there"))
    }

    fn column(&mut self, input: &Value) -> Result<Option<Column>> {
        let (Some(file), Some(name)) = (input["file"].as_str(), input["column"].as_str()) else {
            return Ok(None);
        };
        Ok(Some(self.table(file)?.column(name)?))
    }

    fn numbers(&mut self, input: &Value) -> Result<Vec<f64>> {
        if let Some(values) = input.as_array() {
            return Ok(values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect());
        }
        if input["gen"].as_str() == Some("splitmix64_uniform") {
            return Ok(splitmix(input));
        }
        let file = input["file"].as_str().context("the input names no file")?.to_owned();
        let name = input["column"].as_str().context("the input names no column")?.to_owned();
        Ok(self.table(&file)?.floats(&name)?)
    }

    fn texts(&mut self, input: &Value) -> Result<Vec<Option<String>>> {
        if let Some(values) = input.as_array() {
            return Ok(values.iter().map(|value| value.as_str().map(str::to_owned)).collect());
        }
        let file = input["file"].as_str().context("the input names no file")?.to_owned();
        let name = input["column"].as_str().context("the input names no column")?.to_owned();
        Ok(self.table(&file)?.texts(&name)?)
    }

    fn whole(&mut self, input: &Value) -> Result<Option<Vec<i64>>> {
        Ok(match self.column(input)? {
            Some(Column::Int(values)) => Some(values.into_iter().flatten().collect()),
            _ => None,
        })
    }

    /// Numbers of one side; whole numbers beyond floats are moved by 2⁵³ on both sides, which keeps every distance.
    fn exact_numbers(&mut self, inputs: &Value, side: &str) -> Result<Vec<f64>> {
        match self.whole(&inputs[side])? {
            Some(values) if values.iter().any(|value| value.abs() >= EXACT) => {
                Ok(values.into_iter().map(|value| (value - EXACT) as f64).collect())
            }
            _ => self.numbers(&inputs[side]),
        }
    }

    fn is_category(&mut self, input: &Value) -> Result<bool> {
        let column = self.column(input)?;
        Ok(matches!(column, Some(Column::Text(_) | Column::Bool(_))))
    }

    /// Counts of both sides over the categories of either.
    fn counts(&mut self, inputs: &Value) -> Result<(Vec<u64>, Vec<u64>)> {
        let mut counts: std::collections::BTreeMap<String, (u64, u64)> = std::collections::BTreeMap::new();
        for value in self.texts(&inputs["ref"])?.into_iter().flatten() {
            counts.entry(value).or_default().0 += 1;
        }
        for value in self.texts(&inputs["cur"])?.into_iter().flatten() {
            counts.entry(value).or_default().1 += 1;
        }
        Ok(counts.into_values().unzip())
    }
}

fn splitmix(input: &Value) -> Vec<f64> {
    let seed = input["seed"].as_u64().unwrap_or_default();
    let count = input["n"].as_u64().unwrap_or_default();
    let (scale, shift) = (input["scale"].as_f64().unwrap_or(1.0), input["shift"].as_f64().unwrap_or(0.0));
    (1..=count)
        .map(|place| {
            let mut z = seed.wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 * scale + shift
        })
        .collect()
}
