//! What files hashed to when they last had this inode, mtime and size: makes a no-op a matter of `stat`.
//!
//! The state is a cache: it may be deleted at any time, and an unreadable line is skipped. Entries younger
//! than the file system's clock can tell apart are not kept, so a file written twice within one tick is
//! hashed again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fsx::{self, Stat};
use crate::hash::{is_oid, md5_bytes};
use crate::repo::Repo;

const HEADER: &str = "lemnis hash state 1";
const RACY_NS: i128 = 20_000_000;

/// A known hash. For a directory the stat is a fingerprint of all its files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) md5: String,
    pub(crate) stat: Stat,
    /// Files of a directory, 1 for a file.
    pub(crate) nfiles: u64,
}

/// Known hashes by repository-relative path.
pub(crate) struct State {
    dir: PathBuf,
    entries: HashMap<String, Known>,
    changed: bool,
    /// Outputs as they were when they were linked to the cache or made from it.
    links: HashMap<String, Known>,
    links_changed: bool,
}

impl State {
    pub(crate) fn load(repo: &Repo) -> Self {
        let dir = repo.scratch_dir();
        let entries = read(&dir.join("state"));
        let links = read(&dir.join("links"));
        Self { dir, entries, changed: false, links, links_changed: false }
    }

    pub(crate) fn get(&self, path: &str, stat: &Stat) -> Option<&Known> {
        self.entries.get(path).filter(|known| known.stat.same_content(stat))
    }

    pub(crate) fn put(&mut self, path: &str, known: Known) {
        if self.entries.get(path) != Some(&known) {
            self.entries.insert(path.to_owned(), known);
            self.changed = true;
        }
    }

    /// The files of a directory when it was last hashed one by one.
    pub(crate) fn files_of(&self, path: &str) -> HashMap<String, Known> {
        read(&self.files_path(path))
    }

    pub(crate) fn put_files(&self, path: &str, files: &HashMap<String, Known>) -> Result<()> {
        write(&self.files_path(path), files, Keep::Settled)
    }

    /// Remembers that the output at `path` came from the cache and looks like this.
    pub(crate) fn note_link(&mut self, path: &str, known: Known) {
        if self.links.get(path) != Some(&known) {
            self.links.insert(path.to_owned(), known);
            self.links_changed = true;
        }
    }

    /// Forgets it, and gives it back.
    pub(crate) fn drop_link(&mut self, path: &str) -> Option<Known> {
        let known = self.links.remove(path);
        self.links_changed |= known.is_some();
        known
    }

    /// The paths that were linked.
    pub(crate) fn links(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.links.keys().cloned().collect();
        paths.sort();
        paths
    }

    fn files_path(&self, path: &str) -> PathBuf {
        self.dir.join("dirs").join(md5_bytes(path.as_bytes()))
    }

    pub(crate) fn save(&mut self) -> Result<()> {
        if self.changed {
            write(&self.dir.join("state"), &self.entries, Keep::Settled)?;
            self.changed = false;
        }
        if self.links_changed {
            write(&self.dir.join("links"), &self.links, Keep::All)?;
            self.links_changed = false;
        }
        Ok(())
    }
}

fn read(path: &Path) -> HashMap<String, Known> {
    let Ok(text) = fs::read_to_string(path) else { return HashMap::new() };
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return HashMap::new();
    }
    lines.filter_map(parse).collect()
}

fn parse(line: &str) -> Option<(String, Known)> {
    let mut parts = line.splitn(6, ' ');
    let md5 = parts.next()?.to_owned();
    let inode = parts.next()?.parse().ok()?;
    let mtime_ns = parts.next()?.parse().ok()?;
    let size = parts.next()?.parse().ok()?;
    let nfiles = parts.next()?.parse().ok()?;
    let path = parts.next()?.to_owned();
    is_oid(&md5).then_some((path, Known { md5, stat: Stat { inode, mtime_ns, size, mode: 0 }, nfiles }))
}

/// Which entries are worth writing.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    /// Those whose file is older than a tick of the file system's clock.
    Settled,
    All,
}

fn write(path: &Path, entries: &HashMap<String, Known>, keep: Keep) -> Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    fsx::create_dirs(dir)?;
    let io = |error| crate::Error::io("write", path)(error);
    let temp = tempfile::Builder::new().prefix("state-").tempfile_in(dir).map_err(io)?;
    let now = Stat::of(&temp.as_file().metadata().map_err(io)?).mtime_ns;
    let mut text = String::with_capacity(entries.len() * 100);
    text.push_str(HEADER);
    text.push('\n');
    for (path, known) in entries {
        let racy = keep == Keep::Settled && known.stat.mtime_ns + RACY_NS > now;
        if racy || path.contains('\n') {
            continue;
        }
        let Stat { inode, mtime_ns, size, .. } = known.stat;
        let _ = writeln!(text, "{} {inode} {mtime_ns} {size} {} {path}", known.md5, known.nfiles);
    }
    fs::write(temp.path(), text).map_err(io)?;
    temp.persist(path).map_err(|error| crate::Error::io("write", path)(error.error))?;
    Ok(())
}
