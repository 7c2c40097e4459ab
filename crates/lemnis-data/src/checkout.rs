//! Brings outputs back from the cache.
//!
//! Everything is judged before anything is touched: with unsaved content in the way, nothing changes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, Recorded};
use crate::index::Index;
use crate::repo::Repo;
use crate::restore::Plan;
use crate::select::Reach;
use crate::workspace::Workspace;

/// How to check out.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckoutOptions {
    /// Overwrite content that is in no cache.
    pub force: bool,
    /// Make links and copies anew where they are not as configured.
    pub relink: bool,
    /// What the targets depend on as well.
    pub with_deps: bool,
    /// Targets that are directories mean everything that is defined below them.
    pub recursive: bool,
    /// Outputs whose objects are not in the cache are no failure.
    pub allow_missing: bool,
    /// Outputs that were never recorded are no failure.
    pub allow_unrecorded: bool,
}

/// What a checkout changed. Paths are relative to where the repository was opened, directories end in `/`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckedOut {
    /// Outputs that were missing.
    pub added: Vec<String>,
    /// Outputs that held something else.
    pub modified: Vec<String>,
    /// Outputs of another revision that were removed.
    pub deleted: Vec<String>,
    /// Outputs whose objects are not in the cache, or that were never recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Those of them that were never recorded.
    #[serde(skip)]
    pub unrecorded: Vec<String>,
    /// Numbers of files.
    pub stats: CheckoutStats,
}

/// How many files a checkout changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CheckoutStats {
    /// Files that held something else.
    pub modified: usize,
    /// Files that were missing.
    pub added: usize,
    /// Files that were removed.
    pub deleted: usize,
}

struct Step {
    path: PathBuf,
    recorded: Recorded,
    inner: Option<PathBuf>,
    plan: Plan,
}

/// Makes cached outputs of the targets (all stages without targets) hold what is recorded. Outputs that
/// cannot be restored, or were never recorded, do not keep others from it. Without targets, outputs that were linked earlier and
/// that no stage has any more are removed.
pub fn checkout(repo: &Repo, targets: &[String], options: CheckoutOptions) -> Result<CheckedOut> {
    bring(repo, targets, options, &HashSet::new())
}

/// [`checkout`] of all but the outputs at `except`.
pub(crate) fn bring(
    repo: &Repo,
    targets: &[String],
    options: CheckoutOptions,
    except: &HashSet<PathBuf>,
) -> Result<CheckedOut> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    if options.with_deps {
        index.check(repo)?;
    }
    let reach = Reach { with_deps: options.with_deps, recursive: options.recursive };
    let selected = index.select(repo, targets, reach)?;
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let mut steps = Vec::new();
    let (mut unsaved, mut unrecorded) = (Vec::new(), Vec::new());
    for one in &selected {
        let stage = &index.stages[one.at];
        for (out, inner) in one.outs(stage).filter(|(out, _)| out.cache && !except.contains(&out.path)) {
            let Some(recorded) = &out.recorded else {
                if inner.is_none() {
                    let lost = workspace.unsaved(&out.path, HashName::Md5, &cache)?;
                    unrecorded.push((out.path.clone(), lost.is_empty()));
                    unsaved.extend(lost);
                }
                continue;
            };
            let recorded = &stage.content(out).unwrap_or_else(|| recorded.clone());
            let plan = workspace.plan(&out.path, recorded, inner, options.relink, &cache)?;
            unsaved.extend(plan.unsaved.iter().cloned());
            let (path, recorded, inner) = (out.path.clone(), recorded.clone(), inner.map(Path::to_path_buf));
            steps.push(Step { path, recorded, inner, plan });
        }
    }
    if !options.force && !unsaved.is_empty() {
        return Err(Error::Unsaved { paths: unsaved.iter().map(|path| repo.show(path)).collect() });
    }
    let mut done = CheckedOut::default();
    if targets.is_empty() {
        remove_unused(&mut workspace, &index, &mut done)?;
    }
    for (path, is_saved) in unrecorded {
        let shown = repo.show(&path);
        done.failed.push(shown.clone());
        done.unrecorded.push(shown);
        // what another revision made is worse than nothing, unless it is the only copy
        if is_saved {
            fsx::remove(&path)?;
        }
    }
    for step in &steps {
        act(&mut workspace, step, &cache, &mut done)?;
    }
    workspace.close()?;
    let CheckedOut { added, modified, deleted, failed, unrecorded, .. } = &mut done;
    for list in [added, modified, deleted, failed, unrecorded] {
        list.sort_by(|a, b| (!a.ends_with('/'), a).cmp(&(!b.ends_with('/'), b)));
        list.dedup();
    }
    let excused = |path: &String| options.allow_unrecorded && done.unrecorded.contains(path);
    if options.allow_missing || done.failed.iter().all(excused) {
        Ok(done)
    } else {
        Err(Error::Incomplete { done: done.into() })
    }
}

fn act(workspace: &mut Workspace<'_>, step: &Step, cache: &Cache, done: &mut CheckedOut) -> Result<()> {
    let Step { path, recorded, inner, plan } = step;
    if plan.missing > 0 {
        done.failed.push(workspace.repo.show(path));
        // content of another revision is worse than none, unless it is the only copy
        if workspace.unsaved(path, recorded.name, cache)?.is_empty() {
            fsx::remove(path)?;
        }
        return Ok(());
    }
    if plan.is_void() {
        return Ok(());
    }
    workspace.carry_out(plan, path, recorded, inner.as_deref(), cache)?;
    if plan.is_empty() {
        return Ok(());
    }
    let shown = shown(workspace.repo, path, recorded.is_dir());
    if plan.was_there {
        done.modified.push(shown)
    } else {
        done.added.push(shown)
    }
    let [added, modified, deleted] = plan.counts;
    done.stats.added += added;
    done.stats.modified += modified;
    done.stats.deleted += deleted;
    Ok(())
}

/// Removes outputs that came from the cache, have not changed since, and belong to no stage.
fn remove_unused(workspace: &mut Workspace<'_>, index: &Index, done: &mut CheckedOut) -> Result<()> {
    let repo = workspace.repo;
    let outs = || index.stages.iter().flat_map(|stage| &stage.outs);
    for key in workspace.state.links() {
        let path = repo.root().join(&key);
        if outs().any(|out| out.path == path) {
            continue;
        }
        let Some(known) = workspace.state.drop_link(&key) else { continue };
        let nested = outs().any(|out| out.path.starts_with(&path) || path.starts_with(&out.path));
        if nested || !path.starts_with(repo.root()) || key.split('/').any(|part| part == "..") {
            continue;
        }
        let Some(now) = workspace.snapshot(&path, HashName::Md5)? else { continue };
        let recorded = now.recorded;
        let same = recorded.md5 == known.md5 && now.stat.same_content(&known.stat);
        if same && workspace.cache.missing(&recorded)? == 0 {
            done.deleted.push(shown(repo, &path, recorded.is_dir()));
            done.stats.deleted += 1;
            fsx::remove(&path)?;
        }
    }
    Ok(())
}

fn shown(repo: &Repo, path: &Path, is_dir: bool) -> String {
    let mut text = repo.show(path);
    if is_dir {
        text.push('/');
    }
    text
}
