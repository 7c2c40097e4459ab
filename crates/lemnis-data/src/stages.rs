//! `stage list` and `stage add`: what a pipeline holds, and new stages in `dvc.yaml`.
//!
//! A new stage is checked in the graph before anything is written; the file keeps its comments and order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::index::Index;
use crate::repo::Repo;
use crate::reproduce::{Pick, pick};
use crate::stage::{OutKind, Stage};
use crate::workspace::Workspace;
use crate::yaml::{Key, Map, Node, Value, parse, put_stage};
use crate::{dvcyaml, fsx, git, stage};

const DEFAULT_PARAMS: &str = "params.yaml";
const MAX_DESCRIPTION: usize = 80;

/// Which stages to list.
#[derive(Clone, Debug, Default)]
pub struct ListStages {
    /// Stages or files; none means the `dvc.yaml` where the repository was opened.
    pub targets: Vec<String>,
    /// Everything in the repository.
    pub all: bool,
    /// A target that is a directory means the stages inside it.
    pub recursive: bool,
}

/// A stage in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedStage {
    /// Its name as seen from where the repository was opened.
    pub name: String,
    /// What its author says about it, or what it makes.
    pub description: String,
}

/// The stages with a line about each.
pub fn list_stages(repo: &Repo, what: &ListStages) -> Result<Vec<ListedStage>> {
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let chosen = if what.all {
        (0..index.stages.len()).collect()
    } else {
        if what.recursive {
            index.check(repo)?;
        }
        pick(repo, &index, &what.targets, Pick { recursive: what.recursive, glob: false })?
    };
    let listed = |at: usize| {
        let stage = &index.stages[at];
        ListedStage { name: stage.address(repo), description: describe(stage) }
    };
    Ok(chosen.into_iter().map(listed).collect())
}

fn describe(stage: &Stage) -> String {
    let own = stage.desc.as_deref().and_then(|desc| desc.lines().find(|line| !line.is_empty()));
    let text = match own {
        Some(line) => line.trim().to_owned(),
        None => made_and_read(stage),
    };
    match text.chars().count() > MAX_DESCRIPTION {
        true => text.chars().take(MAX_DESCRIPTION - 1).chain(['…']).collect(),
        false => text,
    }
}

fn made_and_read(stage: &Stage) -> String {
    let of = |kinds: &[OutKind]| -> Vec<&str> {
        let of = |kind: OutKind| stage.outs.iter().filter(move |out| out.kind == kind);
        kinds.iter().flat_map(|kind| of(*kind)).map(|out| out.def_path.as_str()).collect()
    };
    let (outs, reports) = (of(&[OutKind::Out]), of(&[OutKind::Metric, OutKind::Plot]));
    let mut parts = Vec::new();
    if !outs.is_empty() {
        parts.push(format!("Outputs {}", outs.join(", ")));
    }
    if !reports.is_empty() {
        parts.push(format!("Reports {}", reports.join(", ")));
    }
    if parts.is_empty() {
        let deps = stage.deps.iter().map(|dep| dep.def_path.as_str());
        let external = stage.external.iter().map(|one| one.url.as_str());
        let read: Vec<&str> =
            deps.chain(external).chain(stage.params.iter().map(|dep| dep.def_path.as_str())).collect();
        return match read.is_empty() {
            true => "No outputs or dependencies".to_owned(),
            false => format!("Depends on {}", read.join(", ")),
        };
    }
    parts.join("; ")
}

/// A stage to add to the `dvc.yaml` where the repository was opened.
#[derive(Clone, Debug, Default)]
pub struct NewStage {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// The command line.
    pub cmd: String,
    /// What it reads, relative to the working directory.
    pub deps: Vec<String>,
    /// `key,key` of params.yaml, `file:key,key`, or `file:` for a whole file.
    pub params: Vec<String>,
    /// What it makes.
    pub outs: Vec<NewOut>,
    /// Where it runs; the directory of `dvc.yaml` when absent.
    pub wdir: Option<String>,
    /// What it does.
    pub desc: Option<String>,
    /// Runs every time.
    pub always_changed: bool,
    /// Replaces a stage of the same name.
    pub force: bool,
}

/// An output of a new stage.
#[derive(Clone, Debug)]
pub struct NewOut {
    /// Relative to the working directory.
    pub path: String,
    /// Which list it stands in.
    pub kind: NewOutKind,
    /// Kept in the cache rather than in Git.
    pub cache: bool,
    /// Not removed before the stage runs.
    pub persist: bool,
}

/// Which list of a stage a new output stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewOutKind {
    /// `outs`
    Out,
    /// `metrics`
    Metric,
    /// `plots`
    Plot,
}

/// A stage that was just added.
#[derive(Debug)]
pub struct AddedStage(git::Added);

impl AddedStage {
    /// Takes the lines out of `.gitignore` again: DVC does so when the first run of the stage fails.
    pub fn take_back_ignores(self) {
        git::roll_back(self.0);
    }
}

