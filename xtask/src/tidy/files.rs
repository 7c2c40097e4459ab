//! Every Rust file opens with what it is and stays short enough to be read at once.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// The most lines of a file outside its tests.
const MOST_LINES: usize = 600;

/// Every `.rs` file that is too long or does not open with `//!`.
pub fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for path in ending(root, "rs")? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let place = path.strip_prefix(root).unwrap_or(&path);
        if !text.starts_with("//!") {
            found.push(format!("{}: opens without //!; say what it is and why it exists", place.display()));
        }
        let lines = if is_test(place) { 0 } else { lines_of_code(&text) };
        if lines > MOST_LINES {
            found.push(format!("{}: {lines} lines outside tests, more than {MOST_LINES}", place.display()));
        }
    }
    Ok(found)
}

/// Every file under `root` whose name ends with `.extension`, without what is hidden or built, in order.
pub fn ending(root: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        let entries =
            std::fs::read_dir(&directory).with_context(|| format!("listing {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.file_type()?;
            let built =
                name == "target" || name == "node_modules" || entry.path().join("CACHEDIR.TAG").is_file();
            if kind.is_dir() && !built && !name.to_string_lossy().starts_with('.') {
                open.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|found| found == extension) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the whole file is test code.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches" | "tests.rs")))
}

/// How many lines there are outside modules marked `#[cfg(test)]`.
fn lines_of_code(text: &str) -> usize {
    let mut lines = text.lines().peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let opens = |line: &&str| line.starts_with("mod ") && line.ends_with('{');
        if line == "#[cfg(test)]" && lines.peek().is_some_and(opens) {
            // Formatted code closes a module of the first level with a brace at the line's start.
            for inner in lines.by_ref() {
                if inner == "}" {
                    break;
                }
            }
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_test_modules_do_not_count() {
        let text = "//! A\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(lines_of_code(text), 4);
        assert_eq!(lines_of_code("#[cfg(test)]\nmod tests;\n"), 2);
    }

    #[test]
    fn files_of_tests_are_tests() {
        assert!(is_test(Path::new("crates/a/tests/b.rs")));
        assert!(is_test(Path::new("crates/a/src/tests.rs")));
        assert!(!is_test(Path::new("xtask/src/test.rs")));
    }
}
