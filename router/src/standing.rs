//! Destinations that get nothing for now, though they are configured: paused by somebody, or disabled by their answers.
//!
//! A tenant's destination is disabled by a 410, or when nothing but failures came of it for `router.disable_after`. Its
//! deliveries wait. The operator's own are never disabled. A sync engine is paused under its id as a destination is: no
//! destination has the same.

mod notice;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use gatepost_config::{Destination, DestinationId, Timestamp};
use gatepost_event::{
    Store, StoreError,
    registry::{Change, Entry, Expect, Kind, Put},
    standing::{Disabled, Standing, Why},
};
use tokio::{sync::watch, time::timeout};

use crate::{backoff::Backoff, send::Sent, work::Desk};

/// Longest time that an attempt's slot is kept while a change is written.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Tries to write a change beside somebody else's.
const TRIES: usize = 5;

/// The status that says that an endpoint is gone for good.
const GONE: u16 = 410;

/// What is known of destinations, by id; nothing of most.
pub(crate) type Known = HashMap<DestinationId, Standing>;

/// What is known now, for whoever wants to hear of changes.
#[derive(Debug)]
pub(crate) struct Standings(watch::Sender<Arc<Known>>);

impl Standings {
    /// Hears of changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Known>> {
        self.0.subscribe()
    }

    fn of(&self, id: &DestinationId) -> Standing {
        self.0.borrow().get(id).copied().unwrap_or_default()
    }

    fn set(&self, id: DestinationId, standing: Option<Standing>) {
        self.0.send_if_modified(|known| {
            let before = known.get(&id).copied();
            if before == standing {
                return false;
            }
            let known = Arc::make_mut(known);
            match standing {
                Some(standing) => known.insert(id, standing),
                None => known.remove(&id),
            };
            true
        });
    }
}

/// What is known, waiting for the store: nothing is delivered or run before, so that a pause outlives a restart.
pub(crate) async fn first(store: &Store) -> Standings {
    let mut backoff = Backoff::store();
    loop {
        match list(store).await {
            Ok(known) => return Standings(watch::Sender::new(Arc::new(known))),
            Err(error) => tracing::debug!(%error, "how destinations stand can't be read; trying again"),
        }
        backoff.wait().await;
    }
}

/// Keeps what is known up to date with the registry. Never returns.
pub(crate) async fn follow(desk: &Desk) {
    let mut backoff = Backoff::store();
    loop {
        if let Err(error) = listen(desk).await {
            tracing::debug!(%error, "the destinations' standing can't be followed; trying again");
        }
        backoff.wait().await;
    }
}

async fn listen(desk: &Desk) -> Result<(), StoreError> {
    let mut watch = desk.store.watch(Kind::Destination).await?;
    desk.standings.0.send_replace(Arc::new(list(&desk.store).await?));
    loop {
        match watch.next().await? {
            Change::Put(entry) => {
                if let Some((id, standing)) = read(&entry) {
                    desk.standings.set(id, Some(standing));
                }
            }
            Change::Removed(id) => {
                if let Ok(id) = id.parse() {
                    desk.standings.set(id, None);
                }
            }
            Change::Missed => drop(desk.standings.0.send_replace(Arc::new(list(&desk.store).await?))),
        }
    }
}

async fn list(store: &Store) -> Result<Known, StoreError> {
    Ok(store.entries(Kind::Destination).await?.iter().filter_map(read).collect())
}

fn read(entry: &Entry) -> Option<(DestinationId, Standing)> {
    match (entry.id.parse(), serde_json::from_slice(&entry.value)) {
        (Ok(id), Ok(standing)) => Some((id, standing)),
        _ => {
            tracing::error!(id = entry.id, "a destination's standing can't be read; it is taken for a good one");
            None
        }
    }
}

/// Learns from an attempt, and writes down what changes. Attempts seldom change anything.
pub(crate) async fn learn(desk: &Desk, destination: &Destination, sent: &Sent, after: Duration, now: Timestamp) {
    let Some(next) = next(destination, desk.standings.of(&destination.id), sent, after, now) else { return };
    // At once, so that nothing else begins meanwhile.
    desk.standings.set(destination.id.clone(), Some(next));
    match timeout(WRITE_MAX, write(desk, destination, sent, after, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tell(destination, &error.to_string()),
        Err(_) => tell(destination, "the store did not answer in time"),
    }
}

fn tell(destination: &Destination, error: &str) {
    tracing::warn!(destination = %destination.id, error, "how a destination stands could not be written down");
}

async fn write(
    desk: &Desk,
    destination: &Destination,
    sent: &Sent,
    after: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = destination.id.as_str();
    for _ in 0..TRIES {
        let entry = desk.store.entry(Kind::Destination, id).await?;
        let before = entry.as_ref().and_then(read).map(|(_, standing)| standing).unwrap_or_default();
        let Some(next) = next(destination, before, sent, after, now) else {
            desk.standings.set(destination.id.clone(), Some(before));
            return Ok(());
        };
        if let (None, Some(disabled)) = (before.disabled, next.disabled) {
            // Before it is written down: a crash in between says it twice, under one id.
            notice::send(desk, destination, disabled, next.failing_since, sent.status, now).await?;
            tracing::warn!(destination = id, why = ?disabled.why, "a destination is disabled; its deliveries wait");
        }
        let value = serde_json::to_vec(&next).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let expect = entry.map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
        if let Put::Stored(_) = desk.store.put(Kind::Destination, id, Bytes::from(value), expect).await? {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable("somebody else changes it all the time".to_owned()))
}

/// How a destination stands after an attempt; `None` when that changes nothing.
fn next(
    destination: &Destination,
    standing: Standing,
    sent: &Sent,
    after: Duration,
    now: Timestamp,
) -> Option<Standing> {
    if destination.tenant.is_none() || standing.disabled.is_some() {
        return None;
    }
    if sent.error.is_none() {
        return standing.failing_since.map(|_| Standing { failing_since: None, ..standing });
    }
    let failing_since = standing.failing_since.unwrap_or(now);
    let why = match sent.status {
        Some(GONE) => Some(Why::Gone),
        _ if now.since(failing_since) >= after => Some(Why::Failing),
        _ => None,
    };
    let next =
        Standing { disabled: why.map(|why| Disabled { at: now, why }), failing_since: Some(failing_since), ..standing };
    (next != standing).then_some(next)
}

#[cfg(test)]
mod tests;
