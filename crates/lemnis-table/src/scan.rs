//! Tables in parts: a file of any size goes by in memory that does not grow with it.
//!
//! CSV is read twice, for the kind of a column is known only at its end; Parquet once. Each part is a [`Table`] with the
//! columns of the whole.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use arrow::array::ArrayRef;

use crate::csv_read::{Records, check_names, fields, is_data, sniff};
use crate::infer::{Cells, Inference};
use crate::read::foreign;
use crate::{Error, Result, Table, parquet_io};

/// How much of a file is read at once.
const BLOCK_BYTES: u64 = 4 << 20;
/// The longest record of a CSV file.
const MOST_RECORD_BYTES: usize = 64 << 20;
/// Rows of a part, at most; fewer where there are many columns.
const PART_CELLS: usize = 1 << 18;
/// The most columns.
const MOST_COLUMNS: usize = 10_000;

/// Whether a file called `name` is read as a table.
pub fn is_table(name: &Path) -> bool {
    let extension = name.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("csv" | "tsv" | "tab" | "parquet" | "pq"))
}

/// Gives the rows of the CSV or Parquet file at `path` to `sink`, part by part. `name` is what the file is called, which
/// may lie elsewhere under another name, such as in a cache. A file without rows gives one part without rows.
pub fn scan<E: From<Error>>(
    path: &Path,
    name: &Path,
    sink: &mut dyn FnMut(&Table) -> Result<(), E>,
) -> Result<(), E> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: name.to_path_buf() },
        _ => Error::Io { path: name.to_path_buf(), action: "read", source },
    };
    let unknown = |found| Error::UnknownFormat { path: name.to_path_buf(), found };
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(unknown("not a regular file").into());
    }
    let mut file = File::open(path).map_err(io)?;
    let mut first = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut first).map_err(io)?;
    file.rewind().map_err(io)?;
    if first == b"PAR1" {
        return parquet_io::scan(name, file, MOST_COLUMNS, sink);
    }
    if let Some(found) = foreign(&first) {
        return Err(unknown(found).into());
    }
    let extension = name.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let tab = matches!(extension.as_deref(), Some("tsv" | "tab"));
    let mut csv = Csv { name, file, delimiter: tab.then_some(b'\t') };
    csv.scan(sink)
}

/// Hears of a record: its line, the delimiter, its fields.
type TellRecord<'a, E> = dyn FnMut(u64, u8, &[&str]) -> Result<(), E> + 'a;

/// A CSV file that is read in blocks.
struct Csv<'a> {
    name: &'a Path,
    file: File,
    delimiter: Option<u8>,
}

impl Csv<'_> {
    fn scan<E: From<Error>>(&mut self, sink: &mut dyn FnMut(&Table) -> Result<(), E>) -> Result<(), E> {
        let empty = |missing| Error::Empty { path: self.name.to_path_buf(), missing };
        let (no_header, no_rows) =
            (empty("it has no header line"), empty("it has a header line and no rows"));
        let mut header: Vec<String> = Vec::new();
        let mut columns: Vec<Inference> = Vec::new();
        let mut headless = false;
        let mut rows = 0u64;
        let name = self.name.to_path_buf();
        let broken =
            |line: u64, problem: String, remedy| Error::Line { path: name.clone(), line, problem, remedy };
        self.records::<Error>(&mut |line, delimiter, values| {
            if columns.is_empty() {
                if values.len() > MOST_COLUMNS {
                    let problem = format!("{} columns, more than {MOST_COLUMNS}", values.len());
                    return Err(broken(line, problem, "leave out columns"));
                }
                header = values.iter().map(|value| (*value).to_owned()).collect();
                columns = vec![Inference::new(delimiter == b';'); header.len()];
                headless = is_data(&header);
                if !headless {
                    return check_names(&header).map_err(|problem| {
                        broken(line, problem, "give every column a name of its own in the first line")
                    });
                }
                header = (1..=header.len()).map(|place| format!("column_{place}")).collect();
            }
            if values.len() != header.len() {
                return Err(broken(
                    line,
                    format!("{} where the header has {}", fields(values.len()), header.len()),
                    "mend that line; a field with the delimiter in it needs double quotes",
                ));
            }
            columns.iter_mut().zip(values).for_each(|(column, value)| column.see(value));
            rows += 1;
            Ok(())
        })?;
        if header.is_empty() {
            return Err(no_header.into());
        }
        if rows == 0 {
            return Err(no_rows.into());
        }
        let most = (PART_CELLS / header.len()).max(64);
        let table = |cells: &mut Vec<Cells>| -> Result<Table> {
            let arrays: Vec<ArrayRef> =
                cells.iter().zip(&columns).map(|(cells, column)| column.array(cells)).collect();
            *cells = vec![Cells::default(); columns.len()];
            Table::of_arrays(header.clone(), arrays)
        };
        let mut cells = vec![Cells::default(); header.len()];
        let (mut held, mut skip) = (0, !headless);
        self.records::<E>(&mut |_, _, values| {
            if std::mem::take(&mut skip) {
                return Ok(());
            }
            cells.iter_mut().zip(values).for_each(|(cells, value)| cells.push(value));
            held += 1;
            if held >= most {
                held = 0;
                return sink(&table(&mut cells)?);
            }
            Ok(())
        })?;
        if held > 0 { sink(&table(&mut cells)?) } else { Ok(()) }
    }

    /// Calls `tell` with each record: its line, the delimiter, its fields.
    fn records<E: From<Error>>(&mut self, tell: &mut TellRecord<'_, E>) -> Result<(), E> {
        let name = self.name;
        let io = |source| Error::Io { path: name.to_path_buf(), action: "read", source };
        let broken =
            |line, problem: String, remedy| Error::Line { path: name.to_path_buf(), line, problem, remedy };
        self.file.rewind().map_err(io)?;
        let mut held: Vec<u8> = Vec::new();
        let (mut line, mut start) = (1, true);
        // The fields of a record one after the other, and where each ends.
        let (mut text, mut ends) = (String::new(), Vec::new());
        loop {
            let read = self.file.by_ref().take(BLOCK_BYTES).read_to_end(&mut held).map_err(io)?;
            let last = read == 0;
            if std::mem::take(&mut start) && held.starts_with(b"\xef\xbb\xbf") {
                held.drain(..3);
            }
            let whole = match std::str::from_utf8(&held) {
                Ok(whole) => whole,
                Err(error) if error.error_len().is_none() && !last => {
                    std::str::from_utf8(&held[..error.valid_up_to()]).unwrap_or_default()
                }
                Err(error) => return Err(not_text(name, &held, error.valid_up_to(), line).into()),
            };
            if let Some(at) = whole.find('\0') {
                return Err(not_text(name, &held, at, line).into());
            }
            let delimiter = match self.delimiter {
                Some(delimiter) => delimiter,
                None => match whole.lines().find(|line| !line.trim().is_empty()) {
                    Some(first) => *self.delimiter.insert(sniff(first)),
                    None => b',',
                },
            };
            let mut records = Records { text: whole, at: 0, line, delimiter, scratch: String::new() };
            let (mut done, mut done_line) = (0, line);
            loop {
                text.clear();
                ends.clear();
                let next = records.next(&mut |_, field| {
                    text.push_str(field);
                    ends.push(text.len());
                });
                match next {
                    // What ends with the block may go on in the next one.
                    Ok(Some(_)) if !last && records.at >= whole.len() => break,
                    Ok(Some(record)) => {
                        let mut from = 0;
                        let values: Vec<&str> = ends
                            .iter()
                            .map(|end| {
                                let value = text.get(from..*end).unwrap_or_default();
                                from = *end;
                                value
                            })
                            .collect();
                        debug_assert_eq!(values.len(), record.fields);
                        tell(record.line, delimiter, &values)?;
                        (done, done_line) = (records.at, records.line);
                    }
                    Ok(None) => break,
                    Err(_) if !last && whole.len() - done < MOST_RECORD_BYTES => break,
                    Err(unclosed) => {
                        let problem = "a quoted field opens here and never closes".to_owned();
                        return Err(
                            broken(unclosed.line, problem, "close it, or double the stray quote").into()
                        );
                    }
                }
            }
            held.drain(..done);
            line = done_line;
            if last {
                return Ok(());
            }
            if held.len() > MOST_RECORD_BYTES {
                let problem = "a line of more than 64 MiB".to_owned();
                return Err(broken(line, problem, "check that the file is CSV").into());
            }
        }
    }
}

