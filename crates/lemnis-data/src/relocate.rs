//! Moves a tracked file or directory together with what records it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::add::{beside, check_new, name_of};
use crate::error::{Error, Result};
use crate::hash::HashName;
use crate::index::Index;
use crate::repo::Repo;
use crate::workspace::Workspace;
use crate::{dvcfile, fsx, git};

/// Where a tracked path went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// What was moved.
    pub from: String,
    /// Where it is now.
    pub to: String,
    /// The file that records it now.
    pub dvc_file: String,
}

/// Moves the output `from` of a `.dvc` file to `to`, or into `to` when that is a directory. The `.dvc` file
/// is renamed with it when it bears the output's name.
///
/// The old `.dvc` file goes last: a move that was killed before is finished by asking for it again.
pub fn move_output(repo: &Repo, from: &Path, to: &Path) -> Result<Moved> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let from = fsx::normalize(repo.cwd(), from);
    let mut to = fsx::normalize(repo.cwd(), to);
    let there = from.symlink_metadata().is_ok();
    // Where the data has gone already, the directory is the data itself.
    if to.is_dir() && (there || !beside(&to).exists()) {
        to = to.join(name_of(&from));
    }
    let missing = || Error::NoSuchTarget { target: repo.show(&from) };
    let owns = |path: &PathBuf| *path == from;
    let at = index
        .stages
        .iter()
        .position(|stage| stage.outs.iter().any(|out| owns(&out.path)))
        .ok_or_else(missing)?;
    let stage = &mut index.stages[at];
    if stage.cmd.is_some() {
        let what = format!("'{}' is made by the stage '{}'", repo.show(&from), stage.address(repo));
        return Err(Error::hinted(what, "change the stage's command and outputs, and run it"));
    }
    check_new(repo, &to)?;
    let old_file = stage.file.clone();
    let new_file = if old_file == beside(&from) { beside(&to) } else { old_file.clone() };
    let wdir = if new_file == old_file {
        stage.wdir.clone()
    } else {
        new_file.parent().unwrap_or(Path::new("/")).to_path_buf()
    };
    let out = stage.outs.iter_mut().find(|out| out.path == from).ok_or_else(missing)?;
    let (old_def, new_def) = (out.def_path.clone(), fsx::relative(&to, &wdir));
    let (cached, legacy) =
        (out.cache, out.recorded.as_ref().is_some_and(|old| old.name == HashName::Dos2Unix));
    out.path = to.clone();
    let text = dvcfile::moved(&old_file, &new_file, &old_def, &new_def)?;
    let resumed = old_file != new_file && fsx::read_text(&new_file)?.is_some_and(|found| found == text);
    for (taken, own) in [(&to, resumed && !there), (&new_file, resumed || new_file == old_file)] {
        if taken.symlink_metadata().is_ok() && !own {
            let what = format!("'{}' already exists", repo.show(taken));
            return Err(Error::hinted(what, "choose another name, or remove it first"));
        }
    }
    stage.file = new_file.clone();
    let mut place = 0..;
    index.stages.retain(|stage| place.next() == Some(at) || !resumed || stage.file != new_file);
    index.check(repo)?;
    if let Some(git_root) = repo.git_root().filter(|_| cached)
        && git::is_ignored(git_root, &new_file)?
    {
        return Err(Error::invalid(format!("Git ignores '{}'", repo.show(&new_file))));
    }
    let mut lines = git::Added::default();
    if let Some(git_root) = repo.git_root().filter(|_| cached) {
        git::ignore(git_root, &to, &mut lines)?;
    }
    fsx::write_text(&new_file, &text)?;
    if there {
        std::fs::rename(&from, &to).map_err(Error::io("move", &from))?;
    }
    if repo.git_root().is_some() && cached {
        git::unignore(&from)?;
    }
    if old_file != new_file {
        fsx::remove(&old_file)?;
    }
    if there && cached && !legacy {
        workspace.store(&to, true)?;
    }
    let key = workspace.key(&from);
    workspace.state.drop_link(&key);
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
        let mut staged = lines.files();
        staged.push(new_file.clone());
        // as in DVC a .gitignore that went with its last line is left to the user
        staged.extend(Some(from.with_file_name(".gitignore")).filter(|file| cached && file.exists()));
        git::add(git_root, &staged)?;
        if old_file != new_file && git::is_tracked(git_root, &old_file)? {
            git::add(git_root, std::slice::from_ref(&old_file))?;
        }
    }
    workspace.close()?;
    Ok(Moved { from: repo.show(&from), to: repo.show(&to), dvc_file: repo.show(&new_file) })
}
