//! The table itself: one Arrow batch and what one may ask of it.
//!
//! Every column is of one of the [`Kind`]s and has a name of its own; each way to make a table keeps to that.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::error::ArrowError;

use crate::column::{Column, Kind};
use crate::{Error, ReadLimits, Result, csv_write, parquet_io, read, write};

/// Rows and named, typed columns. Never changes; what changes it returns another.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    batch: RecordBatch,
}

impl Table {
    /// Reads the CSV or Parquet file at `path`: by its first bytes, then by its extension (`.csv`, `.tsv`, `.parquet`).
    ///
    /// Of CSV, the delimiter is found in the first line, values are trimmed, and a column gets the narrowest kind that
    /// holds all its values; empty fields, `NA`, `N/A`, `NaN`, `null`, `None` and `?` are missing. A first line that is
    /// a row of data (it holds numbers that cannot be names) is one, and the columns are `column_1`, `column_2`…
    pub fn read(path: &Path, limits: &ReadLimits) -> Result<Self> {
        read::read(path, limits)
    }

    /// A table without rows and columns.
    pub fn empty() -> Self {
        Self { batch: RecordBatch::new_empty(Arc::new(Schema::empty())) }
    }

    /// A table of `columns`, which have names of their own and the same length.
    pub fn from_columns(columns: Vec<(String, Column)>) -> Result<Self> {
        let (names, arrays) = columns.into_iter().map(|(name, column)| (name, column.into_array())).unzip();
        Self::of_arrays(names, arrays)
    }

