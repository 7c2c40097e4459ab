//! Metrics and parameters of revisions and of the workspace, side by side.
//!
//! Values are spelt as Python spells them, in JSON and in tables: scripts that read DVC's output read ours.

use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};

use crate::contents::Contents;
use crate::declared;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::OutKind;
use crate::yaml::{Key, Map, Value};
use crate::{datafile, fsx, pyjson, revision};

/// The name of the working tree among revisions.
pub(crate) const WORKSPACE: &str = "workspace";

/// Which revisions to look at, beside the workspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct RevisionScope {
    /// All branches.
    pub branches: bool,
    /// All tags.
    pub tags: bool,
    /// All commits that a branch or tag leads to.
    pub commits: bool,
}

impl RevisionScope {
    /// Whether only the workspace is asked for.
    pub fn is_workspace_only(self) -> bool {
        !(self.branches || self.tags || self.commits)
    }
}

/// The values of files at one revision.
#[derive(Clone, Debug, Default)]
pub struct Values {
    pub(crate) files: IndexMap<String, FileValues>,
}

/// What a file holds, or why it could not be read.
#[derive(Clone, Debug)]
pub(crate) enum FileValues {
    Data(Value),
    Failed { kind: &'static str, message: String },
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        let data = |values: &Self| -> Vec<(String, String)> {
            let text = |file: &FileValues| match file {
                FileValues::Data(value) => pyjson::text(value),
                FileValues::Failed { message, .. } => message.clone(),
            };
            values.files.iter().map(|(path, file)| (path.clone(), text(file))).collect()
        };
        data(self) == data(other)
    }
}

impl Values {
    pub(crate) fn to_value(&self) -> Value {
        let file = |file: &FileValues| match file {
            FileValues::Data(value) => wrap("data", value.clone()),
            FileValues::Failed { kind, message } => {
                let mut error = Map::new();
                error.insert("type".into(), Value::from(*kind));
                error.insert("msg".into(), Value::from(message.as_str()));
                wrap("error", Value::Map(error))
            }
        };
        Value::Map(self.files.iter().map(|(path, values)| (Key::from(path.as_str()), file(values))).collect())
    }

    /// Whether a file could not be read.
    pub(crate) fn has_failures(&self) -> bool {
        self.files.values().any(|file| matches!(file, FileValues::Failed { .. }))
    }
}

fn wrap(key: &str, value: Value) -> Value {
    Value::Map(std::iter::once((Key::from(key), value)).collect())
}

/// What to gather.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Files, absolute; none means all that stages and `dvc.yaml` name.
    pub(crate) targets: Vec<PathBuf>,
    /// Only what stages name.
    pub(crate) stages_only: bool,
}

/// The metrics of the repository as `repo` sees it; names are relative to its root.
pub(crate) fn metrics(repo: &Repo, index: &Index, wanted: &Wanted) -> Result<Values> {
    let contents = Contents::new(repo, index);
    let mut files: IndexSet<PathBuf> = wanted.targets.iter().cloned().collect();
    if wanted.targets.is_empty() {
        let outs = index.stages.iter().flat_map(|stage| &stage.outs);
        files.extend(outs.filter(|out| out.kind == OutKind::Metric).map(|out| out.path.clone()));
        if !wanted.stages_only {
            for file in &index.pipelines {
                files.extend(declared::read(repo, file)?.metrics);
            }
        }
    }
    let mut values = Values::default();
    for file in expand(&contents, &files)? {
        let found = match load(&contents, &file)? {
            FileValues::Data(value) => {
                let value = extract(&value).filter(|value| !is_falsy(value));
                FileValues::Data(value.unwrap_or_else(|| Value::Map(Map::new())))
            }
            failed => failed,
        };
        values.files.insert(repo.in_repo(&file), found);
    }
    Ok(values)
}

