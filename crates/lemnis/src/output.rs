//! What a command prints: text for people, JSON for programs, and errors with their causes and a remedy.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use lemnis_core::{Classify, ErrorKind};
use serde::Serialize;

/// Faint, for what is beside the point.
pub const FAINT: Style = Style::new().dimmed();
/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// News that wants a look.
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// A heading or a name.
pub const STRONG: Style = Style::new().bold();

/// DVC's exit codes, which its verbs keep.
pub mod exit {
    use std::any::Any;

    use lemnis_data::Error;

    /// The configuration is wrong, or cannot be changed as asked.
    pub const CONFIG: u8 = 251;
    /// Ctrl-C.
    pub const INTERRUPTED: u8 = 252;
    const NOT_A_REPO: u8 = 253;
    /// Clap refused the command line.
    pub const WRONG_ARGUMENTS: u8 = 254;
    /// Anything else.
    pub const OTHER: u8 = 255;

    /// The code with which all of DVC's verbs end after `error`; `None` where each has its own.
    pub fn of(error: &dyn Any) -> Option<u8> {
        match error.downcast_ref::<Error>()? {
            Error::Config { .. } => Some(CONFIG),
            Error::Interrupted { .. } => Some(INTERRUPTED),
            Error::NotARepo { .. } => Some(NOT_A_REPO),
            Error::NotThere { .. } => Some(OTHER),
            _ => None,
        }
    }
}

/// A failure on its way to the terminal.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code of our own commands.
    pub kind: ErrorKind,
    /// The exit code of DVC's verbs; `None` for what the verb ends with after most failures.
    pub dvc_code: Option<u8>,
    /// The error and, below it, its causes.
    pub messages: Vec<String>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with a message of the command line's own.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, dvc_code: None, messages: vec![message.into()], hint: None }
    }

    /// Adds how to mend it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code where DVC's verb has one of its own.
    pub fn with_dvc_code(mut self, code: u8) -> Self {
        self.dvc_code = Some(code);
        self
    }

    /// Wrong usage: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }
}

impl<E: Classify + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut messages = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if messages.last() != Some(&text) {
                messages.push(text);
            }
            source = cause.source();
        }
        Self { kind: error.kind(), dvc_code: exit::of(&error), messages, hint: error.hint() }
    }
}

/// Wraps an I/O error with what was being done.
pub fn io_failure(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
    let what = what.into();
    move |error| {
        let mut failure = Failure::new(ErrorKind::Internal, what);
        failure.messages.push(error.to_string());
        failure
    }
}

/// Prints `failure` to standard error.
pub fn report(failure: &Failure, json: bool) {
    if json {
        let body = serde_json::json!({
            "error": failure.messages.first(),
            "causes": failure.messages.get(1..).unwrap_or_default(),
            "hint": failure.hint,
            "kind": failure.kind,
        });
        anstream::eprintln!("{body}");
        return;
    }
    let mut text = String::new();
    let mut messages = failure.messages.iter();
    if let Some(message) = messages.next() {
        let _ = writeln!(text, "{BAD}error:{BAD:#} {message}");
    }
    for cause in messages {
        let _ = writeln!(text, "  {FAINT}because:{FAINT:#} {cause}");
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "{WARN}hint:{WARN:#} {hint}");
    }
    anstream::eprint!("{text}");
}

/// Sends what would be printed to nowhere; errors still show.
pub fn silence() {
    if let Ok(nowhere) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
    }
}

/// Prints a line; a reader that went away is no failure.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Prints a line to standard error.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Prints an error that does not end the command, with its causes.
pub fn warning(error: &dyn std::error::Error) {
    note(format!("{WARN}warning:{WARN:#} {error}"));
    let mut source = error.source();
    while let Some(cause) = source {
        note(format!("  {FAINT}because:{FAINT:#} {cause}"));
        source = cause.source();
    }
}

/// Passes on what another program printed, as it is and at once.
pub fn raw(mut to: impl std::io::Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

/// Asks a yes-or-no question; no answer means no.
pub fn confirm(question: &str) -> bool {
    let _ = write!(anstream::stderr(), "{question} [y/n]: ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Prints `value` as indented JSON.
pub fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("the answer cannot be written as JSON: {error}"))
    })?;
    line(text);
    Ok(())
}

/// Prints `value` as JSON on one line, as DVC does.
pub fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("the answer cannot be written as JSON: {error}"))
    })?;
    line(text);
    Ok(())
}

/// A table without frames, columns aligned, a faint heading.
pub fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(
        headings
            .iter()
            .map(|heading| comfy_table::Cell::new(heading).add_attribute(comfy_table::Attribute::Dim)),
    );
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// Prints a remark to standard error, out of the way of what a program reads.
pub fn remark(text: impl std::fmt::Display) {
    note(format!("{WARN}note:{WARN:#} {text}"));
}

/// Columns two blanks apart under their headings, as DVC prints its tables; the first one may stand right.
pub fn plain_table(headings: &[&str], rows: &[Vec<String>], first_right: bool) -> String {
    let widths = widths(headings, rows, 2);
    let mut text = String::new();
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows).filter(|row| !row.is_empty()) {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            let gap = " ".repeat(width - cell.chars().count());
            if at == 0 && first_right { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
        });
        let line: Vec<String> = cells.collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text.trim_end_matches('\n').to_owned()
}

/// A table in GitHub's Markdown.
pub fn markdown_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let widths = widths(headings, rows, 2);
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!(" {cell}{} ", " ".repeat(width - cell.chars().count())))
            .collect();
        format!("|{}|\n", cells.join("|"))
    };
    let mut text = line(&headings.iter().map(|heading| (*heading).to_owned()).collect::<Vec<_>>());
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    let _ = writeln!(text, "|{}|", rules.join("|"));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

fn widths(headings: &[&str], rows: &[Vec<String>], extra: usize) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default().max(headings.len());
    let width = |at: usize| {
        let heading = headings.get(at).map_or(0, |heading| heading.chars().count() + extra);
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.max().unwrap_or_default().max(heading)
    };
    (0..count).map(width).collect()
}

/// `12 ms`, `1.4 s`, `2 min 5 s`.
pub fn duration(elapsed: std::time::Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if seconds < 0.001 {
        format!("{:.1} ms", seconds * 1_000.0)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1_000.0)
    } else if seconds < 90.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", seconds as u64 / 60, seconds as u64 % 60)
    }
}

/// `1.5 MB`, decimal units.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}
