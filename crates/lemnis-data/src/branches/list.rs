//! Lists, makes and deletes branches.

use serde::Serialize;

use super::git::{check_name, current_branch, git, no_branch, root, tip};
use super::held::{HeldOutput, held_at};
use super::log::{Change, last_change};
use crate::error::{Error, Result};
use crate::repo::Repo;

/// A branch and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Whether it is checked out.
    pub current: bool,
    /// The commit at its tip.
    pub commit: String,
    /// When that commit was made, in ISO 8601.
    pub committed: String,
    /// The first line of its message.
    pub subject: String,
    /// Bytes of all outputs.
    pub size_bytes: u64,
    /// Its tracked outputs, by path.
    pub outputs: Vec<BranchOutput>,
}

/// A tracked output of a branch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BranchOutput {
    /// What it is.
    #[serde(flatten)]
    pub held: HeldOutput,
    /// The commit that gave it this content.
    pub last_change: Option<Change>,
}

/// The local branches, or only the one called `name`, with what they hold.
pub fn list_branches(repo: &Repo, name: Option<&str>) -> Result<Vec<Branch>> {
    let root = root(repo)?;
    let current = current_branch(root)?;
    let format =
        "--format=%(refname:short)%00%(objectname)%00%(committerdate:iso-strict)%00%(contents:subject)";
    let listed = git(root, &["for-each-ref", format, "refs/heads/"])?.text()?;
    let mut branches = Vec::new();
    for line in listed.lines() {
        let fields: Vec<&str> = line.splitn(4, '\0').collect();
        let [branch, commit, committed, subject] = fields[..] else { continue };
        if name.is_some_and(|name| name != branch) {
            continue;
        }
        let mut outputs = Vec::new();
        for held in held_at(repo, commit)? {
            let last_change = last_change(repo, commit, &held)?;
            outputs.push(BranchOutput { held, last_change });
        }
        branches.push(Branch {
            name: branch.to_owned(),
            current: current.as_deref() == Some(branch),
            commit: commit.to_owned(),
            committed: committed.to_owned(),
            subject: subject.to_owned(),
            size_bytes: outputs.iter().filter_map(|output| output.held.size_bytes).sum(),
            outputs,
        });
    }
    match name {
        Some(name) if branches.is_empty() => Err(no_branch(name)),
        _ => Ok(branches),
    }
}

/// Makes the branch `name` at revision `from` (default: where HEAD is) and returns its commit. The workspace stays.
pub fn create_branch(repo: &Repo, name: &str, from: Option<&str>) -> Result<String> {
    let root = root(repo)?;
    check_name(root, name)?;
    if tip(root, name)?.is_some() {
        return Err(Error::hinted(
            format!("there is a branch '{name}' already"),
            format!("switch to it with `lemnis data switch {name}`, or choose another name"),
        ));
    }
    if repo.has_no_commits()? {
        return Err(Error::hinted("there is no commit to branch from", "commit something first"));
    }
    let commit = repo.resolve(from.unwrap_or("HEAD"))?;
    git(root, &["branch", "--no-track", name, &commit])?.bytes()?;
    Ok(commit)
}

/// Deletes the branch `name`; one that is not merged only with `force`. Its data stays in the cache until `gc`.
pub fn delete_branch(repo: &Repo, name: &str, force: bool) -> Result<String> {
    let root = root(repo)?;
    let commit = tip(root, name)?.ok_or_else(|| no_branch(name))?;
    if current_branch(root)?.as_deref() == Some(name) {
        return Err(Error::hinted(
            format!("'{name}' is checked out"),
            "switch to another branch first: lemnis data switch NAME",
        ));
    }
    let answer = git(root, &["branch", if force { "-D" } else { "-d" }, "--", name])?;
    if answer.code != 0 && !force {
        let why = answer.error().to_string();
        if why.contains("not fully merged") {
            return Err(Error::hinted(
                format!("'{name}' holds commits that no other branch has"),
                "merge it with `lemnis data merge`, or delete it with --force",
            ));
        }
        return Err(Error::Git { command: "branch".into(), message: why });
    }
    if answer.code != 0 {
        return Err(answer.error());
    }
    Ok(commit)
}
