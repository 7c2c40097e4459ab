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

/// Runs, newest first, and what each is sorted by: the keys of run N begin at N times their number.
struct Ranking<'a> {
    numbers: Vec<i64>,
    keys: Vec<Key>,
    ascending: &'a [bool],
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
    let mut sql = QueryBuilder::new("SELECT r.id");
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
    // An index has them in this order; what decides between equal ones need not be read then.
    sql.push(" ORDER BY r.start_time DESC NULLS LAST, r.run_id");
    let ascending: Vec<bool> = search.order.iter().map(|order| order.ascending).collect();
    let mut ranking = Ranking { numbers: Vec::new(), keys: Vec::new(), ascending: &ascending };
    sql.build()
        .each(connection, |row| {
            for (place, order) in search.order.iter().enumerate() {
                let column = 1 + 2 * place;
                ranking.keys.push(match order.entity {
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
            ranking.numbers.push(row.try_get(0)?);
            Ok(())
        })
        .await?;
    let first = usize::try_from(search.offset).unwrap_or(usize::MAX);
    let most = usize::try_from(one_more(search.limit)).unwrap_or(usize::MAX);
    Ok(ranking.cut(first, most))
}

fn is_time(key: &str) -> bool {
    matches!(attribute(key), "r.start_time" | "r.end_time")
}

impl Ranking<'_> {
    /// The numbers of at most `most` runs from place `first` of the order on: only they are sorted.
    fn cut(&self, first: usize, most: usize) -> Vec<i64> {
        let mut runs: Vec<usize> = (0..self.numbers.len()).collect();
        if first >= runs.len() {
            return Vec::new();
        }
        let by = |a: &usize, b: &usize| self.compare(*a, *b);
        if first > 0 {
            runs.select_nth_unstable_by(first, by);
        }
        let rest = &mut runs[first..];
        let most = most.min(rest.len());
        if most < rest.len() {
            rest.select_nth_unstable_by(most, by);
        }
        rest[..most].sort_unstable_by(by);
        rest[..most].iter().map(|run| self.numbers[*run]).collect()
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let count = self.ascending.len();
        let keys = |run: usize| &self.keys[run * count..][..count];
        for ((a, b), ascending) in keys(a).iter().zip(keys(b)).zip(self.ascending) {
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
        a.cmp(&b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs 1, 2, …, from the newest on.
    fn cut(ascending: bool, first: usize, most: usize) -> Vec<i64> {
        let keys =
            vec![Key::Absent, Key::Nan, Key::Number(0.5), Key::Number(0.5), Key::Number(-1.0), Key::Absent];
        Ranking { numbers: (1..=6).collect(), keys, ascending: &[ascending] }.cut(first, most)
    }

    #[test]
    fn absent_values_are_last_in_either_direction() {
        assert_eq!(cut(true, 0, 10), [5, 3, 4, 2, 1, 6]);
        assert_eq!(cut(false, 0, 10), [3, 4, 5, 2, 1, 6]);
    }

    #[test]
    fn a_page_is_a_part_of_the_whole_order() {
        let whole = [5, 3, 4, 2, 1, 6];
        for first in 0..8 {
            for most in 1..8 {
                let end = (first + most).min(whole.len());
                assert_eq!(cut(true, first, most), whole.get(first..end).unwrap_or_default());
            }
        }
    }
}
