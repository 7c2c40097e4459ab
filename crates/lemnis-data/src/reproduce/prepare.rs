//! What happens to a stage before its command runs, and instead of it.

use std::sync::Arc;

use super::fetch::fetch;
use super::record::{record, record_inputs};
use super::task::{Task, log_path};
use super::{Observer, Outcome, Reproduce};
use crate::cache::Cache;
use crate::collect::{Wanted, want};
use crate::error::{Error, Result};
use crate::imports::{self, Bring};
use crate::index::Index;
use crate::lockfile::LockEntry;
use crate::output::unprotect;
use crate::repo::Repo;
use crate::restore::Restored;
use crate::run::{Job, StageGuard};
use crate::rwlock::PathLocks;
use crate::stage::{Cmd, Out, Stage};
use crate::status::deps;
use crate::workspace::Workspace;
use crate::{dvcfile, fsx, git, runcache};

/// What is left to do.
pub(super) enum Begun {
    /// Nothing.
    Done(Outcome),
    /// To run the command, its paths kept from others until it is recorded.
    Run(Box<Task>, PathLocks),
}

/// Everything that a stage's start depends on.
pub(super) struct Start<'a> {
    pub(super) how: &'a Reproduce,
    pub(super) address: &'a str,
    pub(super) why: &'a str,
    pub(super) force: bool,
}

/// Tells what would happen to a stale stage.
pub(super) fn plan(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    start: &Start<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let Some(cmd) = stage.cmd.as_ref().filter(|_| !stage.frozen) else { return Ok(Outcome::Planned) };
    // Inputs that a stage before it would make cannot be looked up.
    let mut copy = stage.clone();
    let cached = !start.force
        && (locked_entry(workspace, stage)?.is_some()
            || (!start.how.no_run_cache
                && runcache::applies(stage)
                && record_inputs(workspace, &mut copy, false, None).is_ok()
                && runcache::find(workspace, &copy)?.is_some()));
    observer.stage_would_run(start.address, start.why, cached, &cmd.scripts());
    Ok(Outcome::Planned)
}

/// Deals with a stale stage up to the point where its command must run.
pub(super) fn begin(
    workspace: &mut Workspace<'_>,
    index: &mut Index,
    at: usize,
    start: &Start<'_>,
    observer: &dyn Observer,
    guard: &mut Option<Arc<StageGuard>>,
    lines: &mut git::Added,
) -> Result<Begun> {
    let how = start.how;
    let mut stage = index.stages[at].clone();
    if stage.cmd.is_none() {
        let outcome = match stage.import {
            true => import(workspace, &mut stage, start, observer, lines)?,
            false => data_source(workspace, &mut stage, how)?,
        };
        index.stages[at] = stage;
        return Ok(Begun::Done(outcome));
    }
    if stage.frozen {
        record(workspace, &mut stage, how, false, observer.stores(), lines)?;
        index.stages[at] = stage;
        return Ok(Begun::Done(Outcome::Frozen));
    }
    if guard.is_none() {
        *guard = Some(Arc::new(StageGuard::take(workspace.repo)?));
    }
    let paths = PathLocks::take(workspace.repo, &stage)?;
    refuse_tracked(workspace.repo, &stage)?;
    if how.pull && !start.force {
        pull_inputs(workspace, index, &stage, observer)?;
    }
    let locked = if start.force || how.anew { None } else { locked_entry(workspace, &stage)? };
    // as in DVC a command that is not forced starts with all of its inputs, or not at all
    let lenient = how.allow_missing && (start.force || locked.is_some());
    if let Err(error) = record_inputs(workspace, &mut stage, lenient, observer.stores()) {
        // As in DVC the outputs of a stage that cannot run are gone: they would look like its result.
        remove_outs(&stage, workspace.repo.config().shared)?;
        return Err(error);
    }
    let entry = match locked {
        Some(entry) => Some(entry),
        None if start.force || how.no_run_cache => None,
        None => found(workspace, &stage, how, observer)?,
    };
    if let Some(entry) = entry {
        restore(workspace, &stage, &entry)?;
        record(workspace, &mut stage, how, true, None, lines)?;
        index.stages[at] = stage;
        return Ok(Begun::Done(Outcome::Restored));
    }
    remove_outs(&stage, workspace.repo.config().shared)?;
    let repo = workspace.repo;
    if !stage.wdir.is_dir() {
        return Err(Error::Missing { what: "working directory", path: repo.show(&stage.wdir) });
    }
    let scripts = stage.cmd.as_ref().map_or_else(Vec::new, Cmd::scripts);
    let scripts = scripts.into_iter().map(str::to_owned).collect();
    let Some(guard) = guard.clone() else { return Err(Error::invalid("no right to run stages")) };
    let job = Job {
        root: repo.root().to_path_buf(),
        stage: start.address.to_owned(),
        dir: stage.wdir.clone(),
        shell: repo.environment().shell().to_owned(),
        cancel: how.cancel.clone(),
        guard,
    };
    index.stages[at] = stage;
    let log = log_path(repo, start.address);
    Ok(Begun::Run(Box::new(Task { at, scripts, env: how.env.clone(), job, log }), paths))
}

