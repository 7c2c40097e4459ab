//! `plots modify`: display properties of a stage's plot, written into `dvc.yaml`.

use std::path::Path;

use super::template;
use crate::definition::{self, map_mut};
use crate::dvcyaml::PLOT_PROPERTIES;
use crate::error::{Error, Result};
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{Out, OutKind, Stage};
use crate::workspace::Workspace;
use crate::yaml::{Key, Map, Value};

/// Where outputs stand in a stage.
const SECTIONS: [&str; 3] = ["plots", "outs", "metrics"];

/// Takes the properties `unset` away from the plot `target` and gives it the others. An output that is no plot becomes
/// one. Returns the stage's address.
pub fn modify_plot(
    repo: &Repo,
    target: &str,
    properties: &[(String, String)],
    no_header: bool,
    unset: Option<&[String]>,
) -> Result<String> {
    if let Some((_, name)) = properties.iter().find(|(name, _)| name == "template") {
        template::find(repo, Some(name))?;
    }
    let workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let path = fsx::normalize(repo.cwd(), Path::new(target));
    let Some((stage, out)) = index.outs().find(|(_, out)| out.path == path) else {
        return Err(Error::hinted(format!("'{target}' is no output of a stage"), "`stage list` names them"));
    };
    let Some(name) = &stage.name else {
        let file = repo.show(&stage.file);
        return Err(Error::hinted(
            format!("'{target}' is tracked by {file}, which cannot say how to draw it"),
            "declare it under `plots` at the top of dvc.yaml",
        ));
    };
    if unset.is_some() && out.kind != OutKind::Plot {
        return Err(Error::hinted(format!("'{target}' is not a plot"), "set a property to make it one"));
    }
    let missing: Vec<&str> = unset
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|one| !out.drawing.contains_key(*one))
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!("the plot '{target}' has no '{}'", missing.join("', '"))));
    }
    let mut given: Map =
        properties.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
    if no_header {
        given.insert("header".into(), false.into());
    }
    definition::edit(repo, &stage.file, |root| {
        let body = root.get_mut("stages").and_then(map_mut).and_then(|stages| stages.get_mut(name.as_str()));
        let body = body.and_then(map_mut).ok_or_else(|| definition::generated(repo, stage))?;
        let (entry, mut flags) = take(body, stage, out).ok_or_else(|| definition::generated(repo, stage))?;
        unset.into_iter().flatten().for_each(|one| drop(flags.shift_remove(one.as_str())));
        for property in PLOT_PROPERTIES {
            if let Some(value) = given.get(property) {
                flags.insert(property.into(), value.clone());
            }
        }
        put(body, entry, flags);
        Ok(true)
    })?;
    let address = stage.address(repo);
    workspace.close()?;
    Ok(address)
}

/// Takes the entry of `out` out of the stage's body: its path as it is written, and its flags.
fn take(body: &mut Map, stage: &Stage, out: &Out) -> Option<(Key, Map)> {
    for section in SECTIONS {
        let Some(Value::Seq(items)) = body.get_mut(section) else { continue };
        let is_out = |text: &str| fsx::normalize(&stage.wdir, Path::new(text)) == out.path;
        let at = items.iter().position(|item| match item {
            Value::Str(text) => is_out(text),
            Value::Map(map) => map.keys().any(|key| is_out(&key.text)),
            _ => false,
        });
        let Some(at) = at else { continue };
        let taken = items.remove(at);
        if items.is_empty() && section != "plots" {
            body.shift_remove(section);
        }
        return match taken {
            Value::Str(text) => Some((text.into(), Map::new())),
            Value::Map(map) => map.into_iter().next().map(|(key, flags)| (key, joined(flags))),
            _ => None,
        };
    }
    None
}

/// Flags may be given as several sets, of which the first to name one counts.
fn joined(flags: Value) -> Map {
    match flags {
        Value::Map(flags) => flags,
        Value::Seq(sets) => {
            let mut all = Map::new();
            for (key, value) in sets.into_iter().flat_map(joined) {
                all.entry(key).or_insert(value);
            }
            all
        }
        _ => Map::new(),
    }
}

/// Puts a plot among the stage's others, all in the order of their paths.
fn put(body: &mut Map, path: Key, flags: Map) {
    fn path_of(item: &Value) -> &str {
        match item {
            Value::Map(map) => map.keys().next().map_or("", |key| &key.text),
            other => other.as_str().unwrap_or_default(),
        }
    }
    let entry = match flags.is_empty() {
        true => Value::from(path.text.as_str()),
        false => Value::Map(std::iter::once((path.clone(), Value::Map(flags))).collect()),
    };
    let plots = body.entry("plots".into()).or_insert_with(|| Value::Seq(Vec::new()));
    if let Value::Seq(items) = plots {
        items.push(entry);
        items.sort_by(|a, b| path_of(a).cmp(path_of(b)));
    }
}