fn not_text(name: &Path, bytes: &[u8], at: usize, first_line: u64) -> Error {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + first_line;
    let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1) + 1;
    let byte = bytes.get(at).copied().unwrap_or_default();
    Error::Line {
        path: name.to_path_buf(),
        line,
        problem: format!("byte {column} is not UTF-8 text (0x{byte:02x})"),
        remedy: "convert the file, for example: iconv -f latin1 -t utf-8 FILE > NEW",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadLimits;

    fn parts(path: &Path) -> Result<Vec<Table>> {
        let mut parts = Vec::new();
        scan::<Error>(path, path, &mut |part| {
            parts.push(part.clone());
            Ok(())
        })?;
        Ok(parts)
    }

    #[test]
    fn parts_make_the_table_that_is_read_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let mut text = String::from("id,name,x,when,flag,late\r\n");
        for row in 0..120_000 {
            let late = if row == 119_999 { "end" } else { "1" };
            text.push_str(&format!(
                "{row},\"n, \"\"{}\"\"\n{row}\",{}.5,2026-01-{:02},true,{late}\r\n",
                row % 7,
                row % 13,
                row % 28 + 1
            ));
        }
        std::fs::write(&path, &text).unwrap();
        assert!(text.len() as u64 > BLOCK_BYTES, "more than one block");
        let whole = Table::read(&path, &ReadLimits::default()).unwrap();
        let found = parts(&path).unwrap();
        assert!(found.len() > 1);
        assert_eq!(Table::concat(&found).unwrap(), whole);
        let parquet = dir.path().join("t.parquet");
        whole.write_parquet(&parquet).unwrap();
        assert_eq!(Table::concat(&parts(&parquet).unwrap()).unwrap(), whole);
    }

    #[test]
    fn decimal_commas_and_rows_without_header_are_read_as_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        for text in ["a;b\n1,5;x\n2;y\n", "39, State-gov, 77516, ?\n50, Private, 83311, x\n", "a\n\n1\n"] {
            std::fs::write(&path, text).unwrap();
            let whole = Table::read(&path, &ReadLimits::default()).unwrap();
            assert_eq!(Table::concat(&parts(&path).unwrap()).unwrap(), whole, "{text:?}");
        }
    }

    #[test]
    fn errors_are_those_of_a_file_read_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        for text in ["a,b\n1,2\n\n3\n", "", "a,b\n", "a,b\n1,2\n\"x,2\n3,4\n", "a,,c\n1,2,3\n", "a,b\n1,\0\n"]
        {
            std::fs::write(&path, text).unwrap();
            let whole = Table::read(&path, &ReadLimits::default()).unwrap_err().to_string();
            assert_eq!(parts(&path).unwrap_err().to_string(), whole, "{text:?}");
        }
    }
}
