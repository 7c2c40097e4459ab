//! `--set-param`: changes single parameters of a file and leaves the rest of its text alone.
//!
//! The grammar is Hydra's: `key=value` changes what is there, `+key=value` adds, `++key=value` does either,
//! `~key` removes; a file may stand before a colon. Values are YAML in flow style.

mod python;
mod toml;

use std::path::{Path, PathBuf};

use super::hydra;
use crate::error::{Error, Result};
use crate::fsx;
use crate::repo::Repo;
use crate::yaml::{Key, Kind, Map, Node, Value, emit, parse, replace_value, rewrite};
use crate::{datafile, pyjson};

/// Where a parameter is that names no file.
const DEFAULT_FILE: &str = "params.yaml";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Change,
    Add,
    Force,
    Remove,
}

/// How an experiment's parameters differ from those of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--set-param`: `[FILE:]KEY=VALUE`, `+KEY=VALUE`, `++KEY=VALUE` or `~KEY`.
    pub params: Vec<String>,
    /// Take the `params.yaml` that is there, also when the configuration has it composed.
    pub no_hydra: bool,
}

/// Changes parameter files as the overrides say. All are checked before a file is written.
pub fn override_params(repo: &Repo, overrides: &Overrides) -> Result<()> {
    for (path, text) in overridden(repo, overrides)? {
        if fsx::read_text(&path)?.as_ref() != Some(&text) {
            fsx::write_text(&path, &text)?;
        }
    }
    Ok(())
}

/// Parameter files with their text as the overrides would have it.
pub(crate) fn overridden(repo: &Repo, overrides: &Overrides) -> Result<Vec<(PathBuf, String)>> {
    let mut texts: indexmap::IndexMap<PathBuf, String> = indexmap::IndexMap::new();
    let composes = !overrides.no_hydra && hydra::is_enabled(repo);
    let params = overrides.params.iter().map(|one| split_file(one));
    let (composed, set): (Vec<_>, Vec<_>) = params.partition(|(file, _)| composes && *file == DEFAULT_FILE);
    if composes {
        let params: Vec<&str> = composed.into_iter().map(|(_, rest)| rest).collect();
        texts.insert(repo.cwd().join(DEFAULT_FILE), hydra::compose(repo, &params)?);
    }
    for (file, rest) in set {
        let path = fsx::normalize(repo.cwd(), Path::new(file));
        if !path.starts_with(repo.root()) {
            return Err(Error::invalid(format!("{file} lies outside the repository")));
        }
        let text = match texts.get(&path) {
            Some(text) => text.clone(),
            None => fsx::read_text(&path)?
                .ok_or_else(|| Error::Missing { what: "parameters file", path: file.to_owned() })?,
        };
        texts.insert(path, apply(file, &text, rest)?);
    }
    Ok(texts.into_iter().collect())
}

/// `file:rest`; a colon inside the value does not count.
fn split_file(text: &str) -> (&str, &str) {
    let key = text.split('=').next().unwrap_or(text);
    match key.split_once(':') {
        Some((file, _)) => (file, &text[file.len() + 1..]),
        None => (DEFAULT_FILE, text),
    }
}

