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

use tokio::{
    sync::mpsc,
    task::{self, Id},
};

use crate::{
    delivery::{self, Delivery, Due, Read},
    envelope,
    lanes::Health,
    metrics::Metrics,
    outcome,
    plan::{Backend, Plan},
    recent::Recent,
    route::{self, Decision},
    send,
    settle::{self, End, Settled, Unconfirmed},
    sign::{self, Signed},
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
    /// Events that were read because their turn is near.
    pub(crate) ahead: Recent,
    /// Ends that the store has not confirmed.
    pub(crate) unconfirmed: Unconfirmed,
    /// Destinations that get nothing for now.
    pub(crate) standings: Standings,
    /// To whoever runs syncs.
    pub(crate) heard: mpsc::Sender<Heard>,
    /// What is not to be delivered any more.
    pub(crate) erasures: Known,
}

/// Bytes of a body up to which a delivery is made on the thread that others are made on too: to read and sign more takes
/// longer than those should wait.
const MADE_HERE_MAX: usize = 256 * 1024;

/// Stored events of one partition -> deliveries that are owed, to be stored together. What is gone is owed nothing.
pub(crate) fn route_all(plan: &Plan, gone: &Reach, partition: u16, events: &[StoredEvent], now: Timestamp) -> Routed {
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
pub(crate) struct Report {
    /// Where its task is now.
    pub(crate) settled: Settled,
    /// What the attempt said about the destination, if one was made.
    pub(crate) health: Option<Health>,
}

/// An attempt is over, and its end is not stored yet.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The task that made it.
    pub(crate) by: Id,
    /// What it said about the destination.
    pub(crate) health: Health,
}

/// To whoever wants to know of answers. One that finds no place there goes untold: it is known when its end is stored.
pub(crate) type Answers = mpsc::Sender<Answered>;

/// One turn of one delivery, dropped at the instant when the lease on its shard ends. While what an attempt came to is
/// being stored, the destination's slot is free: another attempt need not wait for the store.
pub(crate) async fn deliver(desk: Arc<Desk>, due: Arc<Due>, answers: Answers) -> Report {
    let mut health = None;
    let settled = tokio::select! {
        biased;
        () = due.held.attempts_ended() => Settled::Abandoned,
        settled = take_turn(&desk, &due, &answers, &mut health) => settled,
    };
    Report { settled, health }
}

async fn take_turn(desk: &Desk, due: &Arc<Due>, answers: &Answers, health: &mut Option<Health>) -> Settled {
    let known = desk.unconfirmed.recall(due.task(), Instant::now());
    let end = match known {
        Some(end) => end,
        None => match attempt(desk, due).await {
            Some((end, said)) => {
                *health = said;
                if let (Some(health), Some(by)) = (said, task::try_id()) {
                    let _ = answers.try_send(Answered { by, health });
                }
                Arc::new(end)
            }
            None => return Settled::No,
        },
    };
    settle::settle(desk, due.shard, &due.queued, end).await
}

/// What goes out: the event in its destination's format, and signed.
fn make(delivery: &Delivery) -> Result<Signed, String> {
    let envelope = envelope::write(delivery.event(), delivery.due().backend.destination.format)?;
    Ok(sign::sign(delivery, envelope, Timestamp::now()))
}

/// What a delivery comes to, and what that says about the destination when it was asked; nothing while the store does not
/// say what to deliver.
async fn attempt(desk: &Desk, due: &Arc<Due>) -> Option<(End, Option<Health>)> {
    let delivery = match delivery::read(desk, due).await {
        Read::Whole(delivery) => delivery,
        Read::Over(end) => return Some((*end, None)),
        Read::Unknown => return None,
    };
    let made = match delivery.event().body.len() <= MADE_HERE_MAX {
        true => make(&delivery),
        false => {
            let delivery = delivery.clone();
            // It ends early only with the router, or when it failed inside: then the delivery stays owed.
            task::spawn_blocking(move || make(&delivery)).await.ok()?
        }
    };
    let signed = match made {
        Ok(signed) => signed,
        Err(why) => return Some((outcome::unwritable(delivery, why, Timestamp::now()), None)),
    };
    let key_ids = signed.key_ids().to_vec();
    let sent = send::send(&desk.outside, &due.backend, signed).await;
    desk.metrics.attempted(&due.backend.destination.id, &sent, &key_ids);
    let health = outcome::health(&sent);
    let Backend { destination, disable_after, .. } = &*due.backend;
    standing::learn(desk, destination, &sent, *disable_after, Timestamp::now()).await;
    let end = outcome::judge(delivery, sent, key_ids, Timestamp::now(), rand::random_range(-1.0..=1.0));
    Some((end, Some(health)))
}
