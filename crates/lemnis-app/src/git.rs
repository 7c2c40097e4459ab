//! The project's Git repository, through the `git` program that every user of it has.
//!
//! Only what the loop itself needs: make a repository, commit named files, name the present commit.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::Error;

/// Whose name commits carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The user's own, as Git is configured.
    Configured,
    /// None is configured: commits of Lemnis carry the name `lemnis`.
    Fallback,
}

/// Whether Git knows who the user is; an error where the user told Git never to guess and named nobody.
pub fn identity(root: &Path) -> Result<Identity, Error> {
    let known = |key: &str| -> Result<bool, Error> {
        let output = run(root, &["config", "--get", key])?;
        Ok(output.status.success() && !output.stdout.trim_ascii().is_empty())
    };
    if known("user.name")? && known("user.email")? {
        return Ok(Identity::Configured);
    }
    let strict = run(root, &["config", "--get", "--type=bool", "user.useConfigOnly"])?;
    if strict.stdout.trim_ascii() == b"true" {
        return Err(Error::invalid_with(
            "Git has no name and e-mail address for your commits, and user.useConfigOnly forbids to guess",
            "run: git config --global user.name \"Your Name\" && git config --global user.email you@example.org",
        ));
    }
    Ok(Identity::Fallback)
}

/// Where `origin` is; none without Git, without that remote, or where the URL holds a password.
pub fn remote(root: &Path) -> Option<String> {
    let output = run(root, &["remote", "get-url", "origin"]).ok()?;
    let url = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let has_password = url.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/')
            .next()
            .and_then(|host| host.rsplit_once('@'))
            .is_some_and(|(user, _)| user.contains(':'))
    });
    (output.status.success() && !url.is_empty() && !has_password).then_some(url)
}

/// Makes `root` a Git repository unless it already is one of its own.
pub fn init(root: &Path) -> Result<(), Error> {
    if root.join(".git").exists() {
        return Ok(());
    }
    expect(run(root, &["init", "--quiet"])?, "git init", root)
}

/// Commits the present state of `paths`; returns the commit, or nothing when they are as committed.
pub fn commit(root: &Path, paths: &[&str], message: &str) -> Result<Option<String>, Error> {
    let present: Vec<&str> = paths.iter().copied().filter(|path| root.join(path).exists()).collect();
    let mut add = vec!["add", "--"];
    add.extend(&present);
    retry_lock(root, || run(root, &add), "git add")?;
    let mut diff = vec!["diff", "--cached", "--quiet", "--"];
    diff.extend(&present);
    let staged = run(root, &diff)?;
    if staged.status.success() {
        return Ok(None);
    }
    let fallback = ["-c", "user.name=lemnis", "-c", "user.email=lemnis@localhost"];
    let mut arguments: Vec<&str> = match identity(root)? {
        Identity::Configured => Vec::new(),
        Identity::Fallback => fallback.to_vec(),
    };
    // Only what is named: whatever else the user has staged is not part of this commit.
    arguments.extend(["commit", "--quiet", "--no-verify", "-m", message, "--"]);
    arguments.extend(&present);
    retry_lock(root, || run(root, &arguments), "git commit")?;
    head(root)
}

/// Checks `commit` out into `path` beside the working tree of `root`, on no branch.
pub fn add_worktree(root: &Path, path: &Path, commit: &str) -> Result<(), Error> {
    let place = path.display().to_string();
    expect(
        run(root, &["worktree", "add", "--quiet", "--detach", "--force", &place, commit])?,
        "git worktree add",
        root,
    )
}

/// Removes what [`add_worktree`] made.
pub fn remove_worktree(root: &Path, path: &Path) -> Result<(), Error> {
    let place = path.display().to_string();
    expect(run(root, &["worktree", "remove", "--force", "--force", &place])?, "git worktree remove", root)
}

/// The present commit's full name; nothing before the first commit or outside a repository.
pub fn head(root: &Path) -> Result<Option<String>, Error> {
    let output = run(root, &["rev-parse", "--verify", "--quiet", "HEAD"])?;
    if !output.status.success() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// The branch that is checked out; nothing while HEAD is detached or outside a repository.
pub fn branch(root: &Path) -> Result<Option<String>, Error> {
    let output = run(root, &["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !name.is_empty()).then_some(name))
}

/// Whether the present commit is `commit` or has it among its ancestors.
pub fn contains(root: &Path, commit: &str) -> Result<bool, Error> {
    let plain = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(plain && run(root, &["merge-base", "--is-ancestor", commit, "HEAD"])?.status.success())
}

/// Whether any tracked file differs from the present commit.
pub fn is_dirty(root: &Path) -> Result<bool, Error> {
    let output = run(root, &["status", "--porcelain", "--untracked-files=no"])?;
    Ok(!output.stdout.trim_ascii().is_empty())
}

/// Another Git process may hold the index for a moment; one that was killed leaves its lock behind for ever. A lock
/// that stays for three seconds while no `git` works in the directory is such a remainder.
fn retry_lock(root: &Path, act: impl Fn() -> Result<Output, Error>, what: &str) -> Result<(), Error> {
    let lock = root.join(".git/index.lock");
    for attempt in 0..20 {
        let output = act()?;
        if output.status.success() {
            return Ok(());
        }
        if !lock.exists() && attempt > 0 || !String::from_utf8_lossy(&output.stderr).contains(".lock") {
            return expect(output, what, root);
        }
        if attempt == 15 && !git_works_in(root, &lock) {
            std::fs::remove_file(&lock).ok();
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    expect(act()?, what, root)
}

/// Whether a `git` process works in `root`, such as a commit whose message is being edited. Where processes cannot be
/// listed, a lock younger than ten minutes is taken for a sign of one.
fn git_works_in(root: &Path, lock: &Path) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        let age = lock.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        return age.is_none_or(|age| age < Duration::from_secs(600));
    };
    processes.flatten().any(|process| {
        let is_git =
            std::fs::read_to_string(process.path().join("comm")).is_ok_and(|name| name.starts_with("git"));
        is_git && std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(root))
    })
}

fn run(root: &Path, arguments: &[&str]) -> Result<Output, Error> {
    // a look at the work tree takes no lock that a killed server would leave behind
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
    command.output().map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            Error::invalid_with(
                "the program `git` is not installed",
                "install Git: https://git-scm.com/downloads",
            )
        } else {
            Error::File { path: root.to_path_buf(), action: "used with git", source }
        }
    })
}

fn expect(output: Output, what: &str, root: &Path) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it said nothing").trim().to_owned();
    Err(Error::conflict(
        format!("{what} failed in {}: {said}", root.display()),
        "run the same command there by hand to see all of it",
    ))
}
