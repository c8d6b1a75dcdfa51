//! What the writer tells everybody after a commit.

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::{Lane, Queued};

/// Arrivals that a slow tail may be behind; then it hears that it missed some.
const ARRIVALS_MAX: usize = 4096;

/// News of commits.
#[derive(Debug)]
pub(super) struct Shared {
    /// Cancelled when the store closes.
    pub(super) closed: CancellationToken,
    /// The sequence of the last event in the log.
    pub(super) last_sequence: watch::Sender<u64>,
    /// Hears when a secret was kept.
    pub(super) secrets: watch::Sender<()>,
    /// Tasks that arrive in lanes.
    pub(super) arrivals: broadcast::Sender<(Lane, Queued)>,
}

impl Shared {
    pub(super) fn new(last_sequence: u64) -> Self {
        Self {
            closed: CancellationToken::new(),
            last_sequence: watch::Sender::new(last_sequence),
            secrets: watch::Sender::new(()),
            arrivals: broadcast::Sender::new(ARRIVALS_MAX),
        }
    }

    pub(super) fn announce(&self, last_sequence: u64, arrived: Vec<(Lane, Queued)>) {
        self.last_sequence.send_if_modified(|last| std::mem::replace(last, last_sequence) != last_sequence);
        for arrival in arrived {
            // Nobody listens: that is fine, lanes are asked for after the tail is opened.
            drop(self.arrivals.send(arrival));
        }
    }
}
