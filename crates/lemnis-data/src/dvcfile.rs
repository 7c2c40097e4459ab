//! `.dvc` files: one tracked file or directory each, written byte for byte as DVC does.
//!
//! A rewrite changes only what changed, so that comments and annotations stay.

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::hash::{HashName, Recorded};
use crate::repo::Repo;
use crate::stage::{self, At, Dep, HASH_KEYS, Out, OutKind, Stage, fields};
use crate::versions::{self, Versions};
use crate::yaml::{Key, Map, Node, Value, emit, parse, rewrite};
use crate::{Error, fsx};

mod checksum;

use checksum::stage_md5;

const TOP: [&str; 9] = ["md5", "wdir", "deps", "outs", "locked", "frozen", "meta", "always_changed", "desc"];
const OUT: [&str; 11] =
    ["path", "persist", "desc", "type", "labels", "meta", "cache", "remote", "push", "files", "fs_config"];
const DEP: [&str; 7] = ["path", "repo", "db", "dataset", "files", "fs_config", "desc"];

/// The stage that the `.dvc` file at `path` holds.
pub(crate) fn load(repo: &Repo, path: &Path) -> Result<Stage> {
    let file = repo.show(path);
    let text = repo.read_text(path)?.ok_or_else(|| Error::Missing { what: "file", path: file.clone() })?;
    read(repo, path, &text)
}

