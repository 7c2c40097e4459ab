//! Watches the branches that rules name, and queues what new data starts.
//!
//! What was seen last is an event in the store, written after the runs that it caused are queued; a run's key is its rule
//! and the new digest. So a process that dies in between queues nothing twice and loses nothing. Nothing is asked of Git
//! while the stats of its refs are the same.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::SystemTime;

use lemnis_core::{Digest, Principal};
use lemnis_data::{RefStamp, Repo};
use lemnis_flow::New;
use serde::{Deserialize, Serialize};

use super::rule::{Start, Trigger};
use crate::settings::FILE;
use crate::{App, Context, Error, blocking, git};

/// How often a flow run may be tried; a server that is killed costs an attempt.
const ATTEMPTS: u32 = 3;

/// What is remembered between two looks, in memory.
#[derive(Debug, Default)]
pub struct Watcher {
    /// `lemnis.yaml` as it was read last.
    file: Option<(SystemTime, u64)>,
    rules: Vec<Trigger>,
    branches: HashMap<String, RefStamp>,
}

/// What was seen of a branch, as the event `data.seen` keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    commit: String,
    /// The rules that were there; a new one starts nothing for what came before it.
    rules: Vec<String>,
    /// Path → digest.
    outputs: BTreeMap<String, Digest>,
}

/// Looks at every branch that a rule names and has moved, and queues what its new data starts. Returns the runs' ids.
///
/// A branch counts while it is checked out in the project, for that is where runs work; until then its changes wait.
pub async fn check_branches(app: &App, who: &Principal, watcher: &mut Watcher) -> Result<Vec<String>, Error> {
    read_rules(app.project.root(), watcher)?;
    let mut queued = Vec::new();
    let mut branches: Vec<String> = watcher.rules.iter().map(|rule| rule.on.branch.clone()).collect();
    branches.sort();
    branches.dedup();
    for branch in branches {
        let Some(stamp) = RefStamp::read(app.project.root(), &branch) else { continue };
        if watcher.branches.get(&branch) == Some(&stamp) {
            continue;
        }
        let rules: Vec<Trigger> =
            watcher.rules.iter().filter(|rule| rule.on.branch == branch).cloned().collect();
        queued.extend(check_branch(app, who, &branch, &rules).await?);
        watcher.branches.insert(branch, stamp);
    }
    Ok(queued)
}

fn read_rules(root: &Path, watcher: &mut Watcher) -> Result<(), Error> {
    let about = std::fs::metadata(root.join(FILE)).ok();
    let stamp = about.and_then(|about| Some((about.modified().ok()?, about.len())));
    if stamp == watcher.file {
        return Ok(());
    }
    watcher.file = stamp;
    watcher.rules.clear();
    watcher.branches.clear();
    if stamp.is_some() {
        watcher.rules = crate::Settings::read(root)?.triggers;
    }
    Ok(())
}

async fn check_branch(
    app: &App,
    who: &Principal,
    branch: &str,
    rules: &[Trigger],
) -> Result<Vec<String>, Error> {
    let (root, name, environment) =
        (app.project.root().to_path_buf(), branch.to_owned(), app.environment.clone());
    let now = blocking(move || {
        if git::branch(&root)?.as_deref() != Some(name.as_str()) {
            return Ok(None);
        }
        let Some(commit) = git::head(&root)? else { return Ok(None) };
        let repo = match Repo::discover(&root, &environment) {
            Ok(repo) => repo,
            Err(lemnis_data::Error::NotARepo { .. }) => return Ok(None),
            Err(error) => return Err(error).context("opening the data repository"),
        };
        let held = lemnis_data::held_at(&repo, &commit).context("reading what the branch holds")?;
        let inner = root.strip_prefix(repo.root()).unwrap_or(Path::new("")).to_path_buf();
        let outputs = held.into_iter().filter_map(|output| {
            let path = Path::new(&output.path).strip_prefix(&inner).ok()?.to_string_lossy().into_owned();
            Some((path, output.digest?))
        });
        Ok(Some((commit, outputs.collect::<BTreeMap<_, _>>())))
    })
    .await?;
    let Some((commit, outputs)) = now else { return Ok(Vec::new()) };
    let subject = format!("branch/{branch}");
    let known = app.events.latest(Some(&subject), 1).await.context("looking for what was seen last")?;
    let known = known.into_iter().next().and_then(|event| serde_json::from_value::<Seen>(event.data).ok());
    let names: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    let seen = Seen { commit, rules: names, outputs };
    let Some(before) = known else {
        remember(app, who, &subject, &seen).await?;
        return Ok(Vec::new());
    };
    if before.outputs == seen.outputs && before.rules == seen.rules {
        return Ok(Vec::new());
    }
    let mut queued = Vec::new();
    for (path, digest) in &seen.outputs {
        let old = before.outputs.get(path);
        if old == Some(digest) {
            continue;
        }
        let wanted = |rule: &&Trigger| before.rules.contains(&rule.name) && rule.matches(path);
        for rule in rules.iter().filter(wanted) {
            queued.push(start(app, who, rule, &seen.commit, path, old, digest).await?);
        }
    }
    remember(app, who, &subject, &seen).await?;
    Ok(queued)
}

async fn remember(app: &App, who: &Principal, subject: &str, seen: &Seen) -> Result<(), Error> {
    let data = serde_json::to_value(seen)
        .map_err(|error| Error::invalid(format!("what was seen cannot be written: {error}")))?;
    // A branch may come back to a commit: the moment makes the record one of its own.
    let id = format!("data.seen/{subject}/{}/{}", seen.commit, app.clock.now_ms());
    app.record(id, who, "data.seen", subject.to_owned(), data).await
}

async fn start(
    app: &App,
    who: &Principal,
    rule: &Trigger,
    commit: &str,
    path: &str,
    old: Option<&Digest>,
    new: &Digest,
) -> Result<String, Error> {
    let short = commit.get(..8).unwrap_or(commit);
    let from = old.map_or("nothing", Digest::short);
    let branch = &rule.on.branch;
    let because = format!(
        "trigger {}: {path} on {branch} went from {from} to {} in commit {short}",
        rule.name,
        new.short()
    );
    let mut trigger = serde_json::json!({
        "rule": rule.name,
        "branch": branch,
        "commit": commit,
        "path": path,
        "old_digest": old,
        "new_digest": new,
        "because": because,
    });
    let flow = match &rule.run {
        Start::Repro(_) => "repro",
        Start::Retrain(endpoint) => {
            trigger["endpoint"] = endpoint.as_str().into();
            "retrain"
        }
    };
    let command = ["lemnis", "trigger", &rule.name, "--commit", commit, "--path", path];
    let request = New {
        flow: flow.to_owned(),
        command: command.map(str::to_owned).to_vec(),
        trigger,
        idempotency_key: Some(format!("trigger/{}/{new}", rule.name)),
        max_attempts: ATTEMPTS,
        created_ms: app.clock.now_ms(),
    };
    let run = app.queue.enqueue(request).await.context("queueing what the trigger starts")?;
    let data = serde_json::json!({ "flow_run": run.id, "rule": rule.name, "because": because });
    let subject = format!("trigger/{}", rule.name);
    app.record(format!("flow.queued/{}", run.id), who, "flow.queued", subject, data).await?;
    Ok(run.id)
}
