//! CSV out, and single values as CSV writes them.

use std::io::Write;

use arrow::array::{Array, ArrayRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::column::Column;
use crate::{Error, Result, Table};

/// Writes `table` with a header line, commas, `\n` and quotes only where they are needed.
pub(crate) fn write(table: &Table, out: &mut dyn Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(table.names()).map_err(std::io::Error::other)?;
    let columns = table.batch().columns().iter().map(|array| texts(array).map_err(std::io::Error::other));
    let columns: Vec<Vec<Option<String>>> = columns.collect::<Result<_, _>>()?;
    for row in 0..table.rows() {
        let fields =
            columns.iter().map(|column| column.get(row).and_then(Option::as_deref).unwrap_or_default());
        writer.write_record(fields).map_err(std::io::Error::other)?;
    }
    writer.flush()
}

/// Each value as CSV writes it; numbers read back as the same number.
pub(crate) fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    match Column::of_array(array) {
        Some(Column::Float(values)) => {
            return Ok(values
                .into_iter()
                .map(|value| value.filter(|value| !value.is_nan()).map(float))
                .collect());
        }
        Some(Column::Text(values)) => return Ok(values),
        _ => {}
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)
        .map_err(|error| Error::Shape { problem: error.to_string() })?;
    Ok((0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect())
}

/// The shortest text that reads back as `value`; whole floats keep their point, so that they stay floats.
fn float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    format!("{value:?}")
}
