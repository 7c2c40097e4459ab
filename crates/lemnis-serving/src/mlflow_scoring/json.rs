//! JSON bodies: exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Number, Value};

use super::{MAX_COLUMNS, Rejection};

/// The four forms, and those of language models, which have no columns.
const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];
const CHAT_FORMS: [&str; 3] = ["messages", "prompt", "input"];

/// A body as rows or columns of untyped cells.
#[derive(Debug)]
pub(super) enum Input {
    /// Rows of cells below a list of names.
    Rows { columns: Vec<String>, rows: Vec<Value> },
    /// An object for each row.
    Records(Vec<Value>),
    /// A list, or one value, for each name.
    Columns { columns: Map<String, Value>, rows: usize },
    /// Text cells below a header.
    Text { columns: Vec<String>, cells: Vec<String> },
}

/// One value, untyped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Missing,
    Bool(bool),
    Number(&'a Number),
    Text(&'a str),
    /// Text of a format that has nothing but text: empty is missing.
    Raw(&'a str),
    Nested,
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Cell::Missing,
            Value::Bool(value) => Cell::Bool(*value),
            Value::Number(value) => Cell::Number(value),
            Value::String(value) => Cell::Text(value),
            Value::Array(_) | Value::Object(_) => Cell::Nested,
        }
    }
}

impl Input {
    pub(super) fn rows(&self) -> usize {
        match self {
            Input::Rows { rows, .. } => rows.len(),
            Input::Records(records) => records.len(),
            Input::Columns { rows, .. } => *rows,
            Input::Text { columns, cells } => cells.len() / columns.len().max(1),
        }
    }

    /// The cells of the column `name`, one for each row; `None` where no row has it.
    pub(super) fn column<'a>(&'a self, name: &'a str) -> Option<Box<dyn Iterator<Item = Cell<'a>> + 'a>> {
        match self {
            Input::Rows { columns, rows } => {
                let place = columns.iter().position(|column| column == name)?;
                Some(Box::new(rows.iter().map(move |row| row.get(place).map_or(Cell::Missing, Cell::from))))
            }
            Input::Records(records) => records.iter().any(|record| record.get(name).is_some()).then(
                || -> Box<dyn Iterator<Item = _>> {
                    Box::new(
                        records.iter().map(move |record| record.get(name).map_or(Cell::Missing, Cell::from)),
                    )
                },
            ),
            Input::Columns { columns, .. } => match columns.get(name)? {
                Value::Array(values) => Some(Box::new(values.iter().map(Cell::from))),
                value => Some(Box::new(std::iter::once(Cell::from(value)))),
            },
            Input::Text { columns, cells } => {
                let place = columns.iter().position(|column| column == name)?;
                let cells = cells.iter().skip(place).step_by(columns.len().max(1));
                Some(Box::new(cells.map(|cell| Cell::Raw(cell))))
            }
        }
    }
}

/// Reads a body.
pub(super) fn read(bytes: &[u8]) -> Result<Input, Rejection> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Rejection::malformed(format!("Invalid input. The body is not UTF-8 at byte {}.", error.valid_up_to()))
    })?;
    let value = parse(text)?;
    let Value::Object(mut body) = value else {
        return Err(Rejection::malformed(
            "Invalid input. The input must be a JSON dictionary with exactly one of the input fields \
             {'dataframe_split', 'dataframe_records', 'instances', 'inputs'}.",
        ));
    };
    let mut found = FORMS.into_iter().filter(|form| body.contains_key(*form));
    let (form, more) = (found.next(), found.next());
    let Some(form) = form.filter(|_| more.is_none()) else {
        if form.is_none() && CHAT_FORMS.iter().any(|form| body.contains_key(*form)) {
            return Err(Rejection::schema(
                "Failed to enforce schema of data: the model takes named columns, not the input of a language model",
            ));
        }
        return Err(Rejection::malformed(
            "The input must be a JSON dictionary with exactly one of the input fields \
             {'dataframe_split', 'dataframe_records', 'instances', 'inputs'}.",
        ));
    };
    if body.get("params").is_some_and(|params| !params.is_object() && !params.is_null()) {
        return Err(Rejection::malformed("Invalid input. The field params must be a JSON dictionary."));
    }
    let data = body.swap_remove(form).unwrap_or_default();
    match (form, data) {
        ("dataframe_split", data) => split(data),
        ("dataframe_records", Value::Array(records)) => all_objects(records).ok_or_else(|| {
            Rejection::malformed("Invalid input. Each entry of dataframe_records must be a dictionary.")
        }),
        ("dataframe_records", other) => Err(Rejection::malformed(format!(
            "Invalid input. Dataframe records format must be a list of records. Got {}.",
            python_kind(&other)
        ))),
        ("inputs", Value::Object(columns)) => named(columns),
        (_, Value::Array(rows)) => all_objects(rows).ok_or_else(|| unnamed(form)),
        (_, _) => Err(unnamed(form)),
    }
}

fn unnamed(form: &str) -> Rejection {
    Rejection::schema(format!(
        "Failed to enforce schema of data: {form} holds values without names, the model takes named columns"
    ))
}

/// Parses JSON and Python's additions to it: bare `NaN`, `Infinity` and `-Infinity`.
fn parse(text: &str) -> Result<Value, Rejection> {
    let broken = |error: serde_json::Error| {
        Rejection::malformed(format!(
            "Invalid input. Ensure that input is a valid JSON formatted string. Error at line {} column {}.",
            error.line(),
            error.column()
        ))
    };
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) => match without_python_numbers(text) {
            Cow::Borrowed(_) => Err(broken(error)),
            Cow::Owned(text) => serde_json::from_str(&text).map_err(broken),
        },
    }
}

