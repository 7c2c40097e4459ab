//! Statements with bound values.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::marker::PhantomData;

use super::row::Passing;
use super::{Column, Columns as _, Connection, Error, Row, Value};

/// A statement and its values, in order.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement without values so far.
pub(crate) fn query(sql: impl Into<Cow<'static, str>>) -> Query {
    Query { sql: sql.into(), values: Vec::new() }
}

/// A statement whose rows are read by their first column.
pub(crate) fn query_scalar<T>(sql: impl Into<Cow<'static, str>>) -> Scalar<T> {
    Scalar { query: query(sql), column: PhantomData }
}

impl Query {
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; returns how many rows it changed.
    pub(crate) async fn execute(self, connection: &mut Connection) -> Result<u64, Error> {
        connection.execute(&self.sql, self.values).await
    }

    /// Reads every row with `read`, without keeping rows in memory.
    pub(crate) async fn each(
        self,
        connection: &mut Connection,
        mut read: impl FnMut(&Passing<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        connection.each(&self.sql, self.values, |row| read(&row).map(|()| true)).await
    }

    pub(crate) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        connection
            .each(&self.sql, self.values, |row| {
                rows.push(row.taken()?);
                Ok(true)
            })
            .await?;
        Ok(rows)
    }

    pub(crate) async fn fetch_one(self, connection: &mut Connection) -> Result<Row, Error> {
        self.fetch_optional(connection).await?.ok_or(Error::NoRow)
    }

    pub(crate) async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<Row>, Error> {
        let mut first = None;
        connection
            .each(&self.sql, self.values, |row| {
                first = Some(row.taken()?);
                Ok(false)
            })
            .await?;
        Ok(first)
    }
}

/// A statement whose rows are read by their first column.
pub(crate) struct Scalar<T> {
    query: Query,
    column: PhantomData<fn() -> T>,
}

impl<T: for<'r> Column<'r>> Scalar<T> {
    pub(crate) fn bind(self, value: impl Into<Value>) -> Self {
        Self { query: self.query.bind(value), ..self }
    }

    pub(crate) async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<T>, Error> {
        let row = self.query.fetch_optional(connection).await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    pub(crate) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<T>, Error> {
        self.query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
    }

    pub(crate) async fn fetch_one(self, connection: &mut Connection) -> Result<T, Error> {
        self.fetch_optional(connection).await?.ok_or(Error::NoRow)
    }
}

/// A statement that is put together.
#[derive(Clone, Debug)]
pub(crate) struct QueryBuilder {
    sql: String,
    values: Vec<Value>,
}

impl QueryBuilder {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    /// Appends SQL. Nothing that a user typed may come in here.
    pub(crate) fn push(&mut self, sql: impl Display) -> &mut Self {
        // Writing to a text cannot fail.
        let _ = write!(self.sql, "{sql}");
        self
    }

    /// Appends a value.
    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.sql.push('?');
        self.values.push(value.into());
        self
    }

    pub(crate) fn build(&mut self) -> Query {
        Query { sql: std::mem::take(&mut self.sql).into(), values: std::mem::take(&mut self.values) }
    }
}

/// Rows of one `INSERT` on PostgreSQL.
const ROWS_AT_ONCE: usize = 1024;

/// Inserts `rows` of the same length and types: `head` names table and columns, `tail` is what follows the values, such as
/// `ON CONFLICT DO NOTHING`. Returns how many rows it changed.
pub(crate) async fn insert_many(
    connection: &mut Connection,
    head: &str,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<u64, Error> {
    let Some(first) = rows.first() else { return Ok(0) };
    let places = vec!["?"; first.len()].join(", ");
    // For PostgreSQL every statement is a journey, and one with arrays is the same for any number of rows. SQLite prefers
    // one prepared statement that is run again and again.
    let mut changed = 0;
    if connection.is_postgres() && rows.len() > 1 {
        let sql = format!("{head} SELECT * FROM unnest({places}) {tail}");
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let some = rows.by_ref().take(ROWS_AT_ONCE).collect();
            changed += connection.execute_with_columns(&sql, some).await?;
        }
        return Ok(changed);
    }
    let sql = format!("{head} VALUES ({places}) {tail}");
    for row in rows {
        changed += connection.execute(&sql, row).await?;
    }
    Ok(changed)
}