/// The stage that `text` describes, as if it were the `.dvc` file at `path`.
pub(crate) fn read(repo: &Repo, path: &Path, text: &str) -> Result<Stage> {
    let file = repo.show(path);
    let root = parse(text, &file)?;
    let mut stage = Stage {
        name: None,
        file: path.to_path_buf(),
        wdir: path.parent().unwrap_or(Path::new("/")).to_path_buf(),
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
    if root.is_null() {
        return Ok(stage);
    }
    for (key, value, _) in fields(&root, &file, "the file", &TOP)? {
        match key {
            "wdir" if !value.is_null() => {
                stage.wdir = fsx::normalize(&stage.wdir, Path::new(stage::text(value, &file, "'wdir'")?));
            }
            "frozen" | "locked" => stage.frozen |= stage::truth(value, &file, "'frozen'")?,
            "always_changed" => stage.always_changed = stage::truth(value, &file, "'always_changed'")?,
            "desc" => stage.desc = Some(stage::text(value, &file, "'desc'")?.to_owned()),
            _ => {}
        }
    }
    let listed = |key: &str| root.get(key).filter(|node| !node.is_null());
    let (outs, deps) = (listed("outs"), listed("deps"));
    for node in outs.map(|node| stage::list(node, &file, "'outs'")).transpose()?.unwrap_or_default() {
        let keys: Vec<&str> = OUT.into_iter().chain(HASH_KEYS).collect();
        for (key, value, _) in fields(node, &file, "an output", &keys)? {
            stage::annotation(key, value, &file)?;
        }
        let at = At { file: &file, line: node.line };
        let def_path = node.get("path").ok_or_else(|| at.error("an output has no 'path'"))?;
        let def_path = stage::text(def_path, &file, "'path'")?.to_owned();
        let flag =
            |key: &str, default| node.get(key).map_or(Ok(default), |value| stage::truth(value, &file, key));
        stage.outs.push(Out {
            path: stage::resolve(repo, &stage.wdir, &def_path, "output", &at)?,
            def_path,
            kind: OutKind::Out,
            cache: flag("cache", true)?,
            persist: flag("persist", false)?,
            remote: node
                .get("remote")
                .map(|value| stage::text(value, &file, "'remote'"))
                .transpose()?
                .map(str::to_owned),
            push: flag("push", true)?,
            drawing: Map::new(),
            recorded: stage::recorded(node, &file)?,
            versions: Versions::read(node, &file)?.map(Arc::new),
        });
    }
    for node in deps.map(|node| stage::list(node, &file, "'deps'")).transpose()?.unwrap_or_default() {
        let keys: Vec<&str> = DEP.into_iter().chain(HASH_KEYS).collect();
        fields(node, &file, "a dependency", &keys)?;
        let def_path = node.get("path").map(|value| stage::text(value, &file, "'path'")).transpose()?;
        let def_path = def_path.unwrap_or_default().to_owned();
        let path = fsx::normalize(&stage.wdir, Path::new(&def_path));
        let (from_repo, versioned) = (node.get("repo").is_some(), names_versions(node));
        let mut recorded = if from_repo || versioned { None } else { stage::recorded(node, &file)? };
        if let Some(recorded) = recorded.as_mut().filter(|_| is_outside(repo, &path, &def_path)) {
            recorded.name = HashName::Md5;
        }
        stage.deps.push(Dep { path, def_path, from_repo, versioned, recorded });
    }
    stage.import = stage.deps.len() == 1 && stage.outs.len() == 1;
    let outside = stage.deps.first().is_some_and(|dep| is_outside(repo, &dep.path, &dep.def_path));
    if let Value::Map(root) = root.to_value() {
        stage.cmd_changed = checksum::differs(&root, stage.import, outside);
    }
    Ok(stage)
}

/// Whether a dependency lies elsewhere, where nothing was ever hashed as DVC 2.x did.
fn is_outside(repo: &Repo, path: &Path, def_path: &str) -> bool {
    def_path.starts_with('/') || def_path.contains("://") || !path.starts_with(repo.root())
}

/// Whether a dependency was recorded with versions that its store is to be asked for.
fn names_versions(node: &Node) -> bool {
    let is_set = |key: &str| node.get(key).is_some_and(|value| !value.is_null());
    let aware = node.get("fs_config").and_then(|options| options.get("version_aware"));
    let refused = aware.map(|value| value.to_value()).is_some_and(|value| match value {
        Value::Bool(set) => !set,
        value => value.as_str().is_some_and(|text| crate::config::truth(text) == Some(false)),
    });
    (is_set("version_id") || is_set("files")) && !refused
}

/// Writes what a `.dvc` file records about the output `def_path`; the entry of a file that is there keeps
/// everything else it holds.
pub(crate) fn save(path: &Path, def_path: &str, recorded: &Recorded) -> Result<()> {
    match render(path, def_path, recorded)? {
        Some(text) => fsx::write_text(path, &text),
        None => Ok(()),
    }
}

/// The text that [`save`] writes; `None` when the file holds it already.
pub(crate) fn render(path: &Path, def_path: &str, recorded: &Recorded) -> Result<Option<String>> {
    let old = fsx::read_text(path)?;
    let Some(old) = old.filter(|text| !text.trim().is_empty()) else {
        let entry = entry(Map::new(), def_path, recorded);
        let root: Map = std::iter::once((Key::from("outs"), Value::Seq(vec![Value::Map(entry)]))).collect();
        return Ok(Some(emit(&Value::Map(root))));
    };
    let text = updated(path, &old, def_path, recorded)?;
    Ok((text != old).then_some(text))
}

/// The text `old` of the `.dvc` file at `path`, recording `recorded` of the output `def_path`; all else stays, other
/// outputs as well.
pub(crate) fn updated(path: &Path, old: &str, def_path: &str, recorded: &Recorded) -> Result<String> {
    let Value::Map(mut root) = parse(old, &path.display().to_string())?.to_value() else {
        return Err(Error::invalid(format!("{} is not a mapping", path.display())));
    };
    let mut outs = root.get("outs").and_then(Value::as_seq).map(<[Value]>::to_vec).unwrap_or_default();
    let named = |out: &Value| out.get("path").and_then(Value::as_str) == Some(def_path);
    // the only output may have got another name
    let place = outs.iter().position(named).or((outs.len() == 1).then_some(0));
    let kept = place.and_then(|at| outs[at].as_map()).cloned().unwrap_or_default();
    let entry = Value::Map(entry(kept, def_path, recorded));
    match place {
        Some(at) => outs[at] = entry,
        None => outs.push(entry),
    }
    root.insert(Key::from("outs"), Value::Seq(outs));
    Ok(rewrite(old, &Value::Map(root)))
}

/// The text of `new` with what `old` records, the output `old_path` under the name `new_path`. A file that changes
/// its own place is written afresh, with its annotations and without its comments, as DVC does.
pub(crate) fn moved(old: &Path, new: &Path, old_path: &str, new_path: &str) -> Result<String> {
    let text = fsx::read_text(old)?.unwrap_or_default();
    let Value::Map(mut root) = parse(&text, &old.display().to_string())?.to_value() else {
        return Err(Error::invalid(format!("{} is not a mapping", old.display())));
    };
    let (from, to) = (old.parent().unwrap_or(Path::new("/")), new.parent().unwrap_or(Path::new("/")));
    let wdir = root.get("wdir").and_then(Value::as_str).unwrap_or(".").to_owned();
    if old != new {
        root.shift_remove("wdir");
    }
    for (key, entries) in &mut root {
        let Value::Seq(entries) = entries else { continue };
        for entry in entries {
            let Value::Map(map) = entry else { continue };
            let Some(path) = map.get("path").and_then(Value::as_str).map(str::to_owned) else { continue };
            let local = !path.starts_with('/') && !path.contains("://") && !map.contains_key("repo");
            if key.text == "outs" && path == old_path {
                map.insert("path".into(), Value::from(new_path));
            } else if key.text == "deps" && local && old != new {
                let whole = fsx::normalize(&fsx::normalize(from, Path::new(&wdir)), Path::new(&path));
                map.insert("path".into(), Value::from(fsx::relative(&whole, to)));
            }
            if old != new {
                *map = in_order(std::mem::take(map), &ENTRY_ORDER);
            }
        }
    }
    if root.contains_key("md5") {
        root.insert("md5".into(), Value::from(stage_md5(&root)));
    }
    if old == new {
        return Ok(rewrite(&text, &Value::Map(root)));
    }
    Ok(emit(&Value::Map(in_order(root, &TOP_ORDER))))
}

const TOP_ORDER: [&str; 9] =
    ["desc", "md5", "cmd", "wdir", "frozen", "deps", "outs", "always_changed", "meta"];
const ENTRY_ORDER: [&str; 22] = [
    "md5",
    "etag",
    "checksum",
    "size",
    "nfiles",
    "isexec",
    "version_id",
    "cloud",
    "hash",
    "path",
    "fs_config",
    "repo",
    "desc",
    "type",
    "labels",
    "meta",
    "cache",
    "metric",
    "plot",
    "persist",
    "remote",
    "push",
];

/// The same entries, those in `order` first.
fn in_order(mut map: Map, order: &[&str]) -> Map {
    let mut out = Map::new();
    for key in order {
        if let Some(value) = map.shift_remove(*key) {
            out.insert(Key::from(*key), value);
        }
    }
    out.extend(map);
    out
}

fn entry(mut kept: Map, def_path: &str, recorded: &Recorded) -> Map {
    let mut entry = Map::new();
    stage::put_meta(recorded, &mut entry);
    if recorded.name == HashName::Md5 {
        entry.insert("hash".into(), Value::from("md5"));
    }
    entry.insert("path".into(), Value::from(def_path));
    if recorded.is_dir()
        && versions::tree_of_value(kept.get("files")).as_deref() == Some(recorded.md5.as_str())
    {
        return kept;
    }
    // What a versioned remote calls the content holds as long as the content does.
    let same = kept.get("md5").and_then(Value::as_str) == Some(recorded.md5.as_str());
    for key in HASH_KEYS.iter().chain(&["path", "files"]) {
        if !(same && matches!(*key, "etag" | "checksum" | "version_id" | "cloud")) {
            kept.shift_remove(*key);
        }
    }
    entry.extend(kept);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_on_a_remote_is_kept_with_the_content_it_names() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("f.dvc");
        let md5 = crate::hash::md5_bytes(b"1");
        let text = format!(
            "outs:\n- md5: {md5}\n  size: 1\n  hash: md5\n  path: f\n  cloud:\n    r:\n      version_id: v\n"
        );
        std::fs::write(&path, &text).expect("writes");
        let mut recorded = Recorded { name: HashName::Md5, md5, size: Some(1), nfiles: None, isexec: false };
        save(&path, "f", &recorded).expect("saves");
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), text);
        recorded.md5 = crate::hash::md5_bytes(b"2");
        save(&path, "f", &recorded).expect("saves");
        assert!(!std::fs::read_to_string(&path).expect("reads").contains("cloud"));
    }

    #[test]
    fn a_moved_file_keeps_annotations_and_follows_its_dependencies() {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir(dir.path().join("sub")).expect("dir");
        let (old, new) = (dir.path().join("a.dvc"), dir.path().join("sub/b.dvc"));
        let text =
            "# mine\ndeps:\n- path: src\nouts:\n- path: a # here\n  md5: x\n  desc: text\nmeta: {k: 1}\n";
        std::fs::write(&old, text).expect("writes");
        fsx::write_text(&new, &moved(&old, &new, "a", "b").expect("moves")).expect("saves");
        let text = std::fs::read_to_string(&new).expect("reads");
        assert_eq!(text, "deps:\n- path: ../src\nouts:\n- md5: x\n  path: b\n  desc: text\nmeta:\n  k: 1\n");
    }
}
