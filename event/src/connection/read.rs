//! Reading connections and claims.

use gatepost_config::{ConnectionId, IntegrationId};
use serde::de::DeserializeOwned;

use super::{Claim, Linked, entries::Entries};
use crate::{
    Store, StoreError,
    registry::{Entry, Kind},
};

/// A connection as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its record.
    pub linked: Linked,
    /// The record's revision in the registry, which changes with its phase too: a place in [`page`]'s order.
    pub revision: u64,
}

/// A connection; `None` when there is none of that id.
///
/// # Errors
/// When the store can't be asked, or the record can't be read.
pub async fn get(
    store: &impl Entries,
    integration: &IntegrationId,
    id: &ConnectionId,
) -> Result<Option<Found>, StoreError> {
    let entry = store.entry(Kind::Connection, &Linked::entry_id(integration, id)).await?;
    entry.as_ref().map(found).transpose()
}

/// Connections in the order of their last writes, after a revision ([`Found::revision`]): at most `limit`, fewer only
/// at the end. A record that can't be read is left out, and logged.
///
/// # Errors
/// When the store can't be asked.
pub async fn page(store: &Store, after: u64, limit: usize) -> Result<Vec<Found>, StoreError> {
    let (mut read, mut after) = (Vec::new(), after);
    while read.len() < limit {
        let wanted = limit - read.len();
        let entries = store.entries_after(Kind::Connection, after, wanted).await?;
        let Some(last) = entries.last() else { break };
        after = last.revision;
        let is_end = entries.len() < wanted;
        for entry in &entries {
            match found(entry) {
                Ok(found) => read.push(found),
                Err(error) => tracing::error!(%error, "a connection's record can't be read; it is left out"),
            }
        }
        if is_end {
            break;
        }
    }
    Ok(read)
}

/// The claim of an account; `None` when nobody claims it.
///
/// # Errors
/// When the store can't be asked, or the record can't be read.
pub async fn claim(
    store: &impl Entries,
    integration: &IntegrationId,
    account: &str,
) -> Result<Option<Claim>, StoreError> {
    let entry = store.entry(Kind::Claim, &Claim::entry_id(integration, account)).await?;
    entry.as_ref().map(value).transpose()
}

impl Found {
    /// The connection of a registry entry, as [`crate::Store::watch`] tells it.
    ///
    /// # Errors
    /// When the record can't be read.
    pub fn read(entry: &Entry) -> Result<Self, StoreError> {
        found(entry)
    }
}

fn found(entry: &Entry) -> Result<Found, StoreError> {
    Ok(Found { linked: value(entry)?, revision: entry.revision })
}

pub(super) fn value<T: DeserializeOwned>(entry: &Entry) -> Result<T, StoreError> {
    serde_json::from_slice(&entry.value)
        .map_err(|error| StoreError::Corrupt(format!("the registry's entry {:?}: {error}", entry.id)))
}
