//! Figures over many traces: counts, latency, tokens, cost and assessments, by time and by dimension.
//!
//! The store reads narrow rows; the arithmetic is here, so that every store computes the same. Percentiles interpolate
//! linearly between neighbours (method 7 of Hyndman and Fan, 1996).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use lemnis_core::Millis;

use crate::search::{MetricFilter, MetricView};
use crate::{Error, ExperimentId, Result};

/// How values are summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    /// How many there are.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The value that this percentage of them do not exceed, 0 to 100.
    Percentile(f64),
}

impl Aggregation {
    /// Reads an aggregation from its name and its percentile.
    pub fn parse(name: &str, percentile: Option<f64>) -> Result<Self> {
        let plain = match name {
            "COUNT" | "1" => Aggregation::Count,
            "SUM" | "2" => Aggregation::Sum,
            "AVG" | "3" => Aggregation::Avg,
            "PERCENTILE" | "4" => {
                let value = percentile.ok_or_else(|| {
                    Error::invalid("Percentile value is required for PERCENTILE aggregation")
                })?;
                if !(0.0..=100.0).contains(&value) {
                    return Err(Error::invalid(format!(
                        "Percentile value must be between 0 and 100, got {value}"
                    )));
                }
                return Ok(Aggregation::Percentile(value));
            }
            "MIN" | "5" => Aggregation::Min,
            "MAX" | "6" => Aggregation::Max,
            _ => return Err(Error::invalid(format!("Unknown aggregation type '{name}'."))),
        };
        match percentile {
            Some(_) => Err(Error::invalid(format!(
                "Percentile value is only allowed for PERCENTILE aggregation type, got {name}"
            ))),
            None => Ok(plain),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Aggregation::Count => "COUNT",
            Aggregation::Sum => "SUM",
            Aggregation::Avg => "AVG",
            Aggregation::Min => "MIN",
            Aggregation::Max => "MAX",
            Aggregation::Percentile(_) => "PERCENTILE",
        }
    }

    /// The name of its value in an answer, such as `AVG` or `P95.0`.
    pub fn label(self) -> String {
        match self {
            Aggregation::Percentile(value) => format!("P{value:?}"),
            other => other.kind().to_owned(),
        }
    }

    /// The figure of `sorted`, which is not empty.
    fn of(self, sorted: &[f64]) -> f64 {
        let sum = || sorted.iter().sum::<f64>();
        match self {
            Aggregation::Count => sorted.len() as f64,
            Aggregation::Sum => sum(),
            Aggregation::Avg => sum() / sorted.len() as f64,
            Aggregation::Min => sorted.first().copied().unwrap_or_default(),
            Aggregation::Max => sorted.last().copied().unwrap_or_default(),
            Aggregation::Percentile(percent) => {
                let place = percent / 100.0 * (sorted.len() - 1) as f64;
                let below = place.floor() as usize;
                let low = sorted.get(below).copied().unwrap_or_default();
                let high = sorted.get(below + 1).copied().unwrap_or(low);
                low + (high - low) * place.fract()
            }
        }
    }
}

/// What is measured, over what, and how it is grouped.
#[derive(Clone, Debug)]
pub struct Query {
    /// Where to look.
    pub experiments: Vec<ExperimentId>,
    /// Traces, spans or assessments.
    pub view: MetricView,
    /// The metric's name.
    pub metric: String,
    /// The figures.
    pub aggregations: Vec<Aggregation>,
    /// What they are grouped by.
    pub dimensions: Vec<String>,
    /// What must hold.
    pub filters: Vec<MetricFilter>,
    /// The length of a time bucket.
    pub bucket_seconds: Option<i64>,
    /// From when on.
    pub start_ms: Option<Millis>,
    /// Until when, that moment included.
    pub end_ms: Option<Millis>,
}

/// One row that a metric is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at_ms: Millis,
    /// The dimensions' values, in the query's order.
    pub dimensions: Vec<String>,
    /// The value; 1 where things are counted.
    pub value: f64,
    /// What must be counted once.
    pub distinct: Option<String>,
}

/// What was found of one group.
#[derive(Default)]
struct Group {
    values: Vec<f64>,
    /// What is counted already.
    counted: BTreeSet<String>,
}

/// One figure or several of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct DataPoint {
    /// Where its time bucket starts.
    pub bucket_ms: Option<Millis>,
    /// The dimensions' values, in the query's order.
    pub dimensions: Vec<String>,
    /// The figures by label.
    pub values: Vec<(String, f64)>,
}

const MEASURES: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE"];
const AMOUNTS: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE", "SUM"];
const COUNT: &[&str] = &["COUNT"];
const TOKENS: [&str; 5] = [
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
];

