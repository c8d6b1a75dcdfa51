//! A delivery whose turn it is, and the event it carries.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{DeliveryFormat, Timestamp};
use gatepost_event::{Attempt, DeadLetter, DeadReason, Event, EventRef, Queued, StoreError, Task, dead::DeadNote};
use tokio::time::timeout;

use crate::{backoff::Backoff, carried::Carried, envelope, lease::Held, plan::Backend, settle::End, work::Desk};

/// Longest time that a delivery keeps its slot while the store can't be asked.
pub(crate) const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// A task whose turn it is: it has a slot. Made by the dispatcher.
#[derive(Debug)]
pub(crate) struct Due {
    /// The task, in its lane.
    pub(crate) queued: Queued,
    /// Its lane's shard.
    pub(crate) shard: u16,
    /// The right to work on that shard.
    pub(crate) held: Arc<Held>,
    /// Where to.
    pub(crate) backend: Arc<Backend>,
    /// When the event's retention ends, less a margin: a delivery that would wait longer ends there.
    pub(crate) expires_at: Timestamp,
}

/// A due task with its event.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    due: Arc<Due>,
    event: Arc<Carried>,
}

/// What reading the event came to.
#[derive(Debug)]
pub(crate) enum Read {
    /// It is here.
    Whole(Delivery),
    /// It can't be delivered any more.
    Over(Box<End>),
    /// The store did not say.
    Unknown,
}

/// Reads the event of a due task.
pub(crate) async fn read(desk: &Desk, due: &Arc<Due>) -> Read {
    if desk.erasures.reach().takes_task(due.task()) {
        return Read::Over(Box::new(End::Erased));
    }
    let reading = async {
        let mut backoff = Backoff::store();
        loop {
            let found = match at_hand(desk, due.task()) {
                Some(event) => Ok(Some(event)),
                None => desk.store.event_of(due.task()).await.map(|event| event.map(|event| Arc::new(event.into()))),
            };
            match found {
                Ok(Some(event)) if is_foreign(&due.backend, &event) => {
                    return foreign(due, Arc::unwrap_or_clone(event).into_event());
                }
                Ok(Some(event)) => return Read::Whole(Delivery::of(due.clone(), event)),
                Ok(None) => return gone(due, DeadReason::Expired, "the event's retention ended".to_owned()),
                Err(StoreError::Corrupt(detail)) => return gone(due, DeadReason::Unreadable, detail),
                Err(StoreError::LeaseLost | StoreError::Closed) => return Read::Unknown,
                Err(StoreError::Unavailable(_) | StoreError::Full(_)) => backoff.wait().await,
            }
        }
    };
    timeout(STORE_PATIENCE, reading).await.unwrap_or(Read::Unknown)
}

/// Reads events together whose turn is near, unless they are at hand, and finds out what their format wants to know of them.
/// One that is missing then is read by itself.
pub(crate) async fn read_ahead(desk: Arc<Desk>, wanted: Vec<EventRef>, format: DeliveryFormat) {
    let missing = desk.ahead.missing(desk.recent.missing(wanted));
    if let Ok(Ok(events)) = timeout(STORE_PATIENCE, desk.store.events_at(missing)).await {
        let look = |(_, event): &(EventRef, Carried)| {
            if envelope::splices(format) {
                event.is_json();
            }
        };
        desk.ahead.remember(events.into_iter().filter_map(Carried::of).inspect(look), Instant::now());
    }
}

fn at_hand(desk: &Desk, task: &Task) -> Option<Arc<Carried>> {
    let now = Instant::now();
    desk.ahead.event_of(task, now).or_else(|| desk.recent.event_of(task, now))
}

fn gone(due: &Due, reason: DeadReason, detail: String) -> Read {
    let note = note_of(&due.queued.task, reason, Some(detail), None, Timestamp::now());
    Read::Over(Box::new(End::Dead(Box::new(DeadLetter { note, event: None }))))
}

/// Whether a destination is a tenant's that the event is not of. Routing sees to it that none is owed such an event; but
/// a destination may have been removed since, and made anew as another tenant's.
fn is_foreign(backend: &Backend, event: &Event) -> bool {
    let tenant = backend.destination.tenant.as_ref();
    tenant.is_some_and(|tenant| event.meta.tenant.as_ref() != Some(tenant))
}

fn foreign(due: &Due, event: Event) -> Read {
    let detail =
        "the destination is another tenant's; give the connection one of its own tenant, and replay".to_owned();
    let note = note_of(&due.queued.task, DeadReason::OtherTenant, Some(detail), None, Timestamp::now());
    Read::Over(Box::new(End::Dead(Box::new(DeadLetter { note, event: Some(event) }))))
}

/// What a dead letter says of a delivery's end.
pub(crate) fn note_of(
    task: &Task,
    reason: DeadReason,
    detail: Option<String>,
    last: Option<Attempt>,
    now: Timestamp,
) -> DeadNote {
    DeadNote {
        delivery: task.delivery,
        destination: Some(task.destination.clone()),
        sync: task.sync.clone(),
        route: Some(task.route.clone()),
        attempts: if last.is_some() { task.attempt } else { task.attempt.saturating_sub(1) },
        reason,
        detail,
        last,
        died_at: now,
    }
}

impl Due {
    /// The task.
    pub(crate) const fn task(&self) -> &Task {
        &self.queued.task
    }
}

impl Delivery {
    fn of(due: Arc<Due>, mut event: Arc<Carried>) -> Self {
        let id = due.task().webhook_id();
        if event.meta.id != id {
            // A copy that goes out under another id is that event from here on.
            event = Arc::new(Arc::unwrap_or_clone(event).with_id(id));
        }
        Self { due, event }
    }

    /// The due task.
    pub(crate) fn due(&self) -> &Due {
        &self.due
    }

    /// The event.
    pub(crate) fn event(&self) -> &Carried {
        &self.event
    }

    /// The event, for a dead letter.
    pub(crate) fn into_event(self) -> Event {
        Arc::unwrap_or_clone(self.event).into_event()
    }
}

#[cfg(test)]
pub(crate) mod fixture;
