//! Searching runs: one statement finds the page, a few more load what its runs logged.

use std::collections::HashMap;

use lemnis_tracking::search::{Clause, Comparator, Entity, Order, Value};
use lemnis_tracking::{Metric, Page, Param, Run, RunSearch, Tag};

use super::{Done, clause, inputs, offset, one_more, run_rank, runs, shown};
use crate::sql::{self, Columns as _, Connection, List, Passing, QueryBuilder, query};

/// A page of runs. The page's row numbers are found first, so that what is sorted and skipped are small rows.
pub(super) async fn search(connection: &mut Connection, search: RunSearch) -> Done<Page<Run>> {
    let numbers = match connection.is_postgres() || run_rank::is_indexed(&search.order) {
        true => in_order(connection, &search).await?,
        false => run_rank::page(connection, &search).await?,
    };
    let page = Page::cut(numbers, search.limit, search.offset);
    let mut found = rows(connection, &page.items).await?;
    load(connection, &mut found).await?;
    Ok(Page { items: found.into_iter().map(|(_, run)| run).collect(), next_offset: page.next_offset })
}

/// How many runs match.
pub(super) async fn count(connection: &mut Connection, search: RunSearch) -> Done<u64> {
    let mut sql = QueryBuilder::new("SELECT count(*) FROM run r WHERE ");
    matching(&mut sql, &search);
    let row = sql.build().fetch_one(connection).await?;
    Ok(u64::try_from(row.try_get::<i64>(0)?).unwrap_or_default())
}

/// The numbers of a page's rows, and of one more, sorted by the database.
async fn in_order(connection: &mut Connection, search: &RunSearch) -> Done<Vec<i64>> {
    let mut sql = QueryBuilder::new("SELECT r.id FROM run r");
    for (place, order) in search.order.iter().enumerate() {
        join(&mut sql, place, order);
    }
    sql.push(" WHERE ");
    matching(&mut sql, search);
    order(&mut sql, &search.order);
    sql.push(" LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let mut numbers = Vec::new();
    sql.build()
        .each(connection, |row| {
            numbers.push(row.try_get(0)?);
            Ok(())
        })
        .await?;
    Ok(numbers)
}

/// The runs with these numbers, in this order, without what they logged.
async fn rows(connection: &mut Connection, numbers: &[i64]) -> Done<Vec<(i64, Run)>> {
    let select =
        format!("SELECT {} FROM run r WHERE r.id IN (SELECT value FROM json_each(?))", runs::COLUMNS);
    let places: HashMap<i64, usize> =
        numbers.iter().enumerate().map(|(place, number)| (*number, place)).collect();
    let mut runs = Vec::with_capacity(numbers.len());
    query(select)
        .bind(List(numbers.to_vec()))
        .each(connection, |row| {
            let (number, info) = runs::info(row)?;
            runs.push((number, runs::bare(info)));
            Ok(())
        })
        .await?;
    runs.sort_by_cached_key(|(number, _)| places.get(number).copied());
    Ok(runs)
}

/// Appends what a run must be to match.
pub(super) fn matching(sql: &mut QueryBuilder, search: &RunSearch) {
    // Of several experiments the newest runs are found by walking all runs by time: the plus keeps SQLite from
    // visiting one experiment after the other and sorting then.
    let column = if search.experiments.len() == 1 { "r.experiment" } else { "+r.experiment" };
    clause::among(sql, column, &search.experiments);
    if let Some(stage) = search.view.lifecycle() {
        sql.push(" AND r.lifecycle = ").push_bind(stage.as_str());
    }
    for wanted in &search.filter {
        sql.push(" AND ");
        filter(sql, wanted);
    }
}

/// The table of values that an order on a metric, param or tag looks at.
fn table(entity: Entity) -> &'static str {
    match entity {
        Entity::Metric => "latest_metric",
        Entity::Param => "param",
        _ => "tag",
    }
}

pub(super) fn join(sql: &mut QueryBuilder, place: usize, order: &Order) {
    if !matches!(order.entity, Entity::Metric | Entity::Param | Entity::Tag) {
        return;
    }
    let table = table(order.entity);
    sql.push(format!(
        " LEFT JOIN {table} o{place} ON o{place}.run = r.id AND o{place}.key = (SELECT id FROM key_name WHERE text = "
    ));
    sql.push_bind(order.key.clone()).push(")");
}

