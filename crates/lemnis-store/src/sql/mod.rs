//! One way to speak SQL to both databases.
//!
//! Statements are written once, in SQLite's dialect with `?` or `?1` for values, and in the part of SQL that PostgreSQL
//! shares: `RETURNING`, `ON CONFLICT (columns)`, `NULLS LAST`, `true` and `false`. Three things are rewritten for PostgreSQL
//! (see `dialect.rs`): the placeholders, `REGEXP`, and `IN (SELECT value FROM json_each(?))` for a [`List`]. Where a statement
//! must differ for another reason, it asks [`Connection::is_postgres`].
//!
//! SQLite is called directly, so a job on it never waits; PostgreSQL is awaited.

mod connection;
mod dialect;
mod error;
mod query;
mod row;
mod value;

pub(crate) use connection::Connection;
pub(crate) use error::Error;
pub(crate) use query::{QueryBuilder, insert_many, query, query_scalar};
pub(crate) use row::{Column, Columns, Passing, Row};
pub(crate) use value::{Json, List, Value};
