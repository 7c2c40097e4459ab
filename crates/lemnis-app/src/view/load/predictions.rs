//! The newest rows of the prediction log: latency in slices of time, and a sample to look at.

use lemnis_core::rfc3339;
use lemnis_table::Table;

use crate::view::{LatencyPoint, Moment, PredictionSample};
use crate::{App, Context, Error};

/// Rows of the log that are looked at.
const ROWS: usize = 2_000;
/// Slices of the latency plot.
const SLICES: usize = 40;
/// The fewest requests of a slice: a 95th percentile of less says nothing.
const SLICE_REQUESTS: usize = 20;
/// Rows of the sample.
const SAMPLE: usize = 12;
/// Feature columns of the sample.
const FEATURES: usize = 8;
/// The longest value of the sample, in characters.
const VALUE_CHARACTERS: usize = 40;
/// Columns of the log that are about the request.
const OWN: [&str; 7] = ["request_id", "row", "at_us", "model_version", "arm", "status", "latency_us"];

/// Latency and a sample of the newest predictions of `endpoint`.
pub(super) async fn newest(
    app: &App,
    endpoint: &str,
) -> Result<(Vec<LatencyPoint>, PredictionSample), Error> {
    let log = app.predictions.read(endpoint, 0, ROWS).await.context("reading the prediction log")?;
    if log.rows() == 0 || !OWN.iter().all(|name| log.has(name)) {
        return Ok((Vec::new(), PredictionSample::default()));
    }
    Ok((latency(&log).context("reading latencies")?, sample(&log).context("reading predictions")?))
}

fn latency(log: &Table) -> lemnis_table::Result<Vec<LatencyPoint>> {
    let at = log.floats("at_us")?;
    let micros = log.floats("latency_us")?;
    let place = log.floats("row")?;
    // One row a request: a batch has the same latency in each of its rows.
    let requests: Vec<(f64, f64)> = (0..log.rows())
        .filter(|row| place[*row] == 0.0 && micros[*row].is_finite())
        .map(|row| (at[row], micros[row]))
        .collect();
    let slice = requests.len().div_ceil(SLICES).max(SLICE_REQUESTS);
    Ok(requests
        .chunks(slice)
        .map(|chunk| {
            let mut sorted: Vec<f64> = chunk.iter().map(|(_, micros)| *micros).collect();
            sorted.sort_by(f64::total_cmp);
            LatencyPoint {
                at: Moment((chunk[chunk.len() / 2].0 / 1000.0) as i64),
                p50_us: quantile(&sorted, 0.5),
                p95_us: quantile(&sorted, 0.95),
                requests: chunk.len(),
            }
        })
        .collect())
}

/// The nearest-rank quantile of sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

fn sample(log: &Table) -> lemnis_table::Result<PredictionSample> {
    let outputs: Vec<&str> = log.names().into_iter().filter(|name| name.starts_with("out_")).collect();
    let features: Vec<&str> =
        log.names().into_iter().filter(|name| !OWN.contains(name) && !name.starts_with("out_")).collect();
    let mut columns = vec!["at_us", "model_version", "arm", "status", "latency_us"];
    columns.extend(&outputs);
    columns.extend(features.iter().take(FEATURES));
    columns.push("request_id");
    let newest = log.slice(log.rows().saturating_sub(SAMPLE), SAMPLE.min(log.rows()))?;
    let moments = newest.floats("at_us")?;
    let mut values: Vec<Vec<String>> = Vec::with_capacity(columns.len());
    for name in &columns {
        let texts = newest.texts(name)?;
        values.push(texts.into_iter().map(|text| shortened(text.unwrap_or_default())).collect());
    }
    for (row, text) in values[0].iter_mut().enumerate() {
        *text = rfc3339((moments[row] / 1000.0) as i64).get(11..23).unwrap_or_default().to_owned();
    }
    let rows = (0..newest.rows())
        .rev()
        .map(|row| values.iter().map(|column| column[row].clone()).collect())
        .collect();
    let heading = |name: &&str| match *name {
        "at_us" => "at".to_owned(),
        "model_version" => "version".to_owned(),
        "latency_us" => "latency µs".to_owned(),
        other => other.to_owned(),
    };
    Ok(PredictionSample {
        columns: columns.iter().map(heading).collect(),
        rows,
        hidden_columns: features.len().saturating_sub(FEATURES),
    })
}

/// Long values are cut, long fractions rounded.
fn shortened(text: String) -> String {
    if text.len() > 8
        && text.contains('.')
        && let Ok(value) = text.parse::<f64>()
    {
        return format!("{value:.4}");
    }
    if text.chars().count() <= VALUE_CHARACTERS {
        return text;
    }
    text.chars().take(VALUE_CHARACTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lemnis_table::Column;

    fn log(rows: usize) -> Table {
        let texts = |value: &str| Column::Text(vec![Some(value.to_owned()); rows]);
        let numbers = |value: fn(usize) -> i64| Column::Int((0..rows).map(|row| Some(value(row))).collect());
        let columns = vec![
            ("request_id", Column::Text((0..rows).map(|row| Some(format!("r{row}"))).collect())),
            ("row", numbers(|_| 0)),
            ("at_us", Column::Timestamp((0..rows).map(|row| Some(row as i64 * 1_000_000)).collect())),
            ("model_version", numbers(|_| 2)),
            ("arm", texts("champion")),
            ("status", texts("ok")),
            ("latency_us", numbers(|row| row as i64 + 1)),
            ("tenure", Column::Float(vec![Some(1.0 / 3.0); rows])),
            ("out_probability", Column::Float(vec![None; rows])),
        ];
        Table::from_columns(columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect())
            .unwrap()
    }

    #[test]
    fn latency_is_cut_into_slices_of_enough_requests() {
        let points = latency(&log(100)).unwrap();
        assert_eq!(points.len(), 5);
        assert_eq!((points[0].p50_us, points[0].p95_us, points[0].requests), (10.0, 19.0, 20));
        assert_eq!(latency(&log(1)).unwrap().len(), 1);
    }

    #[test]
    fn the_sample_shows_the_newest_first_and_rounds() {
        let sample = sample(&log(30)).unwrap();
        assert_eq!(sample.rows.len(), SAMPLE);
        assert_eq!(sample.rows[0].last().unwrap(), "r29");
        assert_eq!(sample.rows[0][0], "00:00:29.000");
        assert!(sample.rows[0].contains(&"0.3333".to_owned()));
        assert_eq!(sample.columns[4], "latency µs");
    }
}