fn order(sql: &mut QueryBuilder, orders: &[Order]) {
    sql.push(" ORDER BY ");
    let mut by_start = false;
    let mut by_id = false;
    for (place, order) in orders.iter().enumerate() {
        let direction = clause::direction(order.ascending);
        match order.entity {
            Entity::Metric => {
                sql.push(format!("o{place}.run IS NULL, o{place}.is_nan, o{place}.value{direction}, "));
            }
            Entity::Param | Entity::Tag => {
                sql.push(format!("o{place}.run IS NULL, o{place}.value{direction}, "));
            }
            Entity::Attribute | Entity::Dataset => {
                let column = attribute(&order.key);
                by_start |= column == "r.start_time";
                by_id |= column == "r.run_id";
                // In the words of the index.
                if column == "r.start_time" && !order.ascending {
                    sql.push("r.start_time DESC NULLS LAST, ");
                    continue;
                }
                sql.push(format!("{column} IS NULL, {column}{direction}, "));
            }
        }
    }
    if !by_start {
        sql.push("r.start_time DESC NULLS LAST, ");
    }
    sql.push(if by_id { "r.id" } else { "r.run_id" });
}

fn filter(sql: &mut QueryBuilder, wanted: &Clause) {
    match wanted.entity {
        Entity::Attribute => clause::compare(sql, attribute(&wanted.key), wanted),
        Entity::Dataset => dataset(sql, wanted),
        Entity::Param | Entity::Tag if wanted.comparator == Comparator::Equal => equal(sql, wanted),
        Entity::Metric | Entity::Param | Entity::Tag => {
            let absent = wanted.comparator == Comparator::Absent;
            sql.push(if absent { "NOT EXISTS" } else { "EXISTS" });
            sql.push(format!(
                " (SELECT 1 FROM {} v WHERE v.run = r.id AND v.key = (SELECT id FROM key_name WHERE text = ",
                table(wanted.entity)
            ));
            sql.push_bind(wanted.key.clone()).push(")");
            if wanted.value != Value::Nothing {
                sql.push(" AND ");
                match wanted.entity {
                    Entity::Metric => clause::compare_metric(sql, "v", wanted),
                    _ => clause::compare(sql, "v.value", wanted),
                }
            }
            sql.push(")");
        }
    }
}

/// Appends that a param or tag has a value: the index by value finds the runs, however many others there are.
fn equal(sql: &mut QueryBuilder, wanted: &Clause) {
    let Value::Text(text) = &wanted.value else { return clause::never(sql) };
    sql.push(format!(
        "r.id IN (SELECT v.run FROM {} v WHERE v.key = (SELECT id FROM key_name WHERE text = ",
        table(wanted.entity)
    ));
    sql.push_bind(wanted.key.clone()).push(") AND substr(v.value, 1, 32) = substr(");
    // Were the value compared as it is, SQLite would put it into `substr` as well, and not find the index.
    sql.push_bind(text.clone()).push(", 1, 32) AND v.value || '' = ").push_bind(text.clone()).push(")");
}

fn dataset(sql: &mut QueryBuilder, wanted: &Clause) {
    if wanted.key == "context" {
        sql.push("EXISTS (SELECT 1 FROM run_dataset_tag v WHERE v.run = r.id AND v.key = 'mlflow.data.context' AND ");
        clause::compare(sql, "v.value", wanted);
    } else {
        sql.push(
            "EXISTS (SELECT 1 FROM run_dataset l JOIN dataset v ON v.id = l.dataset WHERE l.run = r.id AND ",
        );
        clause::compare(sql, if wanted.key == "digest" { "v.digest" } else { "v.name" }, wanted);
    }
    sql.push(")");
}

pub(super) fn attribute(key: &str) -> &'static str {
    match key {
        "run_id" => "r.run_id",
        "run_name" => "r.name",
        "status" => "r.status",
        "artifact_uri" => "r.artifact_uri",
        "user_id" => "r.user_id",
        "end_time" => "r.end_time",
        _ => "r.start_time",
    }
}

