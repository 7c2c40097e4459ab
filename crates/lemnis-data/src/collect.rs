//! Which recorded outputs a transfer is about: targets, revisions, and where each output belongs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::Recorded;
use crate::imports::Link;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision::{self, Revisions};
use crate::stage::{Dep, Out, OutKind, Stage};
use crate::versions::{Place, Versions};

/// Which data to transfer; nothing set means all data of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Stages, `.dvc` files, tracked paths or paths inside tracked directories.
    pub targets: Vec<String>,
    /// What the targets depend on as well.
    pub with_deps: bool,
    /// Targets that are directories mean everything defined below them.
    pub recursive: bool,
    /// Targets are shell patterns.
    pub glob: bool,
    /// The heads of all branches as well.
    pub all_branches: bool,
    /// All tags as well.
    pub all_tags: bool,
    /// All commits as well.
    pub all_commits: bool,
    /// These commits, by their ids, instead of the workspace.
    pub commits: Vec<String>,
}

/// An output whose objects are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) recorded: Recorded,
    /// How people know it.
    pub(crate) label: String,
    pub(crate) path: PathBuf,
    /// Paths inside a directory when not all of it is wanted.
    pub(crate) parts: Option<Vec<String>>,
    /// The remote that the output itself names.
    pub(crate) remote: Option<String>,
    pub(crate) push: bool,
    pub(crate) kind: OutKind,
    /// Where the output is recorded.
    pub(crate) place: Place,
    /// What a versioned remote calls the recorded content.
    pub(crate) versions: Option<Arc<Versions>>,
    /// Where it was imported from, when it can be had there again.
    pub(crate) source: Option<Source>,
}

/// Where an import can be had again; the `.dvc` file says more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Another repository, at the recorded commit. No remote of ours holds it.
    Repo(PathBuf),
    /// A store that keeps the recorded version.
    Version(PathBuf),
}

