//! The sections of `dvc.yaml` that declare rather than run: `metrics`, `params`, `plots`, `artifacts`, `vars`.
//!
//! Stages refer to the same kinds of files; both together are what `metrics show`, `params diff` and `plots
//! show` look at. Paths are absolute, as the file that declares them means them.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::error::Result;
use crate::repo::Repo;
use crate::yaml::{Map, Value, parse};
use crate::{dvcyaml, fsx};

/// What one `dvc.yaml` declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) metrics: Vec<PathBuf>,
    pub(crate) params: Vec<PathBuf>,
    /// Plot id → its properties, in file order.
    pub(crate) plots: Vec<(String, Map)>,
    /// Artifact name → its fields.
    pub(crate) artifacts: IndexMap<String, Map>,
    /// Values of `vars` files that stages use: file → dotted key → value.
    pub(crate) used_vars: IndexMap<PathBuf, IndexMap<String, Value>>,
}

/// Reads the declarations of the `dvc.yaml` at `path`.
pub(crate) fn read(repo: &Repo, path: &Path) -> Result<Declared> {
    let Some(text) = repo.read_text(path)? else { return Ok(Declared::default()) };
    let root = parse(&text, &repo.show(path))?.to_value();
    let dir = path.parent().unwrap_or(Path::new("/"));
    let sections = dvcyaml::declarations(repo, path)?;
    let mut declared = Declared {
        metrics: paths(sections.get("metrics"), dir),
        params: paths(sections.get("params"), dir),
        ..Declared::default()
    };
    for (id, properties) in entries(sections.get("plots")) {
        declared.plots.push((id, properties));
    }
    for (name, fields) in sections.get("artifacts").and_then(Value::as_map).into_iter().flatten() {
        if let Value::Map(fields) = fields {
            declared.artifacts.insert(name.text.clone(), fields.clone());
        }
    }
    find_used_vars(repo, &root, dir, &mut declared)?;
    Ok(declared)
}

fn paths(section: Option<&Value>, dir: &Path) -> Vec<PathBuf> {
    let names = section.and_then(Value::as_seq).unwrap_or_default().iter().filter_map(Value::as_str);
    names.map(|name| fsx::normalize(dir, Path::new(name))).collect()
}

/// A list of names, or of one-entry mappings from a name to properties; a mapping does as well.
fn entries(section: Option<&Value>) -> Vec<(String, Map)> {
    let mut out = Vec::new();
    let mut add = |map: &Map| {
        for (name, properties) in map {
            let properties = match properties {
                Value::Map(properties) => properties.clone(),
                Value::Seq(several) => several.first().and_then(Value::as_map).cloned().unwrap_or_default(),
                _ => Map::new(),
            };
            out.push((name.text.clone(), properties));
        }
    };
    match section {
        Some(Value::Map(map)) => add(map),
        Some(Value::Seq(items)) => {
            for item in items {
                match item {
                    Value::Map(map) => add(map),
                    Value::Str(name) => add(&std::iter::once((name.as_str().into(), Value::Null)).collect()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    out
}

fn find_used_vars(repo: &Repo, root: &Value, dir: &Path, declared: &mut Declared) -> Result<()> {
    let mut files = Vec::new();
    let mut note = |vars: Option<&Value>, dir: &Path| {
        for name in vars.and_then(Value::as_seq).unwrap_or_default().iter().filter_map(Value::as_str) {
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            files.push(fsx::normalize(dir, Path::new(name)));
        }
    };
    note(root.get("vars"), dir);
    for stage in root.get("stages").and_then(Value::as_map).into_iter().flat_map(|map| map.values()) {
        let wdir = stage.get("wdir").and_then(Value::as_str).unwrap_or(".");
        note(stage.get("vars"), &fsx::normalize(dir, Path::new(wdir)));
    }
    if files.is_empty() {
        return Ok(());
    }
    let mut used = Vec::new();
    root.get("stages").into_iter().for_each(|stages| expressions(stages, &mut used));
    for file in files {
        let Some(text) = repo.read_text(&file)? else { continue };
        let values = crate::datafile::read(&file, &repo.show(&file), &text)?;
        for key in &used {
            let found = key.split('.').try_fold(&values, |at, part| match at {
                Value::Map(map) => map.iter().find(|(key, _)| key.text == part).map(|(_, value)| value),
                Value::Seq(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            });
            if let Some(value) = found {
                let known = declared.used_vars.entry(file.clone()).or_default();
                known.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// The names inside `${…}`, dotted.
fn expressions(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Str(text) => {
            for part in text.split("${").skip(1) {
                if let Some((name, _)) = part.split_once('}') {
                    out.push(name.trim().replace('[', ".").replace(']', ""));
                }
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| expressions(item, out)),
        Value::Map(map) => map.values().for_each(|item| expressions(item, out)),
        _ => {}
    }
}
