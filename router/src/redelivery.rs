//! What a provider's own redelivery re-arms: deliveries of the event that wait for a retry's time go at once, dead ones
//! are owed anew. What was delivered is not repeated, what waits in a lane goes when its turn comes.
//!
//! One router deals with all, the one that works on replays. What was under way when it died is dealt with again: at worst
//! a delivery that waited goes twice.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{
    DeadLetter, DeliveryId, EventId, Lane, Redelivery, StoreError,
    dead::DeadNote,
    redelivery::SPACING,
    replay::{Job, Wish},
    store::StoredEvent,
};
use tokio::sync::watch;

use crate::{backoff::around, lease::Held, own::OwnDestinations, plan::Plan, replay::anew, route, work::Desk};

/// Time between looks for redeliveries.
const LOOK_EVERY: Duration = Duration::from_millis(750);

/// Redeliveries read at a time.
const PAGE: usize = 64;

/// Deliveries of one event looked at together.
const AT_ONCE: usize = 16;

/// What was re-armed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rearmed {
    /// Deliveries that waited for a time.
    pub(crate) retries: u64,
    /// Deliveries that were dead.
    pub(crate) dead_letters: u64,
}

/// When each event was last dealt with, of those a little while ago.
type Recent = HashMap<EventId, Timestamp>;

/// Deals with redeliveries until the lease ends or is to be given up.
pub(crate) async fn follow(desk: &Desk, plan: watch::Receiver<Arc<Plan>>, held: Held) {
    let mut recent = Recent::new();
    loop {
        let looked = tokio::select! {
            () = held.stopped() => return,
            looked = look(desk, &plan, &mut recent) => looked,
        };
        if let Err(error) = looked {
            tracing::debug!(%error, "redeliveries can't be dealt with now; trying again");
        }
        tokio::select! {
            () = held.stopped() => return,
            () = tokio::time::sleep(around(LOOK_EVERY)) => {}
        }
    }
}

/// Deals with all that are noted.
async fn look(desk: &Desk, plan: &watch::Receiver<Arc<Plan>>, recent: &mut Recent) -> Result<(), StoreError> {
    loop {
        let page = desk.store.redeliveries(PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        let last = *last;
        let current = plan.borrow().clone();
        for (position, redelivery) in page {
            let dealt = match redelivery {
                Ok(redelivery) => deal(desk, &current, &redelivery, recent).await,
                Err(error) => Err(StoreError::Corrupt(format!("redelivery {position}: {error}"))),
            };
            match dealt {
                Ok(rearmed) => desk.metrics.redelivered(rearmed),
                // No look would find it better.
                Err(error @ StoreError::Corrupt(_)) => tracing::error!(%error, "a redelivery re-armed nothing"),
                Err(error) => {
                    desk.store.redelivered_through(position.saturating_sub(1)).await?;
                    return Err(error);
                }
            }
        }
        desk.store.redelivered_through(last).await?;
    }
}

async fn deal(
    desk: &Desk,
    plan: &Arc<Plan>,
    redelivery: &Redelivery,
    recent: &mut Recent,
) -> Result<Rearmed, StoreError> {
    recent.retain(|_, at| redelivery.at.since(*at) < SPACING);
    if recent.contains_key(&redelivery.event) {
        return Ok(Rearmed::default());
    }
    let rearmed = rearm(desk, plan, redelivery).await?;
    recent.insert(redelivery.event, redelivery.at);
    if rearmed != Rearmed::default() {
        let Rearmed { retries, dead_letters } = rearmed;
        tracing::info!(event = %redelivery.event, retries, dead_letters, "its provider sent it once more");
    }
    Ok(rearmed)
}

/// Re-arms what an event is still owed, or was until it died.
async fn rearm(desk: &Desk, plan: &Arc<Plan>, redelivery: &Redelivery) -> Result<Rearmed, StoreError> {
    let place = redelivery.place;
    let page = desk.store.events(place.partition, place.sequence.saturating_sub(1), 1).await?;
    let found =
        page.into_iter().find(|stored| stored.at.sequence == place.sequence && stored.at.id == redelivery.event);
    // Gone with its retention, or not to be read: nothing of it can be found.
    let Some(StoredEvent { at, event: Ok(mut event) }) = found else { return Ok(Rearmed::default()) };
    let failures = route::possible_failures(plan, &event, at).into_iter().map(|delivery| (delivery, None));
    let deliveries = route::possible(plan, &event, at).into_iter().map(|(delivery, lane)| (delivery, Some(lane)));
    let all: Vec<_> = deliveries.chain(failures).collect();
    // What died in routing is routed anew, and by now perhaps elsewhere.
    OwnDestinations::default().refresh(&desk.store, plan, &mut event).await?;
    let own = event.meta.destination;
    let all = all.into_iter().map(|(delivery, lane)| one(desk, plan, redelivery, delivery, lane, own.as_ref()));
    let add = async |sum: Rearmed, one: Rearmed| {
        let (retries, dead_letters) = (sum.retries + one.retries, sum.dead_letters + one.dead_letters);
        Ok(Rearmed { retries, dead_letters })
    };
    stream::iter(all).buffer_unordered(AT_ONCE).try_fold(Rearmed::default(), add).await
}

async fn one(
    desk: &Desk,
    plan: &Arc<Plan>,
    redelivery: &Redelivery,
    delivery: DeliveryId,
    lane: Option<Lane>,
    own: Option<&DestinationId>,
) -> Result<Rearmed, StoreError> {
    if let Some(lane) = lane
        && desk.store.hasten(delivery, &lane, Timestamp::now()).await?
    {
        return Ok(Rearmed { retries: 1, dead_letters: 0 });
    }
    let Some((position, mut letter)) = desk.store.dead_letter(delivery).await? else { return Ok(Rearmed::default()) };
    if let DeadLetter { note: DeadNote { destination: None, .. }, event: Some(event) } = &mut letter {
        event.meta.destination = own.cloned();
    }
    // As a replay of this one letter that the provider asked for.
    let job = Job { id: redelivery.replay, ..Job::new(Wish::default(), redelivery.at) };
    let mut tasks = anew::of_letter(plan, &job, position, &letter).await?;
    if let DeadLetter { note: DeadNote { destination: None, route: Some(route), .. }, event: Some(event) } = &letter {
        // What died is the one route; the others have delivered.
        tasks.retain(|task| route::is_only_way(plan, event, route, &task.destination));
    }
    let is_owed = !tasks.is_empty() && desk.store.revive(position, tasks).await?;
    Ok(Rearmed { retries: 0, dead_letters: u64::from(is_owed) })
}
