//! `traces/metrics` and `traces/calculate-filter-correlation`

use axum::extract::State;
use jiff::Timestamp;
use lemnis_tracking::search::{MetricView, metric_filter, traces};
use lemnis_tracking::trace::correlation::Filters;
use lemnis_tracking::trace::metric::{Aggregation, Query};
use lemnis_tracking::{Error, ExperimentId, Result};
use serde_json::{Map, Value, json};

use super::super::Answer;
use super::super::experiments::parse_id;
use super::super::fields::Fields;
use super::super::wire::Reply;
use crate::Server;

/// Groups that an answer holds.
const MAX_POINTS: usize = 1000;

fn experiments(fields: &Fields) -> Result<Vec<ExperimentId>> {
    let ids = fields.listed_texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(fields.missing("experiment_ids"));
    }
    ids.iter().map(|id| parse_id(id)).collect()
}

pub(super) async fn query(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let word = fields.word("view_type")?.ok_or_else(|| fields.missing("view_type"))?;
    let view = MetricView::parse(&word).ok_or_else(|| {
        Error::invalid(format!("view_type must be one of ['TRACES', 'SPANS', 'ASSESSMENTS'], got '{word}'"))
    })?;
    let mut aggregations = Vec::new();
    for wanted in fields.objects("aggregations")? {
        let name = wanted.word("aggregation_type")?.ok_or_else(|| wanted.missing("aggregation_type"))?;
        aggregations.push(Aggregation::parse(&name, wanted.float("percentile_value")?)?);
    }
    if aggregations.is_empty() {
        return Err(fields.missing("aggregations").into());
    }
    let filters = fields.texts("filters")?;
    let query = Query {
        experiments: experiments(&fields)?,
        view,
        metric: fields.required("metric_name")?,
        aggregations,
        dimensions: fields.texts("dimensions")?,
        filters: filters.iter().map(|text| metric_filter(view, text)).collect::<Result<_>>()?,
        bucket_seconds: fields.int("time_interval_seconds")?.filter(|seconds| *seconds != 0),
        start_ms: fields.int("start_time_ms")?,
        end_ms: fields.int("end_time_ms")?,
    };
    query.check()?;
    let limit = fields.max_results(MAX_POINTS, 50_000)?;
    let rows = server.app.traces.measure(&query).await?;
    let points: Vec<Value> = query
        .compute(rows, limit)
        .into_iter()
        .map(|point| {
            let mut dimensions = Map::new();
            if let Some(at) = point.bucket_ms {
                dimensions.insert("time_bucket".into(), python_time(at).into());
            }
            for (name, value) in query.dimensions.iter().zip(point.dimensions) {
                dimensions.insert(name.clone(), value.into());
            }
            let values: Map<String, Value> =
                point.values.into_iter().map(|(name, value)| (name, json!(value))).collect();
            json!({"metric_name": query.metric, "dimensions": dimensions, "values": values})
        })
        .collect();
    Ok(Reply(if points.is_empty() { json!({}) } else { json!({ "data_points": points }) }))
}

/// A moment in the form that Python's `isoformat` gives a time in UTC.
fn python_time(at_ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return String::new() };
    let fraction = at_ms.rem_euclid(1000);
    let text = at.strftime("%Y-%m-%dT%H:%M:%S");
    if fraction == 0 { format!("{text}+00:00") } else { format!("{text}.{fraction:03}000+00:00") }
}

pub(super) async fn correlation(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let experiments = experiments(&fields)?;
    let filters = Filters {
        base: traces(&fields.text("base_filter")?.unwrap_or_default())?,
        first: traces(&fields.required("filter_string1")?)?,
        second: traces(&fields.required("filter_string2")?)?,
    };
    let counts = server.app.traces.counts(&experiments, &filters).await?;
    let number = |value: f64| if value.is_nan() { json!("NaN") } else { json!(value) };
    Ok(Reply(json!({
        "npmi": number(counts.npmi()),
        "npmi_smoothed": number(counts.npmi_smoothed()),
        "filter1_count": counts.first,
        "filter2_count": counts.second,
        "joint_count": counts.joint,
        "total_count": counts.total,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_written_as_python_writes_them() {
        assert_eq!(python_time(1_577_836_800_000), "2020-01-01T00:00:00+00:00");
        assert_eq!(python_time(1_577_836_800_500), "2020-01-01T00:00:00.500000+00:00");
    }
}
