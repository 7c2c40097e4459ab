//! The histories of metrics.

use lemnis_tracking::{Error, History, Metric, Page, RunId, SampledMetrics};

use super::{Done, offset, one_more};
use crate::points::{self, Point};
use crate::sql::{Connection, query_scalar};

async fn row_of(connection: &mut Connection, id: &RunId) -> Done<Option<i64>> {
    Ok(query_scalar("SELECT id FROM run WHERE run_id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?)
}

/// A page of one metric's points.
pub(super) async fn history(connection: &mut Connection, id: &RunId, history: History) -> Done<Page<Metric>> {
    let Some(run) = row_of(connection, id).await? else { return Err(Error::no_run(id).into()) };
    let limit = history.limit.unwrap_or(usize::MAX);
    let first = usize::try_from(offset(history.offset)).unwrap_or(usize::MAX);
    let most = usize::try_from(one_more(limit)).unwrap_or(usize::MAX);
    let points = points::read(connection, run, &history.key).await?;
    let page = points.iter().skip(first).take(most).map(|point| metric(point, &history.key)).collect();
    Ok(Page::cut(page, limit, history.offset))
}

/// Of each run at most `max_points` points: the first of each of as many equal parts of its steps, and the last point.
pub(super) async fn sampled(
    connection: &mut Connection,
    sample: SampledMetrics,
) -> Done<Vec<(RunId, Metric)>> {
    let (first, last) = sample.steps.unwrap_or((i64::MIN, i64::MAX));
    let mut found = Vec::new();
    for id in &sample.run_ids {
        let Some(run) = row_of(connection, id).await? else { continue };
        let mut points = points::read(connection, run, &sample.key).await?;
        points.retain(|point| (first..=last).contains(&point.step));
        points.sort_by(|a, b| (a.step, a.timestamp).cmp(&(b.step, b.timestamp)).then_with(|| a.cmp_value(b)));
        let places = places(points.len(), sample.max_points.max(1));
        found.extend(places.into_iter().map(|place| (id.clone(), metric(&points[place], &sample.key))));
    }
    Ok(found)
}

/// Which of `count` points stand for all: the first of each of `parts` parts, whose lengths differ by one at most and the
/// longer ones come first; the last point takes the place of the last part's first.
fn places(count: usize, parts: usize) -> Vec<usize> {
    if count <= parts {
        return (0..count).collect();
    }
    let (short, longer) = (count / parts, count % parts);
    let mut places: Vec<usize> = (0..parts).map(|part| part * short + part.min(longer)).collect();
    if let Some(last) = places.last_mut() {
        *last = count - 1;
    }
    places
}

fn metric(point: &Point, key: &str) -> Metric {
    Metric::new(key, point.value, point.timestamp).at_step(point.step)
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn a_sample_holds_the_first_of_each_part_and_the_last_point() {
        assert_eq!(places(10, 5), [0, 2, 4, 6, 9]);
        assert_eq!(places(11, 4), [0, 3, 6, 10]);
        assert_eq!(places(3, 5), [0, 1, 2]);
        assert_eq!(places(3, 1), [2]);
        assert_eq!(places(0, 4), [0usize; 0]);
    }
}