    pub(crate) fn of_arrays(names: Vec<String>, arrays: Vec<ArrayRef>) -> Result<Self> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut seen = std::collections::HashSet::new();
        for (name, array) in names.iter().zip(&arrays) {
            if name.is_empty() {
                return Err(Error::Shape { problem: "one of them has no name".to_owned() });
            }
            if !seen.insert(name) {
                return Err(Error::Shape { problem: format!("two are called {name:?}") });
            }
            if array.len() != rows {
                let problem = format!("{name:?} has {} values, the first column {rows}", array.len());
                return Err(Error::Shape { problem });
            }
        }
        let fields: Vec<Field> = names
            .into_iter()
            .zip(&arrays)
            .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
        Ok(Self { batch: batch.map_err(shape)? })
    }

    /// The Arrow batch below.
    pub(crate) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The columns' names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// The columns' names and kinds, in order.
    pub fn kinds(&self) -> Vec<(&str, Kind)> {
        let fields = self.batch.schema_ref().fields().iter();
        fields
            .filter_map(|field| Kind::of(field.data_type()).map(|kind| (field.name().as_str(), kind)))
            .collect()
    }

    /// Whether there is a column `name`.
    pub fn has(&self, name: &str) -> bool {
        self.batch.schema_ref().index_of(name).is_ok()
    }

    /// What the column `name` holds.
    pub fn kind(&self, name: &str) -> Result<Kind> {
        let array = self.array(name)?;
        Kind::of(array.data_type()).ok_or_else(|| unknown_type(name))
    }

    /// The values of the column `name`.
    pub fn column(&self, name: &str) -> Result<Column> {
        Column::of_array(self.array(name)?).ok_or_else(|| unknown_type(name))
    }

    /// The column `name` as numbers; missing values are NaN, dates days and moments microseconds since 1970.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>> {
        let array = self.array(name)?;
        let array = match Kind::of(array.data_type()) {
            Some(Kind::Float) => array.clone(),
            Some(Kind::Int | Kind::Bool) => cast(array, &DataType::Float64).map_err(shape)?,
            // Days and moments are numbers below, and only by way of them castable to floats.
            Some(Kind::Date | Kind::Timestamp) => cast(array, &DataType::Int64)
                .and_then(|days| cast(&days, &DataType::Float64))
                .map_err(shape)?,
            Some(Kind::Text) => {
                return Err(Error::WrongKind { name: name.to_owned(), found: "text", wanted: "numbers" });
            }
            None => return Err(unknown_type(name)),
        };
        let values = array.as_primitive::<Float64Type>();
        if values.null_count() == 0 {
            return Ok(values.values().to_vec());
        }
        Ok(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// The column `name` as text, each value as CSV writes it.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        csv_write::texts(self.array(name)?)
    }

    /// The columns `names`, in that order.
    pub fn select(&self, names: &[&str]) -> Result<Self> {
        let arrays = names.iter().map(|name| self.array(name).cloned()).collect::<Result<_>>()?;
        Self::of_arrays(names.iter().map(|name| (*name).to_owned()).collect(), arrays)
    }

    /// All columns but `names`; names that are not there do not matter.
    pub fn drop(&self, names: &[&str]) -> Result<Self> {
        let kept: Vec<&str> = self.names().into_iter().filter(|name| !names.contains(name)).collect();
        self.select(&kept)
    }

    /// The rows at `rows`, in that order; a row may be taken more than once.
    pub fn take(&self, rows: &[usize]) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row >= self.rows()) {
            return Err(Error::Shape { problem: format!("there is no row {row} among {}", self.rows()) });
        }
        let rows = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
        let arrays = self.batch.columns().iter().map(|array| take(array, &rows, None));
        self.with_arrays(arrays.collect::<Result<_, _>>().map_err(shape)?)
    }

    /// `length` rows from `offset` on, or as many as there are.
    pub fn slice(&self, offset: usize, length: usize) -> Result<Self> {
        let offset = offset.min(self.rows());
        Ok(Self { batch: self.batch.slice(offset, length.min(self.rows() - offset)) })
    }

    /// The table with `column` as `name`: in its old place, or as the last column.
    pub fn with_column(&self, name: &str, column: Column) -> Result<Self> {
        let mut names: Vec<String> = self.names().into_iter().map(str::to_owned).collect();
        let mut arrays = self.batch.columns().to_vec();
        let array = column.into_array();
        match names.iter().position(|present| present == name).and_then(|place| arrays.get_mut(place)) {
            Some(present) => *present = array,
            None => {
                names.push(name.to_owned());
                arrays.push(array);
            }
        }
        Self::of_arrays(names, arrays)
    }

    /// The table with the column `from` called `to`.
    pub fn rename(&self, from: &str, to: &str) -> Result<Self> {
        self.array(from)?;
        let names = self.names().into_iter().map(|name| if name == from { to } else { name }.to_owned());
        Self::of_arrays(names.collect(), self.batch.columns().to_vec())
    }

    /// The rows of `tables` below each other, with the columns of the first in its order.
    ///
    /// All have the same columns. Whole numbers beside floats become floats, and a column that is wholly missing in one
    /// table takes the kind it has in the others.
    pub fn concat(tables: &[Self]) -> Result<Self> {
        let Some(first) = tables.first() else { return Ok(Self::empty()) };
        let mut fields = Vec::new();
        for name in first.names() {
            fields.push(Field::new(name, common_type(name, tables)?, true));
        }
        for table in tables {
            if let Some(extra) = table.names().into_iter().find(|name| !first.has(name)) {
                return Err(Error::Shape {
                    problem: format!("{extra:?} is in one table and not in another"),
                });
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let mut batches = Vec::new();
        for table in tables {
            let fit = |field: &Arc<Field>| {
                let array = table.array(field.name())?;
                if array.null_count() == array.len() {
                    return Ok(new_null_array(field.data_type(), array.len()));
                }
                cast(array, field.data_type()).map_err(shape)
            };
            let arrays = schema.fields().iter().map(fit).collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(table.rows()));
            batches.push(RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(shape)?);
        }
        Ok(Self { batch: concat_batches(&schema, &batches).map_err(shape)? })
    }

    /// Writes Parquet to `path`; the file appears whole or not at all. Equal tables make equal bytes.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        write::atomically(path, |out| parquet_io::write(self, out))
    }

    /// Writes CSV to `path`; the file appears whole or not at all.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        write::atomically(path, |out| csv_write::write(self, out))
    }

    fn array(&self, name: &str) -> Result<&ArrayRef> {
        self.batch.column_by_name(name).ok_or_else(|| Error::NoColumn {
            name: name.to_owned(),
            names: self.names().into_iter().map(str::to_owned).collect(),
        })
    }

    /// The same columns with other values.
    fn with_arrays(&self, arrays: Vec<ArrayRef>) -> Result<Self> {
        Self::of_arrays(self.names().into_iter().map(str::to_owned).collect(), arrays)
    }
}

/// The type that holds the column `name` of every table.
fn common_type(name: &str, tables: &[Table]) -> Result<DataType> {
    let mut common: Option<DataType> = None;
    for table in tables {
        let array = table.array(name)?;
        if array.null_count() == array.len() {
            continue;
        }
        let found = array.data_type();
        common = match common {
            None => Some(found.clone()),
            Some(wanted) if wanted == *found => Some(wanted),
            Some(DataType::Int64 | DataType::Float64)
                if matches!(found, DataType::Int64 | DataType::Float64) =>
            {
                Some(DataType::Float64)
            }
            Some(wanted) => {
                let word = |data_type| Kind::of(data_type).map_or("something else", Kind::name);
                let problem =
                    format!("{name:?} is {} in one table and {} in another", word(&wanted), word(found));
                return Err(Error::Shape { problem });
            }
        };
    }
    match (common, tables.first()) {
        (Some(common), _) => Ok(common),
        (None, Some(first)) => Ok(first.array(name)?.data_type().clone()),
        (None, None) => Ok(DataType::Float64),
    }
}

fn shape(error: ArrowError) -> Error {
    Error::Shape { problem: error.to_string() }
}

