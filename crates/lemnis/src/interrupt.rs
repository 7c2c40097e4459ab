//! What Ctrl-C does to DVC's verbs: the command ends at once with DVC's exit code, or, where it has something to
//! stop first, is asked to end; a second Ctrl-C always ends it. Files are replaced in one step, so that ending at
//! any moment leaves a state that the next command understands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// DVC's exit code for "interrupted by the user".
const INTERRUPTED: i32 = 252;

/// The wish to end, as it arrives from outside.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    at_once: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on. Where the system does not let it, Ctrl-C does what it always does.
    pub fn listen(&self) {
        self.at_once.store(true, Ordering::SeqCst);
        for signal in [SIGINT, SIGTERM] {
            let registered = flag::register_conditional_shutdown(signal, INTERRUPTED, self.at_once.clone())
                .and_then(|_| flag::register(signal, self.at_once.clone()))
                .and_then(|_| flag::register(signal, self.asked.clone()));
            if let Err(error) = registered {
                tracing::warn!(%error, "interrupts are not handled");
            }
        }
    }

    /// For work that looks at the flag and ends by itself when it is set: the first Ctrl-C only sets it.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.at_once.store(false, Ordering::SeqCst);
        self.asked.clone()
    }
}
