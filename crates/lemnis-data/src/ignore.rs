//! `.dvcignore` and `.gitignore`: gitignore patterns, nested files, the last match wins.
//!
//! Matching in process keeps a command that has nothing to do free of sub-processes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fsx;

/// One line of an ignore file.
pub(crate) struct Rule {
    pattern: Vec<char>,
    /// The pattern, when it matches itself alone.
    literal: Option<String>,
    pub(crate) negated: bool,
    pub(crate) directories_only: bool,
    anchored: bool,
}

impl Rule {
    /// Whether the rule, of a file in `base`, speaks of `path`.
    pub(crate) fn hits(&self, base: &Path, path: &Path, is_dir: bool) -> bool {
        let Ok(relative) = path.strip_prefix(base) else { return false };
        let text: Vec<char> = relative.to_string_lossy().chars().collect();
        let name_at = text.iter().rposition(|c| *c == '/').map_or(0, |at| at + 1);
        self.hits_text(&text, name_at, is_dir)
    }

    fn hits_text(&self, text: &[char], name_at: usize, is_dir: bool) -> bool {
        let subject = if self.anchored { text } else { &text[name_at..] };
        (is_dir || !self.directories_only) && wild(&self.pattern, subject)
    }
}

/// The lines of one ignore file. A file that names thousands of outputs is asked once for each path of a walk, so
/// plain names are found by hash.
struct Rules {
    /// The directory that holds the file.
    base: PathBuf,
    rules: Vec<Rule>,
    /// Plain names that hold at any depth, and where in `rules` they stand.
    names: HashMap<String, Vec<usize>>,
    /// Plain paths below `base`.
    paths: HashMap<String, Vec<usize>>,
    /// Where the patterns stand.
    patterns: Vec<usize>,
}

impl Rules {
    fn new(base: &Path, rules: Vec<Rule>) -> Self {
        let (mut names, mut paths) = (HashMap::new(), HashMap::new());
        let mut patterns = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let places: &mut HashMap<String, Vec<usize>> =
                if rule.anchored { &mut paths } else { &mut names };
            match &rule.literal {
                Some(literal) => places.entry(literal.clone()).or_default().push(at),
                None => patterns.push(at),
            }
        }
        Self { base: base.to_path_buf(), rules, names, paths, patterns }
    }

    /// The last rule that speaks of the path `relative` to the base.
    fn last(&self, relative: &str, is_dir: bool) -> Option<&Rule> {
        let name = relative.rsplit('/').next().unwrap_or_default();
        let fits = |at: &usize| is_dir || !self.rules[*at].directories_only;
        let plain = |places: &HashMap<String, Vec<usize>>, text: &str| {
            places.get(text).and_then(|found| found.iter().copied().rfind(fits))
        };
        let mut best = plain(&self.names, name).max(plain(&self.paths, relative));
        if let Some(last) = self.patterns.last()
            && best.is_none_or(|best| *last > best)
        {
            let text: Vec<char> = relative.chars().collect();
            let name_at = text.iter().rposition(|c| *c == '/').map_or(0, |at| at + 1);
            let hits = |at: &usize| self.rules[*at].hits_text(&text, name_at, is_dir);
            let later =
                self.patterns.iter().copied().rev().take_while(|at| best.is_none_or(|best| *at > best));
            best = later.into_iter().find(hits).or(best);
        }
        best.map(|at| &self.rules[at])
    }
}

/// The patterns as they hold for the entries of one directory.
pub(crate) struct Here<'a>(Vec<(String, &'a Rules)>);

impl Here<'_> {
    /// Whether the entry is ignored.
    pub(crate) fn matches(&self, name: &str, is_dir: bool) -> bool {
        let rule = self.0.iter().find_map(|(prefix, rules)| {
            let relative: Cow<'_, str> =
                if prefix.is_empty() { name.into() } else { format!("{prefix}{name}").into() };
            rules.last(&relative, is_dir)
        });
        rule.is_some_and(|rule| !rule.negated)
    }
}