/// Fetches what a stage made from the remote when nothing but that is missing; `false` when it is not there.
pub(super) fn pull_outputs(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    observer: &dyn Observer,
) -> Result<bool> {
    let outs = stage.outs.iter().filter(|out| out.cache);
    let wanted: Vec<Wanted> = outs.filter_map(|out| want(workspace.repo, stage, out, None)).collect();
    fetch(workspace, &wanted, observer)?;
    let cache = Cache::new(workspace.repo.config(), workspace.repo.scratch_dir());
    for out in &stage.outs {
        let Some(recorded) = &out.recorded else { return Ok(false) };
        let there = match out.cache {
            true => workspace.cache.missing(recorded)? == 0,
            false => fsx::metadata(&out.path)?.is_some(),
        };
        if !there {
            return Ok(false);
        }
    }
    for out in stage.outs.iter().filter(|out| out.cache) {
        if let Some(recorded) = &out.recorded {
            workspace.restore(&out.path, recorded, false, &cache)?;
        }
    }
    Ok(true)
}

/// Brings missing dependencies from cache or remote.
fn pull_inputs(
    workspace: &mut Workspace<'_>,
    index: &Index,
    stage: &Stage,
    observer: &dyn Observer,
) -> Result<()> {
    let cache = Cache::new(workspace.repo.config(), workspace.repo.scratch_dir());
    for dep in &stage.deps {
        if fsx::metadata(&dep.path)?.is_some() {
            continue;
        }
        let mut outs = index.stages.iter().flat_map(|stage| stage.outs.iter().map(move |out| (stage, out)));
        let owner = outs.find(|(_, out)| out.cache && dep.path.starts_with(&out.path));
        let wanted = owner.and_then(|(stage, out)| want(workspace.repo, stage, out, None));
        let Some(wanted) = wanted else { continue };
        fetch(workspace, std::slice::from_ref(&wanted), observer)?;
        let Wanted { path, recorded, .. } = wanted;
        if workspace.cache.missing(&recorded)? == 0 {
            workspace.restore(&path, &recorded, false, &cache)?;
        }
    }
    Ok(())
}

/// An import that differs: it is brought again, unless it is frozen: then it is recorded as it is.
fn import(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    start: &Start<'_>,
    observer: &dyn Observer,
    lines: &mut git::Added,
) -> Result<Outcome> {
    let (repo, no_commit) = (workspace.repo, start.how.no_commit);
    let noted = stage.outs.iter().all(|out| out.recorded.is_none());
    let outcome = if !stage.frozen || noted {
        let how = Bring { force: start.force, no_commit };
        match imports::sync(workspace, stage, how, observer.stores())? {
            true => Outcome::Imported,
            false => Outcome::Restored,
        }
    } else {
        for out in &mut stage.outs {
            let missing = Error::Missing { what: "data", path: repo.show(&out.path) };
            let cached = out.cache && !no_commit;
            let recorded = workspace.take_in(&out.path, out.recorded.as_ref(), cached, true)?;
            out.recorded = Some(recorded.ok_or(missing)?);
        }
        imports::record(workspace, stage, observer.stores())?;
        Outcome::Committed
    };
    for out in &stage.outs {
        if let Some(git_root) = repo.git_root().filter(|_| out.cache) {
            git::ignore(git_root, &out.path, lines)?;
        }
    }
    Ok(outcome)
}