fn apply(file: &str, text: &str, one: &str) -> Result<String> {
    let (mode, rest) = match one {
        one if one.starts_with("++") => (Mode::Force, &one[2..]),
        one if one.starts_with('+') => (Mode::Add, &one[1..]),
        one if one.starts_with('~') => (Mode::Remove, &one[1..]),
        one => (Mode::Change, one),
    };
    let (key, value) = match rest.split_once('=') {
        Some((key, value)) => (key.trim(), Some(parse_value(value)?)),
        None if mode == Mode::Remove => (rest.trim(), None),
        None => {
            return Err(Error::hinted(format!("'{one}' sets nothing"), "write NAME=VALUE"));
        }
    };
    if key.is_empty() {
        return Err(Error::invalid(format!("'{one}' names no parameter")));
    }
    let parts: Vec<&str> = key.split('.').collect();
    let extension = Path::new(file).extension().and_then(|text| text.to_str()).unwrap_or_default();
    let mut wanted = match datafile::read(Path::new(file), file, text)? {
        Value::Map(map) => map,
        Value::Null => Map::new(),
        other => {
            return Err(Error::invalid(format!("{file} holds a {}, not a mapping", other.type_name())));
        }
    };
    if let Some(Value::Map(entries)) = &value {
        match at(&wanted, &parts) {
            Some(Value::Map(_)) => return merge(file, text, key, entries, mode),
            Some(Value::Seq(_)) => return Err(other_kind(file, key, "list", "mapping")),
            _ => {}
        }
    }
    let mode = match (mode, &value, at(&wanted, &parts)) {
        (_, Some(Value::Seq(_)), Some(Value::Map(_))) => {
            return Err(other_kind(file, key, "mapping", "list"));
        }
        // a list may be set with + also where there is one
        (Mode::Add, Some(Value::Seq(_)), Some(Value::Seq(_))) => Mode::Force,
        (mode, ..) => mode,
    };
    let known = set(&mut wanted, &parts, mode, value.as_ref());
    match (mode, known) {
        (Mode::Change, false) => {
            let hint = format!("add it with +{key}=…");
            return Err(Error::hinted(format!("{file} has no parameter '{key}'"), hint));
        }
        (Mode::Add, true) => {
            let hint = format!("change it with {key}=…");
            return Err(Error::hinted(format!("{file} has the parameter '{key}' already"), hint));
        }
        (Mode::Remove, false) => return Err(Error::invalid(format!("{file} has no parameter '{key}'"))),
        _ => {}
    }
    if extension == "toml" {
        return toml::set(file, text, &parts, value.as_ref());
    }
    if extension == "py" {
        return python::set(file, text, &parts, &wanted);
    }
    if extension == "json" {
        return Ok(pyjson::text(&Value::Map(wanted)));
    }
    let wanted = Value::Map(wanted);
    let spliced = match &value {
        Some(value) if known => splice(file, text, &parts, value),
        _ => None,
    };
    match spliced.filter(|text| parse(text, file).is_ok_and(|node| node.to_value().same(&wanted))) {
        Some(text) => Ok(text),
        None => Ok(rewrite(text, &wanted)),
    }
}

/// A mapping that is set where there is one goes into it: its names must be there to be changed, unless it is added.
fn merge(file: &str, text: &str, key: &str, entries: &Map, mode: Mode) -> Result<String> {
    let sign = if mode == Mode::Change { "" } else { "++" };
    let mut text = text.to_owned();
    for (name, value) in entries {
        text = apply(file, &text, &format!("{sign}{key}.{}={}", name.text, flow(value)))?;
    }
    Ok(text)
}

fn other_kind(file: &str, key: &str, old: &str, new: &str) -> Error {
    Error::hinted(
        format!("'{key}' of {file} is a {old}, which a {new} cannot replace"),
        format!("change the file, or remove '{key}' first with ~{key}"),
    )
}

/// The value at the dotted name.
fn at<'v>(map: &'v Map, parts: &[&str]) -> Option<&'v Value> {
    let (first, rest) = parts.split_first()?;
    let value = map.iter().find(|(key, _)| key.text == *first).map(|(_, value)| value)?;
    match value {
        _ if rest.is_empty() => Some(value),
        Value::Map(inner) => at(inner, rest),
        _ => None,
    }
}

/// A value as Hydra reads it: YAML in flow style, anything else as text.
fn parse_value(text: &str) -> Result<Value> {
    let flow = parse(&spaced(text), "").map(|node| node.to_value());
    Ok(match flow {
        Ok(Value::Date(text)) => Value::Str(text),
        Ok(Value::Map(_)) if !text.trim_start().starts_with('{') => Value::from(text),
        Ok(value) => value,
        Err(_) => Value::from(text),
    })
}

/// `{a:1}` with the blank after the colon that YAML wants.
fn spaced(text: &str) -> String {
    if !text.trim_start().starts_with(['{', '[']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut quote = None;
    for ch in text.chars() {
        match (quote, ch) {
            (None, '\'' | '"') => quote = Some(ch),
            (Some(open), ch) if ch == open => quote = None,
            _ => {}
        }
        out.push(ch);
        if ch == ':' && quote.is_none() {
            out.push(' ');
        }
    }
    out
}

/// Sets the value and says whether the name was known before; nothing is changed where the mode forbids it.
fn set(map: &mut Map, parts: &[&str], mode: Mode, value: Option<&Value>) -> bool {
    let Some((first, rest)) = parts.split_first() else { return false };
    let key = map.keys().find(|key| key.text == *first).cloned();
    let known = key.is_some();
    let key = key.unwrap_or_else(|| Key::from(*first));
    if rest.is_empty() {
        match (mode, value) {
            (Mode::Remove, _) => drop(map.shift_remove(&key)),
            (Mode::Change, Some(value)) if known => drop(map.insert(key, value.clone())),
            (Mode::Add, Some(value)) if !known => drop(map.insert(key, value.clone())),
            (Mode::Force, Some(value)) => drop(map.insert(key, value.clone())),
            _ => {}
        }
        return known;
    }
    match map.get_mut(&key) {
        Some(Value::Map(inner)) => set(inner, rest, mode, value),
        Some(Value::Seq(items)) => match (rest, value) {
            ([at], Some(value)) => match at.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                Some(item) => {
                    *item = value.clone();
                    true
                }
                None => false,
            },
            _ => false,
        },
        _ if matches!(mode, Mode::Add | Mode::Force) => {
            let mut inner = Map::new();
            set(&mut inner, rest, mode, value);
            map.insert(key, Value::Map(inner));
            false
        }
        _ => false,
    }
}

