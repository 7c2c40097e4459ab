//! `dvc.yaml`: the stages of a pipeline, checked before anything is interpolated or run.
//!
//! This file reads the whole and its variables; a stage is read in `definition`, groups of generated stages
//! in `group`, and the sections beside the stages in `sections`.

mod definition;
mod group;
mod sections;

use std::path::Path;

use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::stage::{self, At, Stage, fields};
use crate::template::{Context, Place, is_templated};
use crate::yaml::{Kind, Map, Node, Value, parse};
use crate::{fsx, params};

const TOP: [&str; 7] = ["vars", "stages", "params", "metrics", "plots", "artifacts", "datasets"];
const DECLARING: [&str; 4] = ["metrics", "params", "plots", "artifacts"];
/// How a plot is drawn, in the order in which it is written.
pub(crate) const PLOT_PROPERTIES: [&str; 7] = ["template", "x", "y", "x_label", "y_label", "title", "header"];
const DEFAULT_PARAMS: &str = "params.yaml";

/// The stages of the `dvc.yaml` at `path`, in file order.
pub(crate) fn load(repo: &Repo, path: &Path) -> Result<Vec<Stage>> {
    let file = repo.show(path);
    let text = repo.read_text(path)?.ok_or_else(|| Error::Missing { what: "file", path: file.clone() })?;
    load_text(repo, path, &text)
}

/// The stages of a `dvc.yaml` at `path` that would hold `text`.
pub(crate) fn load_text(repo: &Repo, path: &Path, text: &str) -> Result<Vec<Stage>> {
    let file = repo.show(path);
    let root = parse(text, &file)?;
    if root.is_null() {
        return Ok(Vec::new());
    }
    fields(&root, &file, "the file", &TOP)?;
    sections::check(&root, &file)?;
    let loader = Loader::new(repo, &file, path, &root)?;
    for section in DECLARING.iter().filter_map(|name| root.get(name)) {
        loader.value(&loader.context, section, Place::Text)?;
    }
    let Some(stages) = root.get("stages") else { return Ok(Vec::new()) };
    let Kind::Map(stages) = &stages.kind else {
        return Err(At { file: &file, line: stages.line }.error("'stages' must be a mapping"));
    };
    let mut out = Vec::with_capacity(stages.len());
    for (name, (key, node)) in stages {
        if name.typed {
            let message = format!("the stage name '{}' must be a string: put it in quotes", name.text);
            return Err(At { file: &file, line: key.line }.error(message));
        }
        loader.check_name(&name.text, key.line)?;
        match group::kind(node) {
            Some(kind) => out.extend(loader.group(&name.text, key.line, node, kind)?),
            None => out.push(loader.stage(&name.text, key.line, node, &loader.context)?),
        }
    }
    Ok(out)
}

/// What the sections beside the stages say, with every `${…}` filled in.
pub(crate) fn declarations(repo: &Repo, path: &Path) -> Result<Map> {
    let file = repo.show(path);
    let Some(text) = repo.read_text(path)? else { return Ok(Map::new()) };
    let root = parse(&text, &file)?;
    let mut sections = Map::new();
    let named: Vec<(&str, &Node)> =
        DECLARING.iter().filter_map(|name| Some((*name, root.get(name)?))).collect();
    let templated = named.iter().any(|(_, node)| is_templated(&node.to_value()));
    // Without an expression the variables do not matter, and neither does what is wrong with them.
    let loader = if templated { Some(Loader::new(repo, &file, path, &root)?) } else { None };
    for (name, node) in named {
        let value = match &loader {
            Some(loader) => loader.value(&loader.context, node, Place::Text)?,
            None => node.to_value(),
        };
        sections.insert(name.into(), value);
    }
    Ok(sections)
}

struct Loader<'a> {
    repo: &'a Repo,
    file: &'a str,
    path: &'a Path,
    dir: &'a Path,
    context: Context,
}

