//! What a move says while it works and when it is done.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use lemnis_app::transfer::{Progress, Report};

use crate::context::Context;
use crate::output::{self, BAD, FAINT, Failure, GOOD};

/// Conflicts that are told one by one.
const TOLD: usize = 20;

/// A bar on the error stream of a terminal, and nowhere else.
pub struct Bar {
    seen: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    pub fn new(context: &Context) -> Self {
        let seen = !context.quiet && !context.json && std::io::stderr().is_terminal();
        Self { seen, bar: Mutex::new(None) }
    }

    pub fn end(&self) {
        self.swap(None);
    }

    fn swap(&self, bar: Option<ProgressBar>) {
        let mut current = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *current, bar) {
            old.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total: u64) {
        if !self.seen {
            return;
        }
        let style = ProgressStyle::with_template("{msg:<17} {bar:32} {human_pos}/{human_len}  {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.swap(Some(ProgressBar::new(total).with_style(style).with_message(what.to_owned())));
    }

    fn advance(&self, count: u64) {
        let current = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &*current {
            bar.inc(count);
        }
    }
}

/// Prints the numbers and the verdict; returns the exit code.
pub fn report(context: &Context, report: &Report) -> Result<u8, Failure> {
    let code = u8::from(!report.ok);
    if context.json {
        output::json(report)?;
        return Ok(code);
    }
    output::line(format!("{FAINT}{} → {}{FAINT:#}", report.source, report.target));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for counts in &report.records {
        let numbers = [
            counts.source,
            counts.new,
            counts.changed,
            counts.same,
            counts.kept,
            counts.conflicts,
            counts.verified,
        ];
        rows.push(row(&format!("{}s", counts.kind), numbers));
    }
    let files = &report.artifacts;
    let numbers = [files.source, files.copied, 0, files.same, 0, files.conflicts, files.verified];
    rows.push(row("artifact files", numbers));
    let headings = ["", "in the source", "new", "changed", "same", "changed here", "conflicts", "verified"];
    output::line(output::table(&headings, rows));
    for one in &report.experiments {
        if let Some(there) = one.target_id.as_ref().filter(|there| **there != one.source_id) {
            output::line(format!("experiment {:?} has id {there} there, {} here", one.name, one.source_id));
        }
    }
    for conflict in report.conflicts.iter().take(TOLD) {
        output::line(format!("{BAD}✗{BAD:#} {} {}: {}", conflict.kind, conflict.id, conflict.reason));
    }
    if report.conflicts.len() > TOLD {
        output::line(format!("… and {} more; --json tells all", report.conflicts.len() - TOLD));
    }
    if files.empty > 0 {
        let words = "folders of runs, models and traces hold no files in the source; name another place with --artifacts";
        output::line(format!("{FAINT}{} {words}{FAINT:#}", files.empty));
    }
    if !report.left_out.is_empty() {
        let left: Vec<String> =
            report.left_out.iter().map(|(what, count)| format!("{count} {what}")).collect();
        output::line(format!("{FAINT}not moved: {}{FAINT:#}", left.join(", ")));
    }
    output::line(match (report.ok, report.dry_run) {
        (true, true) => format!("{GOOD}✓{GOOD:#} nothing stands in the way; nothing was changed"),
        (true, false) => {
            format!(
                "{GOOD}✓{GOOD:#} counts and digests agree ({} of artifacts)",
                output::size(files.source_bytes)
            )
        }
        (false, _) => format!("{BAD}✗{BAD:#} source and target differ"),
    });
    Ok(code)
}

fn row(name: &str, numbers: [u64; 7]) -> Vec<String> {
    let cell = |number: u64| if number == 0 { "·".to_owned() } else { number.to_string() };
    std::iter::once(name.to_owned()).chain(numbers.map(cell)).collect()
}
