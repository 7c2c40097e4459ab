//! `metrics/get-history`, `get-history-bulk` and `get-history-bulk-interval`.

use axum::extract::State;
use lemnis_tracking::{Error, History, RunId, SampledMetrics};

use super::Answer;
use super::fields::Fields;
use super::wire::{self, MetricOut, Reply};
use crate::Server;

/// Runs a bulk request may name.
const MAX_RUNS: usize = 100;
/// Points a bulk answer holds.
const MAX_POINTS: usize = 25_000;
/// Points of one run in a thinned-out answer.
const MAX_POINTS_A_RUN: i64 = 2500;

pub(super) async fn history(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, MetricOut>> {
    let id = fields.run_id()?;
    let key = fields.required("metric_key")?;
    let limit = match fields.int("max_results")? {
        None => None,
        Some(_) => Some(fields.max_results(MAX_POINTS, usize::MAX)?),
    };
    let page = server.app.runs.history(&id, &History { key, limit, offset: fields.offset()? }).await?;
    let next_page_token = page.next_token();
    let list = page.items.into_iter().map(|point| wire::metric(point, None)).collect();
    Ok(Reply(wire::Page { list: ("metrics", list), next_page_token }))
}

pub(super) async fn history_bulk(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, MetricOut>> {
    let mut run_ids = fields.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(Error::invalid("GetMetricHistoryBulk request must specify at least one run_id.").into());
    }
    if run_ids.len() > MAX_RUNS {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {MAX_RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        ))
        .into());
    }
    let Some(key) = fields.filled("metric_key")? else {
        return Err(Error::invalid("GetMetricHistoryBulk request must specify a metric_key.").into());
    };
    let limit = fields.max_results(MAX_POINTS, usize::MAX)?.min(MAX_POINTS);
    run_ids.sort();
    let mut points = Vec::new();
    for id in run_ids {
        let left = limit - points.len();
        if left == 0 {
            break;
        }
        let history = History { key: key.clone(), limit: Some(left), offset: 0 };
        let page = server.app.runs.history(&RunId::from(id.as_str()), &history).await?;
        points.extend(page.items.into_iter().map(|point| wire::metric(point, Some(&id))));
    }
    Ok(Reply(wire::Page { list: ("metrics", points), next_page_token: None }))
}

pub(super) async fn history_sampled(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, MetricOut>> {
    let run_ids = fields.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(fields.missing("run_ids").into());
    }
    if run_ids.len() > MAX_RUNS {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {MAX_RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        ))
        .into());
    }
    let key = fields.required("metric_key")?;
    let max_points = fields.int("max_results")?.unwrap_or(MAX_POINTS_A_RUN);
    if !(1..=MAX_POINTS_A_RUN).contains(&max_points) {
        return Err(Error::invalid(format!("max_results must be between 1 and {MAX_POINTS_A_RUN}.")).into());
    }
    let steps = match (fields.int("start_step")?, fields.int("end_step")?) {
        (None, None) => None,
        (Some(first), Some(last)) if first <= last => Some((first, last)),
        (Some(first), Some(last)) => {
            return Err(Error::invalid(format!(
                "end_step must be greater than start_step. Found start_step={first} and end_step={last}."
            ))
            .into());
        }
        _ => {
            let message = "If either start step or end step are specified, both must be specified.";
            return Err(Error::invalid(message).into());
        }
    };
    let sample = SampledMetrics {
        run_ids: run_ids.iter().map(|id| RunId::from(id.as_str())).collect(),
        key,
        steps,
        max_points: usize::try_from(max_points).unwrap_or(1),
    };
    let points = server.app.runs.sampled(&sample).await?;
    let list = points.into_iter().map(|(id, point)| wire::metric(point, Some(id.as_str()))).collect();
    Ok(Reply(wire::Page { list: ("metrics", list), next_page_token: None }))
}
