//! The run-cache: what a command made from these inputs before, so that it need not run again.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::cache::prepare;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::sha256_bytes;
use crate::lockfile::{self, LockEntry};
use crate::pyjson::dumps;
use crate::stage::{OutKind, Stage};
use crate::workspace::Workspace;
use crate::yaml::{Map, Shared, Value, emit_shared, parse};

/// Whether results of this stage can be reused at all.
pub(crate) fn applies(stage: &Stage) -> bool {
    let inputs = stage.deps.len() + stage.params.len();
    let outs = &stage.outs;
    stage.cmd.is_some()
        && inputs > 0
        // as in DVC: nothing tells when what lies elsewhere was read
        && stage.external.is_empty()
        && !outs.is_empty()
        && !stage.always_changed
        && outs.iter().all(|out| !out.persist)
}

/// Whether results of a run are kept: outputs without a cache are not, metrics and plots excepted.
pub(crate) fn keeps_runs(stage: &Stage) -> bool {
    applies(stage) && stage.outs.iter().all(|out| out.cache || out.kind != OutKind::Out)
}

/// Keeps the result of a stage whose dependencies and outputs are recorded, outputs without a cache as well.
pub(crate) fn save(workspace: &mut Workspace<'_>, stage: &Stage) -> Result<()> {
    if !applies(stage) {
        return Ok(());
    }
    for out in stage.outs.iter().filter(|out| !out.cache) {
        workspace.take_in(&out.path, out.recorded.as_ref(), true, false)?;
    }
    let body = lockfile::body(stage);
    let path = dir_of(workspace, &body).join(value_of(&body));
    if path.exists() {
        return Ok(());
    }
    let Some(dir) = path.parent() else { return Ok(()) };
    workspace.cache.make_dirs(dir)?;
    let io = |error| Error::io("write", &path)(error);
    // what a killed process leaves there goes with the next operation
    let holder = prepare(workspace.cache.scratch(), "objects-")?;
    let temp = holder.path().join("entry");
    let mut file = fsx::create_new(&temp).map_err(io)?;
    file.write_all(emit_shared(&body, Shared::of_params(&body, 0)).as_bytes()).map_err(io)?;
    file.sync_all().map_err(io)?;
    fsx::rename(&temp, &path)
}

/// What the command made last time from the same inputs, when all of it is still in the cache.
pub(crate) fn find(workspace: &Workspace<'_>, stage: &Stage) -> Result<Option<LockEntry>> {
    let Some(entry) = newest(workspace, stage)? else { return Ok(None) };
    Ok(complete(workspace, stage, &entry)?.then_some(entry))
}

/// What the command made last time from the same inputs, whether or not it is in the cache.
pub(crate) fn newest(workspace: &Workspace<'_>, stage: &Stage) -> Result<Option<LockEntry>> {
    if !applies(stage) {
        return Ok(None);
    }
    let body = lockfile::body(stage);
    let dir = dir_of(workspace, &body);
    let Ok(entries) = fs::read_dir(&dir) else { return Ok(None) };
    let mut files: Vec<(i128, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if let Ok(meta) = entry.metadata().map(|meta| (!hidden).then_some(meta)) {
            files.extend(
                meta.map(|m| {
                    (i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec()), entry.path())
                }),
            );
        }
    }
    let Some((_, path)) = files.into_iter().max() else { return Ok(None) };
    let file = path.display().to_string();
    let Some(text) = fsx::read_text(&path)? else { return Ok(None) };
    let node = match parse(&text, &file) {
        Ok(node) => node,
        Err(_) => {
            fsx::remove(&path)?;
            return Ok(None);
        }
    };
    let Ok(entry) = lockfile::entry(&node, &file, "run-cache") else {
        fsx::remove(&path)?;
        return Ok(None);
    };
    Ok(same_inputs(&body, &node.to_value()).then_some(entry))
}

/// The key ignores members called `size` and `nfiles`, parameters among them: so inputs are compared.
fn same_inputs(ours: &Value, theirs: &Value) -> bool {
    ["cmd", "deps", "params"].into_iter().all(|key| match (ours.get(key), theirs.get(key)) {
        (Some(a), Some(b)) => a.same(b),
        (None, None) => true,
        _ => false,
    })
}

/// Whether the cache holds everything that the entry says the stage made.
pub(crate) fn complete(workspace: &Workspace<'_>, stage: &Stage, entry: &LockEntry) -> Result<bool> {
    for out in &stage.outs {
        let Some(Some(recorded)) = entry.outs.get(&out.def_path) else { return Ok(false) };
        if workspace.cache.missing(recorded)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn dir_of(workspace: &Workspace<'_>, body: &Value) -> PathBuf {
    let key = key_of(body);
    workspace.cache.runs_dir().join(&key[..2]).join(&key)
}

fn key_of(body: &Value) -> String {
    let mut map = body.as_map().cloned().unwrap_or_default();
    let outs = map.get("outs").and_then(Value::as_seq).unwrap_or_default();
    let paths = outs.iter().filter_map(|out| out.get("path")).cloned().collect();
    map.insert("outs".into(), Value::Seq(paths));
    sha256_bytes(dumps(&filtered(&Value::Map(map))).as_bytes())
}

fn value_of(body: &Value) -> String {
    sha256_bytes(dumps(&filtered(body)).as_bytes())
}

fn filtered(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let kept =
                map.iter().filter(|(key, _)| key.typed || !matches!(key.text.as_str(), "size" | "nfiles"));
            Value::Map(kept.map(|(key, item)| (key.clone(), filtered(item))).collect::<Map>())
        }
        Value::Seq(items) => Value::Seq(items.iter().map(filtered).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_named_as_dvc_names_them() {
        let text = include_str!("../tests/vectors/run_cache.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(text).expect("vectors");
        for case in cases {
            let yaml = case["yaml"].as_str().expect("yaml");
            let body = parse(yaml, "").expect("reads").to_value();
            assert_eq!(key_of(&body), case["key"].as_str().expect("key"));
            assert_eq!(value_of(&body), case["value"].as_str().expect("value"));
            assert_eq!(emit_shared(&body, Shared::of_params(&body, 0)), yaml);
        }
    }
}
