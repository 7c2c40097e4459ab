//! From a filter's clauses to SQL with bound values.

use lemnis_tracking::search::{Clause, Comparator, Value};
use sqlx::{QueryBuilder, Sqlite};

/// Appends `column <op> value`.
pub(super) fn compare(sql: &mut QueryBuilder<Sqlite>, column: &str, clause: &Clause) {
    match (&clause.comparator, &clause.value) {
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
