//! From a filter's clauses to SQL with bound values.

use lemnis_tracking::search::{Clause, Comparator, Value};
use sqlx::{QueryBuilder, Sqlite};

/// Appends `column <op> value`.
pub(super) fn compare(sql: &mut QueryBuilder<Sqlite>, column: &str, clause: &Clause) {
    compare_value(sql, column, clause.comparator, &clause.value);
}

/// Appends `column <op> value`.
pub(super) fn compare_value(
    sql: &mut QueryBuilder<Sqlite>,
    column: &str,
    comparator: Comparator,
    value: &Value,
) {
    match (&comparator, value) {
        (Comparator::RLike, Value::Text(pattern)) => {
            sql.push(format!("{column} REGEXP ")).push_bind(pattern.clone());
        }
        (Comparator::ILike, Value::Text(text)) => {
            sql.push(format!("lower({column}) LIKE lower(")).push_bind(text.clone()).push(")");
        }
        (comparator, Value::Text(text)) => {
            sql.push(format!("{column} {} ", comparator.sql())).push_bind(text.clone());
        }
        (comparator, Value::Number(number)) => {
            sql.push(format!("{column} {} ", comparator.sql())).push_bind(*number);
        }
        (comparator, Value::List(texts)) => {
            sql.push(format!("{column} {} (SELECT value FROM json_each(", comparator.sql()))
                .push_bind(sqlx::types::Json(texts.clone()))
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
pub(super) fn texts<'t>(sql: &mut QueryBuilder<Sqlite>, texts: impl IntoIterator<Item = &'t str>) {
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
pub(super) fn experiments(sql: &mut QueryBuilder<Sqlite>, ids: &[lemnis_tracking::ExperimentId]) {
    let list: Vec<String> = ids.iter().map(|id| id.0.to_string()).collect();
    sql.push("(").push(if list.is_empty() { "NULL".to_owned() } else { list.join(", ") }).push(")");
}

/// Appends `value <op> number`, where NaN satisfies only `!=`.
pub(super) fn compare_metric(sql: &mut QueryBuilder<Sqlite>, table: &str, clause: &Clause) {
    if clause.comparator == Comparator::NotEqual {
        sql.push(format!("({table}.is_nan OR "));
    } else {
        sql.push(format!("(NOT {table}.is_nan AND "));
    }
    compare(sql, &format!("{table}.value"), clause);
    sql.push(")");
}

/// Appends `ASC` or `DESC`.
pub(super) fn direction(ascending: bool) -> &'static str {
    if ascending { " ASC" } else { " DESC" }
}