/// The parameters of the repository as `repo` sees it; names are relative to its root.
pub(crate) fn params(repo: &Repo, index: &Index, wanted: &Wanted) -> Result<Values> {
    let contents = Contents::new(repo, index);
    let mut files: IndexMap<PathBuf, Vec<String>> =
        wanted.targets.iter().map(|path| (path.clone(), Vec::new())).collect();
    let mut vars = IndexMap::new();
    if wanted.targets.is_empty() {
        let mut whole: IndexSet<PathBuf> = IndexSet::new();
        for dep in index.stages.iter().flat_map(|stage| &stage.params) {
            if dep.keys.is_empty() {
                whole.insert(dep.path.clone());
            }
            files.entry(dep.path.clone()).or_default().extend(dep.keys.iter().cloned());
        }
        if !wanted.stages_only {
            for file in &index.pipelines {
                let declared = declared::read(repo, file)?;
                whole.extend(declared.params);
                for (file, used) in declared.used_vars {
                    let known: &mut IndexMap<String, Value> = vars.entry(file).or_default();
                    known.extend(used);
                }
            }
            let default = repo.root().join("params.yaml");
            if !contents.find(&default)?.is_empty() {
                whole.insert(default);
            }
        }
        whole.into_iter().for_each(|file| drop(files.insert(file, Vec::new())));
    }
    let mut values = Values::default();
    for (file, keys) in &files {
        for path in expand(&contents, &std::iter::once(file.clone()).collect())? {
            let found = match load(&contents, &path)? {
                FileValues::Data(value) if !keys.is_empty() => FileValues::Data(narrow(&value, keys)),
                other => other,
            };
            values.files.insert(repo.in_repo(&path), found);
        }
    }
    for (file, used) in vars {
        let name = repo.in_repo(&file);
        if !values.files.contains_key(&name) {
            let map = used.into_iter().map(|(key, value)| (Key::from(key), value)).collect();
            values.files.insert(name, FileValues::Data(Value::Map(map)));
        }
    }
    Ok(values)
}

/// Directories stand for the files in them.
fn expand(contents: &Contents<'_>, files: &IndexSet<PathBuf>) -> Result<IndexSet<PathBuf>> {
    let mut out = IndexSet::new();
    for file in files {
        out.extend(contents.expand(file)?);
    }
    Ok(out)
}

fn load(contents: &Contents<'_>, path: &Path) -> Result<FileValues> {
    let shown = contents.repo.in_repo(path);
    let failed = |kind, message: String| Ok(FileValues::Failed { kind, message });
    let Some(bytes) = contents.read(path)? else {
        return failed("FileNotFoundError", format!("{shown} is not there"));
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return failed("EncodingError", format!("unable to read: '{shown}'"));
    };
    match datafile::read(path, &shown, &text) {
        Ok(value) => Ok(FileValues::Data(value)),
        Err(error) => {
            let kind = match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => "JSONFileCorruptedError",
                Some("toml") => "TOMLFileCorruptedError",
                Some("py") => "PythonFileCorruptedError",
                _ => "YAMLFileCorruptedError",
            };
            failed(kind, error.to_string())
        }
    }
}

/// Numbers and texts stay, lists and nulls and what is empty without them go.
fn extract(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_) => Some(value.clone()),
        Value::Map(map) => {
            let kept = map.iter().filter_map(|(key, value)| Some((key.clone(), extract(value)?)));
            let kept = kept.filter(|(_, value)| !matches!(value, Value::Map(map) if map.is_empty()));
            Some(Value::Map(kept.collect()))
        }
        _ => None,
    }
}

/// What Python takes for nothing.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Seq(items) => items.is_empty(),
        Value::Bool(truth) => !truth,
        Value::Int(number) => *number == 0,
        Value::Float(number) => *number == 0.0,
        Value::Str(text) => text.is_empty(),
        _ => false,
    }
}

/// The part of `value` at the dotted `keys`, nested as it was.
fn narrow(value: &Value, keys: &[String]) -> Value {
    let mut out = Map::new();
    for key in keys {
        let parts: Vec<&str> = key.split('.').collect();
        if let Value::Map(map) = value {
            copy(map, &parts, &mut out);
        }
    }
    Value::Map(out)
}

