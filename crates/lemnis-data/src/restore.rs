//! From the cache into the workspace: first a plan that says what would be made and lost, then the act.
//!
//! A plan changes nothing, so several outputs can be judged together before the first is touched. Content
//! that is in no cache is named as unsaved; whoever acts on the plan decides about it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::walk::{Found, Walked, fingerprint};
use crate::workspace::Workspace;

/// So many files at least are worth another thread.
const FEW: usize = 128;

/// What a checkout did to one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    Unchanged,
    Changed,
}

/// How an output comes to hold what is recorded.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Whether something stands there now.
    pub(crate) was_there: bool,
    /// Files that are made or replaced: hash and path.
    make: Vec<(String, PathBuf)>,
    /// Files that hold the right content and only get another link.
    relink: Vec<(String, PathBuf)>,
    remove: Vec<PathBuf>,
    /// Directories that go, those inside others first.
    remove_dirs: Vec<PathBuf>,
    set_exec: bool,
    /// The directory itself is not there yet.
    make_root: bool,
    /// The plan names every file of the directory.
    whole: bool,
    /// Content that would be lost.
    pub(crate) unsaved: Vec<PathBuf>,
    /// Objects that are needed and not there.
    pub(crate) missing: usize,
    /// How many files are new, replaced and removed.
    pub(crate) counts: [usize; 3],
    /// Ignored files that stand where a link would be made. As in DVC they stay.
    kept: usize,
    /// The files that stay, for the hash state.
    stay: Vec<(Found, String)>,
}

impl Plan {
    /// Whether the output already holds what is recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.make.is_empty()
            && self.remove.is_empty()
            && self.remove_dirs.is_empty()
            && !self.set_exec
            && !self.make_root
            && self.kept == 0
    }

    /// Whether carrying it out changes nothing at all.
    pub(crate) fn is_void(&self) -> bool {
        self.is_empty() && self.relink.is_empty()
    }
}

