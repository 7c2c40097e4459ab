//! One line of an ignore file and what it matches.
//!
//! DVC reads `.dvcignore` in its own way: a pattern speaks of everything below what it matches too, so that a later
//! line which takes a directory back takes nothing below it back unless it matches there as well.

use std::path::Path;

/// Whose reading of a pattern holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `.gitignore`.
    #[default]
    Git,
    /// `.dvcignore` in the root of a repository.
    DvcRoot,
    /// `.dvcignore` further down.
    Dvc,
}

/// One line of an ignore file.
pub(crate) struct Rule {
    segments: Vec<Segment>,
    /// The pattern, when it matches itself alone.
    pub(crate) literal: Option<String>,
    pub(crate) negated: bool,
    pub(crate) directories_only: bool,
    /// What lies below is meant; a directory stands for that.
    below: bool,
    /// The pattern starts at the directory of its file.
    pub(crate) anchored: bool,
    /// What the pattern names, that it names with everything below.
    deep: bool,
}

enum Segment {
    /// `**`: any number of directories.
    Any,
    Name(Vec<char>),
}

impl Rule {
    /// The rule that a line holds; `None` for a comment or nothing.
    pub(crate) fn parse(line: &str, dialect: Dialect) -> Option<Self> {
        let deep = dialect != Dialect::Git;
        let mut line = if deep { line.trim() } else { line.trim_end_matches('\r') };
        while line.ends_with(' ') && !line.ends_with("\\ ") {
            line = &line[..line.len() - 1];
        }
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (directories_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
        let mut anchored = line.contains('/');
        let mut line = line.strip_prefix('/').unwrap_or(line);
        let mut below = directories_only && deep;
        if deep {
            while let Some(rest) = line.strip_suffix("/**") {
                (line, below, anchored) = (rest, true, true);
            }
        }
        if line.is_empty() {
            return None;
        }
        let mut segments: Vec<Segment> = line.split('/').map(Segment::parse).collect();
        segments.dedup_by(|a, b| matches!((a, b), (Segment::Any, Segment::Any)));
        let anywhere = match segments.as_slice() {
            [Segment::Any] => true,
            [Segment::Name(name)] => *name == ['*'] && !anchored,
            [Segment::Any, Segment::Name(name)] => *name == ['*'],
            _ => false,
        };
        // `**/**` is `**`
        if matches!(segments.as_slice(), [Segment::Any]) {
            below = directories_only && deep;
        }
        // DVC makes a pattern of these that matches nothing.
        if anywhere && below && dialect == Dialect::DvcRoot {
            segments.clear();
        }
        let literal = (!line.contains(['*', '?', '[', '\\'])).then(|| line.to_owned());
        Some(Self { segments, literal, negated, directories_only, below, anchored, deep })
    }

    /// Whether the rule, of a file in `base`, speaks of `path`.
    pub(crate) fn hits(&self, base: &Path, path: &Path, is_dir: bool) -> bool {
        let Ok(relative) = path.strip_prefix(base) else { return false };
        let text = relative.to_string_lossy();
        let above = text.match_indices('/').map(|(at, _)| &text[..at]);
        (self.takes(is_dir) && self.names(&text))
            || (self.takes_below(is_dir) && above.into_iter().any(|dir| self.names(dir)))
    }

    /// Whether the rule may speak of what it names.
    pub(crate) fn takes(&self, is_dir: bool) -> bool {
        is_dir || !(self.directories_only || self.below)
    }

    /// Whether the rule may speak of what lies below a directory that it names.
    pub(crate) fn takes_below(&self, is_dir: bool) -> bool {
        self.deep && (is_dir || !self.directories_only)
    }

    /// Whether the pattern matches `path`, which is relative to the rule's file.
    pub(crate) fn names(&self, path: &str) -> bool {
        match self.segments.as_slice() {
            [] => false,
            _ if path.is_empty() => false,
            [Segment::Name(pattern)] if !self.anchored => {
                let name = path.rsplit('/').next().unwrap_or_default();
                wild(pattern, &name.chars().collect::<Vec<_>>())
            }
            segments => {
                let parts: Vec<Vec<char>> = path.split('/').map(|part| part.chars().collect()).collect();
                wild_path(segments, &parts)
            }
        }
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        if text == "**" { Self::Any } else { Self::Name(text.chars().collect()) }
    }
}

fn wild_path(pattern: &[Segment], path: &[Vec<char>]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, _) => path.is_empty(),
        // at the end it means what lies below
        (Some((Segment::Any, [])), _) => !path.is_empty(),
        (Some((Segment::Any, rest)), _) => (0..=path.len()).any(|at| wild_path(rest, &path[at..])),
        (Some((Segment::Name(name), rest)), Some((first, below))) => {
            wild(name, first) && wild_path(rest, below)
        }
        (Some((Segment::Name(_), _)), None) => false,
    }
}

/// Git's wildmatch inside one part of a path.
fn wild(pattern: &[char], text: &[char]) -> bool {
    let Some(first) = pattern.first() else { return text.is_empty() };
    match first {
        '*' => {
            let rest = &pattern[1..];
            (0..=text.len()).any(|at| wild(rest, &text[at..]))
        }
        '?' => !text.is_empty() && wild(&pattern[1..], &text[1..]),
        '[' => match (class(pattern), text.first()) {
            (Some((matcher, length)), Some(c)) => matcher(*c) && wild(&pattern[length..], &text[1..]),
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
