//! Git's side of tracking data: outputs are ignored by Git and must not be in its index.
//!
//! The git binary is asked only when an output is new to Git; patterns are matched in process otherwise.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::fsx;
use crate::ignore::Ignore;

/// The `.gitignore` lines that an operation added, to be taken back when it fails.
#[derive(Debug, Default)]
pub(crate) struct Added(Vec<PathBuf>);

/// The work tree that holds `dir`, by looking for `.git` upwards.
pub(crate) fn root_of(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|at| at.join(".git").exists()).map(Path::to_path_buf)
}

/// The ignore rules that hold everywhere in the work tree: `.git/info/exclude`.
pub(crate) fn excludes(git_root: &Path) -> Result<Ignore> {
    let path = git_root.join(".git/info/exclude");
    let text = if git_root.join(".git").is_dir() { fsx::read_text(&path)? } else { None };
    Ok(Ignore::default().with(git_root, &text.unwrap_or_default()))
}

/// Makes Git ignore `path`: adds `/name` to the `.gitignore` beside it unless it is ignored already.
pub(crate) fn ignore(git_root: &Path, path: &Path, added: &mut Added) -> Result<()> {
    if is_ignored(git_root, path)? { Ok(()) } else { add_line(path, added) }
}

/// Adds `/name` to the `.gitignore` beside `path`, unless it is there.
pub(crate) fn add_line(path: &Path, added: &mut Added) -> Result<()> {
    add_lines(&[path], added)
}

