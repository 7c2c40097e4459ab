//! Why a stage must be brought up to date, in words.

use super::plan::Graph;
use crate::error::Result;
use crate::index::Index;
use crate::params;
use crate::remote::OpenStore;
use crate::stage::Stage;
use crate::status::{DepChange, deps, output};
use crate::workspace::Workspace;
use crate::yaml::{Map, Value, emit};

/// The longest value that a reason spells out.
const MAX_VALUE: usize = 40;

/// All reasons; none when the stage is up to date. With `allow_missing` what is merely not there is none.
pub(super) fn reasons(
    workspace: &mut Workspace<'_>,
    index: &Index,
    graph: &Graph,
    at: usize,
    allow_missing: bool,
    stores: Option<&dyn OpenStore>,
) -> Result<Vec<String>> {
    let stage = &index.stages[at];
    let mut out = Vec::new();
    if stage.cmd_changed {
        let what = if stage.cmd.is_some() { "command" } else { "checksum" };
        out.push(format!("its {what} changed"));
    }
    if !stage.frozen {
        if stage.is_callback() {
            out.push("it has neither dependencies nor outputs, so it always runs".into());
        } else if stage.always_changed {
            out.push("it always runs".into());
        }
        for (path, change) in deps(workspace, stage, stores)? {
            match change {
                DepChange::Path(what) if allow_missing && what == "deleted" => {
                    if remade(workspace, index, graph, at, &path) {
                        out.push(format!("{path} is modified"));
                    }
                }
                DepChange::Path(what) => out.push(format!("{path} is {what}")),
                DepChange::Params(keys) => {
                    for (key, what) in keys {
                        let values = values(workspace, stage, &path, &key);
                        out.push(format!("{key} in {path} is {what}{values}"));
                    }
                }
            }
        }
    }
    for entry in &stage.outs {
        if let Some(what) = output(workspace, entry)? {
            if allow_missing && matches!(what, "not in cache" | "deleted") {
                continue;
            }
            out.push(format!("{} is {what}", workspace.repo.show(&entry.path)));
        }
    }
    Ok(out)
}

/// Whether a missing dependency is recorded differently by the stage that makes it.
fn remade(workspace: &Workspace<'_>, index: &Index, graph: &Graph, at: usize, shown: &str) -> bool {
    let mine = index.stages[at].deps.iter().find(|dep| workspace.repo.show(&dep.path) == shown);
    let Some(dep) = mine else { return false };
    let outs = graph.up[at].iter().flat_map(|up| &index.stages[*up].outs);
    let theirs = outs.into_iter().find(|out| out.path == dep.path);
    theirs.is_some_and(|out| {
        let md5 = |recorded: &Option<crate::hash::Recorded>| recorded.as_ref().map(|r| r.md5.clone());
        md5(&out.recorded) != md5(&dep.recorded)
    })
}

/// ` (0.1, now 0.2)` for a changed parameter whose values are short.
fn values(workspace: &Workspace<'_>, stage: &Stage, path: &str, key: &str) -> String {
    let Some(dep) = stage.params.iter().find(|dep| workspace.repo.show(&dep.path) == path) else {
        return String::new();
    };
    let then = dep.recorded.as_ref().and_then(|map| spelled(map, key));
    let now = params::read(workspace.repo, &dep.path).ok().flatten();
    let now = now.and_then(|map| spelled(&params::pick(&map, &[key.to_owned()]), key));
    match (then, now) {
        (Some(then), Some(now)) => format!(" ({then}, now {now})"),
        (Some(then), None) => format!(" (it was {then})"),
        (None, Some(now)) => format!(" ({now})"),
        (None, None) => String::new(),
    }
}

fn spelled(map: &Map, key: &str) -> Option<String> {
    let value = map.get(key)?;
    let text = match value {
        Value::Seq(_) | Value::Map(_) => value.to_json().to_string(),
        other => emit(other).trim_end().to_owned(),
    };
    let text = if text.is_empty() { "null".to_owned() } else { text };
    (text.chars().count() <= MAX_VALUE && !text.contains('\n')).then_some(text)
}