/// Adds a stage to `dvc.yaml` and its cached outputs to `.gitignore`.
pub fn add_stage(repo: &Repo, new: &NewStage) -> Result<AddedStage> {
    let punctuation = |c: char| c.is_ascii_punctuation() && c != '_' && c != '-';
    if new.name.is_empty() || new.name.chars().any(|c| punctuation(c) || c.is_control()) {
        return Err(Error::invalid(format!(
            "the stage name '{}' may hold letters, digits, '_' and '-' only",
            new.name
        )));
    }
    if new.cmd.is_empty() {
        return Err(Error::hinted("the stage has no command", "give it after the options"));
    }
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let path = repo.cwd().join("dvc.yaml");
    let (old, file) = (fsx::read_text(&path)?.unwrap_or_default(), repo.show(&path));
    let root = parse(&old, &file)?;
    let known = root.get("stages").and_then(|stages| stages.get(&new.name));
    if known.is_some() && !new.force {
        return Err(Error::hinted(
            format!("the stage '{}' is in {file} already", new.name),
            "replace it with --force",
        ));
    }
    let wdir = match &new.wdir {
        Some(wdir) => fsx::normalize(repo.cwd(), Path::new(wdir)),
        None => repo.cwd().to_path_buf(),
    };
    if !wdir.is_dir() {
        return Err(Error::Missing { what: "working directory", path: repo.show(&wdir) });
    }
    let mut named = HashSet::new();
    let paths = new.deps.iter().chain(new.outs.iter().map(|out| &out.path));
    for path in paths.filter(|path| !path.contains("://")) {
        let path = fsx::normalize(&wdir, Path::new(path));
        if !named.insert(path.clone()) {
            return Err(Error::invalid(format!("'{}' is named more than once", repo.show(&path))));
        }
    }
    let body = restored(body(repo, new, &wdir), known);
    let text = put_stage(&old, &file, &new.name, &Value::Map(body))?;
    index.stages.retain(|stage| stage.file != path);
    index.stages.extend(dvcyaml::load_text(repo, &path, &text)?);
    index.check(repo)?;
    let mut lines = git::Added::default();
    let cached = new.outs.iter().filter(|out| out.cache);
    let cached: Vec<PathBuf> = cached.map(|out| fsx::normalize(&wdir, Path::new(&out.path))).collect();
    let result = write(repo, &cached, &path, &text, &mut lines);
    if let Err(error) = result {
        git::roll_back(lines);
        return Err(error);
    }
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
        let files: Vec<PathBuf> = std::iter::once(path).chain(lines.files()).collect();
        git::add(git_root, &files)?;
    }
    workspace.close()?;
    Ok(AddedStage(lines))
}

fn write(repo: &Repo, cached: &[PathBuf], path: &Path, text: &str, lines: &mut git::Added) -> Result<()> {
    if let Some(git_root) = repo.git_root() {
        for out in cached {
            if git::is_tracked(git_root, out)? {
                return Err(Error::TrackedByGit { path: repo.in_repo(out) });
            }
        }
        // As in DVC the stage's run does it from the first one on whose directory is not there yet.
        for out in cached.iter().take_while(|out| out.parent().is_some_and(Path::is_dir)) {
            git::ignore(git_root, out, lines)?;
        }
    }
    fsx::write_text(path, text)
}

/// The stage's definition in DVC's order of keys.
fn body(repo: &Repo, new: &NewStage, wdir: &Path) -> Map {
    let def_path = |text: &str| stage::def_path(repo, wdir, text);
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| drop(body.insert(Key::from(key), value));
    if let Some(desc) = new.desc.as_deref().filter(|desc| !desc.is_empty()) {
        put("desc", Value::from(desc));
    }
    put("cmd", Value::from(new.cmd.as_str()));
    if wdir != repo.cwd() {
        put("wdir", Value::from(fsx::relative(wdir, repo.cwd())));
    }
    let mut deps: Vec<String> = new.deps.iter().map(|dep| def_path(dep)).collect();
    deps.sort();
    if !deps.is_empty() {
        put("deps", Value::Seq(deps.into_iter().map(Value::Str).collect()));
    }
    let params = params(&new.params, def_path);
    if !params.is_empty() {
        put("params", Value::Seq(params));
    }
    let mut outs: Vec<(String, &NewOut)> = new.outs.iter().map(|out| (def_path(&out.path), out)).collect();
    outs.sort_by(|a, b| a.0.cmp(&b.0));
    let lists = [("outs", NewOutKind::Out), ("metrics", NewOutKind::Metric), ("plots", NewOutKind::Plot)];
    for (key, kind) in lists {
        let of_kind = outs.iter().filter(|(_, out)| out.kind == kind);
        let entries: Vec<Value> = of_kind.map(|(path, out)| entry(path, out)).collect();
        if !entries.is_empty() {
            put(key, Value::Seq(entries));
        }
    }
    if new.always_changed {
        put("always_changed", Value::from(true));
    }
    body
}