impl Workspace<'_> {
    /// Makes the workspace hold `recorded` at `path`. Content that is in no cache is kept unless `force`.
    /// `cache` is the store to link from.
    pub(crate) fn restore(
        &mut self,
        path: &Path,
        recorded: &Recorded,
        force: bool,
        cache: &Cache,
    ) -> Result<Restored> {
        let plan = self.plan(path, recorded, None, false, cache)?;
        if plan.is_empty() && plan.missing == 0 {
            return Ok(Restored::Unchanged);
        }
        if plan.missing > 0 {
            return Err(Error::NotInCache { path: self.repo.show(path), missing: plan.missing });
        }
        if !force && !plan.unsaved.is_empty() {
            let paths = plan.unsaved.iter().map(|path| self.repo.show(path)).collect();
            return Err(Error::Unsaved { paths });
        }
        self.carry_out(&plan, path, recorded, None, cache)?;
        Ok(Restored::Changed)
    }

    /// What it takes to hold `recorded` at `path`, or only what lies at `inner` of a directory. With
    /// `relink` also the files that are not linked to the cache as configured.
    pub(crate) fn plan(
        &mut self,
        path: &Path,
        recorded: &Recorded,
        inner: Option<&Path>,
        relink: bool,
        cache: &Cache,
    ) -> Result<Plan> {
        let was_there = fs::symlink_metadata(path).is_ok();
        let mut plan = Plan { was_there, ..Plan::default() };
        if recorded.is_dir() {
            self.plan_dir(&mut plan, path, recorded, inner, relink, cache)?;
        } else {
            self.plan_file(&mut plan, path, recorded, relink, cache)?;
        }
        let shelf = cache.shelf(recorded.name);
        let missing = |(md5, _): &(String, PathBuf)| Ok(usize::from(!shelf.holds(md5)?));
        plan.missing += plan.make.par_iter().with_min_len(FEW).map(missing).sum::<Result<usize>>()?;
        Ok(plan)
    }

    fn plan_file(
        &mut self,
        plan: &mut Plan,
        path: &Path,
        recorded: &Recorded,
        relink: bool,
        cache: &Cache,
    ) -> Result<()> {
        let make = (recorded.md5.clone(), path.to_path_buf());
        let Some(meta) = fsx::metadata(path)? else {
            plan.counts[usize::from(plan.was_there)] += 1;
            plan.make.push(make);
            return Ok(());
        };
        if meta.is_dir() {
            plan.unsaved = self.unsaved(path, recorded.name, cache)?;
        } else if let Some(now) = self.snapshot(path, recorded.name)? {
            if now.recorded.md5 == recorded.md5 {
                plan.set_exec = recorded.isexec && meta.is_file() && !now.recorded.isexec;
                plan.counts[1] += usize::from(plan.set_exec);
                if relink && !cache.is_linked(recorded.name, &recorded.md5, path, true)? {
                    plan.relink.push(make);
                }
                return Ok(());
            }
            if !cache.has(recorded.name, &now.recorded.md5)? {
                plan.unsaved.push(path.to_path_buf());
            }
        }
        plan.counts[1] += 1;
        plan.make.push(make);
        Ok(())
    }

    fn plan_dir(
        &mut self,
        plan: &mut Plan,
        path: &Path,
        recorded: &Recorded,
        inner: Option<&Path>,
        relink: bool,
        cache: &Cache,
    ) -> Result<()> {
        let Walked { files, mut dirs } = match fsx::metadata(path)? {
            Some(meta) if meta.is_dir() => self.walk_all(path)?,
            Some(_) => {
                plan.unsaved = self.unsaved(path, recorded.name, cache)?;
                plan.remove.push(path.to_path_buf());
                Walked::default()
            }
            None => Walked::default(),
        };
        plan.make_root = inner.is_none() && (!path.is_dir());
        let key = self.key(path);
        let current = fingerprint(&files);
        let known = self.state.get(&key, &current).filter(|_| recorded.name == HashName::Md5);
        let same = known.is_some_and(|known| known.md5 == recorded.md5) && plan.was_there;
        let concerns = |at: &Path| inner.is_none_or(|inner| at.starts_with(inner));
        if same && !relink {
            if !dirs.is_empty() {
                let full: HashSet<&Path> = files.iter().flat_map(|file| parents(&file.path, path)).collect();
                dirs.retain(|dir| concerns(dir) && !full.contains(dir.as_path()));
            }
            plan.counts[2] += dirs.len();
            plan.remove_dirs = dirs;
            return Ok(());
        }
        let Some(tree) = cache.tree(recorded.name, &recorded.md5)? else {
            plan.missing += 1;
            return Ok(());
        };
        let hashed = self.hash_files(&key, &files, recorded.name)?;
        let mut wanted: HashMap<&str, &TreeFile> =
            tree.iter().map(|file| (file.relpath.as_str(), file)).collect();
        let mut doubtful = Vec::new();
        for (found, hashed) in files.into_iter().zip(&hashed) {
            let want = wanted.remove(found.relpath.as_str());
            if !concerns(&found.path) {
                continue;
            }
            match want {
                Some(want) if want.md5 == hashed.md5 => {
                    if relink && !cache.is_linked(recorded.name, &want.md5, &found.path, true)? {
                        plan.relink.push((want.md5.clone(), found.path.clone()));
                    }
                    plan.stay.push((found, hashed.md5.clone()));
                    continue;
                }
                Some(want) => {
                    plan.counts[1] += 1;
                    plan.make.push((want.md5.clone(), found.path.clone()));
                }
                None => {
                    plan.counts[2] += 1;
                    plan.remove.push(found.path.clone());
                }
            }
            doubtful.push((found.path, hashed.md5.as_str()));
        }
        let shelf = cache.shelf(recorded.name);
        let unsaved = |(path, md5): (PathBuf, &str)| match shelf.holds(md5) {
            Ok(true) => None,
            Ok(false) => Some(Ok(path)),
            Err(error) => Some(Err(error)),
        };
        plan.unsaved.extend(doubtful.into_par_iter().filter_map(unsaved).collect::<Result<Vec<_>>>()?);
        let new: Vec<(&TreeFile, PathBuf)> =
            wanted.into_values().map(|file| (file, path.join(&file.relpath))).collect();
        let hidden = |(_, at): &(&TreeFile, PathBuf)| plan.was_there && at.symlink_metadata().is_ok();
        let hidden: Vec<bool> = new.par_iter().with_min_len(FEW).map(hidden).collect();
        for ((file, at), hidden) in new.into_iter().zip(hidden).filter(|((_, at), _)| concerns(at)) {
            plan.counts[0] += 1;
            if hidden && !cache.copies() {
                plan.kept += 1;
                continue;
            }
            if hidden && is_lost(&at, recorded.name, cache)? {
                plan.unsaved.push(at.clone());
            }
            plan.make.push((file.md5.clone(), at));
        }
        plan.make.sort_by(|a, b| a.1.cmp(&b.1));
        if !dirs.is_empty() {
            let full: HashSet<&Path> =
                tree.iter().flat_map(|file| Path::new(&file.relpath).ancestors().skip(1)).collect();
            let empty = |dir: &PathBuf| dir.strip_prefix(path).is_ok_and(|inner| !full.contains(inner));
            dirs.retain(|dir| concerns(dir) && empty(dir));
        }
        plan.counts[2] += dirs.len();
        plan.remove_dirs = dirs;
        plan.whole = inner.is_none() && plan.kept == 0;
        Ok(())
    }

    /// The files at or below `path` whose content is in no cache.
    pub(crate) fn unsaved(&mut self, path: &Path, name: HashName, cache: &Cache) -> Result<Vec<PathBuf>> {
        let Some(meta) = fsx::metadata(path)? else { return Ok(Vec::new()) };
        if !meta.is_dir() {
            let now = self.snapshot(path, name)?;
            let saved = now.map_or(Ok(true), |now| cache.has(name, &now.recorded.md5))?;
            return Ok(if saved { Vec::new() } else { vec![path.to_path_buf()] });
        }
        let files = self.walk(path)?;
        let key = self.key(path);
        let hashed = self.hash_files(&key, &files, name)?;
        let mut unsaved = Vec::new();
        for (file, hashed) in files.into_iter().zip(hashed) {
            if !cache.has(name, &hashed.md5)? {
                unsaved.push(file.path);
            }
        }
        Ok(unsaved)
    }

    /// Does what a plan says; objects that it needs must be there.
    pub(crate) fn carry_out(
        &mut self,
        plan: &Plan,
        path: &Path,
        recorded: &Recorded,
        inner: Option<&Path>,
        cache: &Cache,
    ) -> Result<()> {
        plan.remove.par_iter().try_for_each(|path| fsx::remove(path))?;
        for dir in &plan.remove_dirs {
            // what is ignored may keep a directory alive
            let _ = fs::remove_dir(dir);
        }
        if recorded.is_dir() && inner.is_none() {
            fsx::create_dirs(path)?;
        }
        let task = self.repo.task("Checking out", plan.make.len() + plan.relink.len());
        for part in [&plan.make, &plan.relink] {
            cache.link_all(recorded.name, part, &task)?;
        }
        drop(task);
        if recorded.name != HashName::Md5 {
            return Ok(());
        }
        if !recorded.is_dir() {
            return self.remember_file(path, &recorded.md5, recorded.isexec);
        }
        if plan.whole && !plan.is_void() {
            self.remember_made(plan, path, &recorded.md5)?;
        }
        Ok(())
    }

    /// Notes the hashes of what a plan left in place and made.
    fn remember_made(&mut self, plan: &Plan, path: &Path, md5: &str) -> Result<()> {
        let made = plan.make.par_iter().chain(&plan.relink).with_min_len(FEW).map(|(md5, at)| {
            let relpath = at.strip_prefix(path).unwrap_or(at).to_string_lossy().into_owned();
            let meta = fs::metadata(at).map_err(Error::io("look at", at))?;
            Ok((Found { relpath, path: at.clone(), stat: Stat::of(&meta) }, md5.clone()))
        });
        let made: Vec<(Found, String)> = made.collect::<Result<_>>()?;
        let relinked: HashSet<&PathBuf> = plan.relink.iter().map(|(_, path)| path).collect();
        let stayed = plan.stay.iter().filter(|(found, _)| !relinked.contains(&found.path));
        let mut all: Vec<(Found, String)> = stayed.cloned().chain(made).collect();
        all.par_sort_unstable_by(|a, b| a.0.relpath.cmp(&b.0.relpath));
        let named = |(found, md5): (Found, String)| {
            let relpath = found.relpath.clone();
            (found, TreeFile { relpath, md5 })
        };
        let (found, tree): (Vec<Found>, Vec<TreeFile>) = all.into_iter().map(named).unzip();
        self.remember_dir(path, md5, &found, &tree)
    }
}

/// Whether what stands at `path`, which is ignored and thus in no listing, would be lost with it.
fn is_lost(path: &Path, name: HashName, cache: &Cache) -> Result<bool> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(!cache.has(name, &hash::md5_file(path, name)?)?),
        Ok(_) => Ok(true),
        // a link that leads nowhere
        Err(_) => Ok(false),
    }
}

/// The directories that hold `file`, below `root`.
fn parents<'p>(file: &'p Path, root: &'p Path) -> impl Iterator<Item = &'p Path> {
    file.ancestors().skip(1).take_while(move |dir| *dir != root)
}