/// A `.dvc` file whose data differs: what the workspace holds is recorded. As in DVC data that is gone is an error, for
/// only the user knows whether it is to come back.
fn data_source(workspace: &mut Workspace<'_>, stage: &mut Stage, how: &Reproduce) -> Result<Outcome> {
    let repo = workspace.repo;
    for out in &stage.outs {
        if fsx::metadata(&out.path)?.is_none() {
            return Err(Error::Missing { what: "data", path: repo.show(&out.path) }.of(&stage.address(repo)));
        }
    }
    let file = stage.file.clone();
    for out in &mut stage.outs {
        let cached = out.cache && !how.no_commit;
        let recorded = workspace.take_in(&out.path, out.recorded.as_ref(), cached, true)?;
        let Some(recorded) = recorded else { continue };
        dvcfile::save(&file, &out.def_path, &recorded)?;
        out.recorded = Some(recorded);
    }
    Ok(Outcome::Committed)
}

/// The stage's own entry in `dvc.lock`, when only its outputs are missing or changed.
fn locked_entry(workspace: &mut Workspace<'_>, stage: &Stage) -> Result<Option<LockEntry>> {
    let known = stage.outs.iter().all(|out| out.recorded.is_some());
    if stage.cmd_changed || !known || !runcache::applies(stage) || !deps(workspace, stage, None)?.is_empty() {
        return Ok(None);
    }
    let entry = LockEntry {
        cmd: stage.cmd.as_ref().map_or(crate::yaml::Value::Null, Cmd::to_value),
        deps: stage.deps.iter().map(|dep| (dep.def_path.clone(), dep.recorded.clone())).collect(),
        external: Default::default(),
        params: Default::default(),
        outs: stage.outs.iter().map(|out| (out.def_path.clone(), out.recorded.clone())).collect(),
        versions: Default::default(),
    };
    Ok(runcache::complete(workspace, stage, &entry)?.then_some(entry))
}

/// What the command made earlier from the same inputs, its objects fetched when they may be.
fn found(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    how: &Reproduce,
    observer: &dyn Observer,
) -> Result<Option<LockEntry>> {
    if !how.pull {
        return runcache::find(workspace, stage);
    }
    let Some(entry) = runcache::newest(workspace, stage)? else { return Ok(None) };
    let made = stage.outs.iter().filter_map(|out| {
        let recorded = entry.outs.get(&out.def_path).cloned().flatten()?;
        want(workspace.repo, stage, &Out { recorded: Some(recorded), ..out.clone() }, None)
    });
    let wanted: Vec<Wanted> = made.collect();
    fetch(workspace, &wanted, observer)?;
    Ok(runcache::complete(workspace, stage, &entry)?.then_some(entry))
}

fn restore(workspace: &mut Workspace<'_>, stage: &Stage, entry: &LockEntry) -> Result<()> {
    let normal = Cache::new(workspace.repo.config(), workspace.repo.scratch_dir());
    let copying = normal.copying();
    for out in &stage.outs {
        let Some(Some(recorded)) = entry.outs.get(&out.def_path) else { continue };
        let cache = if out.cache { &normal } else { &copying };
        let _: Restored = workspace.restore(&out.path, recorded, true, cache)?;
    }
    Ok(())
}

fn remove_outs(stage: &Stage, shared: bool) -> Result<()> {
    for out in &stage.outs {
        if out.persist {
            unprotect(&out.path, shared)?;
        } else {
            fsx::remove(&out.path)?;
        }
    }
    Ok(())
}

fn refuse_tracked(repo: &Repo, stage: &Stage) -> Result<()> {
    let Some(git_root) = repo.git_root() else { return Ok(()) };
    for out in stage.outs.iter().filter(|out| out.cache) {
        if git::is_tracked(git_root, &out.path)? {
            return Err(Error::TrackedByGit { path: repo.in_repo(&out.path) });
        }
    }
    Ok(())
}
