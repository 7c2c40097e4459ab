//! `.dvcignore` and `.gitignore`: gitignore patterns, nested files, the last match wins.
//!
//! Matching in process keeps a command that has nothing to do free of sub-processes.

mod rule;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::rule::{Dialect, Rule};
use crate::error::Result;
use crate::fsx;

/// Patterns that hold in a data repository without being told.
pub(crate) const ALWAYS: &str = ".hg/\n.git/\n.git\n.dvc/\n";

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
    /// What a rule names, that it names with everything below.
    deep: bool,
}

impl Rules {
    fn new(base: &Path, rules: Vec<Rule>, deep: bool) -> Self {
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
        Self { base: base.to_path_buf(), rules, names, paths, patterns, deep }
    }

    /// The last rule that speaks of the path `relative` to the base.
    fn last(&self, relative: &str, is_dir: bool) -> Option<&Rule> {
        let own = self.naming(relative, |rule| rule.takes(is_dir));
        let above = if self.deep { self.above(relative, is_dir) } else { None };
        own.max(above).map(|at| &self.rules[at])
    }

    /// The place of the last rule that speaks of `relative` because it names a directory above.
    fn above(&self, relative: &str, is_dir: bool) -> Option<usize> {
        let dirs = relative.match_indices('/').map(|(at, _)| &relative[..at]);
        dirs.filter_map(|dir| self.naming(dir, |rule| rule.takes_below(is_dir))).max()
    }

    /// The place of the last of the rules that `may` have a say, whose pattern matches.
    fn naming(&self, relative: &str, may: impl Fn(&Rule) -> bool) -> Option<usize> {
        let name = relative.rsplit('/').next().unwrap_or_default();
        let fits = |at: &usize| may(&self.rules[*at]);
        let plain = |places: &HashMap<String, Vec<usize>>, text: &str| {
            places.get(text).and_then(|found| found.iter().copied().rfind(fits))
        };
        let best = plain(&self.names, name).max(plain(&self.paths, relative));
        let later = self.patterns.iter().copied().rev();
        let mut later = later.take_while(|at| best.is_none_or(|best| *at > best));
        later.find(|at| fits(at) && self.rules[*at].names(relative)).or(best)
    }
}

/// The patterns as they hold for the entries of one directory.
pub(crate) struct Here<'a>(Vec<HereLevel<'a>>);

struct HereLevel<'a> {
    /// The way from the file to the directory, with a slash at its end.
    prefix: String,
    rules: &'a Rules,
    /// The last rules that speak of all files, and of all directories, because they name a directory above.
    above: [Option<usize>; 2],
}

impl Here<'_> {
    /// Whether the entry is ignored.
    pub(crate) fn matches(&self, name: &str, is_dir: bool) -> bool {
        let rule = self.0.iter().find_map(|HereLevel { prefix, rules, above }| {
            let relative: Cow<'_, str> =
                if prefix.is_empty() { name.into() } else { format!("{prefix}{name}").into() };
            let own = rules.naming(&relative, |rule| rule.takes(is_dir));
            own.max(above[usize::from(is_dir)]).map(|at| &rules.rules[at])
        });
        rule.is_some_and(|rule| !rule.negated)
    }
}

/// The patterns in force in one directory: those of the root down to it.
#[derive(Clone, Default)]
pub(crate) struct Ignore {
    levels: Vec<Arc<Rules>>,
    /// The root of the data repository, for the patterns of `.dvcignore`.
    root: Option<Arc<Path>>,
}

impl Ignore {
    /// The patterns that hold in a data repository even without a `.dvcignore`.
    pub(crate) fn dvc(root: &Path) -> Self {
        Self { levels: Vec::new(), root: Some(root.into()) }.with(root, ALWAYS)
    }

    /// Patterns given as text, as if in a file in `base`.
    pub(crate) fn with(mut self, base: &Path, text: &str) -> Self {
        let dialect = match &self.root {
            None => Dialect::Git,
            Some(root) if **root == *base => Dialect::DvcRoot,
            Some(_) => Dialect::Dvc,
        };
        let rules: Vec<Rule> = text.lines().filter_map(|line| Rule::parse(line, dialect)).collect();
        if !rules.is_empty() {
            self.levels.push(Arc::new(Rules::new(base, rules, dialect != Dialect::Git)));
        }
        self
    }

    /// These patterns and those of the file `name` in `dir`. As in DVC a `.dvcignore` that is ignored is not read.
    pub(crate) fn enter(&self, dir: &Path, name: &str) -> Result<Self> {
        if self.root.is_some() && self.matches(&dir.join(name), false) {
            return Ok(self.clone());
        }
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
            let above = [false, true].map(|is_dir| match rules.deep {
                true => rules.above(&prefix, is_dir),
                false => None,
            });
            Some(HereLevel { prefix, rules: rules.as_ref(), above })
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
    fn dvc_reads_patterns_in_its_own_way() {
        let ignored = |rules: &str, path: &str, is_dir: bool| {
            let root = Path::new("/r");
            let rules = Ignore::dvc(root).with(root, rules);
            let path = root.join(path);
            let above = path.parent().is_some_and(|dir| rules.covers_parent(dir));
            above || rules.matches(&path, is_dir)
        };
        assert!(ignored("a/**", "a", true) && !ignored("a/**", "a", false));
        assert!(ignored("a/**", "a/b", false) && !ignored("a/**", "b/a", true));
        let all_but = "*\n!*/\n!*.csv";
        assert!(ignored(all_but, "x", true) && ignored(all_but, "x/z.csv", false));
        assert!(!ignored(all_but, "z.csv", false));
        assert!(!ignored("/*\n!/x", "x/z.csv", false) && ignored("/*\n!/x", "y/z.csv", false));
        // the directory is taken back, what is in it is not
        assert!(!ignored("x\n!/x/", "x", true) && ignored("x\n!/x/", "x/z.csv", false));
        assert!(!ignored("*/", "x", true) && !ignored("**/", "x", true) && ignored("/*/", "x", true));
        assert!(ignored("**", "x", false) && ignored("**/**", "x", false) && !ignored("**/*/**", "x", true));
        assert!(ignored("*/**", "x", true) && !ignored("*/**", "x", false));
        assert!(ignored("z**v", "zcsv", false) && !ignored("z**v", "z/v", false));
        assert!(ignored("  x  ", "x", false));
    }

    #[test]
    fn in_a_directory_dvc_reads_every_pattern() {
        let rules = Ignore::dvc(Path::new("/r")).with(Path::new("/r/sub"), "*/\n!y/");
        assert!(rules.matches(Path::new("/r/sub/x"), true) && !rules.matches(Path::new("/r/sub/y"), true));
        assert!(!rules.matches(Path::new("/r/sub"), true) && !rules.matches(Path::new("/r/sub/x"), false));
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
        for rules in [Ignore::default(), Ignore::dvc(Path::new("/r"))] {
            entries_match(rules);
        }
    }

    fn entries_match(rules: Ignore) {
        let rules = rules.with(Path::new("/r"), "*.tmp\n/sub/keep\nname\n!a.tmp");
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
