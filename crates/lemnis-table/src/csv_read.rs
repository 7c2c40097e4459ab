//! CSV in: RFC 4180 as it is met in practice, and an error that names its line where a file is not.
//!
//! The whole file is read before a column's kind is decided, so that no value of it contradicts the kind.

use std::collections::HashSet;
use std::path::Path;

use arrow::array::ArrayRef;

use crate::infer::{self, Cells};
use crate::{Error, Result, Table};

/// Arrow addresses the text of one column with 31 bits.
const MOST_BYTES: usize = i32::MAX as usize;

/// Reads the text of a CSV file. The delimiter is `delimiter` or, without one, what the first line holds most of.
pub(crate) fn read(path: &Path, bytes: &[u8], delimiter: Option<u8>, max_columns: usize) -> Result<Table> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.len() > MOST_BYTES {
        let (size_bytes, limit_bytes) = (bytes.len() as u64, MOST_BYTES as u64);
        return Err(Error::TooLarge { path: path.to_path_buf(), size_bytes, limit_bytes });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_text(path, bytes, error.valid_up_to()))?;
    if let Some(at) = text.find('\0') {
        return Err(not_text(path, bytes, at));
    }
    let empty = |missing| Error::Empty { path: path.to_path_buf(), missing };
    let first_line = text.lines().find(|line| !line.trim().is_empty());
    let first_line = first_line.ok_or_else(|| empty("it has no header line"))?;
    let delimiter = delimiter.unwrap_or_else(|| sniff(first_line));
    let mut records = Records { text, at: 0, line: 1, delimiter, scratch: String::new() };
    let broken =
        |line: u64, problem: String, remedy| Error::Line { path: path.to_path_buf(), line, problem, remedy };
    let unclosed = |Unclosed { line }| {
        broken(
            line,
            "a quoted field opens here and never closes".to_owned(),
            "close it, or double the stray quote",
        )
    };

    let mut header: Vec<String> = Vec::new();
    let first = records.next(&mut |_, field| header.push(field.to_owned())).map_err(unclosed)?;
    let header_line = first.ok_or_else(|| empty("it has no header line"))?.line;
    if header.len() > max_columns {
        let problem = format!("{} columns, more than {max_columns}", header.len());
        return Err(broken(header_line, problem, "leave out columns"));
    }
    let mut columns = vec![Cells::default(); header.len()];
    let mut rows = 0usize;
    if is_data(&header) {
        columns.iter_mut().zip(&header).for_each(|(column, field)| column.push(field));
        rows = 1;
        header = (1..=header.len()).map(|place| format!("column_{place}")).collect();
    }
    check_names(&header).map_err(|problem| {
        broken(header_line, problem, "give every column a name of its own in the first line")
    })?;

    let mut push = |place: usize, field: &str| {
        if let Some(column) = columns.get_mut(place) {
            column.push(field);
        }
    };
    while let Some(record) = records.next(&mut push).map_err(unclosed)? {
        if record.fields != header.len() {
            return Err(broken(
                record.line,
                format!("{} where the header has {}", fields(record.fields), header.len()),
                "mend that line; a field with the delimiter in it needs double quotes",
            ));
        }
        rows += 1;
    }
    if rows == 0 {
        return Err(empty("it has a header line and no rows"));
    }
    let arrays: Vec<ArrayRef> =
        columns.into_iter().map(|cells| infer::array(cells, delimiter == b';')).collect();
    Table::of_arrays(header, arrays)
}

/// Where a record starts and how many fields it has.
pub(crate) struct Record {
    pub(crate) line: u64,
    pub(crate) fields: usize,
}

/// The line of a quote that no other one closes.
pub(crate) struct Unclosed {
    pub(crate) line: u64,
}

/// Walks through the records of a text.
pub(crate) struct Records<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
    pub(crate) line: u64,
    pub(crate) delimiter: u8,
    pub(crate) scratch: String,
}

