//! Which recorded data a remote lacks: `data status --not-in-remote`.
//!
//! Data counts that a push would send: neither imports nor outputs that stay at home. A directory stands for
//! itself; its files are looked at only where every file is asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::datatree::{Entry, Scope};
use crate::error::Result;
use crate::index::Index;
use crate::members::Members;
use crate::remote::{Object, OpenStore, Remote};
use crate::repo::Repo;

/// The remote to look at.
#[derive(Clone, Debug, Default)]
pub struct AskRemote {
    /// Its name; without one each output's own, else the default one.
    pub remote: Option<String>,
    /// How many questions are asked at once.
    pub jobs: Option<usize>,
}

/// Paths below the repository's root whose content the remotes lack, sorted; directories end in `/`. Without
/// any remote that is everything.
pub(crate) fn unpushed(
    repo: &Repo,
    index: &Index,
    members: &Members<'_>,
    scope: &Scope,
    ask: &AskRemote,
    stores: &dyn OpenStore,
) -> Result<Vec<String>> {
    let mut by_remote: BTreeMap<Option<String>, Vec<(String, Object)>> = BTreeMap::new();
    for stage in &index.stages {
        let imported = stage.import && stage.deps.iter().any(|dep| dep.from_repo);
        for out in stage.outs.iter().filter(|out| out.cache && out.push && !imported) {
            let Some(recorded) = &out.recorded else { continue };
            if !out.path.starts_with(repo.root()) {
                continue;
            }
            let remote = out.remote.as_ref().map(|name| name.to_lowercase());
            let remote = remote.or_else(|| ask.remote.clone());
            let found = by_remote.entry(remote).or_default();
            let path = repo.in_repo(&out.path);
            if scope.takes(&out.path) {
                let object = Object { name: recorded.name, oid: recorded.md5.clone() };
                found.push((Entry::of(recorded).show(&path), object));
            }
            if !recorded.is_dir() || !scope.granular || !scope.touches(&out.path) {
                continue;
            }
            let files = members.of(stage, out)?;
            for file in files.iter().flat_map(|files| files.iter()) {
                if let Some(oid) = &file.md5
                    && scope.takes(&out.path.join(&file.relpath))
                {
                    let object = Object { name: recorded.name, oid: oid.clone() };
                    found.push((format!("{path}/{}", file.relpath), object));
                }
            }
        }
    }
    let mut lacking = BTreeSet::new();
    for (name, entries) in by_remote {
        let has_remote = name.is_some() || repo.default_remote().is_some();
        let present = if has_remote {
            let objects: Vec<Object> = entries.iter().map(|(_, object)| object.clone()).collect();
            Remote::open(repo.config(), name.as_deref(), stores, ask.jobs)?.present(&objects)?
        } else {
            Default::default()
        };
        lacking.extend(entries.into_iter().filter(|(_, object)| !present.contains(object)).map(|one| one.0));
    }
    Ok(lacking.into_iter().collect())
}
