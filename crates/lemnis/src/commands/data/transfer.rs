//! What `push`, `pull`, `fetch` and `status -c` share: their options, the progress bar, and what they print.

use std::io::IsTerminal;
use std::sync::Mutex;

use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use lemnis_data::{Selection, Transfer, TransferProgress};

use crate::context::Context;
use crate::output::{self, BAD, Failure, WARN};

/// Which data, and from or to where.
#[derive(Args, Debug, Default)]
pub struct Options {
    /// Stages, .dvc files, data files or paths inside data folders (default: all)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub targets: Vec<String>,
    /// This remote instead of the default one
    #[arg(short, long, value_name = "NAME")]
    pub remote: Option<String>,
    /// How many files move at once (default: 4 for each core)
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// The data of all branches as well
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// The data of all tags as well
    #[arg(short = 'T', long)]
    pub all_tags: bool,
    /// The data of all commits as well
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// What the targets depend on as well
    #[arg(short = 'd', long)]
    pub with_deps: bool,
    /// Targets that are folders mean everything defined below them
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

impl Options {
    /// The request to the library.
    pub fn transfer(&self) -> Transfer {
        Transfer {
            selection: Selection {
                targets: self.targets.clone(),
                with_deps: self.with_deps,
                recursive: self.recursive,
                glob: false,
                all_branches: self.all_branches,
                all_tags: self.all_tags,
                all_commits: self.all_commits,
                commits: Vec::new(),
            },
            remote: self.remote.clone(),
            jobs: self.jobs,
            ..Transfer::default()
        }
    }
}

/// A progress bar on a terminal, nothing elsewhere.
pub struct Bar(Mutex<Option<ProgressBar>>);

impl Bar {
    /// Shown unless the output is for programs.
    pub fn new(context: &Context) -> Self {
        let shown = !context.json && !context.quiet && std::io::stderr().is_terminal();
        let bar = shown.then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self(Mutex::new(bar))
    }

    fn with(&self, change: impl FnOnce(&ProgressBar)) {
        if let Ok(bar) = self.0.lock()
            && let Some(bar) = &*bar
        {
            change(bar);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.with(ProgressBar::finish_and_clear);
    }
}

impl TransferProgress for Bar {
    fn expect(&self, what: &str, objects: u64) {
        self.with(|bar| {
            bar.set_message(what.to_owned());
            bar.inc_length(objects);
        });
    }

    fn done(&self, _bytes: u64) {
        self.with(|bar| bar.inc(1));
    }
}

/// `2 files pushed`, parts without anything left out, joined as DVC joins them.
pub fn summary(parts: &[(usize, &str)]) -> String {
    let texts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} file{} {what}", if *count == 1 { "" } else { "s" }))
        .collect();
    match texts.split_last() {
        None => "Everything is up to date.".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Names what is nowhere, on standard error.
pub fn warn_missing(context: &Context, missing: &[String]) {
    if missing.is_empty() || context.quiet {
        return;
    }
    anstream::eprintln!("{WARN}warning:{WARN:#} neither the cache nor the remote has the content of:");
    for path in missing {
        anstream::eprintln!("  {path}");
    }
}

/// What `status -c` prints.
pub fn cloud_status(context: &Context, options: &Options) -> Result<u8, Failure> {
    let repo = lemnis_data::Repo::discover(&context.dir, &context.environment)?;
    let bar = Bar::new(context);
    let clouds = crate::wiring::Clouds::new();
    let (remote, status) = lemnis_data::cloud_status(&repo, &options.transfer(), &clouds, &bar)?;
    drop(bar);
    if context.json {
        output::json_line(&status)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(u8::from(!status.is_empty()));
    }
    if status.is_empty() {
        output::line(match remote.as_str() {
            "" => "Nothing here belongs on a remote.".to_owned(),
            remote => format!("Cache and remote '{remote}' are in sync."),
        });
    }
    for (path, state) in &status {
        let style = if state == "missing" { BAD } else { WARN };
        output::line(format!("\t{style}{:<20}{style:#}{path}", format!("{state}:")));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_a_sentence() {
        assert_eq!(summary(&[(0, "fetched"), (0, "added")]), "Everything is up to date.");
        assert_eq!(summary(&[(1, "pushed")]), "1 file pushed");
        assert_eq!(summary(&[(2, "fetched"), (1, "added")]), "2 files fetched and 1 file added");
    }
}
