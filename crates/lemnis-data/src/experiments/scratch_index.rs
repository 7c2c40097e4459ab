//! A Git index of our own, to make commits without touching the user's index or working tree.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::declared;
use crate::error::{Error, Result};
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision::{git, no_git};

/// An index in a temporary file.
pub(crate) struct ScratchIndex<'r> {
    git_root: &'r Path,
    holder: TempDir,
}

/// With its modification time: by it Git knows which files may have changed within the second in which they were
/// noted, and looks at their content.
fn copy_index(from: &Path, to: &Path) -> std::io::Result<()> {
    let modified = std::fs::metadata(from)?.modified()?;
    std::fs::copy(from, to)?;
    std::fs::File::options().write(true).open(to)?.set_modified(modified)
}

impl<'r> ScratchIndex<'r> {
    /// The user's index with everything that changed in files which Git knows, and with the definitions of
    /// stages that it does not know yet.
    pub(crate) fn of_workspace(repo: &'r Repo, index: &Index) -> Result<Self> {
        let git_root = repo.git_root().ok_or_else(no_git)?;
        let scratch = repo.scratch_dir();
        fsx::create_dirs(&scratch)?;
        let holder = tempfile::Builder::new()
            .prefix("objects-")
            .tempdir_in(&scratch)
            .map_err(Error::io("create", &scratch))?;
        let theirs = git(git_root, &["rev-parse", "--git-path", "index"])?;
        let theirs = fsx::normalize(git_root, Path::new(theirs.trim()));
        if theirs.is_file() {
            copy_index(&theirs, &holder.path().join("index")).map_err(Error::io("copy", &theirs))?;
        }
        let own = Self { git_root, holder };
        own.run(&["add", "--update", "--", ":/"], b"")?;
        let mut files = definitions(repo, index)?;
        files.retain(|file| file.starts_with(git_root) && file.exists());
        let relative: Vec<String> = files.iter().map(|file| fsx::relative(file, git_root)).collect();
        if !relative.is_empty() {
            let mut args =
                vec!["--literal-pathspecs", "ls-files", "--others", "--exclude-standard", "-z", "--"];
            args.extend(relative.iter().map(String::as_str));
            let listed = own.run(&args, b"")?;
            let more: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
            own.add(&more)?;
        }
        Ok(own)
    }

    /// Takes files of the working tree in, by their paths from its root.
    pub(crate) fn add(&self, paths: &[&str]) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let mut args = vec!["--literal-pathspecs", "add", "--"];
        args.extend(paths);
        self.run(&args, b"").map(drop)
    }

    /// Puts `bytes` at `path`, whatever the working tree holds there.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let oid = self.run(&["hash-object", "-w", "--stdin"], bytes)?;
        let entry = format!("100644,{},{}", oid.trim(), fsx::relative(path, self.git_root));
        self.run(&["update-index", "--add", "--cacheinfo", &entry], b"").map(drop)
    }

    /// The tree that it holds.
    pub(crate) fn write_tree(&self) -> Result<String> {
        Ok(self.run(&["write-tree"], b"")?.trim().to_owned())
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Result<String> {
        let command = args.iter().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
        let failed = |message: String| Error::Git { command: command.into(), message };
        let mut child = Command::new("git")
            .arg("-C")
            .arg(self.git_root)
            .args(args)
            .env("GIT_INDEX_FILE", self.holder.path().join("index"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).map_err(|error| failed(error.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")))
    }
}

/// Files that belong to an experiment even when Git does not know them yet.
fn definitions(repo: &Repo, index: &Index) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut beside = |path: &Path| {
        let ignore = path.parent().map(|dir| dir.join(".gitignore"));
        files.extend(ignore);
    };
    for stage in &index.stages {
        stage.outs.iter().filter(|out| out.cache).for_each(|out| beside(&out.path));
    }
    for stage in &index.stages {
        files.push(stage.file.clone());
        if stage.name.is_some() {
            files.push(stage.lock_path());
        }
        files.extend(stage.params.iter().map(|dep| dep.path.clone()));
        files.extend(stage.outs.iter().filter(|out| !out.cache).map(|out| out.path.clone()));
    }
    for file in &index.pipelines {
        let declared = declared::read(repo, file)?;
        files.push(file.clone());
        files.extend(declared.metrics);
        files.extend(declared.params);
        let dir = file.parent().unwrap_or(Path::new("/"));
        files.extend(declared.plots.iter().map(|(id, _)| fsx::normalize(dir, Path::new(id))));
    }
    files.push(repo.root().join("params.yaml"));
    files.sort();
    files.dedup();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::environment::Environment;
    use crate::repo::InitOptions;

    #[test]
    fn a_change_within_the_second_of_the_commit_is_seen() {
        let dir = tempfile::tempdir().expect("temp dir");
        let run = |args: &[&str]| {
            let status = Command::new("git").arg("-C").arg(dir.path()).args(args).status();
            assert!(status.expect("git runs").success(), "{args:?}");
        };
        run(&["init", "-q"]);
        run(&["config", "core.trustctime", "false"]);
        let environment = Environment::default();
        let repo = Repo::init(dir.path(), InitOptions::default(), &environment).expect("initialises");
        let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let at = |path: &str| {
            let file = File::options().write(true).open(dir.path().join(path)).expect("opens");
            file.set_modified(second).expect("sets");
        };
        fs::write(dir.path().join("params.yaml"), "lr: 1\n").expect("writes");
        at("params.yaml");
        run(&["add", "-A"]);
        at(".git/index");
        fs::write(dir.path().join("params.yaml"), "lr: 9\n").expect("writes");
        at("params.yaml");
        let index = Index::load(&repo).expect("loads");
        let tree = ScratchIndex::of_workspace(&repo, &index).expect("takes").write_tree().expect("writes");
        let text = git(dir.path(), &["show", &format!("{tree}:params.yaml")]).expect("shows");
        assert_eq!(text, "lr: 9\n");
    }
}
