//! One run of a sync: asked for, known to have ended, and written down.

use std::{sync::Arc, time::Duration};

use gatepost_config::SyncKind;
use gatepost_event::{Lane, StoreError};
use tokio::sync::Notify;

use super::{
    board::{Ended, Go},
    engine::Engine,
    http, nango, nats,
    pace::Pace,
};
use crate::{
    backoff::Backoff,
    delivery::STORE_PATIENCE,
    lanes::{Health, gate::Pass},
    lease::Held,
    send::Sent,
    work::Desk,
};

/// A run that was begun.
pub(super) struct Run {
    /// What.
    pub(super) go: Go,
    /// By which engine.
    pub(super) engine: Arc<Engine>,
    /// Its calls.
    pub(super) pace: Arc<Pace>,
    /// The lane's shard.
    pub(super) shard: u16,
    /// The right to work on it.
    pub(super) held: Held,
    /// What the engine's gate let begin.
    pub(super) pass: Pass,
    /// Told when the engine said something of the sync.
    pub(super) heard: Arc<Notify>,
}

/// What came of a run.
#[derive(Debug)]
pub(super) struct Came {
    /// How it ended.
    pub(super) ended: Ended,
    /// What that says about the engine, if it was asked.
    pub(super) health: Option<Health>,
    /// Events that ended as synced.
    pub(super) synced: u64,
}

/// What an engine said.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A run that began after it was asked for has succeeded.
    Succeeded,
    /// A run that began earlier is under way.
    Busy,
    /// It failed.
    Failed { error: String, after: Option<Duration>, counts: bool },
}

/// Asks for a run and waits for its end. `None` when the lease ended first: whoever owns the shard then asks anew.
pub(super) async fn run(desk: Arc<Desk>, run: Run) -> Option<Came> {
    tokio::select! {
        biased;
        () = run.held.attempts_ended() => None,
        came = work(&desk, &run) => Some(came),
    }
}

async fn work(desk: &Desk, run: &Run) -> Came {
    let asked = async {
        match run.engine.config.kind {
            SyncKind::Http => http::ask(desk, run).await,
            SyncKind::Nango => nango::ask(desk, run).await,
            SyncKind::Nats => nats::ask(desk, run).await,
        }
    };
    let late = || {
        let error =
            format!("it had not ended after {}", gatepost_config::units::format_span(run.engine.config.timeout));
        (Said::Failed { error, after: None, counts: true }, Some(Health::Fails))
    };
    let (said, health) = tokio::time::timeout(run.engine.config.timeout, asked).await.unwrap_or_else(|_| late());
    let (ended, synced) = match said {
        Said::Succeeded => match finish(desk, run).await {
            Some(synced) => (Ended::Succeeded, synced),
            // It runs once more, which is no harm.
            None => (Ended::Again, 0),
        },
        Said::Busy => (Ended::Again, 0),
        Said::Failed { error, after, counts } => (Ended::Failed { error, after, counts }, 0),
    };
    Came { ended, health, synced }
}

/// Ends as synced what the run was for; how many, `None` when the store did not confirm.
async fn finish(desk: &Desk, run: &Run) -> Option<u64> {
    let Some(through) = run.go.through else { return Some(0) };
    let lane = run.lane();
    let writing = async {
        let mut backoff = Backoff::store();
        loop {
            match desk.store.finish_through(run.shard, &lane, through).await {
                Ok(synced) => return Some(synced),
                Err(StoreError::LeaseLost | StoreError::Closed) => return None,
                Err(StoreError::Corrupt(error)) => {
                    tracing::error!(%lane, error, "what a run synced could not be ended; it runs again");
                    return None;
                }
                Err(StoreError::Unavailable(_) | StoreError::Full(_)) => backoff.wait().await,
            }
        }
    };
    tokio::time::timeout(STORE_PATIENCE, writing).await.ok().flatten()
}

impl Run {
    /// Where the tasks wait that it is for.
    pub(super) fn lane(&self) -> Lane {
        Lane { destination: self.engine.token, tenant: None, connection: Some(self.go.token) }
    }
}

/// A call that was not answered with 2xx.
pub(super) fn failure(sent: &Sent, after: Option<Duration>) -> Said {
    let error = match (sent.status, sent.error) {
        (Some(status), _) => format!("it answered {status}: {}", sent.response),
        (None, Some(error)) => format!("it did not answer ({})", error.word()),
        (None, None) => "it did not answer".to_owned(),
    };
    // 429 says that we are too many, and nothing about this sync.
    Said::Failed { error, after, counts: sent.status != Some(429) }
}
