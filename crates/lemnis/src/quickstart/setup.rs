//! Before the loop: judge the input, then make the project. Nothing is made when the input is refused.

use std::path::{Path, PathBuf};

use lemnis_app::scaffold::{self, Plan};
use lemnis_app::{frame, git};
use lemnis_core::{Digest, ErrorKind};
use lemnis_data::{InitOptions, Repo};
use serde_json::{Value, json};

use super::display::Outcome;
use super::journal::Journal;
use crate::cli::Quickstart;
use crate::context::Context;
use crate::output::{Failure, io_failure};

/// What is to be made, where, from what.
pub struct Request {
    pub dir: PathBuf,
    data: PathBuf,
    digest: String,
    plan: Plan,
    resumed: Option<Journal>,
    is_sample: bool,
    /// Keeps the generated sample until it is copied.
    _scratch: Option<tempfile::TempDir>,
}

/// The files that the first commit holds.
const PROJECT_FILES: [&str; 7] =
    ["README.md", "lemnis.yaml", "params.yaml", "dvc.yaml", ".gitignore", ".dvc", ".dvcignore"];

/// Judges the command line and the data.
pub fn resolve(context: &Context, arguments: &Quickstart) -> Result<Request, Failure> {
    let named_dir = arguments.dir.as_ref().map(|dir| context.path(dir));
    if let Some(dir) = &named_dir
        && let Some(journal) = Journal::read(dir)?
    {
        return resume(context, arguments, dir, journal);
    }
    let (data, scratch) = match &arguments.data {
        Some(data) => (context.path(data), None),
        None => {
            let scratch = tempfile::tempdir().map_err(io_failure("making a temporary folder"))?;
            let data = scratch.path().join(scaffold::SAMPLE_NAME);
            scaffold::write_sample(&data)?;
            (data, Some(scratch))
        }
    };
    let is_sample = scratch.is_some();
    let target = match (&arguments.target, is_sample) {
        (None, true) => Some(scaffold::SAMPLE_TARGET.to_owned()),
        (target, _) => target.clone(),
    };
    let table = frame::read_table(&data)?;
    let plan = scaffold::plan(&data, &table, target.as_deref())?;
    drop(table);
    let digest = digest_of(&data)?;
    let dir = named_dir.unwrap_or_else(|| context.dir.join(format!("lemnis-{}", plan.model)));
    if let Some(journal) = Journal::read(&dir)? {
        return resume(context, arguments, &dir, journal);
    }
    refuse_occupied(&dir)?;
    git::identity(&context.dir)?;
    Ok(Request {
        dir: absolute(context, &dir),
        data,
        digest,
        plan,
        resumed: None,
        is_sample,
        _scratch: scratch,
    })
}

fn resume(
    context: &Context,
    arguments: &Quickstart,
    dir: &Path,
    journal: Journal,
) -> Result<Request, Failure> {
    let data = match &arguments.data {
        Some(data) => {
            let data = context.path(data);
            let same = digest_of(&data)? == journal.data_digest;
            let target = arguments.target.as_ref().is_none_or(|target| *target == journal.plan.target);
            if !same || !target {
                return Err(Failure::new(
                    ErrorKind::Conflict,
                    format!("{} already holds a quickstart of other data or another target", dir.display()),
                )
                .with_hint("choose another --dir, or remove that one"));
            }
            data
        }
        None => dir.join(journal.plan.data_path()),
    };
    let dir = absolute(context, dir);
    let (digest, plan) = (journal.data_digest.clone(), journal.plan.clone());
    let is_sample = plan.data_name == scaffold::SAMPLE_NAME && arguments.data.is_none();
    Ok(Request { dir, data, digest, plan, resumed: Some(journal), is_sample, _scratch: None })
}

/// Opens the journal, making the project's directory.
pub fn begin(request: &Request) -> Result<Journal, Failure> {
    match &request.resumed {
        Some(_) => Journal::read(&request.dir)?
            .ok_or_else(|| Failure::new(ErrorKind::Conflict, "the journal went away while it was read")),
        None => Journal::start(&request.dir, request.plan.clone(), request.digest.clone()),
    }
}

