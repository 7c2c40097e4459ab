//! The order of things in a reproduction: starts stages whose dependencies are dealt with, waits for their
//! commands with the repository unlocked, and records each as soon as it ends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use super::plan::Plan;
use super::prepare::{self, Begun, Start};
use super::task::{self, Event, Task};
use super::{Observer, OnError, Outcome, Reproduce, StageOutcome, Stream};
use crate::error::{Error, Result};
use crate::git;
use crate::index::Index;
use crate::reproduce::{record, stale};
use crate::run::StageGuard;
use crate::rwlock::PathLocks;
use crate::workspace::Workspace;

/// Longer lines are passed on in pieces.
const MAX_LINE_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Over,
}

struct Running {
    stage: String,
    why: String,
    started: Instant,
    scripts: Vec<String>,
    /// What each stream printed after its last line end.
    partial: [Vec<u8>; 2],
    /// Keeps others from what it reads and writes, until it is recorded.
    _paths: PathLocks,
}

pub(super) struct Schedule<'a, 'r> {
    workspace: &'a mut Workspace<'r>,
    index: &'a mut Index,
    plan: Plan,
    how: &'a Reproduce,
    states: Vec<State>,
    running: Vec<Option<Running>>,
    forced: BTreeSet<usize>,
    failed: Vec<String>,
    error: Option<Error>,
    outcomes: Vec<StageOutcome>,
    guard: Option<Arc<StageGuard>>,
    /// What is new in `.gitignore`.
    lines: git::Added,
    /// Files for Git that changed.
    changed: BTreeSet<PathBuf>,
    /// Interrupts all commands when the reproduction itself cannot go on.
    stop: Arc<AtomicBool>,
}

impl<'a, 'r> Schedule<'a, 'r> {
    pub(super) fn new(
        workspace: &'a mut Workspace<'r>,
        index: &'a mut Index,
        plan: Plan,
        how: &'a Reproduce,
    ) -> Self {
        let count = index.stages.len();
        let mut states = vec![State::Over; count];
        plan.steps.iter().for_each(|at| states[*at] = State::Waiting);
        Self {
            workspace,
            index,
            plan,
            how,
            states,
            running: (0..count).map(|_| None).collect(),
            forced: BTreeSet::new(),
            failed: Vec::new(),
            error: None,
            outcomes: Vec::new(),
            guard: None,
            lines: git::Added::default(),
            changed: BTreeSet::new(),
            stop: how.cancel.clone().unwrap_or_default(),
        }
    }

