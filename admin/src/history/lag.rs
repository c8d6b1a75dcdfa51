//! How far the history is behind the store.

use std::sync::atomic::{AtomicI64, Ordering};

use gatepost_config::Timestamp;

/// Everything that the store held at some moment is in the history; nothing is known of later ones.
#[derive(Debug)]
pub(crate) struct Lag {
    current_at: AtomicI64,
}

impl Lag {
    /// Nothing is in it yet.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { current_at: AtomicI64::new(now.millis()) }
    }

    /// Everything that was stored by then is in it.
    pub(super) fn current_at(&self, at: Timestamp) {
        self.current_at.store(at.millis(), Ordering::Release);
    }

    /// Seconds since then.
    pub(crate) fn seconds(&self, now: Timestamp) -> f64 {
        let behind = now.since(Timestamp::from_millis(self.current_at.load(Ordering::Acquire)));
        (behind.as_secs_f64() * 1_000.0).round() / 1_000.0
    }
}
