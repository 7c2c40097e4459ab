//! Which pattern of which `.dvcignore` decides about a path.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fsx;
use crate::ignore::{Rule, parse_rule};
use crate::repo::Repo;

/// What DVC ignores without being told.
const ALWAYS: [&str; 4] = [".hg/", ".git/", ".git", ".dvc/"];

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
    let path = fsx::normalize(repo.cwd(), Path::new(target));
    let Ok(inside) = path.strip_prefix(repo.root()) else { return Ok(IgnoreMatch::default()) };
    let lines = lines_above(repo, &path)?;
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

/// The lines of every `.dvcignore` from the root down to where `path` lies.
fn lines_above(repo: &Repo, path: &Path) -> Result<Vec<Line>> {
    let root = repo.root();
    let mut lines = Vec::new();
    let mut push = |text: &str, base: &Path, shown: String| {
        if let Some(rule) = parse_rule(text) {
            lines.push(Line { rule, base: base.to_path_buf(), shown });
        }
    };
    for pattern in ALWAYS {
        push(pattern, root, format!(":{pattern}"));
    }
    let mut dirs: Vec<&Path> = path.ancestors().skip(1).take_while(|dir| dir.starts_with(root)).collect();
    dirs.reverse();
    for dir in dirs {
        let file = dir.join(".dvcignore");
        let Some(text) = fsx::read_text(&file)? else { continue };
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            push(line, dir, format!("{}:{}:{line}", repo.in_repo(&file), number + 1));
        }
    }
    Ok(lines)
}

/// The line that decides: of the last run of similar lines with a match the first one, as DVC says.
fn deciding<'l>(lines: &'l [Line], path: &Path, is_dir: bool) -> Option<&'l Line> {
    let hits = |line: &&Line| line.rule.hits(&line.base, path, is_dir);
    let similar = |a: &Line, b: &Line| {
        !a.rule.negated && !b.rule.negated && a.rule.directories_only == b.rule.directories_only
    };
    lines.chunk_by(similar).rev().find_map(|run| run.iter().find(hits))
}