/// The text with the value at `parts` replaced where it stands, in the style that stands there.
fn splice(file: &str, text: &str, parts: &[&str], value: &Value) -> Option<String> {
    let root = parse(text, file).ok()?;
    let mut at: &Node = &root;
    let mut in_flow = false;
    for part in parts {
        in_flow = at.inline;
        at = match &at.kind {
            Kind::Map(map) => map.iter().find(|(key, _)| key.text == *part).map(|(_, (_, node))| node)?,
            Kind::Seq(items) => items.get(part.parse::<usize>().ok()?)?,
            Kind::Scalar(_) => return None,
        };
    }
    let scalar = !matches!(value, Value::Map(_) | Value::Seq(_));
    if !at.inline || at.start == at.end || (!in_flow && !scalar) {
        return None;
    }
    if matches!(value, Value::Null) && !in_flow {
        // nothing is written as nothing, before a comment as well
        return Some(replace_value(
            text,
            text[..at.start].trim_end_matches(' ').len(),
            at.end,
            String::new(),
        ));
    }
    Some(replace_value(text, at.start, at.end, flow(value)))
}

fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Seq(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", key.text, flow(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => {
            let text = emit(&Value::Map(std::iter::once((Key::from("k"), other.clone())).collect()));
            text.strip_prefix("k:").unwrap_or(&text).trim().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &str = "lr: 1 # rate\nn: {k: 2}\n";

    #[test]
    fn a_value_is_replaced_where_it_stands() {
        let set = |one: &str| apply("params.yaml", PARAMS, one).expect("applies");
        assert_eq!(set("lr=2.5"), "lr: 2.5 # rate\nn: {k: 2}\n");
        assert_eq!(set("n.k=[1,2]"), "lr: 1 # rate\nn: {k: [1, 2]}\n");
        assert_eq!(set("lr=null"), "lr:   # rate\nn: {k: 2}\n");
        assert_eq!(set("n.k=null"), "lr: 1 # rate\nn: {k: null}\n");
        assert_eq!(set("lr=abc"), "lr: abc # rate\nn: {k: 2}\n");
        assert_eq!(set("+added=true"), "lr: 1 # rate\nn: {k: 2}\nadded: true\n");
        assert_eq!(set("+d={a:1,b:[x,2]}"), "lr: 1 # rate\nn: {k: 2}\nd:\n  a: 1\n  b:\n  - x\n  - 2\n");
    }

    #[test]
    fn names_must_be_there_to_be_changed_and_absent_to_be_added() {
        assert!(apply("params.yaml", PARAMS, "n.new=1").is_err());
        assert!(apply("params.yaml", PARAMS, "+lr=1").is_err());
        assert!(apply("params.yaml", PARAMS, "~gone").is_err());
        assert_eq!(apply("params.yaml", "a: 1\nb: 2\n", "~a").expect("applies"), "b: 2\n");
    }

    #[test]
    fn a_mapping_goes_into_the_one_that_is_there() {
        let set = |one: &str| apply("params.yaml", PARAMS, one);
        assert_eq!(set("n={k: 5}").expect("applies"), "lr: 1 # rate\nn: {k: 5}\n");
        assert_eq!(set("n={}").expect("applies"), PARAMS);
        assert_eq!(set("n={k: {q: x}}").expect("applies"), "lr: 1 # rate\nn: {k: {q: x}}\n");
        assert!(set("n={q: 1}").expect_err("n has no q").to_string().contains("'n.q'"));
        for one in ["+n={q: 1}", "++n={q: 1}"] {
            assert_eq!(set(one).expect("applies"), "lr: 1 # rate\nn: {k: 2, q: 1}\n");
        }
        assert!(set("n=[1]").is_err(), "a list does not replace a mapping");
        assert!(apply("params.yaml", "l: [1]\n", "l={a: 1}").is_err(), "nor a mapping a list");
        assert_eq!(apply("params.yaml", "l: [1]\n", "+l=[2]").expect("applies"), "l: [2]\n");
    }

    #[test]
    fn a_file_may_stand_before_the_name() {
        assert_eq!(split_file("p/x.yaml:a.b=c:d"), ("p/x.yaml", "a.b=c:d"));
        assert_eq!(split_file("a=b:c"), ("params.yaml", "a=b:c"));
    }
}
