//! Everything that can go wrong while data is versioned, with a remedy where there is one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lemnis_core::{Classify, ErrorKind};
use rustix::io::Errno;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the data domain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No `.dvc` directory here or above.
    #[error("{} is not inside a data repository", dir.display())]
    NotARepo {
        /// Where the search began.
        dir: PathBuf,
    },
    /// `init` in a directory that already has `.dvc`.
    #[error("{} already holds a data repository", dir.display())]
    RepoExists {
        /// The repository's root.
        dir: PathBuf,
    },
    /// `init` outside Git without `no_scm`.
    #[error("{} is not the root of a git repository", dir.display())]
    NoGit {
        /// Where `init` was asked for.
        dir: PathBuf,
    },
    /// The operating system refused a file operation.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The verb that failed, such as `read`.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A YAML, JSON or configuration file is malformed or holds something that is not allowed.
    #[error("{file}:{line}: {message}")]
    Malformed {
        /// The file, relative to the repository where it lies inside.
        file: String,
        /// The line, counted from one.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The configuration holds something that is not allowed, or cannot be changed as asked.
    #[error("config file error: {what}")]
    Config {
        /// What is wrong.
        what: String,
        /// How to mend it, where known.
        hint: Option<String>,
    },
    /// An argument cannot be used.
    #[error("{what}")]
    Invalid {
        /// What is wrong with it.
        what: String,
        /// How to mend it, where known.
        hint: Option<String>,
    },
    /// A target names nothing that is tracked.
    #[error("'{target}' is neither a stage, a tracked path nor a .dvc file")]
    NoSuchTarget {
        /// What was asked for.
        target: String,
    },
    /// A file that a stage needs or must have made is not there.
    #[error("{what} '{path}' does not exist")]
    Missing {
        /// `dependency`, `output` or `parameters file`.
        what: &'static str,
        /// The path, relative to the repository.
        path: String,
    },
    /// The same, where it is known which stage needs or makes it.
    #[error("{what} '{path}' of stage '{stage}' does not exist")]
    StageLacks {
        /// The stage as commands name it.
        stage: String,
        /// `dependency`, `output` or `parameters file`.
        what: &'static str,
        /// The path, relative to where the user is.
        path: String,
    },
    /// Another repository does not have what is wanted of it.
    #[error("the repository '{repo}' has no file or directory '{path}'")]
    NotThere {
        /// The other repository as it was named.
        repo: String,
        /// The path in it.
        path: String,
    },
    /// No remote has that name.
    #[error("the remote '{name}' does not exist")]
    UnknownRemote {
        /// The name.
        name: String,
    },
    /// A remote was not named, and none is the default one.
    #[error("no remote is set as the default one")]
    NoRemote {
        /// One that could be it.
        name: Option<String>,
    },
    /// The graph of stages is broken.
    #[error("{what}")]
    Graph {
        /// Which rule is broken by which stages.
        what: String,
    },
    /// An output is in Git's index.
    #[error("'{path}' is already tracked by git")]
    TrackedByGit {
        /// The output, relative to the repository.
        path: String,
    },
    /// Objects of an output are not in the cache.
    #[error("the cache lacks {missing} object(s) of '{path}'")]
    NotInCache {
        /// The output, relative to the repository.
        path: String,
        /// How many objects.
        missing: usize,
    },
    /// The workspace holds data that no cache object has; it is not overwritten without `force`.
    #[error("{} has changes that are in no cache", quoted(paths))]
    Unsaved {
        /// The files, relative to where the user is.
        paths: Vec<String>,
    },
    /// Some outputs could not be checked out; the others were.
    #[error("{}", incomplete(done))]
    Incomplete {
        /// What was done, and which outputs failed.
        done: Box<crate::CheckedOut>,
    },
    /// Another process holds the repository.
    #[error("the data repository is locked by another process ({holder})")]
    Locked {
        /// Its process id, or `unknown`.
        holder: String,
    },
    /// A running stage of another process reads or writes a path.
    #[error("'{path}' is busy: process {pid} works on it ({command})")]
    PathBusy {
        /// The path that this process wants.
        path: String,
        /// The process that is in the way.
        pid: u32,
        /// Its command line.
        command: String,
    },
    /// A stage's command failed.
    #[error("stage '{stage}' failed: its command ended with {ending}")]
    StageFailed {
        /// The stage.
        stage: String,
        /// The command line that failed.
        command: String,
        /// `exit code 3` or `signal 9`.
        ending: String,
        /// What it printed last.
        #[source]
        log: Option<Arc<LogTail>>,
    },
    /// Stages failed in a reproduction that went on without them.
    #[error("{} failed", stages.join(", "))]
    StagesFailed {
        /// The stages.
        stages: Vec<String>,
    },
    /// The answer to a question was no.
    #[error("stage '{stage}' was not confirmed")]
    Declined {
        /// The stage.
        stage: String,
    },
    /// A stage was stopped on request.
    #[error("stage '{stage}' was interrupted")]
    Interrupted {
        /// The stage.
        stage: String,
    },
    /// The observer of a reproduction refused to go on.
    #[error("stage '{stage}' could not be started")]
    Observer {
        /// The stage.
        stage: String,
        /// What the observer said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A remote's object is not what its name says.
    #[error("{place} is damaged: its content hashes to {md5}")]
    Corrupt {
        /// Where the object lies.
        place: String,
        /// What it hashes to.
        md5: String,
    },
    /// A store did not do what was asked of it.
    #[error("{action} {place} failed: {message}")]
    Store {
        /// What was asked, such as `reading`.
        action: &'static str,
        /// The URL or the key.
        place: String,
        /// What kind of failure it is.
        kind: ErrorKind,
        /// What the store said.
        message: String,
    },
    /// Some objects could not be moved.
    #[error("{failed} of {objects} objects could not be {done}")]
    Transfer {
        /// `sent` or `fetched`.
        done: &'static str,
        /// How many failed.
        failed: usize,
        /// How many there were.
        objects: usize,
        /// The first failure.
        #[source]
        source: Box<Error>,
    },
    /// Git could not be asked.
    #[error("git {command} failed: {message}")]
    Git {
        /// The sub-command.
        command: String,
        /// What it printed.
        message: String,
    },
}

/// The end of a stage's log.
#[derive(Debug, thiserror::Error)]
pub struct LogTail {
    /// The log, relative to the repository's root.
    pub path: String,
    /// Its last lines.
    pub lines: Vec<String>,
}

impl std::fmt::Display for LogTail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.lines.len() {
            0 => write!(formatter, "it printed nothing ({})", self.path),
            _ => write!(formatter, "{} ends with\n    {}", self.path, self.lines.join("\n    ")),
        }
    }
}