/// `NaN` as null, infinities as text that reads as a number; borrowed where there is none of them.
fn without_python_numbers(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut rest, mut in_string, mut changed) = (text, false, false);
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        if in_string {
            if first == '\\' {
                taken += rest.get(taken..).and_then(|after| after.chars().next()).map_or(0, char::len_utf8);
            }
            in_string = first != '"';
        } else {
            in_string = first == '"';
            let words = [("NaN", "null"), ("Infinity", "\"inf\""), ("-Infinity", "\"-inf\"")];
            if let Some((word, instead)) = words.into_iter().find(|(word, _)| rest.starts_with(word)) {
                out.push_str(instead);
                rest = rest.get(word.len()..).unwrap_or_default();
                changed = true;
                continue;
            }
        }
        out.push_str(rest.get(..taken).unwrap_or_default());
        rest = rest.get(taken..).unwrap_or_default();
    }
    if changed { Cow::Owned(out) } else { Cow::Borrowed(text) }
}

fn split(data: Value) -> Result<Input, Rejection> {
    let wrong = |what: String| {
        Rejection::malformed(format!(
            "Invalid input. Provided dataframe_split field is not a valid dataframe representation in 'split' format. \
             Error: {what}"
        ))
    };
    let Value::Object(mut split) = data else {
        return Err(Rejection::malformed(format!(
            "Invalid input. Dataframe split format must be a dictionary. Got {}.",
            python_kind(&data)
        )));
    };
    let rows = match split.swap_remove("data") {
        Some(Value::Array(rows)) => rows,
        None => Vec::new(),
        Some(other) => return Err(wrong(format!("data is a {}, not a list of rows", python_kind(&other)))),
    };
    let columns = match split.swap_remove("columns") {
        Some(Value::Array(names)) => Some(
            names
                .into_iter()
                .map(|name| match name {
                    Value::String(name) => name,
                    other => other.to_string(),
                })
                .collect::<Vec<String>>(),
        ),
        None | Some(Value::Null) => None,
        Some(other) => return Err(wrong(format!("columns is a {}, not a list", python_kind(&other)))),
    };
    if let Some(Value::Array(index)) = split.get("index")
        && index.len() != rows.len()
    {
        return Err(wrong(format!("{} entries in index, {} rows in data", index.len(), rows.len())));
    }
    let width = columns.as_ref().map(Vec::len);
    for (place, row) in rows.iter().enumerate() {
        match row {
            Value::Array(cells) => {
                if let Some(width) = width.filter(|width| *width != cells.len()) {
                    return Err(wrong(format!(
                        "{width} columns passed, row {place} of data has {}",
                        cells.len()
                    )));
                }
            }
            other => {
                return Err(wrong(format!("row {place} of data is a {}, not a list", python_kind(other))));
            }
        }
    }
    let columns = columns.ok_or_else(|| unnamed("dataframe_split"))?;
    if columns.len() > MAX_COLUMNS {
        return Err(wrong(format!("{} columns passed, at most {MAX_COLUMNS} are taken", columns.len())));
    }
    let mut seen = HashSet::with_capacity(columns.len());
    if let Some(twice) = columns.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Rejection::schema(format!(
            "Failed to enforce schema of data: column '{twice}' is there twice"
        )));
    }
    Ok(Input::Rows { columns, rows })
}

fn all_objects(records: Vec<Value>) -> Option<Input> {
    records.iter().all(Value::is_object).then_some(Input::Records(records))
}

/// A dictionary of lists of one length, or of single values.
fn named(columns: Map<String, Value>) -> Result<Input, Rejection> {
    let length = |value: &Value| value.as_array().map(Vec::len);
    let rows = columns.values().next().map_or(0, |value| length(value).unwrap_or(1));
    let first_is_list = columns.values().next().is_some_and(Value::is_array);
    for (name, value) in &columns {
        if value.is_array() != first_is_list || length(value).unwrap_or(1) != rows {
            return Err(Rejection::malformed(format!(
                "Invalid input. The columns of inputs differ in length at '{name}'."
            )));
        }
    }
    Ok(Input::Columns { columns, rows })
}

fn python_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "None",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "dictionary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_numbers_are_read_outside_of_strings_only() {
        let text = r#"{"a": [NaN, Infinity, -Infinity, "NaN \" Infinity \\"], "é": 1}"#;
        let value = parse(text).unwrap();
        assert_eq!(value.to_string(), r#"{"a":[null,"inf","-inf","NaN \" Infinity \\"],"é":1}"#);
        assert!(parse("{NaN").is_err());
        assert!(parse("[nan]").is_err());
    }

    #[test]
    fn columns_of_one_length_are_rows() {
        let rows = |text: &str| read(text.as_bytes()).map(|input| input.rows());
        assert_eq!(rows(r#"{"inputs": {"a": [1, 2], "b": [3, 4]}}"#), Ok(2));
        assert_eq!(rows(r#"{"inputs": {"a": 1, "b": 3}}"#), Ok(1));
        assert!(rows(r#"{"inputs": {"a": [1], "b": [3, 4]}}"#).is_err());
        assert!(rows(r#"{"inputs": {"a": [1], "b": 3}}"#).is_err());
    }
}
