//! Tells a caller how far long work is. Without a listener it costs one branch a step.

use std::fmt::Debug;
use std::sync::Arc;

/// Follows long work; called from several threads.
pub trait Progress: Debug + Send + Sync {
    /// Work of `total` steps begins.
    fn begin(&self, what: &str, total: u64);

    /// `steps` more are done.
    fn advance(&self, steps: u64);

    /// The work ended, well or not.
    fn end(&self);
}

/// A piece of work in progress; it ends when dropped.
pub(crate) struct Task<'a>(Option<&'a Arc<dyn Progress>>);

/// Work of fewer steps ends before anybody could read about it.
const WORTH_TELLING: u64 = 64;

impl<'a> Task<'a> {
    pub(crate) fn begin(listener: Option<&'a Arc<dyn Progress>>, what: &str, total: usize) -> Self {
        let total = total as u64;
        let listener = listener.filter(|_| total >= WORTH_TELLING);
        if let Some(listener) = listener {
            listener.begin(what, total);
        }
        Self(listener)
    }

    pub(crate) fn silent() -> Self {
        Self(None)
    }

    pub(crate) fn advance(&self, steps: u64) {
        if let Some(listener) = self.0 {
            listener.advance(steps);
        }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if let Some(listener) = self.0 {
            listener.end();
        }
    }
}
