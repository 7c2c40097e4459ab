//! CSV bodies (RFC 4180): a header line, then rows of text cells that the signature types.

use std::collections::HashSet;

use super::json::Input;
use super::{MAX_COLUMNS, Rejection};

/// Cells that a body may stand for even if it has fewer bytes: short rows are filled up.
const MIN_CELLS: usize = 1 << 20;

/// Reads a body.
pub(super) fn read(bytes: &[u8]) -> Result<Input, Rejection> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Rejection::malformed(format!(
            "Invalid input. Ensure that input is a valid UTF-8 encoded string. Error at byte {}.",
            error.valid_up_to()
        ))
    })?;
    let wrong = |what: String| {
        Rejection::malformed(format!(
            "Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid CSV-formatted Pandas DataFrame \
             produced using the `pandas.DataFrame.to_csv()` method. Error: {what}"
        ))
    };
    let mut lines = records(text.strip_prefix('\u{feff}').unwrap_or(text));
    let columns = match lines.next() {
        Some(Ok(header)) => header,
        Some(Err(what)) => return Err(wrong(what)),
        None => return Err(wrong("no columns to parse".to_owned())),
    };
    let mut seen = HashSet::with_capacity(columns.len());
    if let Some((place, twice)) = columns.iter().enumerate().find(|(_, name)| !seen.insert(name.as_str())) {
        return Err(wrong(format!("column {place} repeats the name '{twice}'")));
    }
    let mut cells = Vec::new();
    for (place, line) in lines.enumerate() {
        let mut line = line.map_err(wrong)?;
        if line.len() > columns.len() {
            return Err(wrong(format!(
                "row {place} has {} fields, the header {}",
                line.len(),
                columns.len()
            )));
        }
        // Each written cell takes a byte at least, so only rows that are cut short can come to more.
        if cells.len() + columns.len() > bytes.len().max(MIN_CELLS) {
            return Err(wrong(format!(
                "rows up to {place} are cut short and stand for more cells than the body has bytes"
            )));
        }
        line.resize(columns.len(), String::new());
        cells.append(&mut line);
    }
    Ok(Input::Text { columns, cells })
}

/// The records of a text, blank lines left out.
fn records(text: &str) -> impl Iterator<Item = Result<Vec<String>, String>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some(after) = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n")) {
            rest = after;
        }
        if rest.is_empty() {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            let (field, after, more) = match field(rest) {
                Ok(found) => found,
                Err(what) => {
                    rest = "";
                    return Some(Err(what));
                }
            };
            if fields.len() == MAX_COLUMNS {
                rest = "";
                return Some(Err(format!("a line has more than {MAX_COLUMNS} columns")));
            }
            fields.push(field);
            rest = after;
            if !more {
                return Some(Ok(fields));
            }
        }
    })
}

/// The first field of `text`, what follows it, and whether the record goes on.
fn field(text: &str) -> Result<(String, &str, bool), String> {
    let (value, after) = match text.strip_prefix('"') {
        Some(quoted) => {
            let mut value = String::new();
            let mut rest = quoted;
            loop {
                let (inside, after) = rest.split_once('"').ok_or("a quoted field does not end")?;
                value.push_str(inside);
                match after.strip_prefix('"') {
                    Some(next) => {
                        value.push('"');
                        rest = next;
                    }
                    None => break (value, after),
                }
            }
        }
        None => {
            let end = text.find([',', '\n', '\r']).unwrap_or(text.len());
            let (value, after) = text.split_at(end);
            (value.to_owned(), after)
        }
    };
    if let Some(after) = after.strip_prefix(',') {
        return Ok((value, after, true));
    }
    let after =
        after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).or_else(|| after.strip_prefix('\r'));
    match after {
        Some(after) => Ok((value, after, false)),
        None if text.is_empty() || value.len() <= text.len() && ends(text, &value) => Ok((value, "", false)),
        None => Err("text follows a closing quote".to_owned()),
    }
}

/// Whether nothing but the field is left of `text`.
fn ends(text: &str, value: &str) -> bool {
    match text.strip_prefix('"') {
        Some(_) => text.ends_with('"'),
        None => text == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
        match read(text.as_bytes()) {
            Ok(Input::Text { columns, cells }) => Ok((columns, cells)),
            Ok(_) => unreachable!(),
            Err(rejection) => Err(rejection.to_string()),
        }
    }

    #[test]
    fn quotes_line_ends_and_short_rows_are_read() {
        let (columns, read) = cells("\u{feff}a,\"b,1\"\r\n1,\"x\"\"y\nz\"\r\n\n2\n3,").unwrap();
        assert_eq!(columns, ["a", "b,1"]);
        assert_eq!(read, ["1", "x\"y\nz", "2", "", "3", ""]);
        assert_eq!(cells("a\n\"q\"").unwrap().1, ["q"]);
    }

    #[test]
    fn broken_text_is_refused() {
        assert!(cells("").unwrap_err().contains("no columns"));
        assert!(cells("a,b\n1,2,3\n").unwrap_err().contains("row 0 has 3 fields"));
        assert!(cells("a\n\"open\n").unwrap_err().contains("does not end"));
        assert!(cells("a\n\"x\"y\n").unwrap_err().contains("closing quote"));
        assert!(cells("a,a\n1,2\n").unwrap_err().contains("repeats"));
    }

    #[test]
    fn a_line_of_too_many_columns_is_refused_before_it_is_kept() {
        let header = |columns: usize| (0..columns).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(cells(&header(10_000)).unwrap().0.len(), 10_000);
        assert!(cells(&header(10_001)).unwrap_err().contains("more than 10000 columns"));
        assert!(cells(&",".repeat(1 << 20)).unwrap_err().contains("more than 10000 columns"));
    }

    #[test]
    fn short_rows_do_not_grow_without_bounds() {
        let header: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let refused = cells(&format!("{}\n{}", header.join(","), "1\n".repeat(1_000))).unwrap_err();
        assert!(refused.contains("more cells than the body has bytes"), "{refused}");
    }
}