/// Adds to each run what it logged; the numbers are the runs' rows.
pub(super) async fn load(connection: &mut Connection, runs: &mut [(i64, Run)]) -> Done<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let places: HashMap<i64, usize> = runs.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    let ids = List(runs.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    // Names come last and once: a page's runs mostly share them.
    let sql = "SELECT run, key, value, timestamp, step, is_nan FROM latest_metric \
               WHERE run IN (SELECT value FROM json_each(?))";
    let metrics = logged(connection, sql.into(), &ids, &places, |row| {
        Ok((shown(row.try_get(2)?, row.try_get(5)?), row.try_get(3)?, row.try_get(4)?))
    })
    .await?;
    let texts =
        |table| format!("SELECT run, key, value FROM {table} WHERE run IN (SELECT value FROM json_each(?))");
    let params = logged(connection, texts("param"), &ids, &places, |row| row.try_get(2)).await?;
    let tags = logged(connection, texts("tag"), &ids, &places, |row| row.try_get(2)).await?;

    let keys = metrics.iter().map(|one| one.key).chain(params.iter().chain(&tags).map(|one| one.key));
    let names = Names::of(connection, keys.collect()).await?;
    let metric = |key, (value, timestamp, step)| Metric::new(key, value, timestamp).at_step(step);
    names.give(metrics, runs, |run| &mut run.metrics, metric);
    names.give(params, runs, |run| &mut run.params, |key, value| Param { key, value });
    names.give(tags, runs, |run| &mut run.tags, |key, value| Tag { key, value });
    for (_, run) in runs.iter_mut() {
        run.metrics.sort_by(|a, b| a.key.cmp(&b.key));
        run.params.sort_by(|a, b| a.key.cmp(&b.key));
        run.tags.sort_by(|a, b| a.key.cmp(&b.key));
    }
    inputs::load(connection, &ids, &places, runs).await
}

/// What a run logged under a name: the run's place in the page, the number of the name, the value.
struct Logged<T> {
    place: usize,
    key: i64,
    value: T,
}

/// Reads what runs logged; the statement's first two columns are the run and the number of the name.
async fn logged<T>(
    connection: &mut Connection,
    sql: String,
    ids: &List<i64>,
    places: &HashMap<i64, usize>,
    read: impl Fn(&Passing<'_>) -> Result<T, sql::Error>,
) -> Done<Vec<Logged<T>>> {
    let mut found = Vec::new();
    // The rows of one run mostly follow each other.
    let mut last = None;
    query(sql)
        .bind(ids)
        .each(connection, |row| {
            let run: i64 = row.try_get(0)?;
            let place = match last {
                Some((before, place)) if before == run => place,
                _ => places.get(&run).copied(),
            };
            last = Some((run, place));
            if let Some(place) = place {
                found.push(Logged { place, key: row.try_get(1)?, value: read(row)? });
            }
            Ok(())
        })
        .await?;
    Ok(found)
}

/// The names that numbers stand for, sorted by number.
struct Names(Vec<(i64, String)>);

impl Names {
    async fn of(connection: &mut Connection, mut keys: Vec<i64>) -> Done<Self> {
        keys.sort_unstable();
        keys.dedup();
        let mut names = Vec::with_capacity(keys.len());
        if keys.is_empty() {
            return Ok(Self(names));
        }
        query("SELECT id, text FROM key_name WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id")
            .bind(List(keys))
            .each(connection, |row| {
                names.push((row.try_get(0)?, row.try_get(1)?));
                Ok(())
            })
            .await?;
        Ok(Self(names))
    }

    fn get(&self, key: i64) -> String {
        let at = self.0.binary_search_by_key(&key, |name| name.0);
        at.map(|at| self.0[at].1.clone()).unwrap_or_default()
    }

    /// Puts what was logged, with its name, into a list of its run.
    fn give<T, Named>(
        &self,
        logged: Vec<Logged<T>>,
        runs: &mut [(i64, Run)],
        list: impl Fn(&mut Run) -> &mut Vec<Named>,
        named: impl Fn(String, T) -> Named,
    ) {
        let mut sizes = vec![0; runs.len()];
        logged.iter().for_each(|one| sizes[one.place] += 1);
        for ((_, run), size) in runs.iter_mut().zip(sizes) {
            list(run).reserve_exact(size);
        }
        for Logged { place, key, value } in logged {
            list(&mut runs[place].1).push(named(self.get(key), value));
        }
    }
}