    pub(super) fn run(mut self, observer: &mut dyn Observer) -> Result<Vec<StageOutcome>> {
        let (sender, events) = mpsc::channel();
        let jobs = self.how.jobs.max(1);
        loop {
            let mut tasks: Vec<Task> = Vec::new();
            while self.count() < jobs && self.error.is_none() {
                let Some(at) = self.next() else { break };
                match self.begin(at, observer) {
                    Ok(Some(task)) => tasks.push(*task),
                    Ok(None) => {}
                    Err(error) => self.fail(at, error, observer),
                }
            }
            if self.count() == 0 {
                self.guard = None;
                if self.error.is_some() || self.next().is_none() {
                    break;
                }
                continue;
            }
            self.wait(tasks, &sender, &events, observer);
        }
        let failure = match self.error.take() {
            Some(error) => Some(error),
            None if self.failed.is_empty() || self.how.on_error == OnError::Ignore => None,
            None => Some(Error::StagesFailed { stages: std::mem::take(&mut self.failed) }),
        };
        if let Some(error) = failure {
            // As in DVC a failed reproduction leaves `.gitignore` as it was.
            git::roll_back(self.lines);
            return Err(error);
        }
        let repo = self.workspace.repo;
        if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
            self.changed.extend(self.lines.files());
            let files: Vec<PathBuf> = self.changed.into_iter().filter(|path| path.exists()).collect();
            if !files.is_empty() {
                git::add(git_root, &files)?;
            }
        }
        Ok(self.outcomes)
    }

    fn count(&self) -> usize {
        self.running.iter().flatten().count()
    }

    /// The first stage, in order, that waits for nothing.
    fn next(&self) -> Option<usize> {
        let ready = |at: &&usize| {
            let up = &self.plan.graph.up[**at];
            let free = !self.plan.linked || up.iter().all(|up| self.states[*up] == State::Over);
            self.states[**at] == State::Waiting && free
        };
        self.plan.steps.iter().find(ready).copied()
    }

    /// Deals with a stage up to its command.
    fn begin(&mut self, at: usize, observer: &mut dyn Observer) -> Result<Option<Box<Task>>> {
        let started = Instant::now();
        let how = self.how;
        let address = self.index.stages[at].address(self.workspace.repo);
        if self.stop.load(Ordering::SeqCst) {
            return Err(Error::Interrupted { stage: address });
        }
        let force = how.force || self.forced.contains(&at);
        let graph = &self.plan.graph;
        let reasons = if force {
            vec!["it was forced".to_owned()]
        } else if how.anew {
            vec!["it was defined anew".to_owned()]
        } else {
            stale::reasons(self.workspace, self.index, graph, at, how.allow_missing, observer.stores())?
        };
        if reasons.is_empty() {
            self.finish(at, Outcome::Skipped, "nothing changed", started, observer);
            return Ok(None);
        }
        let why = reasons.join("; ");
        if how.pull
            && !how.dry
            && !force
            && stale::reasons(self.workspace, self.index, graph, at, true, observer.stores())?.is_empty()
            && prepare::pull_outputs(self.workspace, &self.index.stages[at], observer)?
        {
            self.finish(at, Outcome::Pulled, &why, started, observer);
            return Ok(None);
        }
        if how.interactive && !observer.confirm(&address) {
            return Err(Error::Declined { stage: address });
        }
        let start = Start { how, address: &address, why: &why, force };
        if how.dry {
            let outcome = prepare::plan(self.workspace, &self.index.stages[at], &start, observer)?;
            self.finish(at, outcome, &why, started, observer);
            return Ok(None);
        }
        let (guard, lines) = (&mut self.guard, &mut self.lines);
        match prepare::begin(self.workspace, self.index, at, &start, observer, guard, lines)? {
            Begun::Done(outcome) => {
                self.finish(at, outcome, &why, started, observer);
                Ok(None)
            }
            Begun::Run(mut task, paths) => {
                task.job.cancel = Some(self.stop.clone());
                self.states[at] = State::Running;
                let partial = [Vec::new(), Vec::new()];
                let (stage, scripts) = (address.clone(), task.scripts.clone());
                self.running[at] = Some(Running { stage, why, started, scripts, partial, _paths: paths });
                Ok(Some(task))
            }
        }
    }

    /// Starts `tasks` and waits until a command ended, while others may use the repository.
    fn wait(
        &mut self,
        tasks: Vec<Task>,
        sender: &Sender<Event>,
        events: &Receiver<Event>,
        observer: &mut dyn Observer,
    ) {
        let running = &mut self.running;
        let ended = self.workspace.unlocked(|| {
            for mut task in tasks {
                let (at, stage) = (task.at, task.job.stage.clone());
                let why = running[at].as_ref().map(|running| running.why.clone()).unwrap_or_default();
                match observer.stage_will_run(&stage, &why) {
                    Ok(extra) => {
                        task.env.extend(extra);
                        task::start(task, sender.clone());
                    }
                    Err(source) => {
                        let _ = sender.send(Event::Ended(at, Err(Error::Observer { stage, source })));
                    }
                }
            }
            follow(events, running, observer)
        });
        match ended {
            Ok(Some((at, result))) => self.end(at, result, observer),
            Ok(None) => {}
            Err(error) => self.abandon(error, events, observer),
        }
    }

    fn end(&mut self, at: usize, result: Result<()>, observer: &mut dyn Observer) {
        let Some(running) = self.running[at].take() else { return };
        let mut stage = self.index.stages[at].clone();
        let result = result
            .and_then(|()| record::record(self.workspace, &mut stage, self.how, true, None, &mut self.lines));
        match result {
            Ok(()) => {
                self.index.stages[at] = stage;
                self.finish(at, Outcome::Ran, &running.why, running.started, observer);
            }
            Err(error) => self.fail(at, error, observer),
        }
    }

    /// The repository cannot be locked again: interrupts what runs and waits for its end.
    fn abandon(&mut self, error: Error, events: &Receiver<Event>, observer: &mut dyn Observer) {
        self.stop.store(true, Ordering::SeqCst);
        self.error.get_or_insert(error);
        while self.count() > 0 {
            match follow(events, &mut self.running, observer) {
                Some((at, _)) => self.running[at] = None,
                None => break,
            }
        }
    }

    fn finish(
        &mut self,
        at: usize,
        outcome: Outcome,
        why: &str,
        started: Instant,
        observer: &mut dyn Observer,
    ) {
        self.states[at] = State::Over;
        let forced = self.how.force || self.forced.contains(&at);
        if self.how.force_downstream && self.plan.linked && (outcome.is_change() || forced) {
            self.forced.extend(&self.plan.graph.down[at]);
        }
        let stage = &self.index.stages[at];
        if outcome.is_change() && !self.how.dry {
            let in_pipeline = stage.name.is_some();
            self.changed.insert(if in_pipeline { stage.lock_path() } else { stage.file.clone() });
        }
        let stage = stage.address(self.workspace.repo);
        let seconds = started.elapsed().as_secs_f64();
        let outcome = StageOutcome { stage, outcome, reason: why.to_owned(), seconds };
        observer.stage_done(&outcome);
        self.outcomes.push(outcome);
    }

    fn fail(&mut self, at: usize, error: Error, observer: &mut dyn Observer) {
        self.states[at] = State::Over;
        self.running[at] = None;
        let fatal = matches!(error, Error::Interrupted { .. } | Error::Locked { .. });
        if fatal || self.how.on_error == OnError::Stop {
            self.error.get_or_insert(error);
            return;
        }
        let repo = self.workspace.repo;
        let stage = self.index.stages[at].address(repo);
        let mut skipped = Vec::new();
        if self.how.on_error == OnError::KeepGoing && self.plan.linked {
            let graph = &self.plan.graph;
            for below in super::plan::Graph::reach(&[at], |at| graph.down[at].clone()) {
                if self.states[below] == State::Waiting {
                    self.states[below] = State::Over;
                    skipped.push(self.index.stages[below].address(repo));
                }
            }
        }
        observer.stage_failed(&stage, &error, &skipped);
        if self.how.on_error == OnError::Ignore {
            let reason = error.to_string();
            self.outcomes.push(StageOutcome {
                stage: stage.clone(),
                outcome: Outcome::Failed,
                reason,
                seconds: 0.0,
            });
        }
        self.failed.push(stage);
    }
}

