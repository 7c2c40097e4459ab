//! `dvc.yaml`: the stages of a pipeline, checked before anything is interpolated or run.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::stage::{self, At, Cmd, Dep, Out, OutKind, ParamDep, Stage, fields};
use crate::template::Context;
use crate::yaml::{Kind, Map, Node, Value, parse};
use crate::{fsx, params};

const TOP: [&str; 7] = ["vars", "stages", "params", "metrics", "plots", "artifacts", "datasets"];
const STAGE: [&str; 16] = [
    "cmd",
    "wdir",
    "deps",
    "params",
    "vars",
    "outs",
    "metrics",
    "plots",
    "frozen",
    "always_changed",
    "desc",
    "meta",
    "matrix",
    "foreach",
    "do",
    "name",
];
const FLAGS: [&str; 9] =
    ["cache", "persist", "checkpoint", "remote", "push", "desc", "type", "labels", "meta"];
const PLOT_FLAGS: [&str; 7] = ["template", "x", "y", "x_label", "y_label", "title", "header"];
const DEFAULT_PARAMS: &str = "params.yaml";

/// The stages of the `dvc.yaml` at `path`, in file order.
pub(crate) fn load(repo: &Repo, path: &Path) -> Result<Vec<Stage>> {
    let file = repo.show(path);
    let text = repo.read_text(path)?.ok_or_else(|| Error::Missing { what: "file", path: file.clone() })?;
    let root = parse(&text, &file)?;
    if root.is_null() {
        return Ok(Vec::new());
    }
    fields(&root, &file, "the file", &TOP)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut loader = Loader { repo, file: &file, path, dir, context: Context::default() };
    if let Some(map) = params::read(repo, &dir.join(DEFAULT_PARAMS))? {
        let at = At { file: &file, line: 1 };
        loader.context.merge(&map).map_err(|message| at.error(message))?;
    }
    if let Some(vars) = root.get("vars") {
        loader.context = loader.with_vars(&loader.context, vars, dir)?;
    }
    let Some(stages) = root.get("stages").filter(|node| !node.is_null()) else { return Ok(Vec::new()) };
    let Kind::Map(stages) = &stages.kind else {
        return Err(At { file: &file, line: stages.line }.error("'stages' must be a mapping"));
    };
    stages.iter().map(|(name, (key, node))| loader.stage(&name.text, key.line, node)).collect()
}

struct Loader<'a> {
    repo: &'a Repo,
    file: &'a str,
    path: &'a Path,
    dir: &'a Path,
    context: Context,
}