/// `'a', 'b'`, shortened when there are many.
fn incomplete(done: &crate::CheckedOut) -> String {
    let lacking: Vec<String> =
        done.failed.iter().filter(|path| !done.unrecorded.contains(path)).cloned().collect();
    let parts = [("the cache lacks objects of", &lacking), ("nothing is recorded of", &done.unrecorded)];
    let parts = parts.iter().filter(|(_, paths)| !paths.is_empty());
    parts.map(|(what, paths)| format!("{what} {}", quoted(paths))).collect::<Vec<_>>().join("; ")
}

fn quoted(paths: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = paths.iter().take(SHOWN).map(|path| format!("'{path}'")).collect::<Vec<_>>().join(", ");
    if paths.len() > SHOWN {
        text.push_str(&format!(" and {} more", paths.len() - SHOWN));
    }
    text
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn store(action: &'static str, place: String, source: &object_store::Error) -> Self {
        let text = source.to_string();
        let no_bucket = ["NoSuchBucket", "ContainerNotFound"].iter().any(|code| text.contains(code));
        let kind = match source {
            object_store::Error::NotFound { .. } if no_bucket => ErrorKind::Invalid,
            object_store::Error::NotFound { .. } => ErrorKind::NotFound,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                ErrorKind::PermissionDenied
            }
            _ => ErrorKind::Internal,
        };
        let message = match no_bucket {
            true => "the bucket does not exist".to_owned(),
            // What the server's page says after the status is for programs.
            false => text.split(": <").next().unwrap_or(&text).trim().to_owned(),
        };
        Self::Store { action, place, kind, message }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), hint: None }
    }

    pub(crate) fn config(what: impl Into<String>) -> Self {
        Self::Config { what: what.into(), hint: None }
    }

    pub(crate) fn config_hinted(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { what: what.into(), hint: Some(hint.into()) }
    }

    /// A level of configuration that does not exist here.
    pub(crate) fn no_level() -> Self {
        Self::config_hinted(
            "this level of configuration belongs to a repository, and there is none here",
            "use `--global`, or run the command inside a repository",
        )
    }

    /// Names the stage that lacks what is missing.
    pub(crate) fn of(self, stage: &str) -> Self {
        match self {
            Self::Missing { what, path } => Self::StageLacks { stage: stage.to_owned(), what, path },
            other => other,
        }
    }

    pub(crate) fn hinted(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), hint: Some(hint.into()) }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotARepo { .. }
            | Self::NoSuchTarget { .. }
            | Self::Missing { .. }
            | Self::StageLacks { .. }
            | Self::NotThere { .. }
            | Self::Incomplete { .. }
            | Self::NotInCache { .. } => ErrorKind::NotFound,
            Self::RepoExists { .. } => ErrorKind::AlreadyExists,
            Self::NoGit { .. }
            | Self::Malformed { .. }
            | Self::Config { .. }
            | Self::Invalid { .. }
            | Self::NoRemote { .. }
            | Self::UnknownRemote { .. }
            | Self::Graph { .. } => ErrorKind::Invalid,
            Self::TrackedByGit { .. }
            | Self::Unsaved { .. }
            | Self::Locked { .. }
            | Self::PathBusy { .. }
            | Self::Declined { .. } => ErrorKind::Conflict,
            Self::StageFailed { .. }
            | Self::StagesFailed { .. }
            | Self::Interrupted { .. }
            | Self::Observer { .. }
            | Self::Corrupt { .. }
            | Self::Git { .. } => ErrorKind::Internal,
            Self::Transfer { source, .. } => source.kind(),
            Self::Store { kind, .. } => *kind,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
                _ => ErrorKind::Internal,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotARepo { .. } => Some("run the command inside a project, or create one first".into()),
            Self::NoGit { .. } => Some("run `git init` there first, or initialise without Git".into()),
            Self::Invalid { hint, .. } | Self::Config { hint, .. } => hint.clone(),
            Self::NoSuchTarget { .. } => Some("list the stages with `lemnis stage list --all`".into()),
            Self::NotThere { repo, .. } => Some(format!("see what it has: lemnis list {repo}")),
            Self::UnknownRemote { .. } => Some("see which there are: lemnis remote list".into()),
            Self::NoRemote { name } => Some(match name {
                Some(name) => format!("choose one with -r, or for good: lemnis remote default {name}"),
                None => "add one: lemnis remote add -d NAME URL".to_owned(),
            }),
            Self::TrackedByGit { path } => Some(format!(
                "stop tracking it: git rm -r --cached '{path}' && git commit -m 'stop tracking {path}'"
            )),
            Self::NotInCache { .. } | Self::Incomplete { .. } => {
                Some("pull the data, or reproduce the stage that makes it".into())
            }
            Self::Corrupt { .. } => {
                Some("remove it there and push it again from a repository that has it".into())
            }
            Self::Transfer { source, .. } => source.hint(),
            Self::Store { kind: ErrorKind::PermissionDenied, .. } => Some(
                "check the credentials: in the remote's options, the environment or the cloud's own files"
                    .into(),
            ),
            Self::Unsaved { .. } => Some(
                "keep them with `lemnis add` or `lemnis commit`, or give them up with `lemnis checkout --force`"
                    .into(),
            ),
            Self::Locked { .. } => {
                Some("wait for the other command to end, or run this one with --wait-for-lock".into())
            }
            Self::PathBusy { .. } => Some("wait for that command to end".into()),
            Self::StageFailed { command, .. } => Some(format!("run it by hand to see why: {command}")),
            Self::Io { source, path, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("check who owns {} and its mode", path.display()))
            }
            Self::Malformed { file, .. } => {
                Some(format!("mend that line of {file}, or bring the file back from Git"))
            }
            Self::Missing { what: "directory", .. } => Some("make it first".into()),
            Self::StageLacks { what: "data", path, .. } => {
                Some(format!("bring it back: lemnis checkout '{path}', or lemnis pull '{path}'"))
            }
            Self::StageLacks { what: "dependency", path, .. } if path.contains("://") => {
                Some("put it there again, or take it out of the stage's deps".into())
            }
            Self::StageLacks { what: "dependency", path, .. } => Some(format!(
                "bring '{path}' back with `lemnis checkout` or `lemnis pull`, or take it out of the stage's deps"
            )),
            Self::Missing { what: "output", .. } | Self::StageLacks { what: "output", .. } => Some("check the path; a stage's command must leave its outputs there".into()),
            Self::Graph { .. } => {
                Some("let each output belong to one stage, and no stage need what depends on it".into())
            }
            Self::Io { source, .. } if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                Some("a symlink there leads back to itself: remove it, or let it lead elsewhere".into())
            }
            Self::Io { action: "follow the link", .. } => {
                Some("the symlink leads nowhere: remove it, or bring back what it leads to".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some disk space and run the command again".into())
            }
            _ => None,
        }
    }
}