/// Passes on what commands report until one of them ends.
fn follow(
    events: &Receiver<Event>,
    running: &mut [Option<Running>],
    observer: &mut dyn Observer,
) -> Option<(usize, Result<()>)> {
    loop {
        match events.recv().ok()? {
            Event::Command(at, number) => {
                if let Some(Running { stage, scripts, .. }) = &running[at] {
                    observer.stage_command(stage, &scripts[number]);
                }
            }
            Event::Output(at, stream, bytes) => {
                let Some(running) = &mut running[at] else { continue };
                observer.stage_output(&running.stage, stream, &bytes);
                let partial = &mut running.partial[usize::from(stream == Stream::Err)];
                partial.extend(bytes);
                while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = partial.drain(..=end).collect();
                    observer.stage_line(&running.stage, &as_text(&line));
                }
                if partial.len() > MAX_LINE_BYTES {
                    observer.stage_line(&running.stage, &as_text(&std::mem::take(partial)));
                }
            }
            Event::Ended(at, result) => {
                if let Some(running) = &mut running[at] {
                    for partial in running.partial.iter_mut().filter(|partial| !partial.is_empty()) {
                        observer.stage_line(&running.stage, &as_text(&std::mem::take(partial)));
                    }
                }
                return Some((at, result));
            }
        }
    }
}

fn as_text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned()
}
