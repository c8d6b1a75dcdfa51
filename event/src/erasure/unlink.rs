//! What the registry knows by name of those who are erased.

use gatepost_config::{Connection, TenantId};

use super::{Erasure, Remains, Whose};
use crate::{
    SealedSecret, SecretName, Store, StoreError,
    connection::{self, Found, LinkError, Phase},
    made::Made,
    registry::{Entry, Expect, Kind},
    subject,
    sync::{SyncKey, SyncState, SyncWish},
};

/// Connections read at a time.
const PAGE: usize = 1000;

/// Takes those who are erased out of the registry: connections with their claims and, of a tenant, its destinations, keys
/// and record. Connections that were made after the erasure was asked for stay. Safe to repeat.
///
/// # Errors
/// When the engine can't do it; a repeat completes it.
pub async fn unlink(store: &Store, erasure: &Erasure) -> Result<(), StoreError> {
    for Found { linked, .. } in linked_of(store, &erasure.whose).await? {
        if linked.created_at > erasure.until {
            continue;
        }
        match connection::remove(store, &linked.integration, &linked.id, Expect::Any).await {
            Ok(_) => {}
            Err(LinkError::Store(error)) => return Err(error),
            Err(error) => return Err(StoreError::Unavailable(error.to_string())),
        }
    }
    match &erasure.whose {
        Whose::Connection(..) => Ok(()),
        Whose::Tenant(tenant) => forget_tenant(store, tenant).await,
    }
}

/// Whether somebody has one of the connections still, or again: the file, or who made it after the erasure was asked for.
///
/// # Errors
/// When the engine can't be asked.
pub async fn lives(store: &Store, declared: &[Connection], whose: &Whose) -> Result<bool, StoreError> {
    Ok(declared_of(declared, whose).next().is_some() || !linked_of(store, whose).await?.is_empty())
}

/// Overwrites the secrets that providers gave in their handshakes to connections that are no more. One that goes on, or
/// was made again, keeps its own: its provider gives it once. Safe to repeat.
///
/// # Errors
/// When the engine can't do it; a repeat completes it.
pub async fn forget_secrets(store: &Store, declared: &[Connection], erasure: &Erasure) -> Result<(), StoreError> {
    let mut theirs = Vec::new();
    for SealedSecret { name, .. } in store.kept_secrets().await? {
        let SecretName { integration, connection: Some(id), .. } = &name else { continue };
        let token = subject::connection_token(integration, Some(id), None);
        let whose = Whose::Connection(integration.clone(), id.clone());
        if erasure.connections.contains(&token) && !lives(store, declared, &whose).await? {
            theirs.push(Remains::Secret(name.token()));
        }
    }
    store.erase(theirs).await
}

/// Forgets how syncs of the connections stand, and that somebody wants them to run. Safe to repeat.
///
/// # Errors
/// When the engine can't do it; a repeat completes it.
pub async fn forget_syncs(store: &Store, erasure: &Erasure) -> Result<(), StoreError> {
    for kind in [Kind::Sync, Kind::SyncWish] {
        for entry in store.entries(kind).await? {
            let key = match kind {
                Kind::Sync => SyncState::of(&entry).map(|state| state.key),
                _ => SyncWish::of(&entry).map(|wish| wish.key),
            };
            let is_theirs = |SyncKey { integration, connection, .. }: SyncKey| {
                erasure.connections.contains(&subject::connection_token(&integration, Some(&connection), None))
            };
            if key.is_some_and(is_theirs) {
                remove(store, kind, &entry).await?;
            }
        }
    }
    Ok(())
}

/// The connections of the file that are meant.
pub(super) fn declared_of<'c>(declared: &'c [Connection], whose: &Whose) -> impl Iterator<Item = &'c Connection> {
    declared.iter().filter(move |declared| match whose {
        Whose::Connection(integration, id) => declared.integration == *integration && declared.id == *id,
        Whose::Tenant(tenant) => declared.tenant == *tenant,
    })
}

/// The connections of the registry that are meant: few, but for a tenant that has many.
pub(super) async fn linked_of(store: &Store, whose: &Whose) -> Result<Vec<Found>, StoreError> {
    let tenant = match whose {
        Whose::Connection(integration, id) => {
            return Ok(connection::get(store, integration, id).await?.into_iter().collect());
        }
        Whose::Tenant(tenant) => tenant,
    };
    let (mut meant, mut after) = (Vec::new(), 0);
    loop {
        let page = connection::page(store, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(meant) };
        after = last.revision;
        // What announced itself is nobody's yet.
        let is_theirs = |found: &Found| found.linked.tenant == *tenant && found.linked.phase != Phase::Pending;
        meant.extend(page.into_iter().filter(is_theirs));
    }
}

/// Destinations with how they stand, keys and record.
async fn forget_tenant(store: &Store, tenant: &TenantId) -> Result<(), StoreError> {
    for entry in store.entries(Kind::MadeDestination).await? {
        if Made::read(&entry).is_ok_and(|made| made.tenant.as_ref() == Some(tenant)) {
            forget_standing(store, &entry.id).await?;
            remove(store, Kind::MadeDestination, &entry).await?;
        }
    }
    let names = |value: serde_json::Value| value.get("tenant").and_then(|it| it.as_str()) == Some(tenant.as_str());
    for entry in store.entries(Kind::Key).await? {
        if serde_json::from_slice(&entry.value).is_ok_and(names) {
            remove(store, Kind::Key, &entry).await?;
        }
    }
    match store.entry(Kind::Tenant, tenant.as_str()).await? {
        Some(entry) => remove(store, Kind::Tenant, &entry).await,
        None => Ok(()),
    }
}

async fn forget_standing(store: &Store, destination: &str) -> Result<(), StoreError> {
    match store.entry(Kind::Destination, destination).await? {
        Some(entry) => remove(store, Kind::Destination, &entry).await,
        None => Ok(()),
    }
}

/// One that somebody changed meanwhile is met by the repeat.
async fn remove(store: &Store, kind: Kind, entry: &Entry) -> Result<(), StoreError> {
    store.remove(kind, &entry.id, Expect::Revision(entry.revision)).await.map(drop)
}
