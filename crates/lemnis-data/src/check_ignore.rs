//! Which pattern of which `.dvcignore` decides about a path.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fsx;
use crate::ignore::{ALWAYS, Dialect, Rule};
use crate::repo::Repo;

/// What decides about a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreMatch {
    /// Whether the path is ignored.
    pub ignored: bool,
    /// The patterns that match it or a directory above, the deciding one last: `FILE:LINE:PATTERN`.
    pub patterns: Vec<String>,
}

struct Line {
    rule: Rule,
    base: PathBuf,
    shown: String,
}

/// Looks `target` up, which need not exist. A path outside the repository is not ignored.
pub fn check_ignore(repo: &Repo, target: &str) -> Result<IgnoreMatch> {
    look_up(repo, &fsx::normalize(repo.cwd(), Path::new(target)), true)
}

/// An output that is ignored would be data that no command sees.
pub(crate) fn check_output(repo: &Repo, path: &Path) -> Result<()> {
    let found = look_up(repo, path, false)?;
    match found.patterns.last().filter(|_| found.ignored) {
        Some(pattern) => Err(Error::hinted(
            format!("'{}' is ignored by {}", repo.show(path), pattern.trim_start_matches(':')),
            "take the pattern out of that file, or put the data where no pattern matches it",
        )),
        None => Ok(()),
    }
}

fn look_up(repo: &Repo, path: &Path, subrepos: bool) -> Result<IgnoreMatch> {
    let Ok(inside) = path.strip_prefix(repo.root()) else { return Ok(IgnoreMatch::default()) };
    let lines = lines_above(repo, path, subrepos)?;
    let mut found = IgnoreMatch::default();
    let mut at = repo.root().to_path_buf();
    let count = inside.components().count();
    for (index, part) in inside.components().enumerate() {
        at.push(part);
        let last = index + 1 == count;
        let is_dir = !last || path.is_dir();
        let hit = deciding(&lines, &at, is_dir);
        let ignored = hit.is_some_and(|line| !line.rule.negated);
        if !last && !ignored {
            continue;
        }
        found.ignored = ignored;
        found.patterns.extend(hit.map(|line| line.shown.clone()));
        if ignored {
            break;
        }
    }
    Ok(found)
}

/// The lines of every `.dvcignore` from the root down to where `path` lies. With `subrepos` a repository inside this
/// one is as good as a line.
fn lines_above(repo: &Repo, path: &Path, subrepos: bool) -> Result<Vec<Line>> {
    let root = repo.root();
    let mut lines = Vec::new();
    for pattern in ALWAYS.lines() {
        push(&mut lines, pattern, root, Dialect::DvcRoot, format!(":{pattern}"));
    }
    let mut dirs: Vec<&Path> = path.ancestors().take_while(|dir| dir.starts_with(root)).collect();
    dirs.reverse();
    for (at, dir) in dirs.iter().enumerate().take(dirs.len().saturating_sub(1)) {
        let file = dir.join(".dvcignore");
        let hidden = deciding(&lines, &file, false).is_some_and(|line| !line.rule.negated);
        let text = if hidden { None } else { fsx::read_text(&file)? };
        let dialect = if at == 0 { Dialect::DvcRoot } else { Dialect::Dvc };
        for (number, line) in text.unwrap_or_default().lines().enumerate() {
            let line = line.trim();
            let shown = format!("{}:{}:{line}", repo.in_repo(&file), number + 1);
            push(&mut lines, line, dir, dialect, shown);
        }
        let below = dirs[at + 1];
        if subrepos && below.join(".dvc").exists() {
            let name = fsx::relative(below, dir);
            push(&mut lines, &format!("/{name}/"), dir, dialect, format!("in sub_repo:{name}"));
        }
    }
    Ok(lines)
}

fn push(lines: &mut Vec<Line>, text: &str, base: &Path, dialect: Dialect, shown: String) {
    if let Some(rule) = Rule::parse(text, dialect) {
        lines.push(Line { rule, base: base.to_path_buf(), shown });
    }
}

/// The line that decides: of the last run of similar lines with a match the first one, as DVC says.
fn deciding<'l>(lines: &'l [Line], path: &Path, is_dir: bool) -> Option<&'l Line> {
    let hits = |line: &&Line| line.rule.hits(&line.base, path, is_dir);
    let similar = |a: &Line, b: &Line| {
        !a.rule.negated && !b.rule.negated && a.rule.directories_only == b.rule.directories_only
    };
    lines.chunk_by(similar).rev().find_map(|run| run.iter().find(hits))
}
