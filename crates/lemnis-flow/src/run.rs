//! A flow run and the rules by which its state changes.
//!
//! Every change is a pure function from one [`FlowRun`] to the next, so that each adapter of the queue keeps the same
//! rules: it reads, applies, and writes in one transaction.

use std::path::PathBuf;

use lemnis_core::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result, backoff_ms};

/// The longest command line, in arguments.
const MAX_ARGUMENTS: usize = 1_024;
/// The longest argument, flow name or idempotency key, in bytes.
const MAX_TEXT_BYTES: usize = 32 * 1024;
/// How much of an error is kept, in bytes.
const MAX_ERROR_BYTES: usize = 4 * 1024;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    /// Waits for a worker, or for the time of its next attempt.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly, and no attempt is left.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl FlowState {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            FlowState::Queued => "queued",
            FlowState::Running => "running",
            FlowState::Succeeded => "succeeded",
            FlowState::Failed => "failed",
            FlowState::Cancelled => "cancelled",
        }
    }

    /// The state that `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        use FlowState::{Cancelled, Failed, Queued, Running, Succeeded};
        [Queued, Running, Succeeded, Failed, Cancelled].into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing changes the run any more.
    pub fn is_final(self) -> bool {
        matches!(self, FlowState::Succeeded | FlowState::Failed | FlowState::Cancelled)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct New {
    /// The flow's name, such as `retrain`.
    pub flow: String,
    /// Program and arguments. The program is looked up on the worker's `PATH`.
    pub command: Vec<String>,
    /// Why: the evidence that caused the run, such as `{"verdict": "…", "endpoint": "churn"}`.
    pub trigger: Value,
    /// A second request with the same key returns the first one's run.
    pub idempotency_key: Option<String>,
    /// How often the command may be tried, at least 1.
    pub max_attempts: u32,
    /// When it is asked for.
    pub created_ms: Millis,
}

/// One durable execution of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowRun {
    /// Unique.
    pub id: String,
    /// The flow's name, such as `retrain`.
    pub flow: String,
    /// Why it runs.
    pub trigger: Value,
    /// The key under which a repeated request finds this run.
    pub idempotency_key: Option<String>,
    /// Where it stands.
    pub state: FlowState,
    /// Attempts begun so far.
    pub attempt: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// When it was asked for.
    pub created_ms: Millis,
    /// No worker takes it before.
    pub not_before_ms: Millis,
    /// When its latest attempt began.
    pub started_ms: Option<Millis>,
    /// When it reached a final state.
    pub ended_ms: Option<Millis>,
    /// Until when the worker's claim holds unless it is renewed.
    pub lease_until_ms: Option<Millis>,
    /// The worker that holds or held the lease.
    pub worker: Option<String>,
    /// Somebody asked for its end while it was running.
    pub cancel_requested: bool,
    /// Where the command's output goes.
    pub log_path: Option<PathBuf>,
    /// Why the latest attempt failed.
    pub error: Option<String>,
    /// What the command left behind, such as `{"exit_code": 0}`; null until it succeeded.
    pub result: Value,
}

/// How a leased run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The command did what it should.
    Succeeded {
        /// What it left behind.
        result: Value,
    },
    /// The command failed; another attempt follows if one is left.
    Failed {
        /// Why, in one line.
        error: String,
    },
    /// It was stopped because somebody asked for it.
    Cancelled,
    /// The worker itself had to stop: the run goes back to the queue and the attempt does not count.
    Interrupted,
}

