//! Following one partition: its events in their order, and what each is owed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gatepost_config::Timestamp;
use gatepost_event::{
    EventRef, StoreError,
    store::{Log, Routed, StoredEvent},
};
use tokio::{sync::watch, time::Instant};

use crate::{backoff::Backoff, filter, lease::Held, plan::Plan, step, work, work::Desk};

/// Most events routed and stored together.
const BATCH: usize = 256;

/// A log that was read for this long is working again.
const WORKS_AFTER: Duration = Duration::from_secs(60);

/// Routes the partition's events until the lease ends or is to be given up.
pub(crate) async fn follow(desk: &Desk, mut plan: watch::Receiver<Arc<Plan>>, held: Held, partition: u16) {
    let mut backoff = Backoff::store();
    loop {
        let opened = Instant::now();
        match read(desk, &mut plan, &held, partition).await {
            Ok(()) => return,
            Err(StoreError::LeaseLost) => {
                tracing::warn!(partition, "another router has taken over the partition");
                return held.give_up();
            }
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(partition, %error, "the partition can't be read; trying again");
            }
            Err(error) => tracing::debug!(partition, %error, "the partition's log ended; opening it again"),
        }
        if opened.elapsed() > WORKS_AFTER {
            backoff = Backoff::store();
        }
        tokio::select! {
            () = held.stopped() => return,
            () = backoff.wait() => {}
        }
    }
}

/// Reads from the committed cursor on. `Ok` when the work is to stop.
async fn read(
    desk: &Desk,
    plan: &mut watch::Receiver<Arc<Plan>>,
    held: &Held,
    partition: u16,
) -> Result<(), StoreError> {
    let mut log: Log = tokio::select! {
        () = held.stopped() => return Ok(()),
        log = async { desk.store.log(&held.lease(), partition).await } => log?,
    };
    loop {
        let events = tokio::select! {
            () = held.stopped() => return Ok(()),
            events = log.next(BATCH) => events?,
        };
        let Some(newest) = events.last().map(|event| event.at.received_at) else { continue };
        let current = plan.borrow_and_update().clone();
        let routed = route(current, partition, events).await?;
        if !store(desk, held, &routed).await? {
            return Ok(());
        }
        tell(desk, &routed);
        desk.metrics.routed_through(partition, newest, Timestamp::now());
    }
}

async fn route(plan: Arc<Plan>, partition: u16, events: Vec<StoredEvent>) -> Result<Routed, StoreError> {
    let now = Timestamp::now();
    if !plan.has_filters() {
        return Ok(work::route_all(&plan, partition, events, now));
    }
    filter::on_big_stack(move || work::route_all(&plan, partition, events, now)).await.map_err(StoreError::Unavailable)
}

/// Stores what was decided, trying until it is stored; `false` when the lease ended first. What was decided and not
/// stored is decided again by whoever owns the partition next.
async fn store(desk: &Desk, held: &Held, routed: &Routed) -> Result<bool, StoreError> {
    let mut backoff = Backoff::store();
    loop {
        if held.has_ended() {
            return Ok(false);
        }
        let storing = async { desk.store.routed(&held.lease(), routed.clone()).await };
        let stored = tokio::select! {
            () = held.ended() => return Ok(false),
            stored = storing => stored,
        };
        match stored {
            Ok(()) => return Ok(true),
            Err(StoreError::Unavailable(_) | StoreError::Full(_)) => tokio::select! {
                () = held.stopped() => return Ok(false),
                () = backoff.wait() => {}
            },
            Err(error) => return Err(error),
        }
    }
}

/// Says what became of each event, once it is stored.
fn tell(desk: &Desk, routed: &Routed) {
    let mut events: BTreeMap<u64, (EventRef, usize, &'static str)> = BTreeMap::new();
    for (at, ending) in &routed.ended {
        events.insert(at.sequence, (*at, 0, ending.word()));
    }
    for (at, letter) in &routed.dead {
        step::dead(at, &letter.note);
        events.insert(at.sequence, (*at, 0, "dead"));
    }
    for task in &routed.tasks {
        let (_, deliveries, result) = events.entry(task.event.sequence).or_insert((task.event, 0, OWED));
        *deliveries += 1;
        *result = OWED;
    }
    for (event, deliveries, result) in events.values() {
        desk.metrics.routed(result);
        step::routed(event, *deliveries);
    }
}

/// The word for events that make deliveries.
const OWED: &str = "owed";
