//! Verbs that change what is tracked and how, not the data: remove, freeze, unprotect.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::definition::{self, stages_of};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::output::unprotect as cut_loose;
use crate::repo::Repo;
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{fsx, git};

/// A stage that is defined no more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Removed {
    /// The stage or `.dvc` file.
    pub stage: String,
    /// Its outputs.
    pub outs: Vec<String>,
}

/// Stops tracking: removes stages or `.dvc` files and the lines of `.gitignore` that belong to their
/// outputs. The data stay, cut loose from the cache, unless `outs` asks for their removal.
pub fn remove(repo: &Repo, targets: &[String], outs: bool) -> Result<Vec<Removed>> {
    let mut workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let mut places = Vec::new();
    for target in targets {
        for at in stages_of(repo, &index, target)? {
            if let Err(error) = definition::check_removable(repo, &index.stages[at]) {
                // As in DVC the outputs are let go by then; they are kept even when their removal was asked for.
                let_go(repo, &index.stages[at])?;
                return Err(error);
            }
            if !places.contains(&at) {
                places.push(at);
            }
        }
    }
    let mut removed = Vec::new();
    for at in places {
        let stage = &index.stages[at];
        for out in stage.outs.iter().filter(|_| outs) {
            fsx::remove(&out.path)?;
        }
        let_go(repo, stage)?;
        definition::remove(repo, stage)?;
        let shown = stage.outs.iter().map(|out| repo.show(&out.path)).collect();
        removed.push(Removed { stage: stage.address(repo), outs: shown });
    }
    for known in workspace.state.links() {
        let path = repo.root().join(&known);
        if removed
            .iter()
            .flat_map(|one| &one.outs)
            .any(|out| fsx::normalize(repo.cwd(), out.as_ref()) == path)
            && outs
        {
            workspace.state.drop_link(&known);
        }
    }
    workspace.close()?;
    Ok(removed)
}

/// Cuts the outputs loose from the cache and takes back their lines of `.gitignore`.
fn let_go(repo: &Repo, stage: &Stage) -> Result<()> {
    for out in stage.outs.iter().filter(|out| out.cache) {
        cut_loose(&out.path, repo.config().shared)?;
        if repo.git_root().is_some() {
            git::unignore(&out.path)?;
        }
    }
    Ok(())
}

/// Freezes stages, so that they are cut from what they depend on, or unfreezes them. Returns those that
/// changed.
pub fn set_frozen(repo: &Repo, targets: &[String], frozen: bool) -> Result<Vec<String>> {
    let workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let mut chosen = Vec::new();
    for target in targets {
        if Path::new(target).file_name().is_some_and(|name| name == "dvc.yaml") {
            return Err(Error::hinted(
                format!("'{target}' names no stage"),
                format!("name it: {target}:STAGE"),
            ));
        }
        chosen.extend(stages_of(repo, &index, target)?);
    }
    let mut changed = Vec::new();
    for at in chosen {
        let stage = &index.stages[at];
        if definition::set_frozen(repo, stage, frozen)? {
            changed.push(stage.address(repo));
        }
    }
    workspace.close()?;
    Ok(changed)
}

/// Cuts files and directories loose from the cache, so that they may be written in place.
pub fn unprotect(repo: &Repo, targets: &[PathBuf]) -> Result<()> {
    let workspace = Workspace::open(repo)?;
    let paths: Vec<PathBuf> = targets.iter().map(|target| fsx::normalize(repo.cwd(), target)).collect();
    for path in &paths {
        if fsx::metadata(path)?.is_none() {
            return Err(Error::Missing { what: "file or directory", path: repo.show(path) });
        }
    }
    paths.iter().try_for_each(|path| cut_loose(path, repo.config().shared))?;
    workspace.close()
}
