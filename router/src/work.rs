//! The second half of a webhook's way, on one screen:
//!
//! stored event -> route -> delivery -> sign -> send -> retry | done | dead letter -> attempt record

use std::{sync::Arc, time::Instant};

use gatepost_config::Timestamp;
use gatepost_event::{
    Store,
    erasure::{Known, Reach},
    store::{Routed, StoredEvent},
};

use tokio::sync::mpsc;

use crate::{
    delivery::{self, Due, Read},
    envelope,
    lanes::Health,
    metrics::Metrics,
    outcome,
    plan::{Backend, Plan},
    recent::Recent,
    route::{self, Decision},
    send,
    settle::{self, End, Settled, Unconfirmed},
    sign,
    standing::{self, Standings},
    sync::conduct::Heard,
};

/// What all work of one router shares.
pub(crate) struct Desk {
    /// Where events and deliveries are kept.
    pub(crate) store: Store,
    /// The way out.
    pub(crate) outside: send::Outside,
    /// Counts.
    pub(crate) metrics: Metrics,
    /// Events that were just routed.
    pub(crate) recent: Recent,
    /// Ends that the store has not confirmed.
    pub(crate) unconfirmed: Unconfirmed,
    /// Destinations that get nothing for now.
    pub(crate) standings: Standings,
    /// To whoever runs syncs.
    pub(crate) heard: mpsc::Sender<Heard>,
    /// What is not to be delivered any more.
    pub(crate) erasures: Known,
}

/// Stored events of one partition -> deliveries that are owed, to be stored together. What is gone is owed nothing.
pub(crate) fn route_all(plan: &Plan, gone: &Reach, partition: u16, events: Vec<StoredEvent>, now: Timestamp) -> Routed {
    let mut routed = Routed { partition, ..Routed::default() };
    for stored in events {
        let decision = match stored.event.as_ref().is_ok_and(|event| gone.takes(&event.meta)) {
            true => Decision::erased(stored.at),
            false => route::route(plan, stored, now),
        };
        decision.add_to(&mut routed);
    }
    routed
}

/// What came of a delivery's turn.
#[derive(Debug)]
pub(crate) enum Report {
    /// An attempt is over, and its end is not stored yet.
    Attempted(Box<Attempted>),
    /// Where its task is now.
    Ended(Settled),
}

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct Attempted {
    due: Due,
    end: End,
    /// What it says about the destination.
    pub(crate) health: Health,
}

impl Attempted {
    /// How many slots the destination has.
    pub(crate) fn slots(&self) -> usize {
        self.due.backend.destination.concurrency
    }
}

/// One attempt of one delivery, dropped at the instant when the lease on its shard ends.
pub(crate) async fn deliver(desk: Arc<Desk>, due: Due) -> Report {
    let held = due.held.clone();
    tokio::select! {
        biased;
        () = held.attempts_ended() => Report::Ended(Settled::Abandoned),
        report = attempt(&desk, due) => report,
    }
}

/// Stores what an attempt came to; dropped with the lease too. The destination's slot is free meanwhile: another attempt
/// need not wait for the store.
pub(crate) async fn settle(desk: Arc<Desk>, attempted: Attempted) -> Report {
    let Attempted { due, end, .. } = attempted;
    tokio::select! {
        biased;
        () = due.held.attempts_ended() => Report::Ended(Settled::Abandoned),
        report = over(&desk, &due, end) => report,
    }
}

async fn attempt(desk: &Desk, due: Due) -> Report {
    if let Some(end) = desk.unconfirmed.recall(due.task(), Instant::now()) {
        return over(desk, &due, end).await;
    }
    let delivery = match delivery::read(desk, due.clone()).await {
        Read::Whole(delivery) => *delivery,
        Read::Over(end) => return over(desk, &due, *end).await,
        Read::Unknown => return Report::Ended(Settled::No),
    };
    let envelope = match envelope::write(delivery.event(), due.backend.destination.format) {
        Ok(envelope) => envelope,
        Err(why) => return over(desk, &due, outcome::unwritable(delivery, why, Timestamp::now())).await,
    };
    let signed = sign::sign(&delivery, envelope, Timestamp::now());
    let key_ids = signed.key_ids().to_vec();
    let sent = send::send(&desk.outside, &due.backend, signed).await;
    desk.metrics.attempted(&due.backend.destination.id, &sent, &key_ids);
    let health = outcome::health(&sent);
    let Backend { destination, disable_after, .. } = &*due.backend;
    standing::learn(desk, destination, &sent, *disable_after, Timestamp::now()).await;
    let end = outcome::judge(delivery, sent, key_ids, Timestamp::now(), rand::random_range(-1.0..=1.0));
    Report::Attempted(Box::new(Attempted { due, end, health }))
}

async fn over(desk: &Desk, due: &Due, end: End) -> Report {
    Report::Ended(settle::settle(desk, due.shard, &due.queued, end).await)
}
