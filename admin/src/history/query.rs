//! What the API asks of the history. Whose business a row is, is decided in one place: [`Scope`].

mod delivery;
mod event;
mod pulse;
mod search;

use std::{collections::BTreeSet, sync::Arc};

use gatepost_config::{DestinationId, TenantId};
use gatepost_event::erasure::Reach;
use rusqlite::Connection;

pub(crate) use self::{
    delivery::{DeliveryFilter, DeliveryItem, WithEvent, attempts, deliveries, deliveries_of, delivery},
    event::{EventFilter, EventItem, event, events, of_request},
    pulse::{Pulse, pulse},
    search::{Hit, search},
};
use super::words;

/// Rows looked at for one page: a page may hold fewer than asked for, or none, and still have a `next`.
const EXAMINED_MAX: usize = 5_000;

/// Whose business something is, and that it is not erased.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    tenant: Option<Arc<Tenant>>,
    gone: Arc<Reach>,
}

/// What one tenant may see: its own events, and what became of them at its own destinations.
#[derive(Debug)]
struct Tenant {
    id: TenantId,
    destinations: BTreeSet<DestinationId>,
}

/// A scope as numbers of the file.
struct Sight {
    tenant: Option<i64>,
    destinations: Vec<i64>,
    everything: bool,
    gone: Arc<Reach>,
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Part<T> {
    /// Its items, newest first.
    pub(crate) items: Vec<T>,
    /// Where it goes on.
    pub(crate) next: Option<String>,
}

impl Scope {
    /// Everything but what is gone.
    pub(crate) const fn everything(gone: Arc<Reach>) -> Self {
        Self { tenant: None, gone }
    }

    /// Of that, what is this tenant's; its destinations are given.
    pub(crate) fn tenant(self, id: TenantId, destinations: impl Iterator<Item = DestinationId>) -> Self {
        Self { tenant: Some(Arc::new(Tenant { id, destinations: destinations.collect() })), ..self }
    }

    fn sight(&self, db: &Connection) -> rusqlite::Result<Sight> {
        let gone = Arc::clone(&self.gone);
        let Some(tenant) = &self.tenant else {
            return Ok(Sight { tenant: None, destinations: Vec::new(), everything: true, gone });
        };
        let mut destinations = Vec::new();
        for id in &tenant.destinations {
            destinations.extend(words::find(db, id.as_str())?);
        }
        Ok(Sight { tenant: words::find(db, tenant.id.as_str())?, destinations, everything: false, gone })
    }

    fn tenant_id(&self) -> Option<&TenantId> {
        self.tenant.as_ref().map(|tenant| &tenant.id)
    }
}

impl Sight {
    /// Whether an event, by its tenant, is to be seen.
    fn event(&self, tenant: Option<i64>) -> bool {
        self.everything || (tenant.is_some() && tenant == self.tenant)
    }

    /// Whether a delivery is: a tenant doesn't see what the operator's own backends answered.
    fn delivery(&self, tenant: Option<i64>, destination: Option<i64>) -> bool {
        let theirs = |destination| self.destinations.contains(&destination);
        self.everything || (self.event(tenant) && destination.is_none_or(theirs))
    }
}

/// A filter by a text: none, or the text's number, or a text that no row has.
enum Wanted {
    Any,
    Word(i64),
    Nothing,
}

impl Wanted {
    fn of(db: &Connection, text: Option<&str>) -> rusqlite::Result<Self> {
        Ok(match text {
            None => Self::Any,
            Some(text) => words::find(db, text)?.map_or(Self::Nothing, Self::Word),
        })
    }

    fn fits(&self, number: Option<i64>) -> bool {
        match self {
            Self::Any => true,
            Self::Word(wanted) => number == Some(*wanted),
            Self::Nothing => false,
        }
    }

    /// The column's condition, to be read by its index.
    fn condition(&self, column: &str) -> Option<String> {
        match self {
            Self::Word(number) => Some(format!("{column} = {number}")),
            Self::Any | Self::Nothing => None,
        }
    }
}