impl Wanted {
    /// Whether it belongs to another repository, whose own remotes hold it.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.source, Some(Source::Repo(_)))
    }

    /// Whether the file `relpath` of the directory is wanted.
    pub(crate) fn takes(&self, relpath: &str) -> bool {
        let below = |part: &String| {
            relpath.strip_prefix(part.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.parts.as_ref().is_none_or(|parts| parts.iter().any(below))
    }
}

/// The cached outputs of the selection in the workspace and in the revisions it names.
pub(crate) fn collect(repo: &Repo, index: &mut Index, selection: &Selection) -> Result<Vec<Wanted>> {
    let which = Revisions {
        branches: selection.all_branches,
        tags: selection.all_tags,
        commits: selection.all_commits,
        commit_ids: selection.commits.clone(),
        ..Revisions::default()
    };
    let targets = expand(repo, selection)?;
    let mut found = Vec::new();
    let here = match selection.commits.is_empty() {
        true => collect_in(repo, index, selection, &targets),
        false => Ok(Vec::new()),
    };
    let mut failure = match here {
        Ok(wanted) => {
            found.extend(wanted);
            None
        }
        Err(error) => Some(error),
    };
    // A revision that cannot be read, or lacks a target, does not keep the others back.
    revision::each(repo, &which, |view, _| {
        let wanted =
            Index::load(view).and_then(|mut index| collect_in(view, &mut index, selection, &targets));
        if let Ok(wanted) = wanted {
            failure = None;
            found.extend(wanted);
        }
        Ok(())
    })?;
    failure.map_or(Ok(found), Err)
}

/// The cached outputs of the selection in the workspace that are recorded nowhere: places in the index, of the stage
/// and of the output in it.
pub(crate) fn unrecorded(
    repo: &Repo,
    index: &mut Index,
    selection: &Selection,
) -> Result<Vec<(usize, usize)>> {
    let targets = expand(repo, selection)?;
    let chosen = choose(repo, index, selection, &targets)?;
    let unknown = chosen.iter().filter(|one| index.stages[one.at].outs[one.out].recorded.is_none());
    Ok(unknown.map(|one| (one.at, one.out)).collect())
}

/// An output of the index.
struct Chosen {
    at: usize,
    out: usize,
    parts: Option<Vec<String>>,
}

fn collect_in(
    repo: &Repo,
    index: &mut Index,
    selection: &Selection,
    targets: &[String],
) -> Result<Vec<Wanted>> {
    let chosen = choose(repo, index, selection, targets)?;
    let wanted = chosen.into_iter().filter_map(|one| {
        let stage = &index.stages[one.at];
        want(repo, stage, &stage.outs[one.out], one.parts)
    });
    Ok(wanted.collect())
}

fn choose(repo: &Repo, index: &mut Index, selection: &Selection, targets: &[String]) -> Result<Vec<Chosen>> {
    if selection.with_deps {
        index.check(repo)?;
    }
    let mut chosen: Vec<usize> = Vec::new();
    // For each output that was named by a path: the parts of it, or all of it.
    let mut named: HashMap<PathBuf, Option<Vec<String>>> = HashMap::new();
    let mut whole: Vec<usize> = Vec::new();
    // As in DVC outputs and directories stand alone, without what their stages depend on.
    let mut alone: Vec<usize> = Vec::new();
    if targets.is_empty() {
        chosen = (0..index.stages.len()).collect();
        whole.clone_from(&chosen);
    }
    for target in targets {
        let path = fsx::normalize(repo.cwd(), Path::new(target));
        if selection.recursive && path.is_dir() {
            let below = |at: &usize| index.stages[*at].file.starts_with(&path);
            let below: Vec<usize> = (0..index.stages.len()).filter(below).collect();
            whole.extend(&below);
            alone.extend(below);
            continue;
        }
        for at in index.find(repo, target)? {
            let out = index.stages[at].outs.iter().find(|out| path.starts_with(&out.path));
            match out {
                None => chosen.push(at),
                Some(_) => alone.push(at),
            }
            match out {
                None => whole.push(at),
                Some(out) if out.path == path => drop(named.insert(path.clone(), None)),
                Some(out) => {
                    let part = fsx::relative(&path, &out.path);
                    if let Some(parts) = named.entry(out.path.clone()).or_insert_with(|| Some(Vec::new())) {
                        parts.push(part);
                    }
                }
            }
        }
    }
    if selection.with_deps {
        let all = index.order(&chosen, false, repo)?;
        whole.extend(all.iter().filter(|at| !chosen.contains(at)));
        chosen = all;
    }
    chosen.extend(alone);
    let mut outs = Vec::new();
    let mut done = std::collections::HashSet::new();
    for at in chosen.into_iter().filter(|at| done.insert(*at)) {
        for (number, out) in index.stages[at].outs.iter().enumerate().filter(|(_, out)| out.cache) {
            let parts = match named.get(&out.path) {
                _ if whole.contains(&at) => None,
                Some(parts) => parts.clone(),
                None => continue,
            };
            outs.push(Chosen { at, out: number, parts });
        }
    }
    Ok(outs)
}

/// The output of the stage, or parts of it, when it is recorded.
pub(crate) fn want(repo: &Repo, stage: &Stage, out: &Out, parts: Option<Vec<String>>) -> Option<Wanted> {
    let versioned = |dep: &Dep| dep.versioned && Link::keeps_versions(repo.config(), &dep.def_path);
    let source = match stage.import {
        true if stage.deps.iter().any(|dep| dep.from_repo) => Some(Source::Repo(stage.file.clone())),
        true if stage.deps.iter().any(versioned) => Some(Source::Version(stage.file.clone())),
        _ => None,
    };
    Some(Wanted {
        recorded: out.recorded.clone()?,
        label: repo.show(&out.path),
        path: out.path.clone(),
        parts,
        remote: out.remote.as_ref().map(|name| name.to_lowercase()),
        push: out.push,
        kind: out.kind,
        place: Place::of(stage, out),
        versions: out.versions.clone(),
        source,
    })
}

/// The targets with shell patterns replaced by the paths that match.
pub(crate) fn expand(repo: &Repo, selection: &Selection) -> Result<Vec<String>> {
    if !selection.glob {
        return Ok(selection.targets.clone());
    }
    let mut found = Vec::new();
    for target in &selection.targets {
        let parts: Vec<&str> = target.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let start = if target.starts_with('/') { Path::new("/") } else { repo.cwd() };
        let mut matches = Vec::new();
        descend(start, &parts, &mut matches)?;
        if matches.is_empty() {
            return Err(Error::NoSuchTarget { target: target.clone() });
        }
        matches.sort();
        found.extend(matches.iter().map(|path| fsx::relative(path, repo.cwd())));
    }
    Ok(found)
}

fn descend(dir: &Path, parts: &[&str], found: &mut Vec<PathBuf>) -> Result<()> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(dir.to_path_buf());
        return Ok(());
    };
    if !part.contains(['*', '?', '[']) {
        let next = dir.join(part);
        return if next.symlink_metadata().is_ok() { descend(&next, rest, found) } else { Ok(()) };
    }
    if *part == "**" {
        descend(dir, rest, found)?;
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if name.starts_with('.') && !part.starts_with('.') {
            continue;
        }
        if *part == "**" {
            if is_dir {
                descend(&entry.path(), parts, found)?;
            } else if rest.is_empty() {
                found.push(entry.path());
            }
        } else if shell_match(part.as_bytes(), name.as_bytes()) && (rest.is_empty() || is_dir) {
            descend(&entry.path(), rest, found)?;
        }
    }
    Ok(())
}

/// A shell pattern against one name: `*`, `?` and `[a-z]`, `[!a-z]`.
fn shell_match(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| shell_match(rest, &name[at..])),
        Some((first, rest)) => {
            let Some((&ch, name)) = name.split_first() else { return false };
            if *first == b'['
                && let Some(end) = rest.iter().skip(1).position(|b| *b == b']').map(|at| at + 1)
            {
                let (negated, set) = match rest[..end].strip_prefix(b"!") {
                    Some(set) => (true, set),
                    None => (false, &rest[..end]),
                };
                return (in_set(set, ch) != negated) && shell_match(&rest[end + 1..], name);
            }
            (*first == b'?' || *first == ch) && shell_match(rest, name)
        }
    }
}

fn in_set(set: &[u8], ch: u8) -> bool {
    match set {
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&ch) || in_set(rest, ch),
        [one, rest @ ..] => *one == ch || in_set(rest, ch),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_patterns_match_one_name() {
        for (pattern, name, hit) in [
            ("*.dvc", "f.dvc", true),
            ("*.dvc", "f.dvcx", false),
            ("a?c", "abc", true),
            ("[a-c]1", "b1", true),
            ("[!a-c]1", "b1", false),
            ("a*b*c", "a1b2c", true),
            ("[x", "[x", true),
        ] {
            assert_eq!(shell_match(pattern.as_bytes(), name.as_bytes()), hit, "{pattern} {name}");
        }
    }
}
