//! What the writer tells everybody after a commit.

use std::sync::{Arc, PoisonError, RwLock};

use gatepost_config::Retentions;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::fresh::{Fresh, Logged};
use crate::{
    Lane, Queued, StoreError,
    registry::{Change, Kind},
    store::types::Tailed,
};

/// Arrivals that a slow tail may be behind; then it hears that it missed some.
const ARRIVALS_MAX: usize = 4096;

/// Changes of the registry that a slow watch may be behind; with the longest values 64 MiB.
const CHANGES_MAX: usize = 256;

/// News of commits.
#[derive(Debug)]
pub(super) struct Shared {
    /// Cancelled when the store closes.
    pub(super) closed: CancellationToken,
    /// The sequence of the last event in the log.
    pub(super) last_sequence: watch::Sender<u64>,
    /// The log's last events, while somebody follows it.
    pub(super) fresh: Fresh,
    /// Hears when a secret was kept.
    pub(super) secrets: watch::Sender<()>,
    /// Tasks that arrive in lanes, and lanes whose first may go earlier.
    pub(super) arrivals: broadcast::Sender<Tailed>,
    /// Changes of the registry.
    pub(super) changes: broadcast::Sender<(Kind, Change)>,
    /// How long what is stored from now on is kept.
    retention: RwLock<Arc<Retentions>>,
}

impl Shared {
    pub(super) fn new(last_sequence: u64, retention: Retentions) -> Self {
        Self {
            closed: CancellationToken::new(),
            last_sequence: watch::Sender::new(last_sequence),
            fresh: Fresh::default(),
            secrets: watch::Sender::new(()),
            arrivals: broadcast::Sender::new(ARRIVALS_MAX),
            changes: broadcast::Sender::new(CHANGES_MAX),
            retention: RwLock::new(Arc::new(retention)),
        }
    }

    pub(super) fn retention(&self) -> Arc<Retentions> {
        Arc::clone(&self.retention.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What holds for all stays: buckets were made by it.
    pub(super) fn keep_own(&self, retention: Retentions) {
        let mut kept = self.retention.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Arc::new(Retentions { all: kept.all.clone(), own: retention.own });
    }

    /// Whether somebody follows the log.
    pub(super) fn is_followed(&self) -> bool {
        self.last_sequence.receiver_count() > 0
    }

    /// Keeps committed events for those who follow the log, if anybody does. Before it is announced that they are there.
    pub(super) fn keep_fresh(&self, logged: Vec<Logged>) {
        match self.is_followed() {
            true => self.fresh.add(logged),
            false => self.fresh.clear(),
        }
    }

    pub(super) fn announce(&self, last_sequence: u64, arrived: Vec<(Lane, Queued)>, sooner: Vec<Lane>) {
        self.last_sequence.send_if_modified(|last| std::mem::replace(last, last_sequence) != last_sequence);
        let arrived = arrived.into_iter().map(|(lane, queued)| Tailed::Arrived(lane, queued));
        for news in arrived.chain(sooner.into_iter().map(Tailed::Sooner)) {
            // Nobody listens: that is fine, lanes are asked for after the tail is opened.
            drop(self.arrivals.send(news));
        }
    }

    pub(super) fn announce_changes(&self, changes: Vec<(Kind, Change)>) {
        for change in changes {
            // Nobody watches: that is fine, entries are listed after the watch is opened.
            drop(self.changes.send(change));
        }
    }

    /// The next news, waiting for it; `None` when some went unheard. Cancel safe.
    pub(super) async fn hear<T: Clone>(&self, news: &mut broadcast::Receiver<T>) -> Result<Option<T>, StoreError> {
        let heard = tokio::select! {
            heard = news.recv() => heard,
            () = self.closed.cancelled() => return Err(StoreError::Closed),
        };
        match heard {
            Ok(heard) => Ok(Some(heard)),
            Err(broadcast::error::RecvError::Lagged(_)) => Ok(None),
            Err(broadcast::error::RecvError::Closed) => Err(StoreError::Closed),
        }
    }
}
