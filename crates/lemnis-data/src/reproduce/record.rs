//! Records what a stage read and made: outputs into the cache, then the run-cache, last of all `dvc.lock`.

use std::path::Path;

use super::Reproduce;
use crate::error::{Error, Result};
use crate::imports::external;
use crate::remote::OpenStore;
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{fsx, git, lockfile, params, runcache};

/// Stores the outputs and writes the entry in `dvc.lock`. `inputs_known` says that dependencies were
/// recorded before the command ran; `lines` collects what is new in `.gitignore`.
pub(super) fn record(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    how: &Reproduce,
    inputs_known: bool,
    stores: Option<&dyn OpenStore>,
    lines: &mut git::Added,
) -> Result<()> {
    record_outputs(workspace, stage, how, lines)?;
    if !inputs_known {
        record_inputs(workspace, stage, how.allow_missing, stores)?;
    }
    if !how.no_commit && runcache::keeps_runs(stage) {
        runcache::save(workspace, stage)?;
    }
    lockfile::save(workspace.repo, stage)?;
    stage.cmd_changed = false;
    Ok(())
}

/// Records dependencies and parameters as they are before the command runs: what changes while it runs
/// makes the stage stale again. With `allow_missing` what is not there stays as it was recorded, and without `stores`
/// what lies in a store.
pub(crate) fn record_inputs(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    allow_missing: bool,
    stores: Option<&dyn OpenStore>,
) -> Result<()> {
    let address = stage.address(workspace.repo);
    for dep in &mut stage.deps {
        match workspace.take_in(&dep.path, dep.recorded.as_ref(), false, false)? {
            Some(recorded) => dep.recorded = Some(recorded),
            None if allow_missing => {}
            None => {
                let path = workspace.repo.show(&dep.path);
                return Err(Error::StageLacks { stage: address, what: "dependency", path });
            }
        }
    }
    if let Some(stores) = stores {
        for one in &mut stage.external {
            match external::look_at(workspace, &stage.wdir, one, stores)? {
                Some(content) => one.recorded = Some(content),
                None if allow_missing => {}
                None => {
                    let path = one.url.clone();
                    return Err(Error::StageLacks { stage: address, what: "dependency", path });
                }
            }
        }
    }
    for dep in &mut stage.params {
        if allow_missing && fsx::metadata(&dep.path)?.is_none() {
            continue;
        }
        dep.recorded = Some(params::values(workspace.repo, dep).map_err(|error| error.of(&address))?);
    }
    Ok(())
}

fn record_outputs(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    how: &Reproduce,
    lines: &mut git::Added,
) -> Result<()> {
    let repo = workspace.repo;
    let address = stage.address(repo);
    let missing = |path: &Path| Error::Missing { what: "output", path: repo.show(path) }.of(&address);
    for out in &stage.outs {
        if fsx::metadata(&out.path)?.is_none() && !how.allow_missing {
            return Err(missing(&out.path));
        }
    }
    for out in &mut stage.outs {
        if fsx::metadata(&out.path)?.is_none() {
            continue;
        }
        if let Some(git_root) = repo.git_root().filter(|_| out.cache) {
            git::ignore(git_root, &out.path, lines)?;
        }
        let cached = out.cache && !how.no_commit;
        let recorded = workspace.take_in(&out.path, out.recorded.as_ref(), cached, true)?;
        out.recorded = Some(recorded.ok_or_else(|| missing(&out.path))?);
    }
    Ok(())
}
