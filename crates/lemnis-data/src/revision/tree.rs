//! The files of one commit, listed once; their contents are asked for one by one from one
//! `git cat-file --batch` process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use super::{command, failed};
use crate::error::{Error, Result};
use crate::fsx;

/// Files of this size and more are data, not definitions, and are not read from Git.
const MAX_BLOB_BYTES: u64 = 256 << 20;

/// The files of one commit.
#[derive(Debug)]
pub(crate) struct GitTree {
    /// The full id of the commit.
    pub(crate) commit: String,
    /// Absolute path, as if the commit were checked out → what Git holds there.
    files: BTreeMap<PathBuf, Blob>,
    reader: Mutex<Option<Reader>>,
    git_root: PathBuf,
    mount: PathBuf,
}

/// A file that Git tracks.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) oid: String,
    pub(crate) size: u64,
    pub(crate) kind: BlobKind,
}

/// What Git's mode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobKind {
    File,
    Executable,
    Symlink,
}

#[derive(Debug)]
struct Reader {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl GitTree {
    /// Lists the commit's files as if it were checked out at `mount`.
    pub(crate) fn load(git_root: &Path, mount: &Path, commit: &str) -> Result<Self> {
        let listed = command(git_root)
            .args(["ls-tree", "-r", "-z", "-l", "--full-tree", commit])
            .output()
            .map_err(|error| failed("ls-tree", error.to_string()))?;
        if !listed.status.success() {
            return Err(failed("ls-tree", String::from_utf8_lossy(&listed.stderr).trim()));
        }
        let mut files = BTreeMap::new();
        for entry in listed.stdout.split(|byte| *byte == 0) {
            let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
            let head = String::from_utf8_lossy(&entry[..tab]).into_owned();
            let Ok(path) = std::str::from_utf8(&entry[tab + 1..]) else { continue };
            let words: Vec<&str> = head.split_whitespace().collect();
            let [mode, _, oid, size] = words[..] else { continue };
            let kind = match mode {
                "100755" => BlobKind::Executable,
                "120000" => BlobKind::Symlink,
                "160000" => continue,
                _ => BlobKind::File,
            };
            let blob = Blob { oid: oid.to_owned(), size: size.parse().unwrap_or_default(), kind };
            files.insert(mount.join(path), blob);
        }
        let (commit, git_root) = (commit.to_owned(), git_root.to_path_buf());
        Ok(Self { commit, files, reader: Mutex::new(None), git_root, mount: mount.to_path_buf() })
    }

    pub(crate) fn file(&self, path: &Path) -> Option<&Blob> {
        self.files.get(path)
    }

    /// The files below `dir`, in the order of their paths.
    pub(crate) fn below<'t>(&'t self, dir: &'t Path) -> impl Iterator<Item = (&'t PathBuf, &'t Blob)> {
        let after = self.files.range::<Path, _>((Bound::Excluded(dir), Bound::Unbounded));
        after.take_while(move |(path, _)| path.starts_with(dir))
    }

    /// What Git holds directly in `dir`: names, with the blob of those that are files.
    pub(crate) fn children<'t>(&'t self, dir: &'t Path) -> BTreeMap<String, Option<&'t Blob>> {
        let depth = dir.components().count();
        let mut found = BTreeMap::new();
        for (path, blob) in self.below(dir) {
            let mut rest = path.components().skip(depth);
            if let Some(name) = rest.next() {
                let blob = rest.next().is_none().then_some(blob);
                found.insert(name.as_os_str().to_string_lossy().into_owned(), blob);
            }
        }
        found
    }

    /// The bytes of a file; `None` when the commit has none there.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(blob) = self.files.get(path).filter(|blob| blob.kind != BlobKind::Symlink) else {
            return Ok(None);
        };
        if blob.size > MAX_BLOB_BYTES {
            return Err(Error::invalid(format!("{} is larger than 256 MiB", path.display())));
        }
        self.object(&blob.oid).map(Some)
    }

    /// The size of the object that lists a directory.
    pub(crate) fn dir_size(&self, dir: &Path) -> Result<Option<u64>> {
        let name = fsx::relative(dir, &self.mount);
        if name.contains('\n') {
            return Ok(None);
        }
        Ok(Some(self.object(&format!("{}:{name}", self.commit))?.len() as u64))
    }

    fn object(&self, name: &str) -> Result<Vec<u8>> {
        let mut guard = self.reader.lock().map_err(|_| failed("cat-file", "a reader failed"))?;
        let io = |error: std::io::Error| failed("cat-file", error.to_string());
        let reader = match &mut *guard {
            Some(reader) => reader,
            none => none.insert(start(&self.git_root)?),
        };
        writeln!(reader.stdin, "{name}").and_then(|()| reader.stdin.flush()).map_err(io)?;
        let mut head = String::new();
        reader.stdout.read_line(&mut head).map_err(io)?;
        let size = head.split_whitespace().nth(2).and_then(|size| size.parse::<u64>().ok());
        let Some(size) = size else {
            return Err(failed("cat-file", format!("the object '{name}' is not there")));
        };
        let mut bytes = vec![0; size as usize];
        reader.stdout.read_exact(&mut bytes).map_err(io)?;
        reader.stdout.read_exact(&mut [0]).map_err(io)?;
        Ok(bytes)
    }
}

fn start(git_root: &Path) -> Result<Reader> {
    let io = |error: std::io::Error| failed("cat-file", error.to_string());
    let mut child = command(git_root)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io)?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (stdin, stdout) = pipes.ok_or_else(|| failed("cat-file", "it has no pipes"))?;
    Ok(Reader { child, stdin, stdout: BufReader::new(stdout) })
}