/// The patterns in force in one directory: those of the root down to it.
#[derive(Clone, Default)]
pub(crate) struct Ignore {
    levels: Vec<std::sync::Arc<Rules>>,
}

impl Ignore {
    /// Patterns given as text, as if in a file in `base`.
    pub(crate) fn with(mut self, base: &Path, text: &str) -> Self {
        let rules: Vec<Rule> = text.lines().filter_map(parse_rule).collect();
        if !rules.is_empty() {
            self.levels.push(std::sync::Arc::new(Rules::new(base, rules)));
        }
        self
    }

    /// These patterns and those of the file `name` in `dir`.
    pub(crate) fn enter(&self, dir: &Path, name: &str) -> Result<Self> {
        match fsx::read_text(&dir.join(name))? {
            Some(text) => Ok(self.clone().with(dir, &text)),
            None => Ok(self.clone()),
        }
    }

    /// The patterns for the entries of `dir`.
    pub(crate) fn here(&self, dir: &Path) -> Here<'_> {
        let levels = self.levels.iter().rev().filter_map(|rules| {
            let mut prefix = dir.strip_prefix(&rules.base).ok()?.to_string_lossy().into_owned();
            if !prefix.is_empty() {
                prefix.push('/');
            }
            Some((prefix, rules.as_ref()))
        });
        Here(levels.collect())
    }

    /// Whether `path`, whose parents are not ignored, is.
    pub(crate) fn matches(&self, path: &Path, is_dir: bool) -> bool {
        let rule = self.levels.iter().rev().find_map(|level| {
            let relative = path.strip_prefix(&level.base).ok()?;
            level.last(&relative.to_string_lossy(), is_dir)
        });
        rule.is_some_and(|rule| !rule.negated)
    }

    /// Whether the directory `dir` is ignored, by itself or with one of its parents.
    pub(crate) fn covers_parent(&self, dir: &Path) -> bool {
        let above = |at: &&Path| {
            let levels = self.levels.iter().rev();
            let rule = levels.filter(|level| *at != level.base).find_map(|level| {
                let relative = at.strip_prefix(&level.base).ok()?;
                level.last(&relative.to_string_lossy(), true)
            });
            rule.is_some_and(|rule| !rule.negated)
        };
        dir.ancestors().any(|at| above(&at))
    }

    /// Whether `path` or one of its parents below `root` is ignored by `base` and the files `name` on the way.
    pub(crate) fn covers(base: Self, root: &Path, path: &Path, name: &str, is_dir: bool) -> Result<bool> {
        let Ok(relative) = path.strip_prefix(root) else { return Ok(false) };
        let mut ignore = base.enter(root, name)?;
        let mut at = root.to_path_buf();
        let count = relative.components().count();
        for (index, part) in relative.components().enumerate() {
            at.push(part);
            let last = index + 1 == count;
            if ignore.matches(&at, !last || is_dir) {
                return Ok(true);
            }
            if !last {
                ignore = ignore.enter(&at, name)?;
            }
        }
        Ok(false)
    }
}

