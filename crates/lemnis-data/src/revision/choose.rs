//! Which commits a command looks at beside the workspace: those of branches, tags, experiments, days.

use std::collections::HashSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::git;

/// Which revisions, beside the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revisions {
    pub(crate) rev: Option<String>,
    /// These commits, by their ids.
    pub(crate) commit_ids: Vec<String>,
    /// How many commits back from `rev` and the heads of branches.
    pub(crate) num: usize,
    pub(crate) branches: bool,
    pub(crate) tags: bool,
    pub(crate) commits: bool,
    pub(crate) experiments: bool,
    /// `yyyy-mm-dd`: commits of that day and later.
    pub(crate) since: Option<String>,
}

impl Revisions {
    pub(super) fn is_none(&self) -> bool {
        let Self { rev, commit_ids, branches, tags, commits, experiments, since, .. } = self;
        !(*branches || *tags || *commits || *experiments || rev.is_some() || since.is_some())
            && commit_ids.is_empty()
    }

    /// Whether a repository without Git cannot do what is asked. It has no branches, tags and commits, so that all of
    /// them are the workspace alone, as in DVC.
    pub(super) fn need_git(&self) -> bool {
        self.rev.is_some() || self.experiments || !self.commit_ids.is_empty()
    }

    /// The ids of the commits, each once.
    pub(super) fn commits(&self, git_root: &Path) -> Result<Vec<String>> {
        let list = |args: &[&str]| -> Result<Vec<String>> {
            let whole: Vec<&str> = ["rev-list"].iter().chain(args).copied().collect();
            Ok(git::run(git_root, &whole)?.unwrap_or_default().lines().map(str::to_owned).collect())
        };
        let refs = |pattern: &str| -> Result<Vec<String>> {
            let text =
                git::run(git_root, &["for-each-ref", "--format=%(refname)", pattern])?.unwrap_or_default();
            Ok(text.lines().map(str::to_owned).collect())
        };
        let back = format!("--max-count={}", self.num.max(1));
        let mut everything = vec!["--branches", "--tags", "--remotes"];
        // a repository without commits has no head
        if git::run(git_root, &["rev-parse", "--verify", "--quiet", "HEAD"])?.is_some() {
            everything.push("HEAD");
        }
        let mut found = self.commit_ids.clone();
        if let Some(rev) = &self.rev {
            let commit = resolve(git_root, rev, &refs("refs/exps/")?)?;
            found.extend(list(&["--first-parent", &back, &commit])?);
        }
        if self.commits {
            found.extend(list(&everything)?);
        } else {
            for branch in if self.branches { refs("refs/heads/")? } else { Vec::new() } {
                found.extend(list(&["--first-parent", &back, &branch])?);
            }
            if self.tags {
                found.extend(list(&["--no-walk", "--tags"])?);
            }
            if let Some(day) = &self.since {
                let since = format!("--since-as-filter={} 00:00:00", checked_day(day)?);
                found.extend(list(&[&[since.as_str()], &everything[..]].concat())?);
            }
        }
        for name in if self.experiments { refs("refs/exps/")? } else { Vec::new() } {
            let parts: Vec<&str> = name.split('/').collect();
            // refs/exps/<2>/<38>/<name> grows from the commit <2><38>
            if let [_, _, head, rest, _] = parts[..]
                && head.len() == 2
                && rest.len() == 38
            {
                found.extend(list(&[&name, &format!("^{head}{rest}")])?);
            } else {
                found.extend(list(&["--no-walk", &name])?);
            }
        }
        let mut seen = HashSet::new();
        found.retain(|commit| seen.insert(commit.clone()));
        Ok(found)
    }
}

fn resolve(git_root: &Path, rev: &str, experiments: &[String]) -> Result<String> {
    let unknown = || Error::invalid(format!("'{rev}' is not a revision that Git knows"));
    if rev.starts_with('-') {
        return Err(unknown());
    }
    let ask = |name: &str| -> Option<String> {
        let text = git::run(git_root, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]);
        text.ok().flatten().map(|text| text.trim().to_owned())
    };
    let experiment = || experiments.iter().find(|name| name.rsplit('/').next() == Some(rev));
    ask(rev).or_else(|| experiment().and_then(|name| ask(name))).ok_or_else(unknown)
}

fn checked_day(day: &str) -> Result<&str> {
    let parts: Vec<&str> = day.split('-').collect();
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    match parts[..] {
        [year, month, date] if digits(year, 4) && digits(month, 2) && digits(date, 2) => Ok(day),
        _ => Err(Error::hinted(format!("'{day}' is not a date"), "write it as yyyy-mm-dd")),
    }
}
