//! Every commit that a branch, a tag or `HEAD` leads to, in DVC's order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::path::Path;

use super::{git, resolve};
use crate::error::Result;

/// The newest commits first. Of those that are known at the same time and equally old, the one with the smaller id
/// comes first, where Git's own order depends on the order of the refs.
pub(crate) fn newest_first(git_root: &Path) -> Result<Vec<String>> {
    let listed =
        git(git_root, &["log", "--format=%H %ct %P", "--branches", "--tags", "--remotes", "HEAD", "--"])?;
    let mut commits: HashMap<&str, (i64, Vec<&str>)> = HashMap::new();
    for line in listed.lines() {
        let mut words = line.split(' ');
        let (Some(commit), Some(time)) = (words.next(), words.next()) else { continue };
        commits.insert(commit, (time.parse().unwrap_or_default(), words.collect()));
    }
    let refs = git(
        git_root,
        &["for-each-ref", "--format=%(objectname) %(*objectname)", "refs/heads", "refs/tags", "refs/remotes"],
    )?;
    let head = resolve(git_root, "HEAD")?.unwrap_or_default();
    let (mut waiting, mut seen) = (BinaryHeap::new(), HashSet::new());
    let mut push = |waiting: &mut BinaryHeap<_>, commit: &str| {
        if let Some((known, (time, _))) = commits.get_key_value(commit)
            && seen.insert(*known)
        {
            waiting.push((*time, Reverse(*known)));
        }
    };
    refs.split_whitespace().for_each(|commit| push(&mut waiting, commit));
    push(&mut waiting, &head);
    let mut out = Vec::new();
    while let Some((_, Reverse(commit))) = waiting.pop() {
        out.push(commit.to_owned());
        for parent in commits.get(commit).map(|(_, parents)| parents.as_slice()).unwrap_or_default() {
            push(&mut waiting, parent);
        }
    }
    Ok(out)
}
