//! A Git commit as a read-only file tree: what a repository held at that revision, without a checkout.
//!
//! The tree is listed once, file contents are asked for one by one from one `git cat-file --batch` process.
//! Readers that go through [`Repo::read_text`] therefore see a revision as they see the working tree.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::fsx;
use crate::ignore::Ignore;
use crate::repo::Repo;

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

/// The commit that `revision` names; `None` when Git knows none.
pub(crate) fn resolve(git_root: &Path, revision: &str) -> Result<Option<String>> {
    if revision.is_empty() || revision.starts_with('-') || revision.contains('\0') {
        return Ok(None);
    }
    let spec = format!("{revision}^{{commit}}");
    let output = command(git_root)
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options", &spec])
        .output()
        .map_err(|error| failed("rev-parse", error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !text.is_empty()).then_some(text))
}

/// Runs git and returns what it printed; any other end than success is an error.
pub(crate) fn git(git_root: &Path, args: &[&str]) -> Result<String> {
    let output = command(git_root).args(args).output().map_err(|error| failed(args[0], error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(failed(args.first().copied().unwrap_or_default(), message))
}

fn command(git_root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(git_root).stdin(Stdio::null()).env("LC_ALL", "C");
    command
}

fn failed(command: &str, message: impl Into<String>) -> Error {
    Error::Git { command: command.to_owned(), message: message.into() }
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

impl Repo {
    /// The same repository as it was at `revision`, for reading only; `None` when the commit does not hold it.
    pub(crate) fn at_commit(&self, commit: &str) -> Result<Option<Self>> {
        let git_root = self.git_root().ok_or_else(no_git)?;
        let tree = Arc::new(GitTree::load(git_root, git_root, commit)?);
        let present = self.root() == git_root || tree.below(self.root()).next().is_some();
        Ok(present.then(|| self.seen_through(tree)))
    }

    /// The commit that `revision` names: anything that Git understands, or the name of an experiment.
    pub(crate) fn resolve(&self, revision: &str) -> Result<String> {
        let git_root = self.git_root().ok_or_else(no_git)?;
        if let Some(commit) = resolve(git_root, revision)? {
            return Ok(commit);
        }
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\".contains(c);
        if !revision.is_empty() && revision.chars().all(plain) {
            let pattern = format!("refs/exps/*/*/{revision}");
            let listed = git(git_root, &["for-each-ref", "--format=%(objectname)", &pattern])?;
            if let Some(commit) = listed.lines().next() {
                return Ok(commit.to_owned());
            }
        }
        Err(Error::hinted(
            format!("'{revision}' is neither a revision of Git nor an experiment"),
            "list the commits with `git log`, the experiments with `lemnis exp list`",
        ))
    }

    /// Whether nothing was committed yet.
    pub(crate) fn has_no_commits(&self) -> Result<bool> {
        Ok(resolve(self.git_root().ok_or_else(no_git)?, "HEAD")?.is_none())
    }

    /// The text of a file of the working tree or, for a repository at a revision, of the commit.
    pub(crate) fn read_text(&self, path: &Path) -> Result<Option<String>> {
        let Some(tree) = self.revision() else { return fsx::read_text(path) };
        let Some(bytes) = tree.read(path)? else { return Ok(None) };
        let message =
            |_| Error::Malformed { file: self.show(path), line: 1, message: "not valid UTF-8".to_owned() };
        String::from_utf8(bytes).map(Some).map_err(message)
    }

    /// Whether a file or directory is there, in the working tree or the commit.
    pub(crate) fn has(&self, path: &Path) -> Result<bool> {
        match self.revision() {
            Some(tree) => Ok(tree.file(path).is_some() || tree.below(path).next().is_some()),
            None => Ok(fsx::metadata(path)?.is_some()),
        }
    }
}

/// The `.dvc` files and `dvc.yaml`s of a commit that `.dvcignore` does not ignore, in the order in which a
/// walk of the working tree finds them: a directory's files before its sub-directories.
pub(crate) fn definitions(repo: &Repo, tree: &GitTree) -> Result<Vec<PathBuf>> {
    let root = repo.root();
    let mut ignore = Ignore::default();
    let (mut found, mut ignores, mut inner) = (Vec::new(), Vec::new(), Vec::new());
    for (path, _) in tree.below(root).filter(|(_, blob)| blob.kind != BlobKind::Symlink) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == ".dvcignore" {
            ignores.push(path);
        } else if name == "dvc.yaml" || (name.ends_with(".dvc") && name.len() > 4) {
            found.push(path.clone());
        } else if name == "config"
            && path.parent().is_some_and(|dir| dir.file_name().is_some_and(|name| name == ".dvc"))
        {
            inner.extend(path.ancestors().nth(2).filter(|dir| *dir != root));
        }
    }
    ignores.sort_by_key(|path| path.components().count());
    for path in ignores {
        let dir = path.parent().unwrap_or(root);
        ignore = ignore.with(dir, &repo.read_text(path)?.unwrap_or_default());
    }
    found.retain(|path| {
        let parents = path.ancestors().skip(1).take_while(|dir| *dir != root);
        let outside = parents.clone().all(|dir| !inner.contains(&dir) && !ignore.matches(dir, true));
        outside && !path.starts_with(root.join(".dvc")) && !ignore.matches(path, false)
    });
    found.sort_by_cached_key(|path| {
        let mut key: Vec<(bool, String)> =
            path.components().map(|part| (true, part.as_os_str().to_string_lossy().into_owned())).collect();
        if let Some(last) = key.last_mut() {
            last.0 = false;
        }
        key
    });
    Ok(found)
}

/// What asks for Git's history needs Git.
pub(crate) fn no_git() -> Error {
    Error::hinted("this repository is not in Git", "run `git init` and commit first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_as_it_was() {
        let dir = tempfile::tempdir().expect("temp dir");
        let root = dir.path();
        let run = |args: &[&str]| {
            let done = Command::new("git").arg("-C").arg(root).args(args).output().expect("git");
            assert!(done.status.success(), "{args:?}");
        };
        run(&["init", "-q"]);
        fsx::create_dirs(&root.join("a b")).expect("dir");
        fsx::write_text(&root.join("a b/f"), "one\n").expect("writes");
        fsx::write_text(&root.join("empty"), "").expect("writes");
        run(&["add", "-A"]);
        run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "c"]);
        fsx::write_text(&root.join("a b/f"), "two\n").expect("writes");
        let commit = resolve(root, "HEAD").expect("asks").expect("there");
        let tree = GitTree::load(root, root, &commit).expect("loads");
        assert_eq!(tree.read(&root.join("a b/f")).expect("reads").as_deref(), Some(&b"one\n"[..]));
        assert_eq!(tree.read(&root.join("empty")).expect("reads").as_deref(), Some(&b""[..]));
        assert_eq!(tree.read(&root.join("none")).expect("reads"), None);
        assert_eq!(tree.below(&root.join("a b")).count(), 1);
        assert_eq!(resolve(root, "nosuch").expect("asks"), None);
        assert_eq!(resolve(root, "--all").expect("asks"), None);
    }
}