/// The same for many paths; each file is written once.
pub(crate) fn add_lines(paths: &[&Path], added: &mut Added) -> Result<()> {
    let mut dirs: BTreeMap<&Path, Vec<(&Path, String)>> = BTreeMap::new();
    for path in paths {
        let Some((dir, name)) = path.parent().zip(path.file_name()) else { continue };
        let line = escape(&format!("/{}", name.to_string_lossy()));
        dirs.entry(dir).or_default().push((path, line));
    }
    for (dir, wanted) in dirs {
        let file = dir.join(".gitignore");
        let mut text = fsx::read_text(&file)?.unwrap_or_default();
        let mut present: HashSet<String> = text.lines().map(str::to_owned).collect();
        let new: Vec<(&Path, String)> =
            wanted.into_iter().filter(|(_, line)| present.insert(line.clone())).collect();
        if new.is_empty() {
            continue;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for (_, line) in &new {
            text.push_str(line);
            text.push('\n');
        }
        fsx::write_text(&file, &text)?;
        added.0.extend(new.into_iter().map(|(path, _)| path.to_path_buf()));
    }
    Ok(())
}

/// Those of `paths` that Git ignores by any of its rules; Git is asked once.
pub(crate) fn ignored(git_root: &Path, paths: &[PathBuf]) -> Result<HashSet<PathBuf>> {
    let excludes = excludes(git_root)?;
    let mut found = HashSet::new();
    // Git does not speak of what lies in a submodule; the submodule does.
    let mut questions: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for path in paths {
        if Ignore::covers(excludes.clone(), git_root, path, ".gitignore", path.is_dir())? {
            found.insert(path.clone());
        } else {
            let question = questions.entry(owner_of(git_root, path)).or_default();
            question.extend_from_slice(path.as_os_str().as_bytes());
            question.push(0);
        }
    }
    for (root, question) in questions {
        let answer = ask(&root, &["check-ignore", "-z", "--stdin"], question)?;
        found.extend(answer.unwrap_or_default().split_terminator('\0').map(PathBuf::from));
    }
    Ok(found)
}

/// The innermost work tree that holds `path`: a submodule's, else that at `git_root`.
fn owner_of(git_root: &Path, path: &Path) -> PathBuf {
    let inner = path.parent().and_then(root_of).filter(|root| root.starts_with(git_root));
    inner.unwrap_or_else(|| git_root.to_path_buf())
}

/// The first of `paths` that Git's index holds, or holds something below.
pub(crate) fn first_tracked<'p>(git_root: &Path, paths: &'p [PathBuf]) -> Result<Option<&'p Path>> {
    if !git_root.join(".git/index").exists() && git_root.join(".git").is_dir() {
        return Ok(None);
    }
    for part in paths.chunks(256) {
        let mut args = vec!["--literal-pathspecs".to_owned(), "ls-files".into(), "-z".into(), "--".into()];
        args.extend(part.iter().map(|path| path.to_string_lossy().into_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let listed = run(git_root, &args)?.unwrap_or_default();
        for tracked in listed.split_terminator('\0') {
            let tracked = git_root.join(tracked);
            if let Some(path) = part.iter().find(|path| tracked.starts_with(path)) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

impl Added {
    /// The `.gitignore` files that got lines.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.0.iter().map(|path| path.with_file_name(".gitignore")).collect();
        files.sort();
        files.dedup();
        files
    }
}

/// Whether Git ignores `path`; only Git itself is asked.
pub(crate) fn ignores(git_root: &Path, path: &Path) -> Result<bool> {
    let root = owner_of(git_root, path);
    Ok(run(&root, &["check-ignore", "-q", "--", &path.to_string_lossy()])?.is_some())
}

/// Where Git looks for hooks.
pub(crate) fn hooks_dir(git_root: &Path) -> Result<PathBuf> {
    let text = run(git_root, &["rev-parse", "--git-path", "hooks"])?.unwrap_or_default();
    Ok(git_root.join(text.trim_end()))
}

/// `git config KEY VALUE`, for this repository alone.
pub(crate) fn set(git_root: &Path, key: &str, value: &str) -> Result<()> {
    match run(git_root, &["config", "--local", key, value])? {
        Some(_) => Ok(()),
        None => Err(Error::Git { command: "config".into(), message: format!("it refused {key}") }),
    }
}

/// Whether Git ignores `path` by any of its rules.
pub(crate) fn is_ignored(git_root: &Path, path: &Path) -> Result<bool> {
    Ok(Ignore::covers(excludes(git_root)?, git_root, path, ".gitignore", path.is_dir())?
        || ignores(git_root, path)?)
}

/// Takes back what [`ignore`] added.
pub(crate) fn roll_back(added: Added) {
    for path in added.0 {
        let _ = unignore(&path);
    }
}

/// Removes the line of `path` from the `.gitignore` beside it, and the file when nothing else is in it.
pub(crate) fn unignore(path: &Path) -> Result<()> {
    let Some((dir, name)) = path.parent().zip(path.file_name()) else { return Ok(()) };
    let file = dir.join(".gitignore");
    let Some(text) = fsx::read_text(&file)? else { return Ok(()) };
    let line = escape(&format!("/{}", name.to_string_lossy()));
    if !text.lines().any(|present| present.trim() == line.trim()) {
        return Ok(());
    }
    let kept: String = text.split_inclusive('\n').filter(|present| present.trim() != line.trim()).collect();
    if kept.is_empty() { fsx::remove(&file) } else { fsx::write_text(&file, &kept) }
}

fn escape(entry: &str) -> String {
    let mut out = String::with_capacity(entry.len());
    for ch in entry.chars() {
        if matches!(ch, '[' | ']' | '!' | '*' | '#' | '?' | '\\') {
            out.push('\\');
        }
        out.push(ch);
    }
    out
}

/// Whether Git's index holds `path` or something below it.
pub(crate) fn is_tracked(git_root: &Path, path: &Path) -> Result<bool> {
    if !git_root.join(".git/index").exists() && git_root.join(".git").is_dir() {
        return Ok(false);
    }
    let listed = run(git_root, &["--literal-pathspecs", "ls-files", "--", &path.to_string_lossy()])?;
    Ok(listed.is_some_and(|text| !text.is_empty()))
}

/// `git add` of `paths`.
pub(crate) fn add(git_root: &Path, paths: &[PathBuf]) -> Result<()> {
    let paths: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut args = vec!["add", "--"];
    args.extend(paths.iter().map(String::as_str));
    match run(git_root, &args)? {
        Some(_) => Ok(()),
        None => Err(Error::Git { command: "add".into(), message: "it refused the files".into() }),
    }
}

/// Stages what changed or vanished among `.dvc` files, `dvc.yaml`, `dvc.lock` and `.gitignore` that Git knows.
pub(crate) fn update(git_root: &Path) -> Result<()> {
    let known =
        ["*.dvc", "dvc.yaml", "**/dvc.yaml", "dvc.lock", "**/dvc.lock", ".gitignore", "**/.gitignore"];
    let listed: Vec<&str> = ["ls-files", "-z", "-m", "-d", "--"].into_iter().chain(known).collect();
    let listed = run(git_root, &listed)?.unwrap_or_default();
    let mut args = vec!["--literal-pathspecs", "add", "-u", "--"];
    args.extend(listed.split_terminator('\0'));
    if args.len() == 4 {
        return Ok(());
    }
    run(git_root, &args).map(drop)
}

/// What git prints; `None` when it answers with exit code 1.
pub(crate) fn run(git_root: &Path, args: &[&str]) -> Result<Option<String>> {
    ask(git_root, args, Vec::new())
}

/// The same, with `input` for git to read.
pub(crate) fn ask(git_root: &Path, args: &[&str], input: Vec<u8>) -> Result<Option<String>> {
    let output = output(git_root, args, input)?;
    Ok(output.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The same, as bytes.
pub(crate) fn output(git_root: &Path, args: &[&str], input: Vec<u8>) -> Result<Option<Vec<u8>>> {
    let command = args.iter().find(|arg| !arg.starts_with('-')).copied().unwrap_or_default();
    let failed = |message: String| Error::Git { command: command.into(), message };
    let mut child = Command::new("git")
        .arg("-C")
        .arg(git_root)
        .args(args)
        // a look at the work tree takes no lock that a killed command would leave behind
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let stdin = child.stdin.take();
    let writer = std::thread::spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    // git may answer and end before it has read everything
    let _ = writer.join();
    match output.status.code() {
        Some(0) => Ok(Some(output.stdout)),
        Some(1) => Ok(None),
        _ => Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitignore_lines_are_escaped_as_dvc_does() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/vectors/gitignore_escape.json")).expect("vectors");
        for case in cases {
            assert_eq!(escape(case["entry"].as_str().expect("entry")), case["line"].as_str().expect("line"));
        }
    }

    #[test]
    fn a_failed_operation_leaves_no_line_behind() {
        let dir = tempfile::tempdir().expect("temp dir");
        fsx::write_text(&dir.path().join(".gitignore"), "/x").expect("writes");
        let mut added = Added::default();
        Command::new("git").args(["init", "-q"]).current_dir(dir.path()).status().expect("git");
        ignore(dir.path(), &dir.path().join("data"), &mut added).expect("adds");
        let text = || fsx::read_text(&dir.path().join(".gitignore")).expect("reads").expect("there");
        assert_eq!(text(), "/x\n/data\n");
        roll_back(added);
        assert_eq!(text(), "/x\n");
    }
}
