//! A connection to either database, and how a statement runs on it.

use futures::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::row::Passing;
use super::{Error, Value, dialect};

/// A connection that one job works on.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    /// Each statement stands for itself.
    Postgres(PoolConnection<Postgres>),
    /// Rolled back where it is dropped.
    Transaction(Transaction<'static, Postgres>),
}

impl Connection {
    pub(crate) fn is_postgres(&self) -> bool {
        !matches!(self, Connection::Sqlite(_))
    }

    /// What a `SELECT` ends with whose rows this transaction will change. SQLite has one writer anyway.
    pub(crate) fn for_update(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE" } else { "" }
    }

    /// As [`Self::for_update`], leaving out rows that another transaction holds.
    pub(crate) fn for_update_skip_locked(&self) -> &'static str {
        if self.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" }
    }

    /// From now on SQLite overwrites what this connection removes, where it lies. PostgreSQL has no such thing: its VACUUM
    /// gives the place to new rows.
    pub(crate) async fn overwrite_what_goes(&mut self) -> Result<(), Error> {
        match self.is_postgres() {
            true => Ok(()),
            false => self.batch("PRAGMA secure_delete = ON").await,
        }
    }

    /// Runs statements without values, separated by semicolons.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        match self.side() {
            Side::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Side::Postgres(connection) => {
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
                Ok(())
            }
        }
    }

    /// Runs a statement that answers no rows; returns how many it changed.
    pub(super) async fn execute(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, Error> {
        match self.side() {
            Side::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let changed = statement.execute(rusqlite::params_from_iter(&values))?;
                Ok(changed as u64)
            }
            Side::Postgres(connection) => {
                Ok(statement(sql, values).execute(connection).await?.rows_affected())
            }
        }
    }

    /// Runs a statement on PostgreSQL whose placeholders are arrays: the columns of `rows`, in which every value has the
    /// type of its column's first one.
    pub(super) async fn execute_with_columns(
        &mut self,
        sql: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<u64, Error> {
        let Side::Postgres(connection) = self.side() else { return Err(Error::NoRow) };
        let mut columns: Vec<Vec<Value>> = Vec::new();
        for row in rows {
            columns.resize_with(row.len(), Vec::new);
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        let mut query = sqlx::query(AssertSqlSafe(dialect::postgres(sql)));
        for (place, column) in columns.into_iter().enumerate() {
            query = bind_column(query, place, column)?;
        }
        Ok(query.execute(connection).await?.rows_affected())
    }

    /// Gives the rows of a statement to `take`, one after the other, until it says `false`.
    pub(super) async fn each(
        &mut self,
        sql: &str,
        values: Vec<Value>,
        mut take: impl FnMut(Passing<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        match self.side() {
            Side::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(rusqlite::params_from_iter(&values))?;
                while let Some(row) = rows.next()? {
                    if !take(Passing::Sqlite(row))? {
                        break;
                    }
                }
            }
            Side::Postgres(connection) => {
                let mut rows = statement(sql, values).fetch(connection);
                while let Some(row) = rows.try_next().await? {
                    if !take(Passing::Postgres(row))? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn side(&mut self) -> Side<'_> {
        match self {
            Connection::Sqlite(connection) => Side::Sqlite(connection),
            Connection::Postgres(connection) => Side::Postgres(connection),
            Connection::Transaction(transaction) => Side::Postgres(transaction),
        }
    }
}

enum Side<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c mut PgConnection),
}

type PgQuery = sqlx::query::Query<'static, Postgres, PgArguments>;

/// Binds the values of one column as an array.
fn bind_column(query: PgQuery, place: usize, column: Vec<Value>) -> Result<PgQuery, Error> {
    macro_rules! array {
        ($variant:ident) => {{
            let plain = |value| match value {
                Value::$variant(value) => Ok(value),
                _ => Err(Error::column(place, "its values differ in type")),
            };
            query.bind(column.into_iter().map(plain).collect::<Result<Vec<_>, _>>()?)
        }};
    }
    Ok(match column.first() {
        Some(Value::Bool(_)) => array!(Bool),
        Some(Value::Integer(_)) => array!(Integer),
        Some(Value::Real(_)) => array!(Real),
        Some(Value::Text(_)) => array!(Text),
        Some(Value::Bytes(_)) => array!(Bytes),
        Some(Value::Integers(_) | Value::Texts(_)) | None => {
            return Err(Error::column(place, "a list cannot be inserted"));
        }
    })
}

fn statement(sql: &str, values: Vec<Value>) -> PgQuery {
    let mut query = sqlx::query(AssertSqlSafe(dialect::postgres(sql)));
    for value in values {
        query = match value {
            Value::Bool(flag) => query.bind(flag),
            Value::Integer(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
            Value::Integers(list) => query.bind(list),
            Value::Texts(list) => query.bind(list),
        };
    }
    query
}
