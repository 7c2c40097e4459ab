//! `dvc.lock`: what each stage last ran with and made.
//!
//! Only the entry of a stage that ran changes; entries of other stages, comments and order stay.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, Recorded};
use crate::imports::external;
use crate::repo::Repo;
use crate::stage::{self, At, Out, Stage, fields};
use crate::versions::Versions;
use crate::yaml::{Key, Map, Node, Shared, Value, emit_shared, parse, set_stage};

const STAGE: [&str; 4] = ["cmd", "deps", "params", "outs"];
const DEFAULT_PARAMS: &str = "params.yaml";

/// The entries of one `dvc.lock`, by stage name.
pub(crate) type LockFile = IndexMap<String, LockEntry>;

/// What a stage last ran with and made.
#[derive(Clone, Debug)]
pub(crate) struct LockEntry {
    pub(crate) cmd: Value,
    pub(crate) deps: IndexMap<String, Option<Recorded>>,
    /// What stores said of dependencies there, by URL.
    pub(crate) external: IndexMap<String, Map>,
    pub(crate) params: IndexMap<String, Map>,
    pub(crate) outs: IndexMap<String, Option<Recorded>>,
    /// What a versioned remote calls the content of outputs.
    pub(crate) versions: IndexMap<String, Arc<Versions>>,
}

/// Reads the lock file; empty when it is not there.
pub(crate) fn load(repo: &Repo, path: &Path) -> Result<LockFile> {
    let file = repo.show(path);
    let Some(text) = repo.read_text(path)? else { return Ok(LockFile::new()) };
    read(&text, &file)
}

/// The entries that `text` holds; `file` names it in errors.
pub(crate) fn read(text: &str, file: &str) -> Result<LockFile> {
    let root = parse(text, file)?;
    if root.is_null() {
        return Err(At { file, line: 1 }.error("the file is empty: remove it, and run the pipeline again"));
    }
    fields(&root, file, "the file", &["schema", "stages", "datasets"])?;
    if root.get("schema").map(Node::to_value) != Some(Value::from("2.0")) {
        return Err(At { file, line: 1 }.error("the schema of dvc.lock must be '2.0'"));
    }
    let mut out = LockFile::new();
    let Some(stages) = root.get("stages") else { return Ok(out) };
    let Some(stages) = stages.as_map() else {
        return Err(At { file, line: stages.line }.error("'stages' must be a mapping"));
    };
    for (name, (_, node)) in stages {
        out.insert(name.text.clone(), entry(node, file, &name.text)?);
    }
    Ok(out)
}

/// Reads one entry, of `dvc.lock` or of the run-cache.
pub(crate) fn entry(node: &Node, file: &str, name: &str) -> Result<LockEntry> {
    let at = At { file, line: node.line };
    fields(node, file, &format!("stage '{name}'"), &STAGE)?;
    let cmd = node.get("cmd").ok_or_else(|| at.error(format!("stage '{name}' has no 'cmd'")))?.to_value();
    let paths = |key: &str| -> Result<IndexMap<String, Option<Recorded>>> {
        let mut out = IndexMap::new();
        let Some(list) = node.get(key) else { return Ok(out) };
        for item in stage::list(list, file, key)? {
            let at = At { file, line: item.line };
            let path = item.get("path").ok_or_else(|| at.error("an entry has no 'path'"))?;
            out.insert(stage::text(path, file, "'path'")?.to_owned(), stage::recorded(item, file)?);
        }
        Ok(out)
    };
    let mut params = IndexMap::new();
    if let Some(node) = node.get("params") {
        let map =
            node.as_map().ok_or_else(|| At { file, line: node.line }.error("'params' must be a mapping"))?;
        for (path, (_, values)) in map {
            let Value::Map(values) = values.to_value() else {
                return Err(
                    At { file, line: values.line }.error("the parameters of a file must be a mapping")
                );
            };
            params.insert(path.text.clone(), values);
        }
    }
    let mut versions = IndexMap::new();
    for item in node.get("outs").map(|list| stage::list(list, file, "outs")).transpose()?.unwrap_or_default()
    {
        if let Some((path, known)) = item.get("path").zip(Versions::read(item, file)?) {
            versions.insert(stage::text(path, file, "'path'")?.to_owned(), Arc::new(known));
        }
    }
    let mut external = IndexMap::new();
    let deps = node.get("deps").map(|list| stage::list(list, file, "deps")).transpose()?.unwrap_or_default();
    for item in deps {
        let url = item.get("path").map(|path| stage::text(path, file, "'path'")).transpose()?;
        if let Some(url) = url.filter(|url| url.contains("://")) {
            external.insert(url.to_owned(), external::content(item));
        }
    }
    Ok(LockEntry { cmd, external, deps: paths("deps")?, params, outs: paths("outs")?, versions })
}

