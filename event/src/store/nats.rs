//! The NATS JetStream engine: events, lanes and their ends in streams, ownership in a key-value bucket.
//!
//! Gateways and routers keep nothing of their own: any may die at any time. `names` has every stream and subject,
//! `streams` what each must be like; `reference` to both is `deploy/nats`.

mod ahead;
mod append;
mod attempts;
mod audit;
mod body;
mod census;
mod connect;
mod cursor;
mod dense;
mod doubt;
mod erase;
mod feed;
mod front;
mod lanes;
mod lease;
mod leave;
mod ledger;
mod letter;
mod link;
mod log;
mod monitor;
mod names;
mod near;
mod open;
mod pulse;
mod quarantine;
mod read;
mod record;
mod redelivery;
mod registry;
mod replay;
mod reply;
mod request;
mod routed;
mod secret;
mod settle;
mod setup;
mod state;
mod streams;
mod sweep;
mod synced;
mod tally;
mod unmatched;

use std::{
    ops::Deref,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, atomic::AtomicU64},
    time::{Duration, Instant},
};

use gatepost_config::{IntegrationId, Retention, Retentions};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

pub use lanes::Tail;
pub use log::Log;
pub use registry::Watch;
pub use secret::Secrets;
pub use setup::{check, init};

use super::types::{Health, Promises};

/// How long closing waits for what is under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Nats {
    inner: Arc<Inner>,
}

/// What the clones share.
pub struct Inner {
    link: Arc<link::Link>,
    near: near::Near,
    names: names::Names,
    replicas: usize,
    durability: String,
    dedupe_window: Duration,
    /// How long what is stored from now on is kept.
    retention: RwLock<Retentions>,
    warnings: RwLock<Vec<String>>,
    cursors: cursor::Cursors,
    doubts: doubt::Doubts,
    dense: dense::Dense,
    nothing: attempts::Nothing,
    ledgers: ledger::Ledgers,
    fronts: front::Fronts,
    doors: leave::Doors,
    records: mpsc::Sender<record::Record>,
    /// Records that found no place since it was last told.
    records_lost: Arc<AtomicU64>,
    /// Ends what runs beside the operations.
    stop: CancellationToken,
}

impl Nats {
    pub(super) fn promises(&self) -> Promises {
        let mut warnings = self.warnings.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !self.link.is_checked() {
            warnings.push("the NATS servers were not checked yet: none could be reached".into());
        }
        Promises { engine: "nats", durability: self.durability.clone(), dedupe_window: self.dedupe_window, warnings }
    }

    /// What holds for all stays: the streams were made by it.
    pub(super) fn keep_own(&self, retention: Retentions) {
        self.retention.write().unwrap_or_else(PoisonError::into_inner).own = retention.own;
    }

    pub(super) fn health(&self) -> Health {
        match self.link.is_connected() {
            true => Health::Connected,
            false => Health::Disconnected,
        }
    }

    pub(super) fn partitions(&self) -> u16 {
        self.names.partitions
    }

    pub(super) fn shards(&self) -> u16 {
        self.names.shards
    }

    /// Everything confirmed first, the connection last: a client that is closed with answers outstanding drops them.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        if self.link.ready().is_ok() {
            let _ = timeout(CLOSE_TIMEOUT, self.flush_cursors()).await;
            let _ = timeout(CLOSE_TIMEOUT, self.flush_records()).await;
        }
        self.link.close(Instant::now() + CLOSE_TIMEOUT).await;
        let client = self.link.client();
        if self.link.is_connected() {
            let _ = timeout(CLOSE_TIMEOUT, client.flush()).await;
            let _ = timeout(CLOSE_TIMEOUT, client.drain()).await;
        }
    }
}

impl Inner {
    /// How long an integration keeps something, where that is less than its stream does.
    fn kept(&self, integration: &IntegrationId, what: impl Fn(&Retention) -> Duration) -> Option<Duration> {
        self.retention().less(integration, what)
    }

    fn retention(&self) -> RwLockReadGuard<'_, Retentions> {
        self.retention.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, warnings: Vec<String>) {
        *self.warnings.write().unwrap_or_else(PoisonError::into_inner) = warnings;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Deref for Nats {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}