impl Records<'_> {
    /// Gives each field of the next record, trimmed, to `sink` with its place. Lines without anything are no records.
    pub(crate) fn next(&mut self, sink: &mut dyn FnMut(usize, &str)) -> Result<Option<Record>, Unclosed> {
        loop {
            self.skip_blanks();
            match self.byte() {
                None => return Ok(None),
                Some(b'\r' | b'\n') => self.end_line(),
                Some(_) => break,
            }
        }
        let line = self.line;
        let mut fields = 0;
        loop {
            self.skip_blanks();
            if self.byte() == Some(b'"') {
                let mut field = std::mem::take(&mut self.scratch);
                field.clear();
                self.quoted(&mut field)?;
                sink(fields, field.trim());
                self.scratch = field;
            } else {
                sink(fields, self.plain());
            }
            fields += 1;
            match self.byte() {
                Some(byte) if byte == self.delimiter => self.at += 1,
                Some(_) => {
                    self.end_line();
                    return Ok(Some(Record { line, fields }));
                }
                None => return Ok(Some(Record { line, fields })),
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        while self.byte().is_some_and(|byte| byte == b' ' || (byte == b'\t' && self.delimiter != b'\t')) {
            self.at += 1;
        }
    }

    /// Steps over `\n`, `\r\n` or `\r`.
    fn end_line(&mut self) {
        if self.byte() == Some(b'\r') {
            self.at += 1;
        }
        if self.byte() == Some(b'\n') {
            self.at += 1;
        }
        self.line += 1;
    }

    /// What stands before the next delimiter or the line's end.
    fn plain(&mut self) -> &str {
        let rest = self.rest();
        let delimiter = self.delimiter;
        let ends = |byte: &u8| *byte == delimiter || *byte == b'\n' || *byte == b'\r';
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        self.text.get(start..self.at).unwrap_or_default().trim()
    }

    /// A field in quotes, which may hold delimiters, line ends and doubled quotes; text after it is taken as it is.
    fn quoted(&mut self, field: &mut String) -> Result<(), Unclosed> {
        let opened = self.line;
        self.at += 1;
        loop {
            let rest = self.rest();
            let length = rest.iter().position(|byte| *byte == b'"').ok_or(Unclosed { line: opened })?;
            self.line += rest[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
            field.push_str(self.text.get(self.at..self.at + length).unwrap_or_default());
            self.at += length + 1;
            if self.byte() != Some(b'"') {
                break;
            }
            field.push('"');
            self.at += 1;
        }
        field.push_str(self.plain());
        Ok(())
    }
}

/// The delimiter that `line` holds most of, outside quotes; a comma where it holds none.
pub(crate) fn sniff(line: &str) -> u8 {
    let mut counts = [(b',', 0usize), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        if !quoted && let Some(entry) = counts.iter_mut().find(|entry| entry.0 == byte) {
            entry.1 += 1;
        }
    }
    let most = counts.iter().map(|entry| entry.1).max().unwrap_or_default();
    counts.iter().find(|entry| entry.1 == most).map_or(b',', |entry| entry.0)
}

/// Whether the first line is a row: it holds two numbers or more, and they are not names such as years or places,
/// which are whole and rise in small steps.
pub(crate) fn is_data(header: &[String]) -> bool {
    let numbers: Vec<&str> =
        header.iter().map(String::as_str).filter(|field| infer::is_number(field)).collect();
    let whole: Option<Vec<i64>> = numbers.iter().map(|field| field.parse().ok()).collect();
    let names = whole.is_some_and(|whole| {
        whole.windows(2).all(|pair| (1..=100).contains(&pair[1].saturating_sub(pair[0])))
    });
    numbers.len() >= 2 && !names
}

pub(crate) fn fields(count: usize) -> String {
    format!("{count} field{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn check_names(header: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for (place, name) in header.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("column {} has no name", place + 1));
        }
        if !seen.insert(name) {
            return Err(format!("two columns are called {name:?}"));
        }
    }
    Ok(())
}

fn not_text(path: &Path, bytes: &[u8], at: usize) -> Error {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let column = at - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1) + 1;
    Error::Line {
        path: path.to_path_buf(),
        line,
        problem: format!(
            "byte {column} is not UTF-8 text (0x{:02x})",
            bytes.get(at).copied().unwrap_or_default()
        ),
        remedy: "convert the file, for example: iconv -f latin1 -t utf-8 FILE > NEW",
    }
}

