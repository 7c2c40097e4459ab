//! From DVC 2.x to 3.x: objects are hashed anew and linked to their new place, records follow on request.
//!
//! The old objects stay, so that older revisions remain readable; `gc` removes them once nothing uses them.

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::hash::{self, HashName, Recorded};
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::Stage;
use crate::workspace::Workspace;
use crate::{dvcfile, fsx, git, lockfile, runcache};

/// What a migration did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Migrated {
    /// Objects that got a new place.
    pub objects: usize,
    /// The files whose records were changed.
    pub files: Vec<String>,
}

/// Links the objects of DVC 2.x to where 3.x looks for them; with `records` also rewrites `.dvc` files and
/// `dvc.lock`. `dry` only says what it would do.
pub fn migrate(repo: &Repo, records: bool, dry: bool) -> Result<Migrated> {
    let mut workspace = Workspace::open(repo)?;
    let mut done = Migrated { objects: migrate_objects(repo, &workspace.cache, dry)?, files: Vec::new() };
    let stages = if records { Index::load_locked(&workspace)?.stages } else { Vec::new() };
    for mut stage in stages {
        let shown = match &stage.name {
            Some(_) => repo.show(&stage.lock_path()),
            None => repo.show(&stage.file),
        };
        let changed =
            if dry { !legacy(&stage).is_empty() } else { migrate_stage(&mut workspace, &mut stage)? };
        if changed && !done.files.contains(&shown) {
            done.files.push(shown);
        }
    }
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage && !dry) {
        git::update(git_root)?;
    }
    workspace.close()?;
    Ok(done)
}

fn migrate_objects(repo: &Repo, cache: &Cache, dry: bool) -> Result<usize> {
    let old = cache.objects(HashName::Dos2Unix)?;
    if dry {
        return Ok(old.len());
    }
    let task = repo.task("Hashing", old.len());
    let found: Vec<(std::path::PathBuf, String)> = old
        .par_iter()
        .map(|oid| {
            let from = cache.object_path(HashName::Dos2Unix, oid);
            let md5 = hash::md5_file(&from, HashName::Md5)?;
            task.advance(1);
            Ok((from, if oid.ends_with(".dir") { md5 + ".dir" } else { md5 }))
        })
        .collect::<Result<_>>()?;
    let mut count = 0;
    for (from, md5) in found {
        let to = cache.object_path(HashName::Md5, &md5);
        if cache.has(HashName::Md5, &md5)? {
            continue;
        }
        cache.make_dirs(to.parent().unwrap_or(Path::new("/")))?;
        match fs::hard_link(&from, &to) {
            Ok(()) => fsx::chmod(&to, 0o444)?,
            Err(_) => {
                let stat = fsx::Stat::of(&fs::metadata(&from).map_err(Error::io("look at", &from))?);
                let mut batch = cache.batch();
                batch.add_file(&from, &md5, &stat)?;
                batch.commit()?;
            }
        }
        count += 1;
    }
    Ok(count)
}

/// The outputs and dependencies that are recorded in the old way.
fn legacy(stage: &Stage) -> Vec<&Path> {
    let is =
        |recorded: &Option<Recorded>| recorded.as_ref().is_some_and(|old| old.name == HashName::Dos2Unix);
    let outs = stage.outs.iter().filter(|out| is(&out.recorded)).map(|out| out.path.as_path());
    let deps =
        stage.deps.iter().filter(|dep| !stage.import && is(&dep.recorded)).map(|dep| dep.path.as_path());
    outs.chain(deps).collect()
}

fn migrate_stage(workspace: &mut Workspace<'_>, stage: &mut Stage) -> Result<bool> {
    if legacy(stage).is_empty() || (stage.import && stage.name.is_none()) {
        return Ok(false);
    }
    let mut changed = false;
    for out in &mut stage.outs {
        if let Some(new) = renewed(workspace, &out.path, out.recorded.as_ref(), out.cache)? {
            out.recorded = Some(new);
            changed = true;
        }
    }
    for dep in &mut stage.deps {
        if let Some(new) = renewed(workspace, &dep.path, dep.recorded.as_ref(), false)? {
            dep.recorded = Some(new);
            changed = true;
        }
    }
    if !changed {
        return Ok(false);
    }
    if stage.name.is_some() {
        runcache::save(workspace, stage)?;
        lockfile::save(workspace.repo, stage)?;
    } else if let Some((out, recorded)) =
        stage.outs.first().and_then(|out| Some((out, out.recorded.as_ref()?)))
    {
        dvcfile::save(&stage.file, &out.def_path, recorded)?;
    }
    Ok(true)
}

/// The new record of what the old one describes: from the workspace while it is unchanged, else from the
/// cache; `None` when there is neither.
fn renewed(
    workspace: &mut Workspace<'_>,
    path: &Path,
    old: Option<&Recorded>,
    cached: bool,
) -> Result<Option<Recorded>> {
    let Some(old) = old.filter(|old| old.name == HashName::Dos2Unix) else { return Ok(None) };
    let now = workspace.snapshot(path, HashName::Dos2Unix)?;
    if now.is_some_and(|now| now.recorded.md5 == old.md5) {
        return match cached {
            true => workspace.store(path, true),
            false => Ok(workspace.snapshot(path, HashName::Md5)?.map(|now| now.recorded)),
        };
    }
    let cache = &workspace.cache;
    if !cached || cache.missing(old)? > 0 {
        return Ok(None);
    }
    let renamed = |md5: &str| hash::md5_file(&cache.object_path(HashName::Dos2Unix, md5), HashName::Md5);
    if !old.is_dir() {
        return Ok(Some(Recorded { name: HashName::Md5, md5: renamed(&old.md5)?, ..old.clone() }));
    }
    let Some(mut tree) = cache.tree(HashName::Dos2Unix, &old.md5)? else { return Ok(None) };
    for file in &mut tree {
        file.md5 = renamed(&file.md5)?;
    }
    let bytes = hash::tree_bytes(&mut tree);
    let md5 = hash::tree_md5(&bytes);
    let mut batch = cache.batch();
    batch.add_bytes(&md5, &bytes)?;
    batch.commit()?;
    Ok(Some(Recorded { name: HashName::Md5, md5, ..old.clone() }))
}
