//! Following one partition: its events in their order, and what each is owed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesOrdered};
use gatepost_config::Timestamp;
use gatepost_event::{
    EventRef, StoreError,
    erasure::Reach,
    store::{Log, Routed, StoredEvent},
};
use tokio::{sync::watch, time::Instant};

use crate::{
    backoff::Backoff, carried::Carried, filter, lease::Held, plan::Plan, recent::AGE_MAX, step, sync, work, work::Desk,
};

/// Most events routed and stored together.
const BATCH: usize = 256;

/// Batches that are being stored at once: what arrives meanwhile does not wait for them.
const UNDER_WAY_MAX: usize = 4;

/// The same where each batch costs messages of its own, so that many small ones are dear.
const UNDER_WAY_SHARED_MAX: usize = 2;

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
    let log: Log = tokio::select! {
        () = held.stopped() => return Ok(()),
        log = async { desk.store.log(&held.lease(), partition).await } => log?,
    };
    let reading = next(log);
    tokio::pin!(reading);
    let mut writing = FuturesOrdered::new();
    let most = if desk.store.is_shared() { UNDER_WAY_SHARED_MAX } else { UNDER_WAY_MAX };
    let mut after = 0;
    loop {
        tokio::select! {
            () = held.stopped() => break,
            Some(stored) = writing.next() => if !stored? {
                return Ok(());
            },
            (log, events) = &mut reading, if writing.len() < most => {
                let events = events?;
                reading.set(next(log));
                let Some(newest) = events.last().map(|event| event.at.received_at) else { continue };
                for heard in sync::heard::of(&events) {
                    // When it can't be told now, the sync is looked at in its own time.
                    let _ = desk.heard.try_send(heard);
                }
                let current = plan.borrow_and_update().clone();
                let (routed, events) = route(current, desk.erasures.reach(), partition, events).await?;
                // What is behind waits for longer than it would be remembered.
                if Timestamp::now().since(newest) <= AGE_MAX {
                    desk.recent.remember(events.into_iter().filter_map(Carried::of), Instant::now().into());
                }
                let routed = Routed { after: std::mem::replace(&mut after, routed.through), ..routed };
                if routed.tasks.iter().any(|task| task.ordered) && !finish(&mut writing).await? {
                    return Ok(());
                }
                writing.push_back(record(desk, held, routed, newest));
            }
        }
    }
    finish(&mut writing).await.map(drop)
}

/// The next events, with the log: the question stays open while other things are done.
async fn next(mut log: Log) -> (Log, Result<Vec<StoredEvent>, StoreError>) {
    let events = log.next(BATCH).await;
    (log, events)
}

/// Waits for all that is being stored; `false` when the lease ended first.
async fn finish<F>(writing: &mut FuturesOrdered<F>) -> Result<bool, StoreError>
where
    F: Future<Output = Result<bool, StoreError>>,
{
    while let Some(stored) = writing.next().await {
        if !stored? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Stores what was decided and says so; `false` when the lease ended first.
async fn record(desk: &Desk, held: &Held, routed: Routed, newest: Timestamp) -> Result<bool, StoreError> {
    let stored = store(desk, held, &routed).await?;
    if stored {
        tell(desk, &routed);
        desk.metrics.routed_through(routed.partition, newest, Timestamp::now());
    }
    Ok(stored)
}

/// What the events are owed, and the events.
async fn route(
    plan: Arc<Plan>,
    gone: Arc<Reach>,
    partition: u16,
    events: Vec<StoredEvent>,
) -> Result<(Routed, Vec<StoredEvent>), StoreError> {
    let now = Timestamp::now();
    let routing = {
        let plan = plan.clone();
        move || (work::route_all(&plan, &gone, partition, &events, now), events)
    };
    if !plan.has_filters() {
        return Ok(routing());
    }
    filter::on_big_stack(routing).await.map_err(StoreError::Unavailable)
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
