//! Parquet in and out. What is written holds no time and no path: equal tables make equal bytes.

use std::fs::File;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;

use crate::column::normalise;
use crate::{Error, ReadLimits, Result, Table};

/// How much larger than the limit on files a table may be in memory. Encodings fold repeated values without bound, so
/// that a small file can hold more rows than any machine.
const MOST_GROWTH: u64 = 16;

/// Reads the Parquet file `path`, opened as `file`.
pub(crate) fn read(path: &Path, file: File, limits: &ReadLimits) -> Result<Table> {
    let broken = |problem: String| Error::Parquet { path: path.to_path_buf(), problem };
    // The decoder asserts in places what a damaged file does not keep.
    std::panic::catch_unwind(AssertUnwindSafe(|| decode(path, file, limits)))
        .unwrap_or_else(|_| Err(broken("its bytes contradict each other".to_owned())))
}

fn decode(path: &Path, file: File, limits: &ReadLimits) -> Result<Table> {
    let broken = |problem: String| Error::Parquet { path: path.to_path_buf(), problem };
    let file_bytes = file.metadata().map_or(0, |about| about.len());
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(error.to_string()))?;
    let schema = builder.schema().clone();
    let columns = schema.fields().len();
    if columns > limits.max_columns {
        return Err(broken(format!("{columns} columns, more than {}", limits.max_columns)));
    }
    if columns == 0 {
        return Err(Error::Empty { path: path.to_path_buf(), missing: "it has no columns" });
    }
    check_places(builder.metadata(), file_bytes).map_err(broken)?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    let size_bytes = rows.saturating_mul(columns as u64).saturating_mul(8);
    let limit_bytes = limits.max_bytes.saturating_mul(MOST_GROWTH);
    if size_bytes > limit_bytes {
        return Err(Error::TooLarge { path: path.to_path_buf(), size_bytes, limit_bytes });
    }
    let reader = builder.with_batch_size(65_536).build().map_err(|error| broken(error.to_string()))?;
    let batches: Vec<RecordBatch> =
        reader.collect::<Result<_, _>>().map_err(|error| broken(error.to_string()))?;
    let whole = concat_batches(&schema, &batches).map_err(|error| broken(error.to_string()))?;
    let mut names = Vec::with_capacity(columns);
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns);
    for (field, array) in schema.fields().iter().zip(whole.columns()) {
        let array =
            normalise(array).map_err(|problem| broken(format!("column {:?}: {problem}", field.name())))?;
        names.push(field.name().clone());
        arrays.push(array);
    }
    Table::of_arrays(names, arrays).map_err(|error| broken(error.to_string()))
}

/// Gives the rows of the Parquet file `path`, opened as `file`, to `sink` in parts. What the sink fails with is kept.
pub(crate) fn scan<E: From<Error>>(
    path: &Path,
    file: File,
    max_columns: usize,
    sink: &mut dyn FnMut(&Table) -> Result<(), E>,
) -> Result<(), E> {
    let broken = |problem: String| Error::Parquet { path: path.to_path_buf(), problem };
    let mut parts = std::panic::catch_unwind(AssertUnwindSafe(|| parts(path, file, max_columns)))
        .unwrap_or_else(|_| Err(broken("its bytes contradict each other".to_owned())))?;
    loop {
        let part = std::panic::catch_unwind(AssertUnwindSafe(|| parts.next()))
            .unwrap_or_else(|_| Some(Err(broken("its bytes contradict each other".to_owned()))));
        match part {
            Some(part) => sink(&part?)?,
            None => return Ok(()),
        }
    }
}

fn parts(path: &Path, file: File, max_columns: usize) -> Result<impl Iterator<Item = Result<Table>> + use<>> {
    let place = path.to_path_buf();
    let broken = move |problem: String| Error::Parquet { path: place.clone(), problem };
    let file_bytes = file.metadata().map_or(0, |about| about.len());
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(error.to_string()))?;
    let columns = builder.schema().fields().len();
    if columns > max_columns {
        return Err(broken(format!("{columns} columns, more than {max_columns}")));
    }
    if columns == 0 {
        return Err(Error::Empty { path: path.to_path_buf(), missing: "it has no columns" });
    }
    check_places(builder.metadata(), file_bytes).map_err(&broken)?;
    let schema = builder.schema().clone();
    let reader = builder.with_batch_size(8_192).build().map_err(|error| broken(error.to_string()))?;
    let empty = RecordBatch::new_empty(schema);
    // A file without rows still has columns.
    let batches = std::iter::once(Ok(empty)).chain(reader);
    Ok(batches.map(move |batch| {
        let batch = batch.map_err(|error| broken(error.to_string()))?;
        let mut names = Vec::with_capacity(columns);
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns);
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            let array = normalise(array)
                .map_err(|problem| broken(format!("column {:?}: {problem}", field.name())))?;
            names.push(field.name().clone());
            arrays.push(array);
        }
        Table::of_arrays(names, arrays).map_err(|error| broken(error.to_string()))
    }))
}

/// Whether every column lies inside the file, as the decoder takes for granted.
fn check_places(metadata: &ParquetMetaData, file_bytes: u64) -> Result<(), String> {
    let mut rows = 0i64;
    for group in metadata.row_groups() {
        rows = rows.saturating_add(group.num_rows());
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            let end = start.checked_add(column.compressed_size()).and_then(|end| u64::try_from(end).ok());
            let inside =
                start >= 0 && column.compressed_size() >= 0 && end.is_some_and(|end| end <= file_bytes);
            if !inside || column.num_values() < 0 || group.num_rows() < 0 {
                return Err(format!("column {} lies outside the file", column.column_path()));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err("its row groups do not add up to its rows".to_owned());
    }
    Ok(())
}

pub(crate) fn write(table: &Table, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("lemnis".to_owned())
        .build();
    let batch = table.batch();
    let mut writer =
        ArrowWriter::try_new(out, batch.schema(), Some(properties)).map_err(std::io::Error::other)?;
    writer.write(batch).map_err(std::io::Error::other)?;
    writer.close().map_err(std::io::Error::other)?;
    Ok(())
}