/// Metrics of a view with the aggregations and dimensions that each takes.
fn metrics(view: MetricView) -> Vec<(&'static str, &'static [&'static str], &'static [&'static str])> {
    match view {
        MetricView::Traces => {
            let mut all: Vec<(&str, &[&str], &[&str])> = vec![
                ("trace_count", COUNT, &["trace_name", "trace_status"]),
                ("session_count", COUNT, &[]),
                ("latency", MEASURES, &["trace_name"]),
            ];
            all.extend(TOKENS.map(|name| (name, AMOUNTS, &["trace_name"] as &[&str])));
            all
        }
        MetricView::Spans => {
            let models: &[&str] = &["span_model_name", "span_model_provider"];
            vec![
                (
                    "span_count",
                    COUNT,
                    &["span_model_name", "span_model_provider", "span_name", "span_status", "span_type"],
                ),
                ("latency", MEASURES, &["span_name", "span_status"]),
                ("input_cost", AMOUNTS, models),
                ("output_cost", AMOUNTS, models),
                ("total_cost", AMOUNTS, models),
            ]
        }
        MetricView::Assessments => vec![
            ("assessment_count", COUNT, &["assessment_name", "assessment_value"]),
            ("assessment_value", MEASURES, &["assessment_name"]),
        ],
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

impl Query {
    /// Fails where the view has no such metric, or the metric no such aggregation or dimension.
    pub fn check(&self) -> Result<()> {
        let metrics = metrics(self.view);
        let Some((_, aggregations, dimensions)) = metrics.iter().find(|(name, ..)| *name == self.metric)
        else {
            let names: Vec<&str> = metrics.iter().map(|(name, ..)| *name).collect();
            return Err(Error::invalid(format!(
                "metric_name must be one of {}, got '{}'",
                list(&names),
                self.metric
            )));
        };
        let kinds: BTreeSet<&str> = self.aggregations.iter().map(|wanted| wanted.kind()).collect();
        let wrong: Vec<&str> = kinds.into_iter().filter(|kind| !aggregations.contains(kind)).collect();
        if !wrong.is_empty() {
            return Err(Error::invalid(format!(
                "Found invalid aggregation_type(s): {}. Supported aggregation types: {}",
                list(&wrong),
                list(aggregations)
            )));
        }
        let wanted: BTreeSet<&str> = self.dimensions.iter().map(String::as_str).collect();
        let wrong: Vec<&str> = wanted.into_iter().filter(|name| !dimensions.contains(name)).collect();
        if !wrong.is_empty() {
            return Err(Error::invalid(format!(
                "Found invalid dimension(s): {}. Supported dimensions: {}",
                list(&wrong),
                list(dimensions)
            )));
        }
        match self.bucket_seconds {
            Some(seconds) if seconds <= 0 => {
                Err(Error::invalid("time_interval_seconds must be a positive integer"))
            }
            Some(_) if self.start_ms.is_none() || self.end_ms.is_none() => Err(Error::invalid(
                "start_time_ms and end_time_ms are required if time_interval_seconds is set",
            )),
            _ => Ok(()),
        }
    }

    /// The figures of `points`, by time bucket and then by dimensions; at most `limit` groups.
    pub fn compute(&self, points: Vec<Point>, limit: usize) -> Vec<DataPoint> {
        let length_ms = self.bucket_seconds.map(|seconds| seconds.saturating_mul(1000));
        let mut groups: BTreeMap<(Option<i64>, Vec<String>), Group> = BTreeMap::new();
        for point in points {
            let bucket = length_ms.map(|length| point.at_ms.div_euclid(length).saturating_mul(length));
            let group = groups.entry((bucket, point.dimensions)).or_default();
            match point.distinct {
                Some(text) if !group.counted.insert(text.clone()) => {}
                _ => group.values.push(point.value),
            }
        }
        let mut found = Vec::new();
        for ((bucket_ms, dimensions), mut group) in groups.into_iter().take(limit) {
            group.values.sort_by(f64::total_cmp);
            let figures = self.aggregations.iter().map(|wanted| (wanted.label(), wanted.of(&group.values)));
            let values = figures.collect();
            found.push(DataPoint { bucket_ms, dimensions, values });
        }
        if found.is_empty() && self.dimensions.is_empty() && length_ms.is_none() {
            // Nothing counted is an answer, too.
            let counts = self.aggregations.iter().filter(|wanted| **wanted == Aggregation::Count);
            let values: Vec<_> = counts.map(|wanted| (wanted.label(), 0.0)).collect();
            if !values.is_empty() {
                found.push(DataPoint { bucket_ms: None, dimensions: Vec::new(), values });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(metric: &str, aggregations: Vec<Aggregation>, bucket_seconds: Option<i64>) -> Query {
        Query {
            experiments: Vec::new(),
            view: MetricView::Traces,
            metric: metric.into(),
            aggregations,
            dimensions: Vec::new(),
            filters: Vec::new(),
            bucket_seconds,
            start_ms: Some(0),
            end_ms: Some(10_000),
        }
    }

    fn point(at_ms: i64, value: f64) -> Point {
        Point { at_ms, dimensions: Vec::new(), value, distinct: None }
    }

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        let wanted = query("latency", vec![Aggregation::Percentile(50.0), Aggregation::Avg], None);
        let points = [10.0, 20.0, 30.0, 40.0].map(|value| point(0, value)).to_vec();
        let found = wanted.compute(points, 10);
        assert_eq!(found[0].values, [("P50.0".to_owned(), 25.0), ("AVG".to_owned(), 25.0)]);
    }

    #[test]
    fn buckets_start_at_whole_multiples() {
        let wanted = query("trace_count", vec![Aggregation::Count], Some(2));
        let found = wanted.compute(vec![point(1999, 1.0), point(2000, 1.0), point(-1, 1.0)], 10);
        let buckets: Vec<_> = found.iter().map(|point| point.bucket_ms).collect();
        assert_eq!(buckets, [Some(-2000), Some(0), Some(2000)]);
    }

    #[test]
    fn wrong_names_are_refused_with_the_right_ones() {
        let said = |query: Query| query.check().unwrap_err().to_string();
        assert!(
            said(query("nothing", vec![Aggregation::Count], None)).contains("metric_name must be one of")
        );
        assert!(
            said(query("latency", vec![Aggregation::Sum], None)).contains("Found invalid aggregation_type")
        );
        assert!(query("latency", vec![Aggregation::Avg], None).check().is_ok());
    }
}