/// Fills what the lock knows into the stage.
pub(crate) fn fill(stage: &mut Stage, entry: Option<&LockEntry>) {
    let Some(entry) = entry else { return };
    stage.cmd_changed = stage.cmd.as_ref().is_some_and(|cmd| !cmd.to_value().same(&entry.cmd));
    for dep in &mut stage.deps {
        dep.recorded = entry.deps.get(&dep.def_path).cloned().flatten();
    }
    for external in &mut stage.external {
        external.recorded = entry.external.get(&external.url).cloned();
    }
    for out in &mut stage.outs {
        out.recorded = entry.outs.get(&out.def_path).cloned().flatten();
        out.versions = entry.versions.get(&out.def_path).cloned();
    }
    for dep in &mut stage.params {
        dep.recorded = entry.params.get(&dep.def_path).map(|values| {
            if dep.keys.is_empty() {
                return values.clone();
            }
            let wanted = |key: &Key| dep.keys.contains(&key.text);
            values.iter().filter(|(key, _)| wanted(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
        });
    }
}

/// The body of a stage's entry from what its dependencies and outputs record now, without versions.
pub(crate) fn body(stage: &Stage) -> Value {
    body_with(stage, |out| line(&out.def_path, out.recorded.as_ref()))
}

fn body_with(stage: &Stage, out_line: impl Fn(&Out) -> Map) -> Value {
    let mut body = Map::new();
    if let Some(cmd) = &stage.cmd {
        body.insert("cmd".into(), cmd.to_value());
    }
    let files = stage.deps.iter().map(|dep| (&dep.def_path, line(&dep.def_path, dep.recorded.as_ref())));
    let external = stage.external.iter().map(|external| (&external.url, external::line(external)));
    let mut deps: Vec<(&String, Map)> = files.chain(external).collect();
    let mut outs: Vec<&Out> = stage.outs.iter().collect();
    deps.sort_by_key(|(path, _)| *path);
    outs.sort_by_key(|out| out.def_path.as_str());
    if !deps.is_empty() {
        body.insert("deps".into(), Value::Seq(deps.into_iter().map(|(_, line)| Value::Map(line)).collect()));
    }
    let mut params: Vec<_> = stage.params.iter().filter(|dep| dep.recorded.is_some()).collect();
    params.sort_by_key(|dep| (dep.def_path != DEFAULT_PARAMS, dep.def_path.as_str()));
    if !params.is_empty() {
        let mut files = Map::new();
        for dep in params {
            let mut values: Vec<_> = dep.recorded.iter().flatten().collect();
            values.sort_by(|a, b| a.0.text.cmp(&b.0.text));
            let values: Map = values.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            files.insert(Key::from(dep.def_path.as_str()), Value::Map(values));
        }
        body.insert("params".into(), Value::Map(files));
    }
    if !outs.is_empty() {
        body.insert("outs".into(), Value::Seq(outs.iter().map(|out| Value::Map(out_line(out))).collect()));
    }
    Value::Map(body)
}

/// One output or dependency of an entry.
pub(crate) fn line(path: &str, recorded: Option<&Recorded>) -> Map {
    let mut map = Map::new();
    map.insert("path".into(), Value::from(path));
    if let Some(recorded) = recorded {
        if recorded.name == HashName::Md5 {
            map.insert("hash".into(), Value::from("md5"));
        }
        stage::put_meta(recorded, &mut map);
    }
    map
}

/// The line of an output that keeps the versions of content that is still the same.
fn versioned_line(out: &Out) -> Map {
    let same = |versions: &&Arc<Versions>| out.recorded.as_ref().is_some_and(|now| now.md5 == versions.md5);
    let Some(versions) = out.versions.as_ref().filter(same) else {
        return line(&out.def_path, out.recorded.as_ref());
    };
    let mut map = Map::new();
    map.insert("path".into(), Value::from(out.def_path.as_str()));
    map.insert("hash".into(), Value::from("md5"));
    versions.put(&mut map);
    map
}

/// Writes the stage's entry into its lock file.
pub(crate) fn save(repo: &Repo, stage: &Stage) -> Result<()> {
    let Some(name) = &stage.name else { return Ok(()) };
    let path = stage.lock_path();
    let body = body_with(stage, versioned_line);
    let old = fsx::read_text(&path)?.unwrap_or_default();
    let text = if old.trim().is_empty() {
        let stages: Map = std::iter::once((Key::from(name.as_str()), body)).collect();
        let mut root = Map::new();
        root.insert("schema".into(), Value::from("2.0"));
        root.insert("stages".into(), Value::Map(stages));
        let root = Value::Map(root);
        emit_shared(&root, Shared::of_params(&root, 0))
    } else {
        let file = repo.show(&path);
        set_stage(&old, &file, name, &body)?
    };
    if text == old { Ok(()) } else { fsx::write_text(&path, &text) }
}

/// An error for a caller that asks for a stage that the lock file lacks.
pub(crate) fn no_entry(target: &str) -> Error {
    Error::NoSuchTarget { target: target.to_owned() }
}