impl FlowRun {
    /// A fresh run that waits for a worker. Fails if the request is empty or too large.
    pub fn queued(new: New) -> Result<Self> {
        let invalid = |reason: &str| Err(Error::Invalid { reason: reason.to_owned() });
        if new.flow.is_empty() {
            return invalid("the flow has no name");
        }
        if new.command.first().is_none_or(String::is_empty) {
            return invalid("the command is empty");
        }
        if new.max_attempts == 0 {
            return invalid("max_attempts is 0, at least one attempt is needed");
        }
        if new.command.len() > MAX_ARGUMENTS {
            return invalid("the command has more than 1024 arguments");
        }
        let is_bad = |text: &String| text.len() > MAX_TEXT_BYTES || text.contains('\0');
        if new.command.iter().chain([&new.flow]).chain(&new.idempotency_key).any(is_bad) {
            return invalid("a name or argument is longer than 32 KiB or holds a NUL");
        }
        Ok(Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            flow: new.flow,
            trigger: new.trigger,
            idempotency_key: new.idempotency_key,
            state: FlowState::Queued,
            attempt: 0,
            max_attempts: new.max_attempts,
            command: new.command,
            created_ms: new.created_ms,
            not_before_ms: new.created_ms,
            started_ms: None,
            ended_ms: None,
            lease_until_ms: None,
            worker: None,
            cancel_requested: false,
            log_path: None,
            error: None,
            result: Value::Null,
        })
    }

    /// Whether a worker may take it at `now`: it waits and its time has come, or its worker went away.
    pub fn is_due(&self, now: Millis) -> bool {
        match self.state {
            FlowState::Queued => self.not_before_ms <= now,
            FlowState::Running => self.lease_until_ms.is_none_or(|until| until < now),
            _ => false,
        }
    }

    /// What becomes of a due run when `worker` asks for work: its next attempt, or its end when the earlier worker
    /// went away during the last attempt or after a request to cancel.
    pub fn leased(mut self, worker: &str, now: Millis, lease_ms: Millis) -> Self {
        let abandoned = self.state == FlowState::Running;
        if abandoned && self.cancel_requested {
            return self.ended(FlowState::Cancelled, now);
        }
        if abandoned && self.attempt >= self.max_attempts {
            self.error = Some(format!("the worker went away during attempt {}, the last one", self.attempt));
            return self.ended(FlowState::Failed, now);
        }
        self.state = FlowState::Running;
        self.attempt = self.attempt.saturating_add(1);
        self.started_ms = Some(now);
        self.lease_until_ms = Some(now.saturating_add(lease_ms));
        self.worker = Some(worker.to_owned());
        self
    }

    /// Whether `worker` still holds the lease of `attempt`.
    pub fn is_held(&self, worker: &str, attempt: u32) -> bool {
        self.state == FlowState::Running && self.attempt == attempt && self.worker.as_deref() == Some(worker)
    }

    /// The run after its holder reported `outcome`.
    pub fn finished(mut self, outcome: Outcome, now: Millis) -> Self {
        match outcome {
            Outcome::Succeeded { result } => {
                self.result = result;
                self.error = None;
                self.ended(FlowState::Succeeded, now)
            }
            Outcome::Cancelled => self.ended(FlowState::Cancelled, now),
            Outcome::Failed { error } => {
                self.error = Some(shortened(error));
                if self.cancel_requested {
                    self.ended(FlowState::Cancelled, now)
                } else if self.attempt >= self.max_attempts {
                    self.ended(FlowState::Failed, now)
                } else {
                    let wait = backoff_ms(self.attempt);
                    self.requeued(now.saturating_add(wait))
                }
            }
            Outcome::Interrupted if self.cancel_requested => self.ended(FlowState::Cancelled, now),
            Outcome::Interrupted => {
                self.attempt = self.attempt.saturating_sub(1);
                self.requeued(now)
            }
        }
    }

    /// The run after somebody asked for its end: a waiting one ends at once, a running one at its next heartbeat.
    pub fn cancelled(mut self, now: Millis) -> Self {
        match self.state {
            FlowState::Queued => self.ended(FlowState::Cancelled, now),
            FlowState::Running => {
                self.cancel_requested = true;
                self
            }
            _ => self,
        }
    }

    fn ended(mut self, state: FlowState, now: Millis) -> Self {
        self.state = state;
        self.ended_ms = Some(now);
        self.lease_until_ms = None;
        self
    }

    fn requeued(mut self, not_before_ms: Millis) -> Self {
        self.state = FlowState::Queued;
        self.not_before_ms = not_before_ms;
        self.lease_until_ms = None;
        self.worker = None;
        self
    }
}

fn shortened(mut error: String) -> String {
    if error.len() > MAX_ERROR_BYTES {
        let mut end = MAX_ERROR_BYTES;
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        error.truncate(end);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn new() -> New {
        New {
            flow: "retrain".to_owned(),
            command: vec!["true".to_owned()],
            trigger: Value::Null,
            idempotency_key: None,
            max_attempts: 2,
            created_ms: 10,
        }
    }

    #[test]
    fn an_empty_or_endless_request_is_refused() {
        for broken in [
            New { flow: String::new(), ..new() },
            New { command: Vec::new(), ..new() },
            New { max_attempts: 0, ..new() },
            New { command: vec!["x".repeat(40_000)], ..new() },
            New { command: vec!["a\0b".to_owned()], ..new() },
        ] {
            assert!(FlowRun::queued(broken).is_err());
        }
    }

    #[test]
    fn an_interrupted_attempt_does_not_count() {
        let run = FlowRun::queued(new()).unwrap().leased("w", 20, 15).finished(Outcome::Interrupted, 25);
        assert_eq!((run.state, run.attempt, run.not_before_ms), (FlowState::Queued, 0, 25));
    }

    #[test]
    fn a_run_whose_worker_vanished_on_the_last_attempt_fails() {
        let run = FlowRun::queued(New { max_attempts: 1, ..new() }).unwrap().leased("w", 20, 15);
        assert!(!run.is_due(35) && run.is_due(36));
        let run = run.leased("v", 36, 15);
        assert_eq!((run.state, run.attempt), (FlowState::Failed, 1));
    }

    #[test]
    fn state_words_read_back() {
        for word in ["queued", "running", "succeeded", "failed", "cancelled"] {
            assert_eq!(FlowState::parse(word).map(FlowState::as_str), Some(word));
        }
        assert_eq!(FlowState::parse("done"), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Lease,
        Fail,
        Succeed,
        Interrupt,
        Cancel,
        Wait(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Lease),
            3 => Just(Step::Fail),
            1 => Just(Step::Succeed),
            2 => Just(Step::Interrupt),
            1 => Just(Step::Cancel),
            4 => (1i64..400_000).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn attempts_stay_within_bounds_and_an_ended_run_never_moves(steps in steps()) {
            let mut run = FlowRun::queued(new()).unwrap();
            let mut now = 10;
            for step in steps {
                let before = run.clone();
                match step {
                    Step::Wait(by) => now += by,
                    Step::Lease if run.is_due(now) => run = run.leased("w", now, 15_000),
                    Step::Cancel => run = run.cancelled(now),
                    Step::Fail if run.state == FlowState::Running => {
                        run = run.finished(Outcome::Failed { error: "e".to_owned() }, now);
                    }
                    Step::Succeed if run.state == FlowState::Running => {
                        run = run.finished(Outcome::Succeeded { result: Value::Null }, now);
                    }
                    Step::Interrupt if run.state == FlowState::Running => {
                        run = run.finished(Outcome::Interrupted, now);
                    }
                    _ => {}
                }
                prop_assert!(run.attempt <= run.max_attempts);
                prop_assert_eq!(run.state.is_final(), run.ended_ms.is_some());
                prop_assert_eq!(run.state == FlowState::Running, run.lease_until_ms.is_some());
                if before.state.is_final() {
                    prop_assert_eq!(before, run.clone());
                }
            }
        }
    }
}
