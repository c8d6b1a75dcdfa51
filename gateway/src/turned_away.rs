//! Counts requests that were answered otherwise than 2xx, so that an incident can be told of afterwards.
//!
//! Counted in memory, written to the registry every few seconds and at the end, off the way of requests. Each gateway has
//! records of its own with whole numbers, so that a write may be repeated. While the store is away they wait here.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::{
    RequestId,
    registry::{Expect, Kind},
    turned_away::Hour,
};

use crate::serve::Gateway;

/// Time between writes.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// Hours of integrations that wait to be written, at most; what comes beyond is only in the metrics.
const HOURS_MAX: usize = 4_096;

/// How long an hour's record is kept in memory, to be added to.
const ADDED_TO: Duration = Duration::from_secs(2 * 3_600);

/// The counts of this process.
pub(crate) struct TurnedAway {
    /// Tells this gateway's records from others'.
    owner: String,
    hours: Mutex<HashMap<IntegrationId, Vec<Counted>>>,
}

struct Counted {
    hour: Hour,
    /// It was added to since it was written.
    is_new: bool,
}

impl TurnedAway {
    /// With nothing counted.
    pub(crate) fn new() -> Self {
        Self { owner: RequestId::fresh(Timestamp::now()).token().to_string(), hours: Mutex::default() }
    }

    /// Counts a request; never waits.
    pub(crate) fn note(&self, integration: &IntegrationId, reason: &str) {
        self.note_at(integration, reason, Timestamp::now());
    }

    fn note_at(&self, integration: &IntegrationId, reason: &str, at: Timestamp) {
        let mut hours = self.hours();
        let held: usize = hours.values().map(Vec::len).sum();
        if !hours.contains_key(integration) {
            hours.insert(integration.clone(), Vec::new());
        }
        let Some(own) = hours.get_mut(integration) else { return };
        let fresh = Hour::of(integration, at);
        match own.iter_mut().find(|counted| counted.hour.began_at == fresh.began_at) {
            Some(counted) => {
                counted.hour.add(at, reason, 1);
                counted.is_new = true;
            }
            None if held < HOURS_MAX => {
                let mut hour = fresh;
                hour.add(at, reason, 1);
                own.push(Counted { hour, is_new: true });
            }
            None => {}
        }
    }

    /// What has to be written; what nobody will add to any more is forgotten.
    fn due(&self, now: Timestamp) -> Vec<Hour> {
        let mut hours = self.hours();
        for own in hours.values_mut() {
            own.retain(|counted| counted.is_new || now.since(counted.hour.began_at) < ADDED_TO);
        }
        hours.retain(|_, own| !own.is_empty());
        let new = hours.values_mut().flatten().filter(|counted| counted.is_new);
        new.map(|counted| {
            counted.is_new = false;
            counted.hour.clone()
        })
        .collect()
    }

    /// An hour could not be written.
    fn is_due(&self, hour: &Hour) {
        let mut hours = self.hours();
        let own = hours.get_mut(&hour.integration).into_iter().flatten();
        own.filter(|counted| counted.hour.began_at == hour.began_at).for_each(|counted| counted.is_new = true);
    }

    fn hours(&self) -> MutexGuard<'_, HashMap<IntegrationId, Vec<Counted>>> {
        self.hours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what was counted, for as long as it is polled.
pub(crate) async fn keep(gateway: Arc<Gateway>) -> Infallible {
    loop {
        tokio::time::sleep(WRITE_EVERY).await;
        keep_all(&gateway).await;
    }
}

/// Writes what was counted; what can't be written waits.
pub(crate) async fn keep_all(gateway: &Gateway) {
    let turned_away = &gateway.turned_away;
    for hour in turned_away.due(Timestamp::now()) {
        let id = format!("{}/{}", hour.entry_id(), turned_away.owner);
        let written = match serde_json::to_vec(&hour) {
            Ok(value) => gateway.store.put(Kind::TurnedAway, &id, value.into(), Expect::Any).await,
            Err(error) => Err(gatepost_event::StoreError::Corrupt(error.to_string())),
        };
        if let Err(error) = written {
            tracing::debug!(%error, "counts of requests turned away could not be written; trying again");
            turned_away.is_due(&hour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_due_until_they_are_written_and_forgotten_when_their_hour_is_over() {
        let (turned_away, integration) = (TurnedAway::new(), "github".parse().expect("an id"));
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-22T17:04:05Z");
        turned_away.note_at(&integration, "unavailable", now);
        turned_away.note_at(&integration, "unavailable", now);
        let due = turned_away.due(now);
        assert_eq!(due.len(), 1);
        assert_eq!(turned_away.due(now), []);
        turned_away.is_due(&due[0]);
        turned_away.note_at(&integration, "unavailable", now);
        let again = turned_away.due(at("2026-11-22T21:00:00Z"));
        assert_eq!(
            again[0].within(now, now.after(Duration::from_secs(1))).map(|(_, m)| m["unavailable"]).sum::<u64>(),
            3
        );
        assert_eq!(turned_away.due(at("2026-11-22T21:00:00Z")), []);
        assert!(turned_away.hours().is_empty());
    }
}
