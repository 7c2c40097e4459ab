//! CSV bodies (RFC 4180): a header line, then rows of text cells that the signature types.

use super::Rejection;
use super::json::Input;

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
    if let Some((place, twice)) =
        columns.iter().enumerate().find(|(place, name)| columns[..*place].contains(name))
    {
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
}
