//! The order of runs on SQLite where no index gives it: by a metric, a param, a tag or most attributes.
//!
//! SQLite's sorter is made for files that do not fit into memory. Of a hundred thousand runs it is several times slower
//! than reading what they are sorted by and picking the page here. The order is the one that
//! [`run_search`](super::run_search) gives in SQL: absent values last, then NaN, then newest first, then by id.

use std::cmp::Ordering;

use lemnis_tracking::RunSearch;
use lemnis_tracking::search::{Entity, Order};

use super::run_search::{attribute, join, matching};
use super::{Done, one_more};
use crate::sql::{Columns as _, Connection, QueryBuilder};

/// What a run is sorted by, in one of the orders.
#[derive(PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Nan,
    Whole(i64),
    Text(String),
    Absent,
}

/// A run with all that it is sorted by.
struct Ranked {
    number: i64,
    keys: Vec<Key>,
    start_time: Option<i64>,
    run_id: String,
}

/// Whether an index gives the order.
pub(super) fn is_indexed(orders: &[Order]) -> bool {
    match orders {
        [] => true,
        [one] => {
            matches!(one.entity, Entity::Attribute | Entity::Dataset)
                && attribute(&one.key) == "r.start_time"
                && !one.ascending
        }
        _ => false,
    }
}

/// The numbers of a page's rows, and of one more.
pub(super) async fn page(connection: &mut Connection, search: &RunSearch) -> Done<Vec<i64>> {
    let mut sql = QueryBuilder::new("SELECT r.id, r.start_time, r.run_id");
    for (place, order) in search.order.iter().enumerate() {
        match order.entity {
            Entity::Metric => sql.push(format!(", o{place}.is_nan, o{place}.value")),
            Entity::Param | Entity::Tag => sql.push(format!(", NULL, o{place}.value")),
            Entity::Attribute | Entity::Dataset => sql.push(format!(", NULL, {}", attribute(&order.key))),
        };
    }
    sql.push(" FROM run r");
    for (place, order) in search.order.iter().enumerate() {
        join(&mut sql, place, order);
    }
    sql.push(" WHERE ");
    matching(&mut sql, search);
    let mut runs: Vec<Ranked> = Vec::new();
    sql.build()
        .each(connection, |row| {
            let mut keys = Vec::with_capacity(search.order.len());
            for (place, order) in search.order.iter().enumerate() {
                let column = 3 + 2 * place;
                keys.push(match order.entity {
                    Entity::Metric if row.try_get::<Option<i64>>(column)? == Some(1) => Key::Nan,
                    Entity::Metric => {
                        row.try_get::<Option<f64>>(column + 1)?.map_or(Key::Absent, Key::Number)
                    }
                    Entity::Attribute if is_time(&order.key) => {
                        row.try_get::<Option<i64>>(column + 1)?.map_or(Key::Absent, Key::Whole)
                    }
                    _ => row.try_get::<Option<String>>(column + 1)?.map_or(Key::Absent, Key::Text),
                });
            }
            let (number, start_time, run_id) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            runs.push(Ranked { number, keys, start_time, run_id });
            Ok(())
        })
        .await?;
    let ascending: Vec<bool> = search.order.iter().map(|order| order.ascending).collect();
    let first = usize::try_from(search.offset).unwrap_or(usize::MAX);
    let most = usize::try_from(one_more(search.limit)).unwrap_or(usize::MAX);
    Ok(cut(runs, first, most, |a, b| compare(a, b, &ascending)))
}

fn is_time(key: &str) -> bool {
    matches!(attribute(key), "r.start_time" | "r.end_time")
}

/// The numbers of at most `most` runs from place `first` of the order on: only they are sorted.
fn cut(
    mut runs: Vec<Ranked>,
    first: usize,
    most: usize,
    by: impl Fn(&Ranked, &Ranked) -> Ordering,
) -> Vec<i64> {
    if first >= runs.len() {
        return Vec::new();
    }
    if first > 0 {
        runs.select_nth_unstable_by(first, &by);
    }
    let rest = &mut runs[first..];
    let most = most.min(rest.len());
    if most < rest.len() {
        rest.select_nth_unstable_by(most, &by);
    }
    rest[..most].sort_unstable_by(&by);
    rest[..most].iter().map(|run| run.number).collect()
}

fn compare(a: &Ranked, b: &Ranked, ascending: &[bool]) -> Ordering {
    for ((a, b), ascending) in a.keys.iter().zip(&b.keys).zip(ascending) {
        let last = |key: &Key| match key {
            Key::Absent => 2,
            Key::Nan => 1,
            _ => 0,
        };
        // What has no value, or none that can be compared, is last in either direction.
        let order = last(a).cmp(&last(b)).then_with(|| {
            let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
            if *ascending { order } else { order.reverse() }
        });
        if order.is_ne() {
            return order;
        }
    }
    let newest = b.start_time.cmp(&a.start_time);
    newest.then_with(|| a.run_id.cmp(&b.run_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: i64, key: Key, start_time: Option<i64>) -> Ranked {
        Ranked { number, keys: vec![key], start_time, run_id: format!("{number:02}") }
    }

    fn runs() -> Vec<Ranked> {
        vec![
            run(1, Key::Absent, Some(9)),
            run(2, Key::Number(0.5), Some(1)),
            run(3, Key::Nan, Some(5)),
            run(4, Key::Number(-1.0), None),
            run(5, Key::Number(0.5), Some(2)),
            run(6, Key::Absent, None),
        ]
    }

    #[test]
    fn absent_values_are_last_in_either_direction() {
        let sorted = |ascending| cut(runs(), 0, 10, |a, b| compare(a, b, &[ascending]));
        assert_eq!(sorted(true), [4, 5, 2, 3, 1, 6]);
        assert_eq!(sorted(false), [5, 2, 4, 3, 1, 6]);
    }

    #[test]
    fn a_page_is_a_part_of_the_whole_order() {
        let whole = [4, 5, 2, 3, 1, 6];
        for first in 0..8 {
            for most in 1..8 {
                let end = (first + most).min(whole.len());
                let wanted = whole.get(first..end).unwrap_or_default();
                assert_eq!(cut(runs(), first, most, |a, b| compare(a, b, &[true])), wanted);
            }
        }
    }
}
