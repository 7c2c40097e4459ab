//! Which paths running stages read and write: the file `.dvc/tmp/rwlock` that DVC keeps for the same purpose.
//!
//! While a stage's command runs the repository is not locked; this file keeps others away from its dependencies
//! and outputs. Entries of processes that died are dropped by whoever meets them.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::process::lives;
use crate::repo::Repo;
use crate::stage::Stage;
use crate::{fsx, locks};

/// Who holds a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    pid: u32,
    cmd: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    write: IndexMap<String, Holder>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    read: IndexMap<String, Vec<Holder>>,
}

/// Paths of a stage that others keep away from until this is dropped.
#[derive(Debug)]
pub(crate) struct PathLocks {
    dir: PathBuf,
    hard_link: bool,
    me: Holder,
    read: Vec<String>,
    write: Vec<String>,
}

impl PathLocks {
    /// Locks what `stage` reads and writes, or says who is in the way.
    pub(crate) fn take(repo: &Repo, stage: &Stage) -> Result<Self> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let read = stage.deps.iter().map(|dep| &dep.path).chain(stage.params.iter().map(|dep| &dep.path));
        let mut locks = Self {
            dir: repo.tmp_dir(),
            hard_link: repo.config().hardlink_lock,
            me: Holder { pid: std::process::id(), cmd: repo.environment().command().to_owned() },
            read: read.map(|path| text(path)).collect(),
            write: stage.outs.iter().map(|out| text(&out.path)).collect(),
        };
        locks.edit(|table, me, read, write| {
            table.forget_dead();
            let busy = |path: &str| (repo.show(Path::new(path)), me);
            for path in read.iter().chain(write.iter()) {
                let (shown, me) = busy(path);
                table.refuse_written(path, shown, me)?;
            }
            for path in write.iter() {
                let (shown, me) = busy(path);
                table.refuse_read(path, shown, me)?;
            }
            // What this process holds already is released by whoever took it.
            read.retain(|path| {
                let holders = table.read.entry(path.clone()).or_default();
                let new = !holders.contains(me);
                if new {
                    holders.push(me.clone());
                }
                new
            });
            write.retain(|path| table.write.insert(path.clone(), me.clone()).is_none());
            Ok(())
        })?;
        Ok(locks)
    }

    fn edit(
        &mut self,
        change: impl FnOnce(&mut Table, &Holder, &mut Vec<String>, &mut Vec<String>) -> Result<()>,
    ) -> Result<()> {
        let _guard = locks::briefly(&self.dir.join("rwlock.lock"), self.hard_link)?;
        let path = self.dir.join("rwlock");
        let mut table = match fsx::read_text(&path)?.filter(|text| !text.trim().is_empty()) {
            None => Table::default(),
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                Error::hinted(
                    format!("{} is damaged: {error}", path.display()),
                    "remove it when no other command runs in this repository",
                )
            })?,
        };
        change(&mut table, &self.me, &mut self.read, &mut self.write)?;
        let text = serde_json::to_string(&table).map_err(|error| Error::invalid(error.to_string()))?;
        fsx::write_scratch(&path, &text)
    }
}

impl Drop for PathLocks {
    fn drop(&mut self) {
        let _ = self.edit(|table, me, read, write| {
            for path in read.iter() {
                if let Some(holders) = table.read.get_mut(path) {
                    holders.retain(|holder| holder != me);
                }
            }
            table.read.retain(|_, holders| !holders.is_empty());
            for path in write.iter() {
                if table.write.get(path) == Some(me) {
                    table.write.shift_remove(path);
                }
            }
            Ok(())
        });
    }
}

impl Table {
    fn forget_dead(&mut self) {
        self.write.retain(|_, holder| lives(holder.pid));
        self.read.retain(|_, holders| {
            holders.retain(|holder| lives(holder.pid));
            !holders.is_empty()
        });
    }

    fn refuse_written(&self, path: &str, shown: String, me: &Holder) -> Result<()> {
        let blocker = self.write.iter().find(|(held, holder)| overlap(held, path) && *holder != me);
        blocker.map_or(Ok(()), |(_, holder)| Err(busy(shown, holder)))
    }

    fn refuse_read(&self, path: &str, shown: String, me: &Holder) -> Result<()> {
        let held = self.read.iter().filter(|(held, _)| overlap(held, path));
        let blocker = held.flat_map(|(_, holders)| holders).find(|holder| *holder != me);
        blocker.map_or(Ok(()), |holder| Err(busy(shown, holder)))
    }
}

fn busy(path: String, holder: &Holder) -> Error {
    Error::PathBusy { path, pid: holder.pid, command: holder.cmd.clone() }
}

/// Whether one path is the other or lies below it.
fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (Path::new(one), Path::new(other));
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32) -> Holder {
        Holder { pid, cmd: "dvc repro".into() }
    }

    #[test]
    fn entries_of_dead_processes_are_forgotten() {
        let live = std::process::id();
        let text = format!(
            r#"{{"write": {{"/r/out": {{"pid": 2147483646, "cmd": "x"}}}}, "read": {{"/r/a": [{{"pid": {live}, "cmd": "y"}}, {{"pid": 2147483646, "cmd": "x"}}]}}}}"#
        );
        let mut table: Table = serde_json::from_str(&text).expect("reads");
        table.forget_dead();
        assert!(table.write.is_empty());
        assert_eq!(table.read["/r/a"].len(), 1);
        assert_eq!(serde_json::to_string(&Table::default()).expect("writes"), "{}");
    }

    #[test]
    fn paths_conflict_when_one_holds_the_other() {
        let mut table = Table::default();
        table.write.insert("/r/dir".into(), holder(1));
        table.read.insert("/r/a".into(), vec![holder(1)]);
        let me = holder(2);
        table.refuse_written("/r/dir/x", "dir/x".into(), &me).expect_err("inside what is written");
        table.refuse_written("/r", ".".into(), &me).expect_err("around what is written");
        table.refuse_written("/r/dir2", "dir2".into(), &me).expect("beside it");
        table.refuse_read("/r/a", "a".into(), &me).expect_err("is read");
        table.refuse_read("/r/a", "a".into(), &holder(1)).expect("reads it itself");
    }
}
