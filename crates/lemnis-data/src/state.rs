//! What files hashed to when they last had this inode, mtime and size: makes a no-op a matter of `stat`.
//!
//! The state is a cache: it may be deleted at any time, and an unreadable line is skipped. Entries younger
//! than the file system's clock can tell apart are not kept, so a file written twice within one tick is
//! hashed again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::Result;
use crate::fsx::{self, Stat};
use crate::hash::{TreeFile, is_oid, md5_bytes};
use crate::repo::Repo;
use crate::walk::Found;

const HEADER: &str = "lemnis hash state 1";
/// From here on lines are parsed on several threads.
const MANY_BYTES: usize = 1 << 20;
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
    pub(crate) fn files_of(&self, path: &str) -> DirState {
        DirState::parse(fs::read_to_string(self.files_path(path)).unwrap_or_default())
    }

    /// Notes the files of a directory with their hashes, which are in the same order.
    pub(crate) fn put_files(&self, path: &str, files: &[Found], tree: &[TreeFile]) -> Result<()> {
        let lines = files.iter().zip(tree).map(|(file, hashed)| Line {
            path: &hashed.relpath,
            md5: &hashed.md5,
            stat: file.stat,
            nfiles: 1,
        });
        write(&self.files_path(path), lines, files.len(), Keep::Settled)
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
        let lines = |entries: &HashMap<String, Known>, file: &str, keep| {
            write(&self.dir.join(file), entries.iter().map(Line::of), entries.len(), keep)
        };
        if self.changed {
            lines(&self.entries, "state", Keep::Settled)?;
            self.changed = false;
        }
        if self.links_changed {
            lines(&self.links, "links", Keep::All)?;
            self.links_changed = false;
        }
        Ok(())
    }
}

/// The known hashes of a directory's files.
#[derive(Default)]
pub(crate) struct DirState {
    text: String,
    /// Where path and hash stand in the text, and the stat; sorted by path.
    lines: Vec<(Range<usize>, Range<usize>, Stat)>,
}

impl DirState {
    fn parse(text: String) -> Self {
        let start = text.as_ptr() as usize;
        let range = |part: &str| {
            let at = part.as_ptr() as usize - start;
            at..at + part.len()
        };
        let body = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).unwrap_or_default();
        let place = |line| Line::parse(line).map(|line| (range(line.path), range(line.md5), line.stat));
        let mut lines: Vec<(Range<usize>, Range<usize>, Stat)> = match body.len() {
            0..MANY_BYTES => body.lines().filter_map(place).collect(),
            _ => body.par_lines().filter_map(place).collect(),
        };
        if !lines.is_sorted_by(|a, b| text[a.0.clone()] <= text[b.0.clone()]) {
            lines.sort_by(|a, b| text[a.0.clone()].cmp(&text[b.0.clone()]));
        }
        Self { text, lines }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The hash of the file `relpath`, if it still looks the same.
    pub(crate) fn get(&self, relpath: &str, stat: &Stat) -> Option<&str> {
        let at = self.lines.binary_search_by(|line| self.text[line.0.clone()].cmp(relpath)).ok()?;
        let (_, md5, known) = &self.lines[at];
        known.same_content(stat).then(|| &self.text[md5.clone()])
    }
}

/// A line of the files.
struct Line<'a> {
    path: &'a str,
    md5: &'a str,
    stat: Stat,
    nfiles: u64,
}

impl<'a> Line<'a> {
    fn of((path, known): (&'a String, &'a Known)) -> Self {
        Self { path, md5: &known.md5, stat: known.stat, nfiles: known.nfiles }
    }

    fn parse(line: &'a str) -> Option<Self> {
        let mut parts = line.splitn(6, ' ');
        let md5 = parts.next().filter(|md5| is_oid(md5))?;
        let inode = parts.next()?.parse().ok()?;
        let mtime_ns = parts.next()?.parse().ok()?;
        let size = parts.next()?.parse().ok()?;
        let nfiles = parts.next()?.parse().ok()?;
        let path = parts.next()?;
        Some(Self { path, md5, stat: Stat { inode, mtime_ns, size, mode: 0 }, nfiles })
    }
}

fn read(path: &Path) -> HashMap<String, Known> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let Some(body) = text.strip_prefix(HEADER) else { return HashMap::new() };
    let known = |line: Line<'_>| {
        let Line { path, md5, stat, nfiles } = line;
        (path.to_owned(), Known { md5: md5.to_owned(), stat, nfiles })
    };
    body.lines().filter_map(Line::parse).map(known).collect()
}

/// Which entries are worth writing.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    /// Those whose file is older than a tick of the file system's clock.
    Settled,
    All,
}

fn write<'a>(path: &Path, lines: impl Iterator<Item = Line<'a>>, count: usize, keep: Keep) -> Result<()> {
    let Some(dir) = path.parent() else { return Ok(()) };
    fsx::create_dirs(dir)?;
    let io = |error| crate::Error::io("write", path)(error);
    let temp = tempfile::Builder::new().prefix("state-").tempfile_in(dir).map_err(io)?;
    let now = Stat::of(&temp.as_file().metadata().map_err(io)?).mtime_ns;
    let mut text = String::with_capacity(count * 100);
    text.push_str(HEADER);
    text.push('\n');
    for Line { path, md5, stat, nfiles } in lines {
        let racy = keep == Keep::Settled && stat.mtime_ns + RACY_NS > now;
        if racy || path.contains('\n') {
            continue;
        }
        let Stat { inode, mtime_ns, size, .. } = stat;
        let _ = writeln!(text, "{md5} {inode} {mtime_ns} {size} {nfiles} {path}");
    }
    fs::write(temp.path(), text).map_err(io)?;
    temp.persist(path).map_err(|error| crate::Error::io("write", path)(error.error))?;
    Ok(())
}
