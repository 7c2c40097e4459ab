//! Parameter files: reading, looking up dotted keys, and comparing with what a stage last ran with.

use std::collections::BTreeMap;
use std::path::Path;

use crate::datafile;
use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::stage::ParamDep;
use crate::yaml::{Key, Map, Value};

/// What a parameter file holds; `None` when it is not there.
pub(crate) fn read(repo: &Repo, path: &Path) -> Result<Option<Map>> {
    let file = repo.show(path);
    if !repo.has(path)? {
        return Ok(None);
    }
    let Some(text) = repo.read_text(path)? else { return Ok(None) };
    let value = datafile::read(path, &file, &text)?;
    match value {
        Value::Map(map) => Ok(Some(map)),
        Value::Null => Ok(Some(Map::new())),
        other => {
            let message = format!("parameters must be a mapping, not {}", other.type_name());
            Err(Error::Malformed { file, line: 1, message })
        }
    }
}

fn find_date(value: &Value) -> Option<String> {
    match value {
        Value::Date(text) => Some(text.clone()),
        Value::Seq(items) => items.iter().find_map(find_date),
        Value::Map(map) => map.values().find_map(find_date),
        _ => None,
    }
}

fn text_line(needle: &str, text: &str) -> usize {
    text.lines().position(|line| line.contains(needle)).map_or(1, |at| at + 1)
}

/// The values of `keys` (all top-level ones when empty); keys that are not there are left out.
pub(crate) fn pick(params: &Map, keys: &[String]) -> Map {
    if keys.is_empty() {
        return params.clone();
    }
    let mut out = Map::new();
    for key in keys {
        if let Some(value) = lookup(params, key) {
            out.insert(Key::from(key.as_str()), value.clone());
        }
    }
    out
}

/// The value at a dotted path: `a.b.0`.
fn lookup<'m>(params: &'m Map, path: &str) -> Option<&'m Value> {
    let mut parts = path.split('.');
    let mut at = member(params, parts.next()?)?;
    for part in parts {
        at = match at {
            Value::Map(map) => member(map, part)?,
            Value::Seq(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}

fn member<'m>(map: &'m Map, name: &str) -> Option<&'m Value> {
    map.get(name).or_else(|| map.iter().find(|(key, _)| key.text == name).map(|(_, value)| value))
}

/// How a parameter file differs from what the stage last ran with.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// The whole file is `deleted` or `new`.
    File(&'static str),
    /// Parameter → `modified`, `deleted` or `new`.
    Keys(BTreeMap<String, &'static str>),
}

/// `None` when nothing changed.
pub(crate) fn change(repo: &Repo, dep: &ParamDep) -> Result<Option<Change>> {
    let Some(params) = read(repo, &dep.path)? else { return Ok(Some(Change::File("deleted"))) };
    let Some(recorded) = &dep.recorded else { return Ok(Some(Change::File("new"))) };
    let actual = pick(&params, &dep.keys);
    let mut keys: Vec<&str> = dep.keys.iter().map(String::as_str).collect();
    if keys.is_empty() {
        keys.extend(actual.keys().chain(recorded.keys()).map(|key| key.text.as_str()));
    }
    let mut changes = BTreeMap::new();
    for key in keys {
        let change = match (member(&actual, key), member(recorded, key)) {
            (None, _) => "deleted",
            (_, None) => "new",
            (Some(now), Some(then)) if !now.same(then) => "modified",
            _ => continue,
        };
        changes.insert(key.to_owned(), change);
    }
    Ok((!changes.is_empty()).then_some(Change::Keys(changes)))
}

/// The values that go into `dvc.lock`; a missing file or key is an error.
pub(crate) fn values(repo: &Repo, dep: &ParamDep) -> Result<Map> {
    let shown = repo.show(&dep.path);
    let params = read(repo, &dep.path)?
        .ok_or_else(|| Error::Missing { what: "parameters file", path: shown.clone() })?;
    let values = pick(&params, &dep.keys);
    let missing: Vec<&str> =
        dep.keys.iter().map(String::as_str).filter(|key| member(&values, key).is_none()).collect();
    if !missing.is_empty() {
        return Err(Error::hinted(
            format!("{shown} lacks the parameters {}", missing.join(", ")),
            "add them, or take them out of the stage's params in dvc.yaml",
        ));
    }
    if let Some(date) = values.values().find_map(find_date) {
        let line = text_line(&date, &repo.read_text(&dep.path)?.unwrap_or_default());
        let message = format!("the date {date} cannot be recorded, quote it");
        return Err(Error::Malformed { file: shown, line, message });
    }
    Ok(values)
}
