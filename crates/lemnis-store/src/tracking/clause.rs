//! From a filter's clauses to SQL with bound values.

use lemnis_tracking::ExperimentId;
use lemnis_tracking::search::{Clause, Comparator, Value};

use crate::sql::{List, QueryBuilder};

/// Makes a backslash in a pattern a backslash: PostgreSQL would take it for an escape.
const NO_ESCAPE: &str = " ESCAPE '\u{1}'";

/// Appends `column <op> value`.
pub(super) fn compare(sql: &mut QueryBuilder, column: &str, clause: &Clause) {
    compare_value(sql, column, clause.comparator, &clause.value);
}

/// Appends `column <op> value`.
pub(super) fn compare_value(sql: &mut QueryBuilder, column: &str, comparator: Comparator, value: &Value) {
    match (&comparator, value) {
        (Comparator::RLike, Value::Text(pattern)) => {
            sql.push(format!("{column} REGEXP ")).push_bind(pattern.clone());
        }
        (Comparator::ILike, Value::Text(text)) => {
            sql.push(format!("lower({column}) LIKE lower(")).push_bind(text.clone());
            sql.push(")").push(NO_ESCAPE);
        }
        (Comparator::Like, Value::Text(text)) => {
            sql.push(format!("{column} LIKE ")).push_bind(text.clone()).push(NO_ESCAPE);
        }
        (comparator, Value::Text(text)) => {
            sql.push(format!("{column} {} ", comparator.sql())).push_bind(text.clone());
        }
        (comparator, Value::Number(number)) => {
            sql.push(format!("{column} {} ", comparator.sql())).push_bind(*number);
        }
        (comparator, Value::List(texts)) => {
            sql.push(format!("{column} {} (SELECT value FROM json_each(", comparator.sql()))
                .push_bind(List(texts.clone()))
                .push("))");
        }
        (Comparator::Absent, Value::Nothing) => {
            sql.push(format!("{column} IS NULL"));
        }
        (_, Value::Nothing) => {
            sql.push(format!("{column} IS NOT NULL"));
        }
    }
}

/// Appends `(a, b, c)` with bound texts; where there is none, a list that holds nothing.
pub(super) fn texts<'t>(sql: &mut QueryBuilder, texts: impl IntoIterator<Item = &'t str>) {
    sql.push("(");
    let mut any = false;
    for text in texts {
        if any {
            sql.push(", ");
        }
        any = true;
        sql.push_bind(text.to_owned());
    }
    sql.push(if any { ")" } else { "NULL)" });
}

/// Appends `(1, 2, 3)`; where there is none, a list that holds nothing.
pub(super) fn experiments(sql: &mut QueryBuilder, ids: &[ExperimentId]) {
    let list: Vec<String> = ids.iter().map(|id| id.0.to_string()).collect();
    sql.push("(").push(if list.is_empty() { "NULL".to_owned() } else { list.join(", ") }).push(")");
}

/// Appends that `column` is one of the experiments.
pub(super) fn among(sql: &mut QueryBuilder, column: &str, experiments: &[ExperimentId]) {
    match experiments {
        // An index that is led by the experiment gives the order as well.
        [one] => sql.push(format!("{column} = ")).push_bind(one.0),
        several => sql
            .push(format!("{column} IN (SELECT value FROM json_each("))
            .push_bind(List(several.iter().map(|id| id.0).collect::<Vec<_>>()))
            .push("))"),
    };
}

/// Appends `value <op> number`, where NaN satisfies only `!=`.
pub(super) fn compare_metric(sql: &mut QueryBuilder, table: &str, clause: &Clause) {
    if clause.comparator == Comparator::NotEqual {
        sql.push(format!("({table}.is_nan OR "));
    } else {
        sql.push(format!("(NOT {table}.is_nan AND "));
    }
    compare(sql, &format!("{table}.value"), clause);
    sql.push(")");
}

/// Appends what no row satisfies.
pub(super) fn never(sql: &mut QueryBuilder) {
    sql.push("false");
}

/// Appends `ASC` or `DESC`.
pub(super) fn direction(ascending: bool) -> &'static str {
    if ascending { " ASC" } else { " DESC" }
}
