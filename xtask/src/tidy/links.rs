//! Paths in Markdown lead somewhere: relative links, and paths of this repository written as code.

use std::path::Path;

use anyhow::Context;

use super::files::ending;

/// A path written as code is checked where it starts with one of these.
const OURS: [&str; 7] = ["crates/", "xtask/", "docs/", "examples/", "benches/", "tests/", ".ci/"];

/// Every path in a `*.md` file that leads nowhere.
pub fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for file in ending(root, "md")? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let directory = file.parent().unwrap_or(root);
        let place = file.strip_prefix(root).unwrap_or(&file);
        // A changelog speaks of what was.
        let codes = place != Path::new("CHANGELOG.md");
        for (line, path) in paths(&text, codes) {
            let there = |base: &Path| base.join(path.trim_start_matches('/')).exists();
            if !there(directory) && !there(root) {
                found.push(format!("{}:{line}: {path} does not exist", place.display()));
            }
        }
    }
    Ok(found)
}

/// The relative paths that `text` names outside fenced blocks, each with its line.
fn paths(text: &str, codes: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let links =
            line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in links {
            let path = target.split(['#', ' ']).next().unwrap_or_default();
            if !path.is_empty() && !path.contains(':') {
                found.push((number + 1, path.to_owned()));
            }
        }
        for code in line.split('`').skip(1).step_by(2).filter(|_| codes) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            if OURS.iter().any(|start| code.starts_with(start)) && code.chars().all(plain) {
                found.push((number + 1, code.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_code_paths_are_found_outside_fences() {
        let text = "see [a](docs/a.md#top), [b](https://b.org) and [c](#c)\n```\n[x](y.md)\n```\n`crates/d/src/lib.rs` `crates/*/src` `cargo x`";
        assert_eq!(paths(text, true), [(1, "docs/a.md".to_owned()), (5, "crates/d/src/lib.rs".to_owned())]);
        assert_eq!(paths(text, false), [(1, "docs/a.md".to_owned())]);
    }
}
