//! What a file of a plot holds: an image, or a document with points.

use std::path::Path;

use crate::contents::Contents;
use crate::error::Result;
use crate::stage::OutKind;
use crate::yaml::{Key, Map, Value};
use crate::{datafile, fsx};

/// The endings of images, as they are written.
const IMAGES: [&str; 5] = ["jpg", "jpeg", "gif", "png", "svg"];

/// What was read.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Image(Vec<u8>),
    Document(Value),
    Failed(Fault),
}

/// Why there is nothing to draw, under the name that DVC's JSON gives it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

fn ending(name: &str) -> &str {
    Path::new(name).extension().and_then(|text| text.to_str()).unwrap_or_default()
}

pub(super) fn is_image(name: &str) -> bool {
    IMAGES.contains(&ending(name))
}

/// Reads the file that is called `name` from the current directory.
pub(super) fn read(contents: &Contents<'_>, name: &str, no_header: bool) -> Result<Source> {
    let failed = |kind, message: String| Ok(Source::Failed(Fault::new(kind, message)));
    let path = fsx::normalize(contents.repo.cwd(), Path::new(name));
    let ending = ending(name);
    if !is_image(name) && !["json", "yaml", "yml", "toml", "py", "csv", "tsv"].contains(&ending) {
        return failed(
            "PlotMetricTypeError",
            format!("'{name}' cannot be drawn: its name ends in none of .json, .yaml, .csv and .tsv"),
        );
    }
    let Some(bytes) = contents.read(&path)? else {
        return failed("FileNotFoundError", format!("'{name}' is not there"));
    };
    if is_image(name) {
        return Ok(Source::Image(bytes));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return failed("EncodingError", format!("unable to read '{name}': it is not UTF-8"));
    };
    if ["csv", "tsv"].contains(&ending) {
        let mut outs = contents.outs().filter(|out| out.kind == OutKind::Plot && out.path == path);
        let bare = outs.any(|out| matches!(out.drawing.get("header"), Some(Value::Bool(false))));
        let delimiter = if ending == "tsv" { b'\t' } else { b',' };
        return Ok(match table(&text, delimiter, !(bare || no_header)) {
            Ok(rows) => Source::Document(Value::Seq(rows)),
            Err(error) => Source::Failed(Fault::new("Error", format!("unable to read '{name}': {error}"))),
        });
    }
    match datafile::read(&path, name, &text) {
        Ok(value) => Ok(Source::Document(value)),
        Err(error) => {
            let kind = match ending {
                "json" => "JSONFileCorruptedError",
                "toml" => "TOMLFileCorruptedError",
                "py" => "PythonFileCorruptedError",
                _ => "YAMLFileCorruptedError",
            };
            failed(kind, error.to_string())
        }
    }
}

/// The rows of a table, all cells text. Short rows are filled up with nulls, and what is beyond the header
/// stands under a null.
fn table(text: &str, delimiter: u8, header: bool) -> Result<Vec<Value>, csv::Error> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut names: Option<Vec<Key>> = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let known = match &names {
            Some(known) => known,
            None if header => {
                let mut heading: Vec<String> = record.iter().map(str::to_owned).collect();
                // the reader takes a byte order mark away, which belongs to the first name
                if let Some(first) = heading.first_mut().filter(|_| text.starts_with('\u{feff}')) {
                    *first = format!("\u{feff}{}", first.trim_start_matches('\u{feff}'));
                }
                names = Some(heading.into_iter().map(Key::from).collect());
                continue;
            }
            None => names.insert((0..record.len()).map(|at| Key::from(at.to_string())).collect()),
        };
        let mut row: Map = known.iter().cloned().zip(record.iter().map(Value::from)).collect();
        for missing in known.iter().skip(record.len()) {
            row.insert(missing.clone(), Value::Null);
        }
        let beyond: Vec<Value> = record.iter().skip(known.len()).map(Value::from).collect();
        if !beyond.is_empty() {
            row.insert(Key { text: String::new(), typed: true }, Value::Seq(beyond));
        }
        rows.push(Value::Map(row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyjson;

    fn shown(text: &str, delimiter: u8, header: bool) -> String {
        pyjson::text(&Value::Seq(table(text, delimiter, header).expect("reads")))
    }

    #[test]
    fn rows_that_do_not_fit_the_header_are_kept() {
        assert_eq!(
            shown("a,b\n1\n\n1,2,3\n", b',', true),
            r#"[{"a": "1", "b": null}, {"a": "1", "b": "2", "null": ["3"]}]"#
        );
    }

    #[test]
    fn without_a_header_columns_are_numbered() {
        assert_eq!(shown("1\t2\r\n", b'\t', false), r#"[{"0": "1", "1": "2"}]"#);
    }

    #[test]
    fn a_byte_order_mark_belongs_to_the_first_name() {
        assert_eq!(shown("\u{feff}a,b\n1,2\n", b',', true), r#"[{"\ufeffa": "1", "b": "2"}]"#);
    }
}
