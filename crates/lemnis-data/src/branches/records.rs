//! The merge of what records data: `.dvc` files and `dvc.lock`.
//!
//! A record that only one side changed is that side's. One that both changed keeps the text of ours with the merged
//! content in it. A stage that ran on both sides keeps what ours ran with, so that `status` calls it stale when its
//! inputs are merged: a merge never claims that a command made what it did not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lemnis_core::Digest;

use super::merge::{Conflict, ConflictKind};
use super::threeway::{self, Files, Side, choose};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::hash::Recorded;
use crate::repo::Repo;
use crate::stage::{HASH_KEYS, Stage};
use crate::yaml::{Key, Map, Value, parse, rewrite, set_stage};
use crate::{dvcfile, fsx, lockfile};

/// The texts of one file on all sides; nothing where it is not there.
pub(super) struct Versions {
    pub(super) bases: Vec<Option<String>>,
    pub(super) ours: Option<String>,
    pub(super) theirs: Option<String>,
}

impl Versions {
    fn of(&self, side: Side) -> Option<String> {
        match side {
            Side::Ours => self.ours.clone(),
            Side::Theirs => self.theirs.clone(),
        }
    }
}

/// What the merge of records found on the way.
pub(super) struct Records<'a> {
    pub(super) repo: &'a Repo,
    pub(super) cache: &'a Cache,
    /// Which side settles conflicts.
    pub(super) prefer: Option<Side>,
    /// Where stages have their outputs: lock file, stage and name → path.
    pub(super) places: HashMap<(PathBuf, String, String), PathBuf>,
    pub(super) conflicts: Vec<Conflict>,
    /// Directory objects to be stored.
    pub(super) objects: Vec<(String, Vec<u8>)>,
    /// Files of those directories.
    pub(super) trees: HashMap<String, Files>,
}

