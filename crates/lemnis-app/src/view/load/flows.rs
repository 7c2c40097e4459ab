//! Flow runs with the ends of their logs, events and verdicts.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use lemnis_flow::{FlowRun, FlowState};

use super::{blocking, event_row, plain, segment, verdict_row};
use crate::view::{EventList, FlowList, FlowRow, Moment, State, VerdictList};
use crate::{App, Context, Error};

/// How much of a log's end is read.
const TAIL_BYTES: u64 = 16 << 10;
/// How many lines of it are shown.
const TAIL_LINES: usize = 30;
/// The longest line that is shown.
const LINE_CHARACTERS: usize = 400;

/// The newest `limit` flow runs.
pub async fn flow_runs(app: &App, limit: usize) -> Result<FlowList, Error> {
    let runs = app.queue.list(limit).await.context("looking for flow runs")?;
    let now = app.clock.now_ms();
    let flow_runs = blocking(move || Ok(runs.into_iter().map(|run| row(run, now)).collect())).await?;
    Ok(FlowList { flow_runs })
}

fn row(run: FlowRun, now: i64) -> FlowRow {
    let end = run.ended_ms.unwrap_or(now);
    FlowRow {
        because: because(&run),
        trigger_href: run.trigger["endpoint"]
            .as_str()
            .filter(|_| run.trigger["rule"].is_null())
            .map(|name| format!("/endpoints/{}#drift", segment(name))),
        status: run.state.as_str().to_owned(),
        state: match run.state {
            FlowState::Queued | FlowState::Running => State::Working,
            FlowState::Succeeded => State::Ok,
            FlowState::Failed => State::Attention,
            FlowState::Cancelled => State::Idle,
        },
        attempt: run.attempt,
        max_attempts: run.max_attempts,
        command: run.command.join(" "),
        created: Moment(run.created_ms),
        started: run.started_ms.map(Moment),
        ended: run.ended_ms.map(Moment),
        duration_ms: run.started_ms.map(|started| (end - started).max(0)),
        log_tail: run.log_path.as_deref().map(tail).unwrap_or_default(),
        trigger: run.trigger,
        error: run.error,
        id: run.id,
        flow: run.flow,
    }
}

/// What started a run, in words: the sentence that it carries, or its parts.
fn because(run: &FlowRun) -> String {
    let because = plain(&run.trigger["because"]);
    if !because.is_empty() {
        return because;
    }
    let parts: Vec<String> = run
        .trigger
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)))
        .collect();
    if parts.is_empty() { "a person".to_owned() } else { parts.join(", ") }
}

/// The last lines of a log. A log that cannot be read has none.
fn tail(path: &Path) -> Vec<String> {
    let Ok(mut file) = std::fs::File::open(path) else { return Vec::new() };
    let length = file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
    let start = length.saturating_sub(TAIL_BYTES);
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(start)).is_err() || file.take(TAIL_BYTES).read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().collect();
    if start > 0 && !lines.is_empty() {
        lines.remove(0);
    }
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| without_escapes(line)).collect()
}

/// A line without terminal colours and other control characters.
fn without_escapes(line: &str) -> String {
    let mut clean = String::new();
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            if rest.next_if_eq(&'[').is_some() {
                while rest.next_if(|inner| !inner.is_ascii_alphabetic()).is_some() {}
                rest.next();
            }
        } else if !character.is_control() || character == '\t' {
            clean.push(character);
        }
        if clean.len() >= LINE_CHARACTERS {
            clean.push('…');
            break;
        }
    }
    clean
}

/// The newest `limit` events, only those of `subject` where one is given.
pub async fn events(app: &App, subject: Option<&str>, limit: usize) -> Result<EventList, Error> {
    let events = app.events.latest(subject, limit).await.context("looking for events")?;
    Ok(EventList { events: events.into_iter().map(event_row).collect(), subject: subject.map(str::to_owned) })
}

/// The newest `limit` verdicts, only those of `subject` where one is given.
pub async fn verdicts(app: &App, subject: Option<&str>, limit: usize) -> Result<VerdictList, Error> {
    let verdicts = app.verdicts.latest(subject, None, limit).await.context("looking for verdicts")?;
    Ok(VerdictList { verdicts: verdicts.iter().map(verdict_row).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_loses_its_terminal_colours() {
        assert_eq!(without_escapes("\u{1b}[1;32mok\u{1b}[0m\u{7}\tdone"), "ok\tdone");
        assert!(without_escapes(&"x".repeat(5_000)).ends_with('…'));
    }

    #[test]
    fn a_tail_begins_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text: String = (0..2_000).map(|line| format!("line {line} of the log\n")).collect();
        std::fs::write(&path, text).unwrap();
        let lines = tail(&path);
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines.last().unwrap(), "line 1999 of the log");
        assert!(tail(&dir.path().join("absent")).is_empty());
    }
}
