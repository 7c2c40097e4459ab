//! Freezes the workspace, with parameters set, as the commit of an experiment that is to be run later or
//! elsewhere. Neither the working tree nor the user's index changes.

use std::path::{Path, PathBuf};

use crate::commit::{CommitOptions, commit};
use crate::error::{Error, Result};
use crate::experiments::arguments;
use crate::experiments::overrides::{Overrides, overridden};
use crate::experiments::scratch_index::ScratchIndex;
use crate::experiments::stash::Stashed;
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::reproduce::Reproduce;
use crate::revision::{git, no_git};
use crate::select::Reach;
use crate::workspace::Workspace;

/// Makes the commit; no ref holds it yet.
pub(crate) fn capture(repo: &Repo, name: &str, overrides: &Overrides, how: &Reproduce) -> Result<Stashed> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let head = repo.resolve("HEAD")?;
    if how.glob || how.interactive {
        return Err(Error::hinted(
            "an experiment that runs elsewhere takes no patterns and asks nothing",
            "leave --glob and --interactive out",
        ));
    }
    let records = changed_records(repo, how)?;
    let workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let own = ScratchIndex::of_workspace(repo, &index)?;
    for (path, text) in records.into_iter().chain(overridden(repo, overrides)?) {
        own.put(&path, text.as_bytes())?;
    }
    let arguments = arguments::pack(how, repo, &head, name)?;
    own.put(&repo.root().join(arguments::FILE), &arguments)?;
    let tree = own.write_tree()?;
    let index_commit = git(git_root, &["commit-tree", &tree, "-p", &head, "-m", "Index stash"])?;
    let subject = Stashed::subject(&head, &head, name);
    let commit =
        git(git_root, &["commit-tree", &tree, "-p", &head, "-p", index_commit.trim(), "-m", &subject])?;
    workspace.close()?;
    let commit = commit.trim().to_owned();
    Ok(Stashed { commit, baseline: head.clone(), head, name: name.to_owned() })
}

/// Stores data that changed since it was recorded. Returns the `.dvc` files as they would record it; those of
/// the workspace stay as they are.
fn changed_records(repo: &Repo, how: &Reproduce) -> Result<Vec<(PathBuf, String)>> {
    let mut records = Vec::new();
    for file in data_files(repo, how)? {
        let before = fsx::read_text(&file)?.unwrap_or_default();
        record(repo, &file)?;
        let after = fsx::read_text(&file)?.unwrap_or_default();
        if after != before {
            fsx::write_text(&file, &before)?;
            records.push((file, after));
        }
    }
    Ok(records)
}

/// Records data that changed, as an experiment does before it runs anything.
pub fn record_data(repo: &Repo, how: &Reproduce) -> Result<()> {
    data_files(repo, how)?.iter().try_for_each(|file| record(repo, file))
}

fn record(repo: &Repo, file: &Path) -> Result<()> {
    let options = CommitOptions { force: true, no_relink: true, ..CommitOptions::default() };
    commit(repo, &[fsx::relative(file, repo.cwd())], options, None, &mut |_| true).map(drop)
}

/// The `.dvc` files of added data that the targets need, where all of the data is there.
fn data_files(repo: &Repo, how: &Reproduce) -> Result<Vec<PathBuf>> {
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    index.check(repo)?;
    let reach = Reach { with_deps: true, recursive: how.recursive };
    let chosen = index.select(repo, &how.targets, reach)?;
    let mut files = Vec::new();
    for one in chosen {
        let stage = &index.stages[one.at];
        let there = stage.outs.iter().all(|out| out.path.exists());
        if stage.name.is_none() && stage.cmd.is_none() && !stage.import && there {
            files.push(stage.file.clone());
        }
    }
    workspace.close()?;
    Ok(files)
}
