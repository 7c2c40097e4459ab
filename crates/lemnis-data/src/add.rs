//! Puts files and directories under version control: hash, cache, `.dvc` file, `.gitignore`.

use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use serde::Serialize;

use crate::dvcfile;
use crate::error::{Error, Result};
use crate::fsx;
use crate::git::{self, Added as IgnoreLines};
use crate::hash::{HashName, Recorded};
use crate::ignore::Ignore;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::{Out, OutKind, Stage};
use crate::workspace::Workspace;

/// How to add.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddOptions {
    /// Leave the workspace files as they are instead of linking them to the cache as configured.
    pub no_relink: bool,
}

/// What was added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Added {
    /// The file or directory, relative to the repository's root.
    pub path: String,
    /// Its `.dvc` file, relative to the repository's root.
    pub dvc_file: String,
    /// Its content.
    pub digest: Digest,
    /// Bytes of all its files.
    pub size_bytes: u64,
    /// Number of files, for a directory.
    pub nfiles: Option<u64>,
    /// Whether the content differs from what was recorded before.
    pub changed: bool,
}

/// Adds `targets`, given relative to where the repository was opened or absolute. All are checked before
/// the first is stored; the `.dvc` file of a target is written after its objects are safe in the cache.
pub fn add(repo: &Repo, targets: &[PathBuf], options: &AddOptions) -> Result<Vec<Added>> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let mut plan = Vec::new();
    for target in targets {
        let path = check_target(repo, &index, target)?;
        let dvc_file = beside(&path);
        if !plan.iter().any(|(known, _)| *known == path) {
            plan.push((path, dvc_file));
        }
    }
    for (path, dvc_file) in &plan {
        if !index.stages.iter().any(|stage| stage.file == *dvc_file) {
            index.stages.push(new_stage(path, dvc_file));
        }
    }
    index.check(repo)?;
    let mut lines = IgnoreLines::default();
    let added = store_all(&mut workspace, &index, &plan, options, &mut lines);
    if added.is_err() {
        git::roll_back(lines);
    }
    let added = added?;
    workspace.close()?;
    Ok(added)
}

fn store_all(
    workspace: &mut Workspace<'_>,
    index: &Index,
    plan: &[(PathBuf, PathBuf)],
    options: &AddOptions,
    lines: &mut IgnoreLines,
) -> Result<Vec<Added>> {
    let repo = workspace.repo;
    let mut added = Vec::with_capacity(plan.len());
    let mut staged = Vec::new();
    for (path, dvc_file) in plan {
        let old =
            index.stages.iter().find(|stage| stage.file == *dvc_file).and_then(|stage| stage.outs.first());
        let cached = old.is_none_or(|out| out.cache);
        if let Some(git_root) = repo.git_root().filter(|_| cached) {
            if git::is_tracked(git_root, path)? {
                return Err(Error::TrackedByGit { path: repo.in_repo(path) });
            }
            git::ignore(git_root, path, lines)?;
        }
        let stored = match cached {
            true => workspace.store(path, !options.no_relink)?,
            false => workspace.snapshot(path, HashName::Md5)?.map(|snapshot| snapshot.recorded),
        };
        let missing = || Error::Missing { what: "output", path: repo.in_repo(path) };
        let recorded = keep_legacy(workspace, path, old, stored.ok_or_else(missing)?)?;
        dvcfile::save(dvc_file, &name_of(path), &recorded)?;
        staged.push(dvc_file.clone());
        added.push(Added {
            path: repo.in_repo(path),
            dvc_file: repo.in_repo(dvc_file),
            digest: Digest::md5(&recorded.md5),
            size_bytes: recorded.size.unwrap_or(0),
            nfiles: recorded.nfiles,
            changed: old.and_then(|out| out.recorded.as_ref()).is_none_or(|old| old.md5 != recorded.md5),
        });
    }
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
        git::add(git_root, &staged)?;
    }
    Ok(added)
}

