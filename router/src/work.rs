//! The second half of a webhook's way, on one screen:
//!
//! stored event -> route -> delivery -> sign -> send -> retry | done | dead letter -> attempt record

use std::{sync::Arc, time::Instant};

use gatepost_config::Timestamp;
use gatepost_event::{
    Store,
    store::{Routed, StoredEvent},
};

use crate::{
    delivery::{self, Due, Read},
    envelope,
    lanes::Health,
    metrics::Metrics,
    outcome,
    plan::{Backend, Plan},
    route, send,
    settle::{self, Settled, Unconfirmed},
    sign,
    standing::{self, Standings},
};

/// What all work of one router shares.
pub(crate) struct Desk {
    /// Where events and deliveries are kept.
    pub(crate) store: Store,
    /// The way out.
    pub(crate) outside: send::Outside,
    /// Counts.
    pub(crate) metrics: Metrics,
    /// Ends that the store has not confirmed.
    pub(crate) unconfirmed: Unconfirmed,
    /// Destinations that get nothing for now.
    pub(crate) standings: Standings,
}

/// Stored events of one partition -> deliveries that are owed, to be stored together.
pub(crate) fn route_all(plan: &Plan, partition: u16, events: Vec<StoredEvent>, now: Timestamp) -> Routed {
    let mut routed = Routed { partition, ..Routed::default() };
    for event in events {
        route::route(plan, event, now).add_to(&mut routed);
    }
    routed
}

/// What an attempt left behind: where its task is now, and what it says about the destination, if one was made.
pub(crate) type Report = (Settled, Option<Health>);

/// One attempt of one delivery, dropped at the instant when the lease on its shard ends.
pub(crate) async fn deliver(desk: Arc<Desk>, due: Due) -> Report {
    let held = due.held.clone();
    tokio::select! {
        biased;
        () = held.attempts_ended() => (Settled::Abandoned, None),
        report = attempt(&desk, due) => report,
    }
}

async fn attempt(desk: &Desk, due: Due) -> Report {
    if let Some(end) = desk.unconfirmed.recall(due.task(), Instant::now()) {
        return (settle::settle(desk, due.shard, &due.queued, end).await, None);
    }
    let delivery = match delivery::read(desk, due.clone()).await {
        Read::Whole(delivery) => *delivery,
        Read::Over(end) => return (settle::settle(desk, due.shard, &due.queued, *end).await, None),
        Read::Unknown => return (Settled::No, None),
    };
    let envelope = match envelope::write(delivery.event(), due.backend.destination.format) {
        Ok(envelope) => envelope,
        Err(why) => {
            let end = outcome::unwritable(delivery, why, Timestamp::now());
            return (settle::settle(desk, due.shard, &due.queued, end).await, None);
        }
    };
    let signed = sign::sign(&delivery, envelope, Timestamp::now());
    let key_ids = signed.key_ids().to_vec();
    let sent = send::send(&desk.outside, &due.backend, signed).await;
    desk.metrics.attempted(&due.backend.destination.id, &sent, &key_ids);
    let health = outcome::health(&sent);
    let Backend { destination, disable_after, .. } = &*due.backend;
    standing::learn(desk, destination, &sent, *disable_after, Timestamp::now()).await;
    let end = outcome::judge(delivery, sent, key_ids, Timestamp::now(), rand::random_range(-1.0..=1.0));
    (settle::settle(desk, due.shard, &due.queued, end).await, Some(health))
}
