//! Other revisions of the repository: the files that define its stages, exported to a temporary directory.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::{fsx, git};

/// Which commits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which {
    pub(crate) branches: bool,
    pub(crate) tags: bool,
    pub(crate) commits: bool,
}

impl Which {
    fn none(self) -> bool {
        !(self.branches || self.tags || self.commits)
    }
}

/// Calls `visit` with the repository as each of the commits defines it; commits that define the same stages
/// are visited once.
pub(crate) fn each(repo: &Repo, which: Which, mut visit: impl FnMut(&Repo) -> Result<()>) -> Result<()> {
    if which.none() {
        return Ok(());
    }
    let Some(git_root) = repo.git_root() else {
        return Err(Error::hinted(
            "other revisions need Git, which this repository does without",
            "leave -a, -T and -A out",
        ));
    };
    let mut seen = HashSet::new();
    for commit in commits(git_root, which)? {
        let listed = definitions(git_root, &commit)?;
        if !seen.insert(listed.clone()) {
            continue;
        }
        let scratch = repo.scratch_dir();
        fsx::create_dirs(&scratch)?;
        let dir = tempfile::Builder::new()
            .prefix("state-")
            .tempdir_in(&scratch)
            .map_err(Error::io("create a directory in", &scratch))?;
        let paths: Vec<&str> =
            listed.iter().filter_map(|line| line.split_once('\t')).map(|(_, path)| path).collect();
        export(git_root, &commit, Some(&paths), &dir)?;
        let inner = repo.root().strip_prefix(git_root).unwrap_or(Path::new(""));
        visit(&repo.exported_to(&dir.path().join("tree").join(inner)))?;
    }
    Ok(())
}

fn commits(git_root: &Path, which: Which) -> Result<Vec<String>> {
    let mut args = vec!["rev-list"];
    if which.commits {
        args.extend(["--branches", "--tags", "HEAD"]);
    } else {
        args.push("--no-walk");
        args.extend(which.branches.then_some("--branches"));
        args.extend(which.tags.then_some("--tags"));
    }
    let text = git::run(git_root, &args)?.unwrap_or_default();
    Ok(text.lines().map(str::to_owned).collect())
}

/// The lines of `git ls-tree` for files that a stage's definition can come from.
fn definitions(git_root: &Path, commit: &str) -> Result<Vec<String>> {
    let listed = git::run(git_root, &["ls-tree", "-r", "-z", "--full-tree", commit])?.unwrap_or_default();
    let wanted = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
        let config = path == ".dvc/config" || path.ends_with("/.dvc/config");
        config
            || matches!(name, "dvc.lock" | ".dvcignore")
            || matches!(extension, "dvc" | "yaml" | "yml" | "json" | "toml" | "py")
    };
    let lines = listed.split('\0').filter(|line| line.split_once('\t').is_some_and(|(_, path)| wanted(path)));
    Ok(lines.map(str::to_owned).collect())
}

/// Writes files of a commit (all of them without `paths`) to `tree` inside `into`.
pub(crate) fn export(
    git_dir: &Path,
    commit: &str,
    paths: Option<&[&str]>,
    into: &TempDir,
) -> Result<PathBuf> {
    let tree = into.path().join("tree");
    fsx::create_dirs(&tree)?;
    let index = into.path().join("index");
    let git = |args: &[&str], input: Option<&[u8]>| -> Result<()> {
        let failed = |message: String| Error::Git { command: args.join(" "), message };
        let mut child = Command::new("git")
            .arg("-C")
            .arg(git_dir)
            .args(args)
            .env("GIT_INDEX_FILE", &index)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input).map_err(|error| failed(error.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")))
    };
    git(&["read-tree", commit], None)?;
    let prefix = format!("--prefix={}/", tree.display());
    match paths {
        None => git(&["checkout-index", "-a", "-f", &prefix], None)?,
        Some(paths) => {
            let input: Vec<u8> = paths.iter().flat_map(|path| path.bytes().chain([0])).collect();
            git(&["checkout-index", "-f", "-z", "--stdin", &prefix], Some(&input))?;
        }
    }
    Ok(tree)
}