fn copy(from: &Map, parts: &[&str], to: &mut Map) {
    let Some((first, rest)) = parts.split_first() else { return };
    let Some((key, value)) = from.iter().find(|(key, _)| key.text == *first) else { return };
    match value {
        Value::Map(inner) if !rest.is_empty() => {
            let mut below = match to.get(first as &str) {
                Some(Value::Map(known)) => known.clone(),
                _ => Map::new(),
            };
            copy(inner, rest, &mut below);
            if !below.is_empty() {
                to.insert(key.clone(), Value::Map(below));
            }
        }
        _ if rest.is_empty() => drop(to.insert(key.clone(), value.clone())),
        _ => {}
    }
}

/// Calls `gather` for the workspace and every revision of the scope. The workspace alone is called "".
pub(crate) fn by_revision(
    repo: &Repo,
    scope: RevisionScope,
    mut gather: impl FnMut(&Repo, &Index) -> Result<Values>,
) -> Result<IndexMap<String, Values>> {
    let mut out = IndexMap::new();
    let here = gather(repo, &Index::load(repo)?)?;
    if scope.is_workspace_only() {
        out.insert(String::new(), here);
        return Ok(out);
    }
    out.insert(WORKSPACE.to_owned(), here);
    let Some(git_root) = repo.git_root() else { return Ok(out) };
    for (commit, names) in revisions(repo, scope)? {
        if let Some(then) = repo.at_commit(&commit)? {
            let values = Index::load(&then).and_then(|index| gather(&then, &index))?;
            out.insert(names.join(","), values);
        }
    }
    let branch = revision::git(git_root, &["symbolic-ref", "--quiet", "--short", "HEAD"]);
    if let Ok(branch) = branch
        && out.get(branch.trim()).is_some_and(|values| out.get(WORKSPACE) == Some(values))
    {
        out.shift_remove(WORKSPACE);
    }
    Ok(out)
}

/// Commit → the names that lead to it.
pub(crate) fn revisions(repo: &Repo, scope: RevisionScope) -> Result<IndexMap<String, Vec<String>>> {
    let git_root = repo.git_root().ok_or_else(revision::no_git)?;
    let mut found: IndexMap<String, Vec<String>> = IndexMap::new();
    if scope.commits {
        for commit in revision::newest_first(git_root)? {
            found.entry(commit.clone()).or_default().push(commit);
        }
        return Ok(found);
    }
    for (wanted, place) in [(scope.branches, "refs/heads"), (scope.tags, "refs/tags")] {
        if !wanted {
            continue;
        }
        let format = "--format=%(objectname) %(*objectname) %(refname:lstrip=2)";
        for line in revision::git(git_root, &["for-each-ref", format, place])?.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [object, peeled, name] = words[..] {
                let commit = if peeled.is_empty() { object } else { peeled };
                found.entry(commit.to_owned()).or_default().push(name.to_owned());
            }
        }
    }
    Ok(found)
}

/// The values of one revision, or of the workspace.
pub(crate) fn at(
    repo: &Repo,
    name: &str,
    gather: impl FnOnce(&Repo, &Index) -> Result<Values>,
) -> Result<Values> {
    if name == WORKSPACE {
        return gather(repo, &Index::load(repo)?);
    }
    match repo.at_commit(&repo.resolve(name)?)? {
        Some(then) => {
            let index = Index::load(&then)?;
            gather(&then, &index)
        }
        None => Ok(Values::default()),
    }
}

/// Targets as absolute paths.
pub(crate) fn target_paths(repo: &Repo, targets: &[String]) -> Result<Vec<PathBuf>> {
    let absolute = |target: &String| {
        let path = fsx::normalize(repo.cwd(), Path::new(target));
        if path.starts_with(repo.root()) {
            Ok(path)
        } else {
            Err(Error::invalid(format!("'{target}' lies outside the repository")))
        }
    };
    targets.iter().map(absolute).collect()
}
