//! One stage of `dvc.yaml`: its shape is checked as written, then its strings are interpolated.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{DEFAULT_PARAMS, Loader, PLOT_PROPERTIES};
use crate::error::Result;
use crate::fsx;
use crate::imports::Link;
use crate::stage::{self, Cmd, Dep, External, Out, OutKind, ParamDep, Stage, fields};
use crate::template::{Context, Place, spell};
use crate::yaml::{Kind, Node, Value};

const STAGE: [&str; 13] = [
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
];
const FLAGS: [&str; 9] =
    ["cache", "persist", "checkpoint", "remote", "push", "desc", "type", "labels", "meta"];
impl Loader<'_> {
    /// The stage called `name`; `node` holds its definition, a group's template included.
    pub(super) fn stage(&self, name: &str, line: usize, node: &Node, context: &Context) -> Result<Stage> {
        let at = self.at(line);
        let what = format!("stage '{name}'");
        let entries = fields(node, self.file, &what, &STAGE)?;
        let mut stage = Stage {
            name: Some(name.to_owned()),
            file: self.path.to_path_buf(),
            wdir: self.dir.to_path_buf(),
            cmd: None,
            external: Vec::new(),
            deps: Vec::new(),
            params: Vec::new(),
            outs: Vec::new(),
            frozen: false,
            always_changed: false,
            desc: None,
            cmd_changed: false,
            import: false,
        };
        let mut context = context.clone();
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
                "deps" => (stage.deps, stage.external) = self.deps(&context, &stage.wdir, value)?,
                "params" => stage.params = self.params(&context, &stage.wdir, value)?,
                "outs" => stage.outs.extend(self.outs(&context, &stage.wdir, value, OutKind::Out)?),
                "metrics" => stage.outs.extend(self.outs(&context, &stage.wdir, value, OutKind::Metric)?),
                "plots" => stage.outs.extend(self.outs(&context, &stage.wdir, value, OutKind::Plot)?),
                "frozen" => stage.frozen = stage::truth(value, self.file, "'frozen'")?,
                "always_changed" => {
                    stage.always_changed = stage::truth(value, self.file, "'always_changed'")?
                }
                "desc" => stage.desc = Some(self.text(&context, value, "'desc'")?),
                "meta" => drop(self.value(&context, value, Place::Text)?),
                "wdir" | "vars" | "matrix" => {}
                _ => return Err(self.at(line).error(format!("{what} has the unknown key '{key}'"))),
            }
        }
        if stage.cmd.is_none() {
            return Err(at.error(format!("{what} has no 'cmd'")));
        }
        // an output that is named twice is one
        let mut seen = HashSet::new();
        stage.outs.retain(|out| seen.insert((out.path.clone(), out.kind == OutKind::Out)));
        self.check_paths(&stage, line)?;
        Ok(stage)
    }

    fn check_paths(&self, stage: &Stage, line: usize) -> Result<()> {
        let name = stage.name.as_deref().unwrap_or_default();
        let mut seen: HashSet<&Path> = stage.deps.iter().map(|dep| dep.path.as_path()).collect();
        for out in &stage.outs {
            if !seen.insert(&out.path) {
                let message = format!("stage '{name}' names '{}' twice", out.def_path);
                return Err(self.at(line).error(message));
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

    pub(super) fn value(&self, context: &Context, node: &Node, place: Place) -> Result<Value> {
        context.resolve(&node.to_value(), place).map_err(|message| self.at(node.line).error(message))
    }

    /// A string, which must be written as one; what an expression stands for may be any scalar.
    fn text(&self, context: &Context, node: &Node, what: &str) -> Result<String> {
        stage::text(node, self.file, what)?;
        match self.value(context, node, Place::Text)? {
            Value::Str(text) => Ok(text),
            scalar @ (Value::Int(_) | Value::Float(_) | Value::Bool(_)) => Ok(spell(&scalar)),
            other => {
                Err(self.at(node.line).error(format!("{what} must be a string, not {}", other.type_name())))
            }
        }
    }

    fn cmd(&self, context: &Context, node: &Node) -> Result<Cmd> {
        let error = || self.at(node.line).error("'cmd' must be a string or a list of strings, and not empty");
        match self.value(context, node, Place::Cmd)? {
            Value::Str(text) if !text.trim().is_empty() => Ok(Cmd::One(text)),
            Value::Seq(items) if !items.is_empty() => {
                let items: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                items.map(Cmd::Many).ok_or_else(error)
            }
            _ => Err(error()),
        }
    }

    fn deps(&self, context: &Context, wdir: &Path, node: &Node) -> Result<(Vec<Dep>, Vec<External>)> {
        let (mut deps, mut external) = (Vec::new(), Vec::new());
        for item in stage::list(node, self.file, "'deps'")? {
            let text = self.text(context, item, "a dependency")?;
            match text.split_once("://") {
                Some(("ds", name)) => {
                    let message = format!("the data set '{name}': `datasets` are not supported");
                    return Err(self.at(item.line).error(message));
                }
                Some(_) => {
                    let link = Link::new(&text);
                    let local = link.check(self.repo).and_then(|()| link.local(self.repo, wdir));
                    let local = local.map_err(|error| {
                        self.at(item.line).error(format!("the dependency '{text}': {error}"))
                    })?;
                    match local {
                        Some(path) => deps.push(Dep {
                            def_path: text,
                            path,
                            from_repo: false,
                            versioned: false,
                            recorded: None,
                        }),
                        None => external.push(External { url: text, recorded: None }),
                    }
                    continue;
                }
                None => {}
            }
            let path = stage::resolve(self.repo, wdir, &text, "dependency", &self.at(item.line))?;
            if text.ends_with(".dvc") || path.file_name().is_some_and(|name| name == "dvc.yaml") {
                let message = format!("the dependency '{text}' is a DVC file: name what it tracks instead");
                return Err(self.at(item.line).error(message));
            }
            let def_path = stage::def_path(self.repo, wdir, &text);
            deps.push(Dep { def_path, path, from_repo: false, versioned: false, recorded: None });
        }
        Ok((deps, external))
    }

    fn params(&self, context: &Context, wdir: &Path, node: &Node) -> Result<Vec<ParamDep>> {
        let mut files: IndexMap<String, Vec<String>> = IndexMap::new();
        let mut whole = Vec::new();
        for item in stage::list(node, self.file, "'params'")? {
            let at = self.at(item.line);
            match self.value(context, item, Place::Text)? {
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
            let path = stage::resolve(self.repo, wdir, &file, "parameters file", &self.at(node.line))?;
            out.push(ParamDep {
                def_path: stage::def_path(self.repo, wdir, &file),
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
                            .resolve(&Value::from(key.text.as_str()), Place::Text)
                            .map_err(|message| self.at(key_node.line).error(message))?;
                        let text = text.as_str().unwrap_or(&key.text).to_owned();
                        out.push(self.out(context, wdir, &text, key_node.line, Some(flags), kind)?);
                    }
                }
                _ => {
                    let text = self.text(context, item, "an output")?;
                    out.push(self.out(context, wdir, &text, item.line, None, kind)?);
                }
            }
        }
        Ok(out)
    }

    fn out(
        &self,
        context: &Context,
        wdir: &Path,
        text: &str,
        line: usize,
        flags: Option<&Node>,
        kind: OutKind,
    ) -> Result<Out> {
        let path = stage::resolve(self.repo, wdir, text, "output", &self.at(line))?;
        let def_path = stage::def_path(self.repo, wdir, text);
        let (remote, push) = (None, true);
        let mut out = Out {
            def_path,
            path,
            kind,
            cache: true,
            persist: false,
            remote,
            push,
            drawing: Default::default(),
            recorded: None,
            versions: None,
        };
        let mut known: Vec<&str> = FLAGS.to_vec();
        if kind == OutKind::Plot {
            known.extend(PLOT_PROPERTIES);
        }
        let sets: Vec<&Node> = match flags.map(|node| (&node.kind, node)) {
            None => Vec::new(),
            Some((Kind::Seq(items), _)) if kind == OutKind::Plot => items.iter().collect(),
            Some((_, node)) => vec![node],
        };
        for set in sets {
            for (key, value, _) in fields(set, self.file, &format!("output '{text}'"), &known)? {
                match key {
                    "cache" => out.cache = stage::truth(value, self.file, "'cache'")?,
                    "persist" => out.persist = stage::truth(value, self.file, "'persist'")?,
                    "push" => out.push = stage::truth(value, self.file, "'push'")?,
                    "remote" => out.remote = Some(stage::text(value, self.file, "'remote'")?.to_owned()),
                    "checkpoint" => drop(stage::truth(value, self.file, "'checkpoint'")?),
                    other if PLOT_PROPERTIES.contains(&other) => {
                        let what = format!("'{other}'");
                        match other {
                            "header" => drop(stage::truth(value, self.file, &what)?),
                            _ => drop(stage::text(value, self.file, &what)?),
                        }
                        let value = self.value(context, value, Place::Text)?;
                        out.drawing.entry(other.into()).or_insert(value);
                    }
                    other => stage::annotation(other, value, self.file)?,
                }
            }
        }
        Ok(out)
    }
}