impl Records<'_> {
    /// The merged text of the `.dvc` file or `dvc.lock` at `path`; nothing when it goes.
    pub(super) fn merge(&mut self, path: &Path, versions: &Versions) -> Result<Option<String>> {
        if path.file_name().is_some_and(|name| name == "dvc.lock") {
            self.lock(path, versions)
        } else {
            self.dvc_file(path, versions)
        }
    }

    fn dvc_file(&mut self, path: &Path, versions: &Versions) -> Result<Option<String>> {
        let load = |text: &Option<String>| -> Result<Option<Stage>> {
            text.as_deref().map(|text| dvcfile::read(self.repo, path, text)).transpose()
        };
        let (ours, theirs) = (load(&versions.ours)?, load(&versions.theirs)?);
        let bases = versions.bases.iter().map(load).collect::<Result<Vec<_>>>()?;
        let plain = |stage: &Stage| stage.outs.len() == 1 && !stage.import && stage.cmd.is_none();
        let (Some(our), Some(their)) =
            (ours.as_ref().filter(|s| plain(s)), theirs.as_ref().filter(|s| plain(s)))
        else {
            return Ok(self.whole(path, versions, &bases, ours.as_ref(), theirs.as_ref()));
        };
        let (our_out, their_out) = (&our.outs[0], &their.outs[0]);
        let known =
            |stage: &Option<Stage>| stage.as_ref().filter(|stage| plain(stage)).map(|s| s.outs[0].clone());
        let base_outs: Vec<_> = bases.iter().map(known).collect();
        let options = |text: &Option<String>| text.as_deref().map(|text| options(path, text)).transpose();
        let old: Vec<Option<Value>> = versions.bases.iter().map(options).collect::<Result<_>>()?;
        let old: Vec<Option<&Value>> = old.iter().map(Option::as_ref).collect();
        let (mine, yours) = (options(&versions.ours)?, options(&versions.theirs)?);
        let kept = match choose(&old, mine.as_ref(), yours.as_ref()) {
            Ok(kept) if kept == mine => versions.ours.clone(),
            Ok(_) => versions.theirs.clone(),
            Err(()) => match self.prefer {
                Some(side) => versions.of(side),
                None => {
                    self.conflicts.push(Conflict {
                        path: self.repo.in_repo(path),
                        kind: ConflictKind::Record,
                        base: None,
                        ours: None,
                        theirs: None,
                    });
                    return Ok(versions.ours.clone());
                }
            },
        };
        let shown = threeway::shown(self.repo, &our_out.path);
        let before: Vec<Option<&Recorded>> =
            base_outs.iter().map(|out| out.as_ref().and_then(|out| out.recorded.as_ref())).collect();
        let merged = self.content(&shown, &before, our_out.recorded.as_ref(), their_out.recorded.as_ref())?;
        let (Some(kept), Some(merged)) = (kept, merged) else { return Ok(versions.ours.clone()) };
        dvcfile::updated(path, &kept, &our_out.def_path, &merged).map(Some)
    }

    /// One side's whole file: of imports, and where one side has deleted it.
    fn whole(
        &mut self,
        path: &Path,
        versions: &Versions,
        bases: &[Option<Stage>],
        ours: Option<&Stage>,
        theirs: Option<&Stage>,
    ) -> Option<String> {
        if let Some(side) = self.prefer {
            return versions.of(side);
        }
        let out = ours.or(theirs).and_then(|stage| stage.outs.first());
        let shown = self.repo.in_repo(out.map_or(path, |out| &out.path));
        let digest = |stage: Option<&Stage>| digest(stage?.outs.first()?.recorded.as_ref());
        let base = bases.first().and_then(|base| digest(base.as_ref()));
        let (ours, theirs) = (digest(ours), digest(theirs));
        self.conflicts.push(Conflict { path: shown, kind: ConflictKind::Data, base, ours, theirs });
        versions.ours.clone()
    }

    fn lock(&mut self, path: &Path, versions: &Versions) -> Result<Option<String>> {
        let (Some(ours), Some(theirs)) = (&versions.ours, &versions.theirs) else {
            if let Some(side) = self.prefer {
                return Ok(versions.of(side));
            }
            let shown = self.repo.in_repo(path);
            let kind = ConflictKind::Record;
            self.conflicts.push(Conflict { path: shown, kind, base: None, ours: None, theirs: None });
            return Ok(versions.ours.clone());
        };
        let shown = self.repo.in_repo(path);
        let stages = |text: &str| -> Result<Map> {
            if text.trim().is_empty() {
                return Ok(Map::new());
            }
            lockfile::read(text, &shown)?;
            let root = parse(text, &shown)?.to_value();
            Ok(root.get("stages").and_then(Value::as_map).cloned().unwrap_or_default())
        };
        let (our, their) = (stages(ours)?, stages(theirs)?);
        let bases: Vec<Map> = versions
            .bases
            .iter()
            .map(|text| text.as_deref().map_or_else(|| Ok(Map::new()), &stages))
            .collect::<Result<_>>()?;
        let mut text = ours.clone();
        let mut gone = Vec::new();
        let names: Vec<&Key> =
            our.keys().chain(their.keys().filter(|name| !our.contains_key(*name))).collect();
        for name in names {
            let before: Vec<Option<&Value>> = bases.iter().map(|base| base.get(name)).collect();
            let merged = match choose(&before, our.get(name), their.get(name)) {
                Ok(merged) => merged,
                Err(()) => self.stage(path, &name.text, &before, our.get(name), their.get(name))?,
            };
            match merged {
                Some(body) if our.get(name) != Some(&body) => {
                    text = set_stage(&text, &shown, &name.text, &body)?;
                }
                Some(_) => {}
                None => gone.push(name.clone()),
            }
        }
        if !gone.is_empty()
            && let Value::Map(mut root) = parse(&text, &shown)?.to_value()
            && let Some(Value::Map(mut stages)) = root.get("stages").cloned()
        {
            stages.retain(|name, _| !gone.contains(name));
            root.insert("stages".into(), Value::Map(stages));
            text = rewrite(&text, &Value::Map(root));
        }
        Ok(Some(text))
    }

    /// The entry of a stage that both sides changed.
    fn stage(
        &mut self,
        lock: &Path,
        name: &str,
        bases: &[Option<&Value>],
        ours: Option<&Value>,
        theirs: Option<&Value>,
    ) -> Result<Option<Value>> {
        let shown = self.repo.in_repo(lock);
        let outs = |entry: Option<&Value>| -> Result<Vec<(String, Value, Option<Recorded>)>> {
            let items = entry.and_then(|entry| entry.get("outs")).and_then(Value::as_seq).unwrap_or_default();
            let mut found = Vec::new();
            for item in items {
                let text = serde_json::to_string(&item.to_json()).unwrap_or_default();
                let recorded = crate::stage::recorded(&parse(&text, &shown)?, &shown)?;
                let path = item.get("path").and_then(Value::as_str).unwrap_or_default();
                found.push((path.to_owned(), item.clone(), recorded));
            }
            Ok(found)
        };
        let (our, their) = (outs(ours)?, outs(theirs)?);
        let (Some(Value::Map(mine)), Some(_)) = (ours, theirs) else {
            // Changed here, removed there.
            return Ok(match self.prefer {
                Some(Side::Ours) => ours.cloned(),
                Some(Side::Theirs) => theirs.cloned(),
                None => {
                    for (out, _, recorded) in our.iter().chain(&their) {
                        let (path, it) = (self.place(lock, name, out), digest(recorded.as_ref()));
                        let (ours, theirs) = if our.is_empty() { (None, it) } else { (it, None) };
                        let kind = ConflictKind::Data;
                        self.conflicts.push(Conflict { path, kind, base: None, ours, theirs });
                    }
                    ours.cloned()
                }
            });
        };
        let before = bases.iter().map(|base| outs(*base)).collect::<Result<Vec<_>>>()?;
        let find = |list: &[(String, Value, Option<Recorded>)], out: &str| {
            list.iter()
                .find(|(path, ..)| path == out)
                .map(|(_, item, recorded)| (item.clone(), recorded.clone()))
        };
        let mut items = Vec::new();
        for (out, item, recorded) in &our {
            let Some((their_item, their_recorded)) = find(&their, out) else {
                items.push(item.clone());
                continue;
            };
            let old: Vec<Option<Recorded>> =
                before.iter().map(|list| find(list, out).and_then(|(_, recorded)| recorded)).collect();
            let old: Vec<Option<&Recorded>> = old.iter().map(Option::as_ref).collect();
            let place = self.place(lock, name, out);
            let merged = self.content(&place, &old, recorded.as_ref(), their_recorded.as_ref())?;
            items.push(match merged {
                merged if merged == *recorded => item.clone(),
                merged if merged == their_recorded => their_item,
                merged => Value::Map(lockfile::line(out, merged.as_ref())),
            });
        }
        let mut entry = mine.clone();
        if !items.is_empty() {
            entry.insert("outs".into(), Value::Seq(items));
        }
        Ok(Some(Value::Map(entry)))
    }

    fn place(&self, lock: &Path, stage: &str, out: &str) -> String {
        let key = (lock.to_path_buf(), stage.to_owned(), out.to_owned());
        let dir = lock.parent().unwrap_or(self.repo.root());
        let path = self.places.get(&key).cloned().unwrap_or_else(|| fsx::normalize(dir, Path::new(out)));
        self.repo.in_repo(&path)
    }

    /// What remains of an output: directories are merged by path, anything else by digest.
    fn content(
        &mut self,
        shown: &str,
        bases: &[Option<&Recorded>],
        ours: Option<&Recorded>,
        theirs: Option<&Recorded>,
    ) -> Result<Option<Recorded>> {
        fn key(recorded: Option<&Recorded>) -> Option<(&str, bool)> {
            recorded.map(|recorded| (recorded.md5.as_str(), recorded.isexec))
        }
        let (mine, yours) = (key(ours), key(theirs));
        let old: Vec<Option<(&str, bool)>> = bases.iter().map(|base| key(*base)).collect();
        let old: Vec<Option<&(&str, bool)>> = old.iter().map(Option::as_ref).collect();
        match choose(&old, mine.as_ref(), yours.as_ref()) {
            Ok(kept) if kept == mine => return Ok(ours.cloned()),
            Ok(_) => return Ok(theirs.cloned()),
            Err(()) => {}
        }
        let is_dir = |recorded: &Option<&Recorded>| recorded.is_none_or(Recorded::is_dir);
        if let (Some(our), Some(their)) = (ours, theirs)
            && our.is_dir()
            && their.is_dir()
            && bases.iter().all(is_dir)
        {
            return self.directories(shown, bases, our, their).map(Some);
        }
        if let Some(side) = self.prefer {
            return Ok(if side == Side::Ours { ours.cloned() } else { theirs.cloned() });
        }
        self.conflicts.push(Conflict {
            path: shown.to_owned(),
            kind: ConflictKind::Data,
            base: digest(bases.first().copied().flatten()),
            ours: digest(ours),
            theirs: digest(theirs),
        });
        Ok(ours.cloned())
    }

    fn directories(
        &mut self,
        shown: &str,
        bases: &[Option<&Recorded>],
        our: &Recorded,
        their: &Recorded,
    ) -> Result<Recorded> {
        let files = |recorded: &Recorded| threeway::files_of(self.cache, shown, recorded);
        let old: Vec<Files> = bases.iter().flatten().map(|base| files(base)).collect::<Result<_>>()?;
        let old: Vec<&Files> = old.iter().collect();
        let (mine, yours) = (files(our)?, files(their)?);
        let merged = threeway::by_path(&old, &mine, &yours, self.prefer);
        if !merged.conflicts.is_empty() {
            let digest = |files: &Files, name: &String| files.get(name).map(|md5| Digest::md5(md5));
            self.conflicts.extend(merged.conflicts.iter().map(|name| Conflict {
                path: format!("{shown}/{name}"),
                kind: ConflictKind::Data,
                base: old.first().and_then(|base| digest(base, name)),
                ours: digest(&mine, name),
                theirs: digest(&yours, name),
            }));
            return Ok(our.clone());
        }
        let (recorded, bytes) = threeway::directory(self.cache, shown, &merged.files)?;
        self.objects.push((recorded.md5.clone(), bytes));
        self.trees.insert(recorded.md5.clone(), merged.files);
        Ok(recorded)
    }
}

fn digest(recorded: Option<&Recorded>) -> Option<Digest> {
    recorded.map(|recorded| Digest::md5(&recorded.md5))
}

/// Everything that a one-output `.dvc` file says beside its content.
fn options(path: &Path, text: &str) -> Result<Value> {
    let Value::Map(mut root) = parse(text, &path.display().to_string())?.to_value() else {
        return Err(Error::invalid(format!("{} is not a mapping", path.display())));
    };
    if let Some(Value::Seq(outs)) = root.get_mut("outs") {
        for out in outs {
            if let Value::Map(out) = out {
                out.retain(|key, _| !HASH_KEYS.contains(&key.text.as_str()) && key.text != "files");
            }
        }
    }
    Ok(Value::Map(root))
}