/// Step 1: the files, the Git repository, the data repository, the first commit.
pub fn project(context: &Context, request: &Request, journal: &Journal) -> Result<(Outcome, Value), Failure> {
    let dir = &request.dir;
    let plan = &journal.plan;
    git::init(dir)?;
    scaffold::write_files(dir, plan)?;
    if !dir.join(".dvc/config").is_file() || !dir.join(".dvcignore").is_file() {
        // An init that was cut off left a folder without what makes it a repository; nothing is in it yet.
        if dir.join(".dvc").exists() {
            std::fs::remove_dir_all(dir.join(".dvc")).map_err(io_failure("removing a half-made .dvc"))?;
        }
        Repo::init(dir, InitOptions::default(), &context.environment)?;
    }
    copy_data(request, &dir.join(plan.data_path()))?;
    let commit = git::commit(dir, &PROJECT_FILES, "Start the project")?;
    let head = match commit {
        Some(commit) => commit,
        None => git::head(dir)?.unwrap_or_default(),
    };
    let note = match git::identity(dir)? {
        git::Identity::Configured => String::new(),
        git::Identity::Fallback => {
            "Git knows no name for you: commits say `lemnis` (git config --global user.name, user.email)"
                .to_owned()
        }
    };
    let what = if request.is_sample { "synthetic sample, " } else { "" };
    let mut outcome = Outcome::new(format!(
        "{what}{} rows × {} columns, predicts {} ({})",
        plan.rows,
        plan.columns,
        plan.target,
        task_of(plan)
    ))
    .and(format!(
        "lemnis.yaml, dvc.yaml, params.yaml explain themselves; commit {}",
        head.get(..8).unwrap_or(&head)
    ));
    if !note.is_empty() {
        outcome = outcome.and(note);
    }
    Ok((outcome.again(format!("cd {}", dir.display())), json!({ "commit": head })))
}

fn task_of(plan: &Plan) -> String {
    match (plan.task, &plan.positive) {
        (lemnis_app::settings::Task::Binary, Some(class)) => format!("binary, positive is {class:?}"),
        (lemnis_app::settings::Task::Multiclass, _) => "one of several classes".to_owned(),
        _ => "a number".to_owned(),
    }
}

fn copy_data(request: &Request, to: &Path) -> Result<(), Failure> {
    if to.is_file() && digest_of(to)? == request.digest {
        return Ok(());
    }
    let what = || format!("copying {} to {}", request.data.display(), to.display());
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(io_failure(what()))?;
    }
    let mut name = to.file_name().map(|name| name.to_os_string()).unwrap_or_default();
    name.push(".tmp");
    let temporary = to.with_file_name(name);
    if request.is_sample && !request.data.is_file() {
        scaffold::write_sample(&temporary)?;
    } else {
        std::fs::copy(&request.data, &temporary).map_err(io_failure(what()))?;
    }
    std::fs::rename(&temporary, to).map_err(io_failure(what()))
}

fn refuse_occupied(dir: &Path) -> Result<(), Failure> {
    if dir.is_file() {
        return Err(Failure::new(ErrorKind::Conflict, format!("{} is a file", dir.display()))
            .with_hint("name a directory with --dir"));
    }
    let Ok(mut entries) = std::fs::read_dir(dir) else { return Ok(()) };
    if entries.next().is_none() {
        return Ok(());
    }
    let what = if dir.join("lemnis.yaml").is_file() { "already holds a project" } else { "is not empty" };
    Err(Failure::new(ErrorKind::Conflict, format!("{} {what}", dir.display()))
        .with_hint("choose another directory with --dir; `lemnis up` serves a project that is there"))
}

fn absolute(context: &Context, dir: &Path) -> PathBuf {
    let joined = context.dir.join(dir);
    joined.components().collect()
}

fn digest_of(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound {
            ErrorKind::Invalid
        } else {
            ErrorKind::Internal
        };
        let mut failure = Failure::new(kind, format!("{} cannot be read", path.display()));
        failure.messages.push(error.to_string());
        failure
    })?;
    Ok(Digest::sha256(&bytes).to_string())
}