fn unknown_type(name: &str) -> Error {
    Error::Shape { problem: format!("{name:?} has an unknown type") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: &[i64]) -> Column {
        Column::Int(values.iter().copied().map(Some).collect())
    }

    fn people() -> Table {
        Table::from_columns(vec![
            ("age".to_owned(), Column::Int(vec![Some(31), None, Some(45)])),
            ("name".to_owned(), Column::Text(vec![Some("Ada".into()), Some("Bo".into()), None])),
        ])
        .unwrap()
    }

    #[test]
    fn columns_make_a_table_only_with_one_length_and_names_of_their_own() {
        let named = |a: &str, b: &str, b_values: &[i64]| {
            Table::from_columns(vec![(a.to_owned(), ints(&[1, 2])), (b.to_owned(), ints(b_values))])
        };
        assert_eq!(named("a", "b", &[3, 4]).unwrap().names(), ["a", "b"]);
        for (wrong, why) in [
            (named("a", "b", &[3]), "\"b\" has 1 values, the first column 2"),
            (named("a", "a", &[3, 4]), "two are called \"a\""),
            (named("a", "", &[3, 4]), "one of them has no name"),
        ] {
            assert_eq!(wrong.unwrap_err().to_string(), format!("these columns make no table: {why}"));
        }
        assert_eq!(Table::empty().rows(), 0);
    }

    #[test]
    fn rows_are_taken_in_the_order_asked_for() {
        let table = people().take(&[2, 0, 0]).unwrap();
        assert_eq!(table.column("age").unwrap(), ints(&[45, 31, 31]));
        assert!(people().take(&[3]).is_err());
        assert_eq!(people().take(&[]).unwrap().rows(), 0);
        assert_eq!(people().slice(1, 10).unwrap().rows(), 2);
        assert_eq!(people().slice(9, 1).unwrap().rows(), 0);
    }

    #[test]
    fn a_column_is_replaced_in_its_place_or_appended() {
        let table = people()
            .with_column("age", ints(&[1, 2, 3]))
            .unwrap()
            .with_column("new", ints(&[4, 5, 6]))
            .unwrap();
        assert_eq!(table.names(), ["age", "name", "new"]);
        assert_eq!(table.floats("age").unwrap(), [1.0, 2.0, 3.0]);
        assert!(people().with_column("age", ints(&[1])).is_err());
        assert_eq!(people().rename("age", "years").unwrap().names(), ["years", "name"]);
        assert!(people().rename("age", "name").is_err());
        assert_eq!(people().drop(&["age", "nothing"]).unwrap().names(), ["name"]);
    }

    #[test]
    fn missing_numbers_are_nan_and_text_is_no_number() {
        let ages = people().floats("age").unwrap();
        assert!(ages[1].is_nan());
        assert_eq!((ages[0], ages[2]), (31.0, 45.0));
        assert_eq!(people().floats("name").unwrap_err().to_string(), "column \"name\" is text, not numbers");
        let days = Table::from_columns(vec![
            ("d".to_owned(), Column::Date(vec![Some(2)])),
            ("t".to_owned(), Column::Timestamp(vec![Some(3)])),
            ("b".to_owned(), Column::Bool(vec![Some(true)])),
        ])
        .unwrap();
        for (name, value) in [("d", 2.0), ("t", 3.0), ("b", 1.0)] {
            assert_eq!(days.floats(name).unwrap(), [value], "{name}");
        }
    }

    #[test]
    fn an_unknown_column_is_named_with_those_there_are() {
        use lemnis_core::Classify;
        let error = people().column("agee").unwrap_err();
        assert_eq!(error.to_string(), "there is no column \"agee\"");
        assert_eq!(error.hint().unwrap(), "its columns are age, name");
    }

    #[test]
    fn tables_join_below_each_other_when_their_columns_agree() {
        let floats = people().with_column("age", Column::Float(vec![Some(0.5), None, None])).unwrap();
        let joined = Table::concat(&[people(), floats]).unwrap();
        assert_eq!(joined.kind("age").unwrap(), Kind::Float);
        assert_eq!(joined.rows(), 6);
        let nothing = people().with_column("name", Column::Float(vec![None; 3])).unwrap();
        assert_eq!(Table::concat(&[nothing, people()]).unwrap().kind("name").unwrap(), Kind::Text);
        let other = people().with_column("name", ints(&[1, 2, 3])).unwrap();
        assert_eq!(
            Table::concat(&[people(), other]).unwrap_err().to_string(),
            "these columns make no table: \"name\" is text in one table and whole numbers in another"
        );
        assert!(Table::concat(&[people(), people().drop(&["age"]).unwrap()]).is_err());
        assert!(Table::concat(&[people().drop(&["age"]).unwrap(), people()]).is_err());
        assert_eq!(Table::concat(&[]).unwrap().rows(), 0);
    }
}
