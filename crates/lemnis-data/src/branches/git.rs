//! Git's plumbing as branches need it: the exit code and what it said are both part of the answer.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::revision::no_git;

/// What git answered.
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    stderr: String,
    command: String,
}

impl Answer {
    /// The bytes, if git succeeded.
    pub(super) fn bytes(self) -> Result<Vec<u8>> {
        if self.code == 0 { Ok(self.stdout) } else { Err(self.error()) }
    }

    /// The text without its last line end, if git succeeded.
    pub(super) fn text(self) -> Result<String> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
    }

    /// What went wrong, in git's words.
    pub(super) fn error(self) -> Error {
        let said = self.stderr.trim().trim_start_matches("fatal: ").trim_start_matches("error: ");
        Error::Git { command: self.command, message: said.replace('\n', "; ") }
    }
}

/// Runs git in the work tree of `root`.
pub(super) fn git(root: &Path, args: &[&str]) -> Result<Answer> {
    git_with(root, args, &[], None)
}

/// The same with `input` to read and, where one is given, another index than the work tree's.
pub(super) fn git_with(root: &Path, args: &[&str], input: &[u8], index: Option<&Path>) -> Result<Answer> {
    let mut words = args.iter();
    let mut command = "";
    while let Some(word) = words.next() {
        match *word {
            "-c" => drop(words.next()),
            option if option.starts_with('-') => {}
            name => {
                command = name;
                break;
            }
        }
    }
    let failed = |message: String| Error::Git { command: command.to_owned(), message };
    let mut call = Command::new("git");
    call.arg("-C").arg(root).args(args).env("LC_ALL", "C").env("GIT_LITERAL_PATHSPECS", "1");
    // a look at the work tree takes no lock that a killed command would leave behind
    call.env("GIT_OPTIONAL_LOCKS", "0");
    if let Some(index) = index {
        call.env("GIT_INDEX_FILE", index);
    }
    let mut child = call
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        let writer = scope.spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(input)));
        let output = child.wait_with_output();
        // git may answer and end before it has read everything
        let _ = writer.join();
        output
    })
    .map_err(|error| failed(error.to_string()))?;
    Ok(Answer {
        code: output.status.code().unwrap_or(128),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        command: command.to_owned(),
    })
}

/// The root of the work tree, which branches need.
pub(super) fn root(repo: &Repo) -> Result<&Path> {
    repo.git_root().ok_or_else(no_git)
}

/// The branch that is checked out; nothing while HEAD is detached.
pub(super) fn current_branch(root: &Path) -> Result<Option<String>> {
    let answer = git(root, &["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    Ok(if answer.code == 0 { Some(answer.text()?) } else { None })
}

/// The commit at the tip of a local branch; nothing where there is no such branch.
pub(super) fn tip(root: &Path, branch: &str) -> Result<Option<String>> {
    let name = format!("refs/heads/{branch}^{{commit}}");
    let answer = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name])?;
    Ok(if answer.code == 0 { Some(answer.text()?) } else { None })
}

/// An error unless `name` can be a branch's name.
pub(super) fn check_name(root: &Path, name: &str) -> Result<()> {
    let fine = !name.starts_with('-') && git(root, &["check-ref-format", "--branch", name])?.code == 0;
    if fine { Ok(()) } else { Err(Error::invalid(format!("'{name}' cannot be the name of a branch"))) }
}

/// An error for a branch that is not there.
pub(super) fn no_branch(name: &str) -> Error {
    Error::hinted(format!("there is no branch '{name}'"), "list the branches with `lemnis data branch`")
}

/// The texts of `COMMIT:PATH` names, in their order; nothing for those that are not there.
pub(super) fn texts(root: &Path, names: &[String]) -> Result<Vec<Option<String>>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(name) = names.iter().find(|name| name.contains('\n')) {
        return Err(Error::invalid(format!("the path in {name:?} holds a line end")));
    }
    let answer = git_with(root, &["cat-file", "--batch"], (names.join("\n") + "\n").as_bytes(), None)?;
    let bytes = answer.bytes()?;
    let broken = || Error::Git { command: "cat-file".into(), message: "its answer is cut short".into() };
    let mut rest = bytes.as_slice();
    let mut found = Vec::with_capacity(names.len());
    while found.len() < names.len() {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        if head.ends_with(" missing") {
            found.push(None);
            continue;
        }
        let mut fields = head.rsplit(' ');
        let size: usize = fields.next().and_then(|size| size.parse().ok()).ok_or_else(broken)?;
        let is_blob = fields.next() == Some("blob");
        let body = rest.get(..size).ok_or_else(broken)?;
        found.push(is_blob.then(|| String::from_utf8_lossy(body).into_owned()));
        rest = rest.get(size + 1..).unwrap_or_default();
    }
    Ok(found)
}
