//! Templates: Vega-Lite specifications in which anchors stand for what a plot brings along.
//!
//! `.dvc/plots/<name>.json` goes before a file at the path `<name>`, and both before the built-in ones.

use std::path::Path;

use super::builtin;
use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::yaml::{Map, Value};
use crate::{datafile, fsx};

/// The template of plots that name none.
const DEFAULT: &str = "linear";

/// The template `name`, as a specification with anchors.
pub(super) fn find(repo: &Repo, name: Option<&str>) -> Result<Value> {
    let name = name.unwrap_or(DEFAULT);
    let own = repo.root().join(".dvc").join("plots").join(name);
    for path in [own.clone(), own.with_extension("json"), fsx::normalize(repo.cwd(), Path::new(name))] {
        if fsx::metadata(&path)?.is_some_and(|meta| meta.is_file()) {
            return read(repo, &path);
        }
    }
    builtin::template(name).ok_or_else(|| {
        Error::hinted(
            format!("there is no template '{name}'"),
            "`plots templates` lists the built-in ones; others are files in .dvc/plots",
        )
    })
}

fn read(repo: &Repo, path: &Path) -> Result<Value> {
    let shown = repo.show(path);
    let text = fsx::read_text(path)?.unwrap_or_default();
    let template = datafile::read_json(&text).map_err(|error| Error::Malformed {
        file: shown.clone(),
        line: error.line(),
        message: error.to_string(),
    })?;
    if template.as_map().is_none() {
        return Err(Error::invalid(format!("the template {shown} is not a JSON object")));
    }
    if !has(&template, "data") {
        return Err(Error::hinted(
            format!("the template {shown} has no place for the data"),
            format!("put \"{}\" where the values belong", anchor("data")),
        ));
    }
    Ok(template)
}

/// How a template spells the anchor `name`.
pub(super) fn anchor(name: &str) -> String {
    format!("<DVC_METRIC_{}>", name.to_uppercase())
}

/// Whether the anchor stands for a whole value somewhere.
pub(super) fn has(template: &Value, name: &str) -> bool {
    fn find(value: &Value, anchor: &str) -> bool {
        match value {
            Value::Map(map) => map.values().any(|value| find(value, anchor)),
            Value::Seq(items) => items.iter().any(|item| find(item, anchor)),
            Value::Str(text) => text == anchor,
            _ => false,
        }
    }
    find(template, &anchor(name))
}

/// Puts `value` in the anchor's place. Within a longer text, a text takes its place as well.
pub(super) fn fill(template: &mut Value, name: &str, value: &Value) {
    fn put(into: &mut Value, anchor: &str, value: &Value, in_map: bool) {
        match into {
            Value::Map(map) => map.values_mut().for_each(|into| put(into, anchor, value, true)),
            Value::Seq(items) => items.iter_mut().for_each(|into| put(into, anchor, value, false)),
            Value::Str(text) if text == anchor => *into = value.clone(),
            Value::Str(text) if in_map && text.contains(anchor) => {
                if let Value::Str(value) = value {
                    *text = text.replace(anchor, value);
                }
            }
            _ => {}
        }
    }
    put(template, &anchor(name), value, true);
}

/// A mapping of what is given.
pub(super) fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyjson;

    #[test]
    fn anchors_are_whole_values_or_parts_of_texts() {
        let text = r#"{"a": "<DVC_METRIC_X>", "b": "x: <DVC_METRIC_X>", "c": ["<DVC_METRIC_DATA>", "-<DVC_METRIC_X>"]}"#;
        let mut template = datafile::read_json(text).expect("reads");
        assert!(has(&template, "data") && !has(&template, "y"));
        fill(&mut template, "x", &"step".into());
        fill(&mut template, "data", &Value::Seq(vec![Value::Int(1)]));
        assert_eq!(
            pyjson::text(&template),
            r#"{"a": "step", "b": "x: step", "c": [[1], "-<DVC_METRIC_X>"]}"#
        );
    }
}
