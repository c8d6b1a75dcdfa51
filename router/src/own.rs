//! Where connections' events go now, of those that have a destination of their own: for what is routed anew.
//!
//! An event carries its connection's destination from the moment when it was accepted or released, so that routing it
//! again after a crash comes to the same. A replay asks for the present instead: the file's word, then the registry's;
//! of a connection that is gone, or another tenant's by now, what the event carries still holds.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gatepost_config::{ConnectionId, DestinationId, IntegrationId, TenantId};
use gatepost_event::{DeadLetter, Event, Store, StoreError, connection};

use crate::plan::Plan;

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);
/// Answers kept at most.
const KNOWN_MAX: usize = 10_000;

/// A connection's name.
type Key = (IntegrationId, ConnectionId);

/// Whose a connection is, and its destination if it has one of its own.
pub(crate) type Owned = (TenantId, Option<DestinationId>);

/// What the registry said a moment ago.
#[derive(Debug, Default)]
pub(crate) struct OwnDestinations {
    known: HashMap<Key, Option<Owned>>,
    asked_first: Option<Instant>,
}

impl OwnDestinations {
    /// Has an event go where its connection's events go now.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub(crate) async fn refresh(&mut self, store: &Store, plan: &Plan, event: &mut Event) -> Result<(), StoreError> {
        if declared(plan, event) {
            return Ok(());
        }
        let Some(connection) = event.meta.connection.clone() else { return Ok(()) };
        let key = (event.meta.integration.clone(), connection);
        let is_stale = self.asked_first.is_none_or(|at| at.elapsed() > FRESH);
        if is_stale || self.known.len() >= KNOWN_MAX {
            self.known.clear();
            self.asked_first = Some(Instant::now());
        }
        let owned = match self.known.get(&key) {
            Some(owned) => owned.as_ref(),
            None => {
                let owned = look(store, &key).await?;
                self.known.entry(key).or_insert(owned).as_ref()
            }
        };
        set(event, owned);
        Ok(())
    }

    /// The same of a dead letter that died in routing, and will be routed anew; others go where they were going.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub(crate) async fn refresh_letter(
        &mut self,
        store: &Store,
        plan: &Plan,
        letter: &mut DeadLetter,
    ) -> Result<(), StoreError> {
        match &mut letter.event {
            Some(event) if letter.note.destination.is_none() => self.refresh(store, plan, event).await,
            _ => Ok(()),
        }
    }
}

/// Has an event go where the file says that its connection's events go; `false` when the file doesn't declare it.
pub(crate) fn declared(plan: &Plan, event: &mut Event) -> bool {
    let Some(owned) = plan.declared(&event.meta) else { return false };
    set(event, Some(owned));
    true
}

fn set(event: &mut Event, owned: Option<&Owned>) {
    if let Some((tenant, destination)) = owned
        && event.meta.tenant.as_ref() == Some(tenant)
    {
        event.meta.destination.clone_from(destination);
    }
}

async fn look(store: &Store, (integration, id): &Key) -> Result<Option<Owned>, StoreError> {
    match connection::get(store, integration, id).await {
        Ok(found) => Ok(found.map(|found| (found.linked.tenant, found.linked.destination))),
        Err(StoreError::Corrupt(error)) => {
            tracing::error!(%integration, connection = %id, error, "a connection can't be read; its events go on as before");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
