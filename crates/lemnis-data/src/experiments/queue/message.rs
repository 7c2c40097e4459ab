//! The files that carry queued experiments: messages of DVC's task queue (Celery's, over a directory), so that
//! DVC lists and runs what was queued here, and the other way round.
//!
//! A message lies in `in/` until a worker takes it by renaming it into `processed/`; it has ended when
//! `result/` says so.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::experiments::stash::{QUEUED, Stashed};
use crate::fsx;
use crate::hash::sha256_bytes;
use crate::repo::Repo;

const TASK: &str = "dvc.repo.experiments.queue.tasks.run_exp";
const SUFFIX: &str = ".celery.msg";
const MAX_BYTES: u64 = 1 << 20;

/// A queued experiment as its message tells it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) file: PathBuf,
    pub(crate) id: String,
    pub(crate) stashed: Stashed,
    pub(crate) copy_paths: Vec<String>,
    pub(crate) message: Option<String>,
}

/// The directories of the queue.
pub(crate) struct Broker {
    root: PathBuf,
}

impl Broker {
    pub(crate) fn of(repo: &Repo) -> Self {
        Self { root: repo.tmp_dir().join("exps/celery") }
    }

    fn waiting(&self) -> PathBuf {
        self.root.join("broker/in")
    }

    fn taken(&self) -> PathBuf {
        self.root.join("broker/processed")
    }

    /// Where the end of a task is told.
    pub(crate) fn result(&self, id: &str) -> PathBuf {
        self.root.join("result").join(format!("celery-task-meta-{id}"))
    }

    /// Messages that no worker has taken, oldest first.
    pub(crate) fn queued(&self) -> Result<Vec<Message>> {
        read(&self.waiting())
    }

    /// Messages that a worker has taken, ended or not.
    pub(crate) fn processed(&self) -> Result<Vec<Message>> {
        read(&self.taken())
    }

    /// Takes a message for this process; `false` when another was faster.
    pub(crate) fn take(&self, message: &Message) -> Result<bool> {
        self.shift(message, &self.taken())
    }

    /// Gives a taken message back to the queue.
    pub(crate) fn give_back(&self, message: &Message) -> Result<bool> {
        self.shift(message, &self.waiting())
    }

    fn shift(&self, message: &Message, to: &Path) -> Result<bool> {
        fsx::create_dirs(to)?;
        let Some(name) = message.file.file_name() else { return Ok(false) };
        match std::fs::rename(&message.file, to.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("move", &message.file)(error)),
        }
    }

    /// Writes how a task ended. `when` is the present moment in RFC 3339.
    pub(crate) fn end(&self, id: &str, success: bool, when: &str) -> Result<()> {
        let path = self.result(id);
        fsx::create_dirs(&self.root.join("result"))?;
        let status = if success { "SUCCESS" } else { "FAILURE" };
        // A failed task of DVC carries its exception; one that was killed carries none.
        let result = json!({
            "status": status,
            "result": if success { Value::Null } else { json!({"exc_type": "RuntimeError", "exc_message": ["the experiment failed"], "exc_module": "builtins"}) },
            "traceback": null,
            "children": [],
            "date_done": when,
            "task_id": id,
        });
        fsx::write_text(&path, &result.to_string())
    }

    /// Removes a message and what is known about its end.
    pub(crate) fn remove(&self, message: &Message) -> Result<()> {
        fsx::remove(&message.file)?;
        fsx::remove(&self.result(&message.id))
    }

    /// Puts an experiment at the end of the queue.
    pub(crate) fn send(
        &self,
        repo: &Repo,
        git_root: &Path,
        stashed: &Stashed,
        copy_paths: &[String],
        message: Option<&str>,
    ) -> Result<()> {
        for dir in [self.waiting(), self.taken(), self.root.join("broker/control"), self.root.join("result")]
        {
            fsx::create_dirs(&dir)?;
        }
        let (id, tag) = (uuid(&stashed.commit, "task"), uuid(&stashed.commit, "delivery"));
        let entry = json!({
            "dvc_root": repo.root().to_string_lossy(),
            "scm_root": git_root.to_string_lossy(),
            "stash_ref": QUEUED,
            "stash_rev": stashed.commit,
            "baseline_rev": stashed.baseline,
            "branch": null,
            "name": stashed.name,
            "head_rev": stashed.head,
        });
        let embed = json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null});
        let body = json!([[entry], {"copy_paths": copy_paths, "message": message}, embed]);
        let whole = json!({
            "body": STANDARD.encode(body.to_string()),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py", "task": TASK, "id": id, "shadow": null, "eta": null, "expires": null,
                "group": null, "group_index": null, "retries": 0, "timelimit": [null, null],
                "root_id": id, "parent_id": null, "argsrepr": stashed.name, "kwargsrepr": "{}",
                "origin": "lemnis", "ignore_result": false, "replaced_task_nesting": 0,
                "stamped_headers": null, "stamps": {},
            },
            "properties": {
                "correlation_id": id, "reply_to": uuid(&stashed.commit, "reply"), "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "celery"}, "priority": 0,
                "body_encoding": "base64", "delivery_tag": tag,
            },
        });
        let path = self.waiting().join(format!("{}_{tag}{SUFFIX}", self.place()?));
        fsx::write_text(&path, &whole.to_string())
    }

    /// A number after all that wait: the age of the system in milliseconds, as DVC's queue has it, or the
    /// next one.
    fn place(&self) -> Result<u64> {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
        let last = names(&self.waiting())?.into_iter().map(|(place, _)| place).max();
        Ok(((seconds * 1000.0) as u64).max(last.map_or(0, |place| place + 1)))
    }
}

fn names(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("list", dir))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.ends_with(SUFFIX) && entry.metadata().is_ok_and(|meta| meta.len() <= MAX_BYTES) {
            let place = name.split('_').next().and_then(|text| text.parse().ok()).unwrap_or_default();
            found.push((place, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn read(dir: &Path) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    for (_, file) in names(dir)? {
        // Another process may have taken it meanwhile; what is no task of ours is left alone.
        if let Ok(Some(text)) = fsx::read_text(&file)
            && let Some(message) = parse(file, &text)
        {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn parse(file: PathBuf, text: &str) -> Option<Message> {
    let whole: Value = serde_json::from_str(text).ok()?;
    let headers = &whole["headers"];
    if headers["task"].as_str() != Some(TASK) {
        return None;
    }
    let body: Value = serde_json::from_slice(&STANDARD.decode(whole["body"].as_str()?).ok()?).ok()?;
    let (entry, options) = (&body[0][0], &body[1]);
    let entry = if entry.is_null() { &options["entry_dict"] } else { entry };
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let is_hex = |text: &String| text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let commit = text("stash_rev").filter(is_hex)?;
    let baseline = text("baseline_rev").filter(is_hex)?;
    let head = text("head_rev").filter(is_hex).unwrap_or_else(|| baseline.clone());
    let name = text("name").unwrap_or_else(|| commit[..7].to_owned());
    let id =
        headers["id"].as_str().filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))?;
    let copy_paths = options["copy_paths"].as_array().into_iter().flatten();
    Some(Message {
        id: id.to_owned(),
        stashed: Stashed { commit, head, baseline, name },
        copy_paths: copy_paths.filter_map(Value::as_str).map(str::to_owned).collect(),
        message: options["message"].as_str().map(str::to_owned),
        file,
    })
}

/// An identifier in the form of a UUID that `commit` and `purpose` determine.
fn uuid(commit: &str, purpose: &str) -> String {
    let digest = sha256_bytes(format!("{commit} {purpose}").as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