fn entry(path: &str, out: &NewOut) -> Value {
    let mut flags = Map::new();
    if !out.cache {
        flags.insert("cache".into(), Value::from(false));
    }
    if out.persist {
        flags.insert("persist".into(), Value::from(true));
    }
    match flags.is_empty() {
        true => Value::from(path),
        false => Value::Map(Map::from([(Key::from(path), Value::Map(flags))])),
    }
}

/// Keys of `params.yaml` first, then other files by name; keys sorted.
fn params(words: &[String], def_path: impl Fn(&str) -> String) -> Vec<Value> {
    let mut files: IndexMap<String, Vec<String>> = IndexMap::new();
    let mut whole: Vec<String> = Vec::new();
    for word in words {
        let (file, keys) = word.rsplit_once(':').unwrap_or((DEFAULT_PARAMS, word));
        let file = def_path(if file.is_empty() { DEFAULT_PARAMS } else { file });
        let keys: Vec<String> = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        let known = files.entry(file.clone()).or_default();
        known.extend(keys);
        if known.is_empty() {
            whole.push(file);
        }
    }
    files.sort_keys();
    let mut out = Vec::new();
    let mut others = Vec::new();
    for (file, mut keys) in files {
        keys.sort();
        keys.dedup();
        let names: Vec<Value> = keys.into_iter().map(Value::Str).collect();
        if file == DEFAULT_PARAMS && !names.is_empty() {
            out.extend(names);
            continue;
        }
        let value = if names.is_empty() { Value::Null } else { Value::Seq(names) };
        others.push(Value::Map(Map::from([(Key::from(file), value)])));
    }
    out.extend(others);
    out
}

/// What `--force` keeps of the stage that it replaces: descriptions, annotations and where outputs are pushed.
fn restored(mut body: Map, old: Option<&Node>) -> Map {
    const KEPT: [&str; 6] = ["desc", "type", "labels", "meta", "remote", "push"];
    let Some(Value::Map(old)) = old.map(Node::to_value) else { return body };
    for key in ["outs", "metrics", "plots"] {
        let Some(Value::Seq(entries)) = body.get_mut(key) else { continue };
        let known = ["outs", "metrics", "plots"].iter().filter_map(|key| old.get(*key));
        let known: Vec<&Map> = known.filter_map(Value::as_seq).flatten().filter_map(Value::as_map).collect();
        for entry in entries {
            let (path, flags) = match &*entry {
                Value::Str(path) => (path.clone(), Map::new()),
                Value::Map(map) => match map.first() {
                    Some((path, Value::Map(flags))) => (path.text.clone(), flags.clone()),
                    _ => continue,
                },
                _ => continue,
            };
            let before = known.iter().find_map(|map| map.get(path.as_str())).and_then(Value::as_map);
            let Some(before) = before else { continue };
            let kept = |keys: &'static [&str]| {
                let wanted = move |key: &Key| keys.contains(&key.text.as_str());
                before.iter().filter(move |(key, _)| wanted(key)).map(|(k, v)| (k.clone(), v.clone()))
            };
            let merged: Map = kept(&KEPT[..4]).chain(flags).chain(kept(&KEPT[4..])).collect();
            if !merged.is_empty() {
                *entry = Value::Map(Map::from([(Key::from(path), Value::Map(merged))]));
            }
        }
    }
    if let (false, Some(desc)) = (body.contains_key("desc"), old.get("desc")) {
        body.shift_insert(0, Key::from("desc"), desc.clone());
    }
    if let Some(meta) = old.get("meta") {
        body.insert(Key::from("meta"), meta.clone());
    }
    let order = |key: &Key| old.get_index_of(key).unwrap_or(usize::MAX);
    body.sort_by(|a, _, b, _| order(a).cmp(&order(b)));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Value::Seq(params(&words, str::to_owned)).to_json().to_string()
    }

    #[test]
    fn params_are_sorted_with_those_of_the_default_file_first() {
        assert_eq!(
            words(&["q.r,p", "p2.json:z", "p3.yaml:"]),
            r#"["p","q.r",{"p2.json":["z"]},{"p3.yaml":null}]"#
        );
        assert_eq!(words(&["params.yaml:"]), r#"[{"params.yaml":null}]"#);
    }

    #[test]
    fn a_replaced_stage_keeps_what_people_wrote_about_it() {
        let old =
            parse("cmd: x\ndesc: d\nouts: [{o: {push: false, desc: k, cache: false}}]\n", "").expect("reads");
        let new = parse("cmd: y\nouts: [o]\nparams: [p]\n", "").expect("reads").to_value();
        let body = restored(new.as_map().cloned().expect("map"), Some(&old));
        assert_eq!(
            Value::Map(body).to_json().to_string(),
            r#"{"cmd":"y","desc":"d","outs":[{"o":{"desc":"k","push":false}}],"params":["p"]}"#
        );
    }
}