/// An output of DVC 2.x that did not change keeps its kind of hash.
fn keep_legacy(
    workspace: &mut Workspace<'_>,
    path: &Path,
    old: Option<&Out>,
    stored: Recorded,
) -> Result<Recorded> {
    let Some(old) = old.and_then(|out| out.recorded.as_ref()).filter(|old| old.name == HashName::Dos2Unix)
    else {
        return Ok(stored);
    };
    let legacy = workspace.snapshot(path, HashName::Dos2Unix)?;
    Ok(match legacy {
        Some(legacy) if legacy.recorded.md5 == old.md5 && workspace.cache.missing(old)? == 0 => {
            legacy.recorded
        }
        _ => stored,
    })
}

fn check_target(repo: &Repo, index: &Index, target: &Path) -> Result<PathBuf> {
    let path = fsx::normalize(repo.cwd(), target);
    let shown = target.display();
    let inside = path.strip_prefix(repo.root()).ok().filter(|relative| !relative.as_os_str().is_empty());
    let Some(inside) = inside else {
        return Err(Error::invalid(format!("{shown} lies outside the repository {}", repo.root().display())));
    };
    let text = inside
        .to_str()
        .ok_or_else(|| Error::hinted(format!("the name of {shown} is not valid UTF-8"), "rename it"))?;
    let first = text.split('/').next().unwrap_or_default();
    let name = text.rsplit('/').next().unwrap_or_default();
    if matches!(first, ".dvc" | ".git") {
        return Err(Error::invalid(format!("{shown} belongs to the repository itself")));
    }
    if name.ends_with(".dvc") || matches!(name, "dvc.yaml" | "dvc.lock" | ".dvcignore") {
        return Err(Error::invalid(format!("{shown} is a DVC file and cannot be data")));
    }
    let Some(meta) = fsx::metadata(&path)? else {
        return Err(Error::Missing { what: "file or directory", path: repo.in_repo(&path) });
    };
    real_parents_inside(repo, &path)?;
    for stage in &index.stages {
        for out in &stage.outs {
            let own = out.path == path && stage.file == beside(&path);
            if own || !path.starts_with(&out.path) {
                continue;
            }
            let (outer, owner) = (repo.show(&out.path), stage.address(repo));
            return Err(Error::hinted(
                format!("{shown} belongs to '{outer}', which '{owner}' tracks"),
                format!("add '{outer}' as a whole, or run the stage that makes it"),
            ));
        }
    }
    let ignore = Ignore::default().with(repo.root(), ".git\n.hg/\n.dvc/\n");
    if Ignore::covers(ignore, repo.root(), &path, ".dvcignore", meta.is_dir())? {
        return Err(Error::hinted(
            format!("{shown} is ignored by .dvcignore"),
            "take its pattern out of .dvcignore",
        ));
    }
    Ok(path)
}

/// A symlinked parent must not lead out of the repository.
fn real_parents_inside(repo: &Repo, path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(repo.root());
    let real = std::fs::canonicalize(parent).map_err(Error::io("look at", parent))?;
    let root = std::fs::canonicalize(repo.root()).map_err(Error::io("look at", repo.root()))?;
    if real.starts_with(&root) {
        return Ok(());
    }
    Err(Error::invalid(format!("{} leads out of the repository through a symlink", repo.show(path))))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.dvc", name_of(path)))
}

fn new_stage(path: &Path, dvc_file: &Path) -> Stage {
    let out = Out {
        def_path: name_of(path),
        path: path.to_path_buf(),
        kind: OutKind::Out,
        cache: true,
        persist: false,
        remote: None,
        push: true,
        recorded: None,
    };
    Stage {
        name: None,
        file: dvc_file.to_path_buf(),
        wdir: dvc_file.parent().unwrap_or(Path::new("/")).to_path_buf(),
        cmd: None,
        deps: Vec::new(),
        params: Vec::new(),
        outs: vec![out],
        frozen: false,
        always_changed: false,
        desc: None,
        cmd_changed: false,
        import: false,
    }
}