impl Loader<'_> {
    fn at(&self, line: usize) -> At<'_> {
        At { file: self.file, line }
    }

    fn with_vars(&self, context: &Context, vars: &Node, dir: &Path) -> Result<Context> {
        let mut context = context.clone();
        for item in stage::list(vars, self.file, "'vars'")? {
            let at = self.at(item.line);
            let map = match item.to_value() {
                Value::Map(map) => map,
                Value::Str(text) => {
                    let (name, keys) =
                        text.split_once(':').map_or((text.as_str(), ""), |(name, keys)| (name, keys));
                    if name == DEFAULT_PARAMS && keys.is_empty() && dir == self.dir {
                        continue;
                    }
                    let path = fsx::normalize(dir, Path::new(name));
                    let found = params::read(self.repo, &path)?;
                    let found =
                        found.ok_or_else(|| at.error(format!("the vars file '{name}' does not exist")))?;
                    let keys: Vec<String> = keys
                        .split(',')
                        .map(str::trim)
                        .filter(|key| !key.is_empty())
                        .map(str::to_owned)
                        .collect();
                    params::pick(&found, &keys)
                }
                other => {
                    return Err(
                        at.error(format!("'vars' can hold files and mappings, not {}", other.type_name()))
                    );
                }
            };
            context.merge(&map).map_err(|message| at.error(message))?;
        }
        Ok(context)
    }

    fn stage(&self, name: &str, line: usize, node: &Node) -> Result<Stage> {
        let at = self.at(line);
        if name.is_empty() || name.chars().any(|c| c.is_ascii_punctuation() && c != '_' && c != '-') {
            return Err(
                at.error(format!("the stage name '{name}' may hold letters, digits, '_' and '-' only"))
            );
        }
        let what = format!("stage '{name}'");
        let entries = fields(node, self.file, &what, &STAGE)?;
        if let Some((key, _, line)) =
            entries.iter().find(|(key, ..)| matches!(*key, "foreach" | "do" | "matrix"))
        {
            return Err(Error::Unsupported {
                file: self.file.to_owned(),
                line: *line,
                stage: name.to_owned(),
                key: (*key).to_owned(),
            });
        }
        if let Some((_, _, line)) = entries.iter().find(|(key, ..)| *key == "name") {
            return Err(self.at(*line).error(format!("{what} has the unknown key 'name'")));
        }
        let mut stage = Stage {
            name: Some(name.to_owned()),
            file: self.path.to_path_buf(),
            wdir: self.dir.to_path_buf(),
            cmd: None,
            deps: Vec::new(),
            params: Vec::new(),
            outs: Vec::new(),
            frozen: false,
            always_changed: false,
            desc: None,
            cmd_changed: false,
            import: false,
        };
        let mut context = self.context.clone();
        if let Some(wdir) = node.get("wdir") {
            let text = self.text(&context, wdir, "'wdir'")?;
            stage.wdir = self.wdir(&text, wdir.line)?;
        }
        if let Some(vars) = node.get("vars") {
            context = self.with_vars(&context, vars, &stage.wdir)?;
        }
        for (key, value, line) in entries {
            match key {
                "cmd" => stage.cmd = Some(self.cmd(&context, value)?),
                "deps" => stage.deps = self.deps(&context, &stage.wdir, value)?,
                "params" => stage.params = self.params(&context, &stage.wdir, value)?,
                "outs" => stage.outs.extend(self.outs(&context, &stage.wdir, value, OutKind::Out)?),
                "metrics" => stage.outs.extend(self.outs(&context, &stage.wdir, value, OutKind::Metric)?),
                "plots" => stage.outs.extend(self.outs(&context, &stage.wdir, value, OutKind::Plot)?),
                "frozen" => stage.frozen = stage::truth(value, self.file, "'frozen'")?,
                "always_changed" => {
                    stage.always_changed = stage::truth(value, self.file, "'always_changed'")?
                }
                "desc" => stage.desc = Some(stage::text(value, self.file, "'desc'")?.to_owned()),
                "wdir" | "vars" | "meta" => {}
                _ => return Err(self.at(line).error(format!("{what} has the unknown key '{key}'"))),
            }
        }
        if stage.cmd.is_none() {
            return Err(at.error(format!("{what} has no 'cmd'")));
        }
        self.check_paths(&stage, line)?;
        Ok(stage)
    }

    fn check_paths(&self, stage: &Stage, line: usize) -> Result<()> {
        let name = stage.name.as_deref().unwrap_or_default();
        let mut seen: IndexMap<&Path, &str> = IndexMap::new();
        let deps = stage.deps.iter().map(|dep| (dep.path.as_path(), dep.def_path.as_str()));
        let outs = stage.outs.iter().map(|out| (out.path.as_path(), out.def_path.as_str()));
        for (path, text) in deps.chain(outs) {
            if seen.insert(path, text).is_some() {
                return Err(self.at(line).error(format!("stage '{name}' names '{text}' twice")));
            }
        }
        Ok(())
    }

    fn wdir(&self, text: &str, line: usize) -> Result<PathBuf> {
        let path = fsx::normalize(self.dir, Path::new(text));
        if path.starts_with(self.repo.root()) {
            return Ok(path);
        }
        Err(self.at(line).error(format!("the working directory '{text}' lies outside the repository")))
    }

    fn value(&self, context: &Context, node: &Node, in_cmd: bool) -> Result<Value> {
        context.resolve(&node.to_value(), in_cmd).map_err(|message| self.at(node.line).error(message))
    }

    fn text(&self, context: &Context, node: &Node, what: &str) -> Result<String> {
        match self.value(context, node, false)? {
            Value::Str(text) => Ok(text),
            Value::Int(number) => Ok(number.to_string()),
            other => {
                Err(self.at(node.line).error(format!("{what} must be a string, not {}", other.type_name())))
            }
        }
    }

    fn cmd(&self, context: &Context, node: &Node) -> Result<Cmd> {
        let error = || self.at(node.line).error("'cmd' must be a string or a list of strings, and not empty");
        match self.value(context, node, true)? {
            Value::Str(text) if !text.trim().is_empty() => Ok(Cmd::One(text)),
            Value::Seq(items) if !items.is_empty() => {
                let items: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                items.map(Cmd::Many).ok_or_else(error)
            }
            _ => Err(error()),
        }
    }

    fn deps(&self, context: &Context, wdir: &Path, node: &Node) -> Result<Vec<Dep>> {
        let mut deps = Vec::new();
        for item in stage::list(node, self.file, "'deps'")? {
            let text = self.text(context, item, "a dependency")?;
            let path = stage::resolve(self.repo, wdir, &text, "dependency", &self.at(item.line))?;
            deps.push(Dep { def_path: self.def_path(&text, &path, wdir), path, recorded: None });
        }
        Ok(deps)
    }

    /// Paths inside the repository are recorded in normal form relative to the working directory.
    fn def_path(&self, text: &str, path: &Path, wdir: &Path) -> String {
        if path.starts_with(self.repo.root()) { fsx::relative(path, wdir) } else { text.to_owned() }
    }

    fn params(&self, context: &Context, wdir: &Path, node: &Node) -> Result<Vec<ParamDep>> {
        let mut files: IndexMap<String, Vec<String>> = IndexMap::new();
        let mut whole = Vec::new();
        for item in stage::list(node, self.file, "'params'")? {
            let at = self.at(item.line);
            match self.value(context, item, false)? {
                Value::Str(key) => files.entry(DEFAULT_PARAMS.to_owned()).or_default().push(key),
                Value::Map(map) => {
                    for (file, keys) in map {
                        let known = files.entry(file.text.clone()).or_default();
                        match keys {
                            Value::Null => whole.push(file.text),
                            Value::Seq(keys) if keys.is_empty() => whole.push(file.text),
                            Value::Seq(keys) => {
                                for key in &keys {
                                    let key = key
                                        .as_str()
                                        .ok_or_else(|| at.error("a parameter must be a string"))?;
                                    known.push(key.to_owned());
                                }
                            }
                            other => {
                                return Err(
                                    at.error(format!("parameters must be a list, not {}", other.type_name()))
                                );
                            }
                        }
                    }
                }
                other => {
                    return Err(at.error(format!("a parameter must be a string, not {}", other.type_name())));
                }
            }
        }
        let mut out = Vec::new();
        for (file, mut keys) in files {
            if whole.contains(&file) {
                keys.clear();
            }
            let mut distinct: Vec<String> = Vec::new();
            for key in keys {
                if !distinct.contains(&key) {
                    distinct.push(key);
                }
            }
            let path = stage::resolve(self.repo, wdir, &file, "dependency", &self.at(node.line))?;
            out.push(ParamDep {
                def_path: self.def_path(&file, &path, wdir),
                path,
                keys: distinct,
                recorded: None,
            });
        }
        Ok(out)
    }

    fn outs(&self, context: &Context, wdir: &Path, node: &Node, kind: OutKind) -> Result<Vec<Out>> {
        let mut out = Vec::new();
        for item in stage::list(node, self.file, "an output list")? {
            match &item.kind {
                Kind::Map(map) => {
                    for (key, (key_node, flags)) in map {
                        let text = context
                            .resolve(&Value::from(key.text.as_str()), false)
                            .map_err(|message| self.at(key_node.line).error(message))?;
                        let text = text.as_str().unwrap_or(&key.text).to_owned();
                        out.push(self.out(wdir, &text, key_node.line, Some(flags), kind)?);
                    }
                }
                _ => {
                    let text = self.text(context, item, "an output")?;
                    out.push(self.out(wdir, &text, item.line, None, kind)?);
                }
            }
        }
        Ok(out)
    }

    fn out(&self, wdir: &Path, text: &str, line: usize, flags: Option<&Node>, kind: OutKind) -> Result<Out> {
        let path = stage::resolve(self.repo, wdir, text, "output", &self.at(line))?;
        let def_path = fsx::relative(&path, wdir);
        let mut out = Out { def_path, path, kind, cache: true, persist: false, recorded: None };
        let mut known: Vec<&str> = FLAGS.to_vec();
        if kind == OutKind::Plot {
            known.extend(PLOT_FLAGS);
        }
        let sets: Vec<&Node> = match flags.map(|node| (&node.kind, node)) {
            None | Some((Kind::Scalar(Value::Null), _)) => Vec::new(),
            Some((Kind::Seq(items), _)) if kind == OutKind::Plot => items.iter().collect(),
            Some((_, node)) => vec![node],
        };
        for set in sets {
            for (key, value, _) in fields(set, self.file, &format!("output '{text}'"), &known)? {
                match key {
                    "cache" => out.cache = stage::truth(value, self.file, "'cache'")?,
                    "persist" => out.persist = stage::truth(value, self.file, "'persist'")?,
                    "push" => drop(stage::truth(value, self.file, "'push'")?),
                    _ => {}
                }
            }
        }
        Ok(out)
    }
}

/// The parameters of the repository's root, for pages and templates; empty without a `params.yaml`.
pub(crate) fn root_params(repo: &Repo) -> Result<Map> {
    Ok(params::read(repo, &repo.root().join(DEFAULT_PARAMS))?.unwrap_or_default())
}
