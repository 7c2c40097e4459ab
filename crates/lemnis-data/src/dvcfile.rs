//! `.dvc` files: one tracked file or directory each, written byte for byte as DVC does.
//!
//! A rewrite changes only what changed, so that comments and annotations stay.

use std::path::Path;

use crate::error::Result;
use crate::hash::{HashName, Recorded};
use crate::repo::Repo;
use crate::stage::{self, At, Dep, HASH_KEYS, Out, OutKind, Stage, fields};
use crate::yaml::{Key, Map, Value, emit, parse, rewrite};
use crate::{Error, fsx};

const TOP: [&str; 9] = ["md5", "wdir", "deps", "outs", "locked", "frozen", "meta", "always_changed", "desc"];
const OUT: [&str; 11] =
    ["path", "persist", "desc", "type", "labels", "meta", "cache", "remote", "push", "files", "fs_config"];
const DEP: [&str; 7] = ["path", "repo", "db", "dataset", "files", "fs_config", "desc"];

/// The stage that the `.dvc` file at `path` holds.
pub(crate) fn load(repo: &Repo, path: &Path) -> Result<Stage> {
    let file = repo.show(path);
    let text = repo.read_text(path)?.ok_or_else(|| Error::Missing { what: "file", path: file.clone() })?;
    let root = parse(&text, &file)?;
    let mut stage = Stage {
        name: None,
        file: path.to_path_buf(),
        wdir: path.parent().unwrap_or(Path::new("/")).to_path_buf(),
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
    let (outs, deps) = (root.get("outs"), root.get("deps"));
    for node in outs.map(|node| stage::list(node, &file, "'outs'")).transpose()?.unwrap_or_default() {
        let keys: Vec<&str> = OUT.into_iter().chain(HASH_KEYS).collect();
        fields(node, &file, "an output", &keys)?;
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
            recorded: stage::recorded(node, &file)?,
        });
    }
    for node in deps.map(|node| stage::list(node, &file, "'deps'")).transpose()?.unwrap_or_default() {
        let keys: Vec<&str> = DEP.into_iter().chain(HASH_KEYS).collect();
        fields(node, &file, "a dependency", &keys)?;
        stage.import = true;
        let def_path = node.get("path").map(|value| stage::text(value, &file, "'path'")).transpose()?;
        let def_path = def_path.unwrap_or_default().to_owned();
        stage.deps.push(Dep {
            path: fsx::normalize(&stage.wdir, Path::new(&def_path)),
            def_path,
            recorded: None,
        });
    }
    Ok(stage)
}

/// Writes what a one-output `.dvc` file records about its output; the entry of a file that is there keeps
/// everything else it holds.
pub(crate) fn save(path: &Path, def_path: &str, recorded: &Recorded) -> Result<()> {
    let old = fsx::read_text(path)?;
    let Some(old) = old.filter(|text| !text.trim().is_empty()) else {
        let entry = entry(Map::new(), def_path, recorded);
        let root: Map = std::iter::once((Key::from("outs"), Value::Seq(vec![Value::Map(entry)]))).collect();
        return fsx::write_text(path, &emit(&Value::Map(root)));
    };
    let Value::Map(mut root) = parse(&old, &path.display().to_string())?.to_value() else {
        return Err(Error::invalid(format!("{} is not a mapping", path.display())));
    };
    let kept = root.get("outs").and_then(Value::as_seq).and_then(|outs| outs.first()).and_then(Value::as_map);
    let entry = entry(kept.cloned().unwrap_or_default(), def_path, recorded);
    root.insert(Key::from("outs"), Value::Seq(vec![Value::Map(entry)]));
    let text = rewrite(&old, &Value::Map(root));
    if text == old { Ok(()) } else { fsx::write_text(path, &text) }
}

fn entry(mut kept: Map, def_path: &str, recorded: &Recorded) -> Map {
    let mut entry = Map::new();
    stage::put_meta(recorded, &mut entry);
    if recorded.name == HashName::Md5 {
        entry.insert("hash".into(), Value::from("md5"));
    }
    entry.insert("path".into(), Value::from(def_path));
    for key in HASH_KEYS.iter().chain(&["path", "files"]) {
        kept.shift_remove(*key);
    }
    entry.extend(kept);
    entry
}