#[cfg(test)]
mod tests {
    use lemnis_core::Classify;

    use super::*;
    use crate::{Column, Kind};

    fn parse(text: &str) -> Result<Table> {
        read(Path::new("t.csv"), text.as_bytes(), None, 100)
    }

    fn message(text: &str) -> String {
        parse(text).map_or_else(|error| error.to_string(), |_| "it was read".to_owned())
    }

    fn texts(table: &Table, name: &str) -> Vec<String> {
        table.texts(name).unwrap().into_iter().map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_doubled_quotes() {
        let table = parse("a,b\r\n\"x, \"\"y\"\"\",1\r\n \"p\nq\" ,2\r\n").unwrap();
        assert_eq!(texts(&table, "a"), ["x, \"y\"", "p\nq"]);
        assert_eq!(table.column("b").unwrap(), Column::Int(vec![Some(1), Some(2)]));
    }

    #[test]
    fn the_delimiter_is_found_in_the_first_line() {
        for text in ["a;b\n1,5;x\n", "a\tb\n1.5\tx\n", "\"a\",\"b\"\n1.5,x", "\u{feff}a,b\n1.5,x\n"] {
            let table = parse(text).unwrap();
            assert_eq!(table.names(), ["a", "b"], "{text:?}");
            assert_eq!(table.floats("a").unwrap(), [1.5], "{text:?}");
        }
    }

    #[test]
    fn tabs_delimit_empty_fields_and_blank_lines_are_skipped() {
        let table = parse("a\tb\n\n\t\n1\t\n   \n").unwrap();
        assert_eq!(table.column("a").unwrap(), Column::Int(vec![None, Some(1)]));
        assert_eq!(table.kind("b").unwrap(), Kind::Float);
    }

    #[test]
    fn a_first_line_of_data_is_a_row() {
        let table = parse("39, State-gov, 77516, ?\n50, Private, 83311, x\n").unwrap();
        assert_eq!(table.names(), ["column_1", "column_2", "column_3", "column_4"]);
        assert_eq!(table.rows(), 2);
        assert_eq!(table.texts("column_4").unwrap(), [None, Some("x".to_owned())]);
        assert_eq!(parse("country,2019,2020\nA,1,2\n").unwrap().names(), ["country", "2019", "2020"]);
    }

    #[test]
    fn an_error_names_the_line_and_what_to_do() {
        assert_eq!(message("a,b\n1,2\n\n3\n"), "t.csv line 4: 1 field where the header has 2");
        assert_eq!(message("a,b\n\"x\ny\",2\n1,2,3\n"), "t.csv line 4: 3 fields where the header has 2");
        assert_eq!(
            message("a,b\n1,2\n\"x,2\n3,4\n"),
            "t.csv line 3: a quoted field opens here and never closes"
        );
        assert_eq!(message("a,,c\n1,2,3\n"), "t.csv line 1: column 2 has no name");
        assert_eq!(message("a,b,a\n1,2,3\n"), "t.csv line 1: two columns are called \"a\"");
        assert_eq!(message(""), "t.csv is empty: it has no header line");
        assert_eq!(message(" \n\r\n"), "t.csv is empty: it has no header line");
        assert_eq!(message("a,b\r\n"), "t.csv is empty: it has a header line and no rows");
        let wide = (0..101).map(|place| format!("c{place}")).collect::<Vec<_>>().join(",");
        assert_eq!(message(&wide), "t.csv line 1: 101 columns, more than 100");
        assert!(parse("a,b\n1\n").unwrap_err().hint().unwrap().starts_with("mend that line"));
    }

    #[test]
    fn bytes_that_are_no_text_are_found_with_their_place() {
        let latin1 = b"a,b\nx,1\nM\xfcnchen,2\n";
        let error = read(Path::new("t.csv"), latin1, None, 100).unwrap_err();
        assert_eq!(error.to_string(), "t.csv line 3: byte 2 is not UTF-8 text (0xfc)");
        assert_eq!(message("a,b\n1,\0\n"), "t.csv line 2: byte 3 is not UTF-8 text (0x00)");
    }
}
