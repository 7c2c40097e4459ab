//! A row of a result, and the types that its columns are read as.

use rusqlite::types::{Value as Owned, ValueRef};
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::{Error, Json};

/// A row that was taken along. Columns are numbered from 0.
pub(crate) enum Row {
    Sqlite(Vec<Owned>),
    Postgres(PgRow),
}

/// The row that a statement stands on.
pub(crate) enum Passing<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(PgRow),
}

/// One value of a row.
pub(crate) enum Cell<'r> {
    Sqlite(ValueRef<'r>),
    Postgres(&'r PgRow),
}

/// What has columns.
pub(crate) trait Columns {
    fn cell(&self, column: usize) -> Result<Cell<'_>, Error>;

    /// The value of a column.
    fn try_get<'r, T: Column<'r>>(&'r self, column: usize) -> Result<T, Error> {
        T::read(self.cell(column)?, column)
    }
}

impl Columns for Row {
    fn cell(&self, column: usize) -> Result<Cell<'_>, Error> {
        match self {
            Row::Sqlite(values) => {
                let value = values.get(column).ok_or_else(|| Error::column(column, "the row is shorter"))?;
                Ok(Cell::Sqlite(value.into()))
            }
            Row::Postgres(row) => Ok(Cell::Postgres(row)),
        }
    }
}

impl Columns for Passing<'_> {
    fn cell(&self, column: usize) -> Result<Cell<'_>, Error> {
        Ok(match self {
            Passing::Sqlite(row) => Cell::Sqlite(row.get_ref(column)?),
            Passing::Postgres(row) => Cell::Postgres(row),
        })
    }
}

impl Passing<'_> {
    pub(super) fn taken(self) -> Result<Row, Error> {
        Ok(match self {
            Passing::Sqlite(row) => {
                let columns = row.as_ref().column_count();
                Row::Sqlite((0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?)
            }
            Passing::Postgres(row) => Row::Postgres(row),
        })
    }
}

/// A type that a column can be read as.
pub(crate) trait Column<'r>: Sized {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error>;
}

fn wrong<T>(column: usize, value: ValueRef<'_>, wanted: &str) -> Result<T, Error> {
    Err(Error::column(column, format!("{} instead of {wanted}", value.data_type())))
}

impl<'r> Column<'r> for i64 {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        match cell {
            Cell::Sqlite(ValueRef::Integer(number)) => Ok(number),
            Cell::Sqlite(other) => wrong(column, other, "an integer"),
            // Constants such as `SELECT 1` are shorter than columns.
            Cell::Postgres(row) if row.try_get_raw(column)?.type_info().name() == "INT4" => {
                Ok(i64::from(row.try_get::<i32, _>(column)?))
            }
            Cell::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl<'r> Column<'r> for u32 {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        u32::try_from(i64::read(cell, column)?).map_err(|error| Error::column(column, error))
    }
}

impl<'r> Column<'r> for f64 {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        match cell {
            Cell::Sqlite(ValueRef::Real(number)) => Ok(number),
            Cell::Sqlite(ValueRef::Integer(number)) => Ok(number as f64),
            Cell::Sqlite(other) => wrong(column, other, "a number"),
            Cell::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl<'r> Column<'r> for bool {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        match cell {
            Cell::Postgres(row) => Ok(row.try_get(column)?),
            cell => Ok(i64::read(cell, column)? != 0),
        }
    }
}

impl<'r> Column<'r> for &'r str {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        match cell {
            Cell::Sqlite(ValueRef::Text(bytes)) => {
                std::str::from_utf8(bytes).map_err(|error| Error::column(column, error))
            }
            Cell::Sqlite(other) => wrong(column, other, "a text"),
            Cell::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl<'r> Column<'r> for String {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        <&str>::read(cell, column).map(str::to_owned)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        match cell {
            Cell::Sqlite(ValueRef::Blob(bytes)) => Ok(bytes),
            Cell::Sqlite(other) => wrong(column, other, "bytes"),
            Cell::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl<'r, T: DeserializeOwned> Column<'r> for Json<T> {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        let text = <&str>::read(cell, column)?;
        serde_json::from_str(text).map(Json).map_err(|error| Error::column(column, error))
    }
}

impl<'r> Column<'r> for serde_json::Value {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        Json::read(cell, column).map(|json| json.0)
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(cell: Cell<'r>, column: usize) -> Result<Self, Error> {
        let null = match &cell {
            Cell::Sqlite(value) => *value == ValueRef::Null,
            Cell::Postgres(row) => row.try_get_raw(column)?.is_null(),
        };
        if null { Ok(None) } else { T::read(cell, column).map(Some) }
    }
}
