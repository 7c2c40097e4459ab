//! What waits for the writer, and what never reached a file.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Shared by everyone who hands rows over and the thread that writes them.
pub(super) struct Account {
    /// Bytes that may still be handed over.
    left_bytes: AtomicUsize,
    lost_requests: AtomicU64,
    lost_rows: AtomicU64,
}

impl Account {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self {
            left_bytes: AtomicUsize::new(budget_bytes),
            lost_requests: AtomicU64::new(0),
            lost_rows: AtomicU64::new(0),
        }
    }

    /// Takes `bytes` of the budget; `false` and no change if there are not as many left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let taken =
            self.left_bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }

    /// Returns what was taken, once the row is with the writer or lost.
    pub(super) fn give_back(&self, bytes: usize) {
        self.left_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, requests: u64, rows: usize) {
        self.lost_requests.fetch_add(requests, Ordering::Relaxed);
        self.lost_rows.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn lost_requests(&self) -> u64 {
        self.lost_requests.load(Ordering::Relaxed)
    }

    pub(super) fn lost_rows(&self) -> u64 {
        self.lost_rows.load(Ordering::Relaxed)
    }
}
