//! The live progress: one line a step with its result, duration and the command that would repeat it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{BAD, FAINT, GOOD, STRONG, duration, line};

/// Shows the steps of a quickstart as they go.
pub struct Display {
    total: usize,
    shown: usize,
    quiet: bool,
    started: Instant,
}

/// A step that is being worked on.
pub struct Step {
    number: usize,
    total: usize,
    title: &'static str,
    started: Instant,
    bar: ProgressBar,
    quiet: bool,
}

/// What a finished step says: results first, then the commands that would repeat it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// One line each.
    pub results: Vec<String>,
    /// Commands, as one would type them in the project's directory.
    pub commands: Vec<String>,
    /// An earlier start had done it already.
    pub resumed: bool,
}

impl Outcome {
    /// A step's outcome with its first result.
    pub fn new(result: impl Into<String>) -> Self {
        Self { results: vec![result.into()], ..Self::default() }
    }

    /// Adds a result.
    pub fn and(mut self, result: impl Into<String>) -> Self {
        self.results.push(result.into());
        self
    }

    /// Adds a command that would repeat the step.
    pub fn again(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}

impl Display {
    /// A display of `total` steps; `quiet` shows nothing (JSON is asked for).
    pub fn new(total: usize, quiet: bool) -> Self {
        Self { total, shown: 0, quiet, started: Instant::now() }
    }

    /// Starts the next step.
    pub fn step(&mut self, title: &'static str) -> Step {
        self.shown += 1;
        let bar = if self.quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        let style = ProgressStyle::with_template("{spinner:.cyan} {prefix:.bold} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style.tick_strings(&["∞", "∞", "·", "∞"]));
        bar.set_prefix(format!("{}/{} {title}", self.shown, self.total));
        bar.enable_steady_tick(Duration::from_millis(120));
        Step { number: self.shown, total: self.total, title, started: Instant::now(), bar, quiet: self.quiet }
    }

    /// How long all of it took so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Step {
    /// Says what is going on.
    pub fn says(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    /// Ends the step and prints its line.
    pub fn done(self, outcome: &Outcome) {
        self.bar.finish_and_clear();
        if self.quiet {
            return;
        }
        let Self { number, total, title, .. } = self;
        let elapsed =
            if outcome.resumed { "done before".to_owned() } else { duration(self.started.elapsed()) };
        let mut results = outcome.results.iter();
        let first = results.next().map(String::as_str).unwrap_or_default();
        line(format!(
            "{GOOD}✓{GOOD:#} {number}/{total} {STRONG}{title:<9}{STRONG:#} {first}  {FAINT}{elapsed}{FAINT:#}"
        ));
        for result in results {
            line(format!("                {result}"));
        }
        for command in &outcome.commands {
            line(format!("                {FAINT}$ {command}{FAINT:#}"));
        }
    }

    /// Ends the step as failed; the error itself is printed by the caller.
    pub fn failed(self) {
        self.bar.finish_and_clear();
        if !self.quiet {
            let Self { number, total, title, .. } = self;
            line(format!("{BAD}✗{BAD:#} {number}/{total} {STRONG}{title}{STRONG:#}"));
        }
    }
}
