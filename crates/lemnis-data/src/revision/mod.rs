//! Other revisions: Git's commits as read-only repositories, without a checkout.
//!
//! [`Repo::at_commit`] sees a commit as [`Repo`] sees the working tree: readers that go through
//! [`Repo::read_text`] work on both. [`each`] goes through the commits that a command's `--all-branches` and
//! the like stand for; [`export`] writes a commit's files out for those who need them on the disk.

mod choose;
mod export;
mod order;
mod tree;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

pub(crate) use choose::Revisions;
pub(crate) use export::export;
pub(crate) use order::newest_first;
pub(crate) use tree::{BlobKind, GitTree};

use crate::error::{Error, Result};
use crate::fsx;
use crate::ignore::Ignore;
use crate::repo::Repo;

/// Calls `visit` with the repository as each of the revisions has it and the commit's id. Revisions without a
/// repository at its place are passed over; those that define the same are visited once.
pub(crate) fn each(
    repo: &Repo,
    which: &Revisions,
    mut visit: impl FnMut(&Repo, &str) -> Result<()>,
) -> Result<()> {
    if which.is_none() {
        return Ok(());
    }
    let Some(git_root) = repo.git_root() else {
        if !which.need_git() {
            return Ok(());
        }
        return Err(Error::hinted(
            "other revisions need Git, which this repository does without",
            "leave revisions and experiments out",
        ));
    };
    let mut seen = HashSet::new();
    for commit in which.commits(git_root)? {
        let Some(past) = repo.at_commit(&commit)? else { continue };
        let Some(tree) = past.revision() else { continue };
        let is_repo = tree.below(&repo.root().join(".dvc")).next().is_some();
        if is_repo && seen.insert(fingerprint(repo.root(), tree)) {
            visit(&past, &commit)?;
        }
    }
    Ok(())
}

/// The files that a definition can come from, with their contents' ids.
fn fingerprint(root: &Path, tree: &GitTree) -> Vec<(PathBuf, String)> {
    let is_definition = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        matches!(extension, "dvc" | "lock" | "yaml" | "yml" | "json" | "toml" | "py")
            || path.file_name().is_some_and(|name| name == ".dvcignore")
    };
    let below = tree.below(root).filter(|(path, _)| is_definition(path));
    below.map(|(path, blob)| (path.clone(), blob.oid.clone())).collect()
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

/// A look at the work tree takes no lock that a killed command would leave behind.
fn command(git_root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(git_root).stdin(Stdio::null()).env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    command
}

fn failed(command: &str, message: impl Into<String>) -> Error {
    Error::Git { command: command.to_owned(), message: message.into() }
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
    let mut ignore = Ignore::dvc(root);
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
        if ignore.matches(path, false) {
            continue;
        }
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
