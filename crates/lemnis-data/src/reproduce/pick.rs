//! Which stages the words of a command line mean: names, groups, patterns, files, outputs, directories.

use crate::error::{Error, Result};
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::reproduce::plan::Graph;

/// How targets are read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pick {
    /// A directory means the stages inside it.
    pub(crate) recursive: bool,
    /// Stage names are shell patterns.
    pub(crate) glob: bool,
}

/// The stages of `targets` without repetition; without targets those of the `dvc.yaml` that is here.
pub(crate) fn pick(repo: &Repo, index: &Index, targets: &[String], how: Pick) -> Result<Vec<usize>> {
    let here = ["dvc.yaml".to_owned()];
    let targets = if targets.is_empty() { &here[..] } else { targets };
    let mut found: Vec<usize> = Vec::new();
    for target in targets {
        let path = fsx::normalize(repo.cwd(), target.as_ref());
        let stages = if how.recursive && path.is_dir() {
            let inside = |at: &usize| index.stages[*at].file.starts_with(&path);
            Graph::of(index, false).postorder(|_| true).into_iter().filter(inside).collect()
        } else if how.glob {
            matching(repo, index, target)?
        } else if path.file_name().is_some_and(|name| name == "dvc.yaml") {
            if !path.is_file() {
                return Err(Error::Missing { what: "pipeline file", path: repo.show(&path) });
            }
            let own = |at: &usize| index.stages[*at].file == path;
            (0..index.stages.len()).filter(own).collect()
        } else {
            index.find(repo, target)?
        };
        for at in stages {
            if !found.contains(&at) {
                found.push(at);
            }
        }
    }
    Ok(found)
}

fn matching(repo: &Repo, index: &Index, target: &str) -> Result<Vec<usize>> {
    let (file, pattern) = target.rsplit_once(':').unwrap_or(("dvc.yaml", target));
    let file = fsx::normalize(repo.cwd(), file.as_ref());
    if !file.is_file() {
        return Err(Error::Missing { what: "pipeline file", path: repo.show(&file) });
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let wanted = |at: &usize| {
        let stage = &index.stages[*at];
        let name = stage.name.as_deref().map(|name| name.chars().collect::<Vec<_>>());
        stage.file == file && name.is_some_and(|name| fnmatch(&pattern, &name))
    };
    Ok((0..index.stages.len()).filter(wanted).collect())
}

/// Python's `fnmatch`: `*`, `?`, `[abc]` and `[!abc]`, where no character is special to `*`.
fn fnmatch(pattern: &[char], text: &[char]) -> bool {
    match pattern.first() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| fnmatch(&pattern[1..], &text[at..])),
        Some('?') => !text.is_empty() && fnmatch(&pattern[1..], &text[1..]),
        Some('[') => {
            let negated = pattern.get(1) == Some(&'!');
            let start = 1 + usize::from(negated);
            let close = pattern.iter().skip(start + 1).position(|c| *c == ']').map(|at| at + start + 1);
            match (close, text.first()) {
                (Some(close), Some(c)) => {
                    in_set(&pattern[start..close], *c) != negated
                        && fnmatch(&pattern[close + 1..], &text[1..])
                }
                (None, Some('[')) => fnmatch(&pattern[1..], &text[1..]),
                _ => false,
            }
        }
        Some(c) => text.first() == Some(c) && fnmatch(&pattern[1..], &text[1..]),
    }
}

fn in_set(set: &[char], c: char) -> bool {
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            if (set[at]..=set[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else {
            if set[at] == c {
                return true;
            }
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_python() {
        let matches = |pattern: &str, text: &str| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            fnmatch(&chars(pattern), &chars(text))
        };
        assert!(matches("s@*", "s@a") && matches("*", "") && matches("tr?in", "train"));
        assert!(matches("[a-c]x", "bx") && matches("[!a]x", "bx") && !matches("[!b]x", "bx"));
        assert!(!matches("s@*", "t@a") && matches("[", "[") && matches("[]]", "]"));
    }
}