impl<'a> Loader<'a> {
    /// With the variables of `params.yaml` and of the file's `vars`.
    fn new(repo: &'a Repo, file: &'a str, path: &'a Path, root: &Node) -> Result<Self> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let mut loader = Loader { repo, file, path, dir, context: Context::default() };
        loader.context.parsing = repo.config().parsing;
        let params = dir.join(DEFAULT_PARAMS);
        if let Some(map) = params::read(repo, &params)? {
            loader.context.merge(&map).map_err(|message| loader.at(1).error(message))?;
            loader.context.note(params, Vec::new());
        }
        if let Some(vars) = root.get("vars") {
            loader.context = loader.with_vars(&loader.context, vars, dir)?;
        }
        Ok(loader)
    }

    fn at(&self, line: usize) -> At<'_> {
        At { file: self.file, line }
    }

    /// `context` and what a list of `vars` adds; files are relative to `dir`.
    fn with_vars(&self, context: &Context, vars: &Node, dir: &Path) -> Result<Context> {
        let mut context = context.clone();
        for item in stage::list(vars, self.file, "'vars'")? {
            let at = self.at(item.line);
            let value = item.to_value();
            if is_templated(&value) {
                return Err(at.error("'vars' cannot hold '${…}'"));
            }
            match value {
                Value::Map(map) => context.merge(&map).map_err(|message| at.error(message))?,
                Value::Str(text) => {
                    self.load_vars(&mut context, &text, dir).map_err(|error| match error {
                        Error::Invalid { what, .. } => at.error(format!("cannot load '{text}': {what}")),
                        other => other,
                    })?;
                }
                other => {
                    return Err(
                        at.error(format!("'vars' can hold files and mappings, not {}", other.type_name()))
                    );
                }
            }
        }
        Ok(context)
    }

    /// Merges a file, `file`, or top-level keys of it, `file:key,key`.
    fn load_vars(&self, context: &mut Context, text: &str, dir: &Path) -> Result<()> {
        let (name, keys) = text.split_once(':').unwrap_or((text, ""));
        let keys: Vec<String> = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        let path = fsx::normalize(dir, Path::new(name));
        if !context.wants(&path, &keys).map_err(Error::invalid)? {
            return Ok(());
        }
        let found = params::read(self.repo, &path)?;
        let mut found = found.ok_or_else(|| Error::invalid("the file does not exist"))?;
        if let Some(key) = keys.iter().find(|key| !found.contains_key(key.as_str())) {
            return Err(Error::invalid(format!("the file has no '{key}'")));
        }
        if !keys.is_empty() {
            found.retain(|key, _| !key.typed && keys.contains(&key.text));
        }
        context.merge(&found).map_err(Error::invalid)?;
        context.note(path, keys);
        Ok(())
    }

    /// Names may hold what DVC lets them hold; `@` and `:` have a meaning in addresses.
    fn check_name(&self, name: &str, line: usize) -> Result<()> {
        if name.is_empty() || name.contains(['@', ':']) || name.chars().any(char::is_control) {
            let message = format!("the stage name '{name}' may not be empty or hold '@' or ':'");
            return Err(self.at(line).error(message));
        }
        Ok(())
    }
}

/// The line that defines a stage, or the group that generates it.
pub(crate) fn line_of(path: &Path, name: &str) -> usize {
    let text = fsx::read_text(path).ok().flatten().unwrap_or_default();
    let root = parse(&text, "").ok();
    let stages = root.as_ref().and_then(|root| root.get("stages")).and_then(Node::as_map);
    let group = name.split('@').next().unwrap_or_default();
    stages.and_then(|stages| stages.get(group)).map_or(1, |(key, _)| key.line)
}

/// The parameters of the repository's root, for pages and templates; empty without a `params.yaml`.
pub(crate) fn root_params(repo: &Repo) -> Result<Map> {
    Ok(params::read(repo, &repo.root().join(DEFAULT_PARAMS))?.unwrap_or_default())
}
