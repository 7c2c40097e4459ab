//! Progress bars for long data work: on the error stream of a terminal, and nowhere else.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use lemnis_data::{Progress, Repo};

use crate::context::Context;
use crate::output::Failure;

/// The data repository of the present directory, with progress bars where somebody sees them.
pub fn open(context: &Context) -> Result<Repo, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let seen = !context.quiet && !context.json && std::io::stderr().is_terminal();
    Ok(if seen { repo.with_progress(Arc::new(Bar::default())) } else { repo })
}

/// One bar at a time.
#[derive(Debug, Default)]
struct Bar(Mutex<Option<ProgressBar>>);

impl Bar {
    fn swap(&self, bar: Option<ProgressBar>) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *current, bar) {
            old.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total: u64) {
        let style = ProgressStyle::with_template("{msg:<13} {bar:32} {human_pos}/{human_len}  {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_message(what.to_owned());
        self.swap(Some(bar));
    }

    fn advance(&self, steps: u64) {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &*current {
            bar.inc(steps);
        }
    }

    fn end(&self) {
        self.swap(None);
    }
}
