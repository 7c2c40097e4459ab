//! Experiments that wait to be run: commits in the reflog of a ref, as DVC and `git stash` keep them.
//!
//! The commit's tree is the workspace with the parameters set; its message names the commit to start from,
//! the baseline and the experiment.

use crate::error::Result;
use crate::repo::Repo;
use crate::revision::{git, no_git};

/// What waits for a worker.
pub(crate) const QUEUED: &str = "refs/exps/celery/stash";
/// What a worker ran without success.
pub(crate) const FAILED: &str = "refs/exps/celery/failed";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stashed {
    pub(crate) commit: String,
    /// The commit to check out first.
    pub(crate) head: String,
    pub(crate) baseline: String,
    pub(crate) name: String,
}

impl Stashed {
    fn message(&self) -> String {
        format!("commit: dvc-exp:{}:{}:{}", self.head, self.baseline, self.name)
    }

    /// The message of the commit itself.
    pub(crate) fn subject(head: &str, baseline: &str, name: &str) -> String {
        format!("dvc-exp:{head}:{baseline}:{name}")
    }

    fn parse(commit: &str, message: &str) -> Option<Self> {
        let rest = message.trim().strip_prefix("commit: ")?.strip_prefix("dvc-exp:")?;
        let mut parts = rest.splitn(4, ':').map(str::to_owned);
        let (head, baseline, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { commit: commit.to_owned(), head, baseline, name })
    }

    /// Puts it on top of `stash`.
    pub(crate) fn push(&self, repo: &Repo, stash: &str) -> Result<()> {
        let git_root = repo.git_root().ok_or_else(no_git)?;
        let message = self.message();
        git(git_root, &["update-ref", "--create-reflog", "-m", &message, stash, &self.commit]).map(drop)
    }
}

/// What `stash` holds, newest first, each with its place in the reflog.
pub(crate) fn list(repo: &Repo, stash: &str) -> Result<Vec<(usize, Stashed)>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    if git(git_root, &["rev-parse", "--verify", "--quiet", stash]).is_err() {
        return Ok(Vec::new());
    }
    let listed = git(git_root, &["log", "--walk-reflogs", "--format=%H %gs", stash, "--"])?;
    let parse = |line: &str| line.split_once(' ').and_then(|(commit, text)| Stashed::parse(commit, text));
    let all = listed.lines().enumerate();
    Ok(all.filter_map(|(at, line)| parse(line).map(|stashed| (at, stashed))).collect())
}

/// Takes `commit` out of `stash`; it need not be there.
pub(crate) fn remove(repo: &Repo, stash: &str, commit: &str) -> Result<()> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let all = list(repo, stash)?;
    let Some((at, _)) = all.iter().find(|(_, one)| one.commit == commit) else { return Ok(()) };
    git(git_root, &["reflog", "delete", "--updateref", "--rewrite", &format!("{stash}@{{{at}}}")])?;
    if all.len() == 1 {
        git(git_root, &["update-ref", "-d", stash])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reflog_line_is_that_of_dvc() {
        let parsed = Stashed::parse("c", "commit: dvc-exp:aa:bb:q1").expect("parses");
        assert_eq!((&*parsed.head, &*parsed.baseline, &*parsed.name), ("aa", "bb", "q1"));
        assert_eq!(parsed.message(), "commit: dvc-exp:aa:bb:q1");
        assert_eq!(Stashed::parse("c", "WIP on main"), None);
    }
}