/// The rule that a line holds; `None` for a comment or nothing.
pub(crate) fn parse_rule(line: &str) -> Option<Rule> {
    let mut line = line.trim_end_matches('\r');
    while line.ends_with(' ') && !line.ends_with("\\ ") {
        line = &line[..line.len() - 1];
    }
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (negated, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (directories_only, line) = match line.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let anchored = line.contains('/');
    let line = line.strip_prefix('/').unwrap_or(line);
    let literal = (!line.contains(['*', '?', '[', '\\'])).then(|| line.to_owned());
    (!line.is_empty()).then(|| Rule {
        pattern: line.chars().collect(),
        literal,
        negated,
        directories_only,
        anchored,
    })
}

/// Git's wildmatch with path separators: `*` and `?` stop at `/`, `**` does not.
fn wild(pattern: &[char], text: &[char]) -> bool {
    let Some(first) = pattern.first() else { return text.is_empty() };
    match first {
        '*' if pattern.get(1) == Some(&'*') => {
            let rest = &pattern[2..];
            if rest.first() == Some(&'/') && wild(&rest[1..], text) {
                return true;
            }
            if rest.is_empty() {
                return !text.is_empty();
            }
            (0..=text.len()).any(|at| wild(rest, &text[at..]))
        }
        '*' => {
            let rest = &pattern[1..];
            let stop = text.iter().position(|c| *c == '/').unwrap_or(text.len());
            (0..=stop).any(|at| wild(rest, &text[at..]))
        }
        '?' => text.first().is_some_and(|c| *c != '/') && wild(&pattern[1..], &text[1..]),
        '[' => match (class(pattern), text.first()) {
            (Some((matcher, length)), Some(c)) if *c != '/' => {
                matcher(*c) && wild(&pattern[length..], &text[1..])
            }
            (None, Some('[')) => wild(&pattern[1..], &text[1..]),
            _ => false,
        },
        '\\' if pattern.len() > 1 => text.first() == Some(&pattern[1]) && wild(&pattern[2..], &text[1..]),
        literal => text.first() == Some(literal) && wild(&pattern[1..], &text[1..]),
    }
}

fn class(pattern: &[char]) -> Option<(impl Fn(char) -> bool + use<>, usize)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let mut ranges = Vec::new();
    let start = at;
    loop {
        match pattern.get(at)? {
            ']' if at > start => break,
            '\\' => {
                let c = *pattern.get(at + 1)?;
                ranges.push((c, c));
                at += 2;
            }
            &low => match (pattern.get(at + 1), pattern.get(at + 2)) {
                (Some('-'), Some(&high)) if high != ']' => {
                    ranges.push((low, high));
                    at += 3;
                }
                _ => {
                    ranges.push((low, low));
                    at += 1;
                }
            },
        }
    }
    Some((move |c| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != negated, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(rules: &str, path: &str, is_dir: bool) -> bool {
        Ignore::default().with(Path::new("/r"), rules).matches(&Path::new("/r").join(path), is_dir)
    }

    #[test]
    fn patterns_match_as_in_git() {
        assert!(ignored("*.pyc", "a/b/c.pyc", false));
        assert!(ignored("/data", "data", true));
        assert!(!ignored("/data", "sub/data", true));
        assert!(!ignored("build/", "build", false));
        assert!(ignored("build/", "x/build", true));
        assert!(ignored("a/**/z", "a/z", false));
        assert!(ignored("a/**/z", "a/b/c/z", false));
        assert!(ignored("**/logs", "x/y/logs", true));
        assert!(!ignored("*.csv\n!keep.csv", "keep.csv", false));
        assert!(ignored("/\\[x\\]", "[x]", false));
        assert!(ignored("[!a]b", "cb", false));
        assert!(!ignored("# comment", "# comment", false));
    }

    #[test]
    fn the_last_line_that_speaks_of_a_path_decides() {
        assert!(!ignored("data\n*.bin\n!data", "data", true));
        assert!(ignored("!a.bin\n*.bin", "a.bin", false));
        assert!(!ignored("*.bin\n!a.bin", "x/a.bin", false));
        assert!(ignored("*.bin\n!/x/a.bin\na.bin", "x/a.bin", false));
        assert!(ignored("a\n!a/", "a", false));
        assert!(!ignored("a\n!a/", "a", true));
        assert!(ignored("/x/a.bin", "x/a.bin", false) && !ignored("/x/a.bin", "y/x/a.bin", false));
    }

    #[test]
    fn entries_of_a_directory_match_as_their_paths_do() {
        let rules = Ignore::default().with(Path::new("/r"), "*.tmp\n/sub/keep\nname\n!a.tmp");
        let rules = rules.with(Path::new("/r/sub"), "/own\nname/");
        for dir in ["/r", "/r/sub", "/r/sub/deep"] {
            for name in ["a.tmp", "b.tmp", "keep", "name", "own", "other"] {
                for is_dir in [false, true] {
                    let whole = rules.matches(&Path::new(dir).join(name), is_dir);
                    assert_eq!(rules.here(Path::new(dir)).matches(name, is_dir), whole, "{dir}/{name}");
                }
            }
        }
    }
}
