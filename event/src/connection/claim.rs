//! Claims of account keys: written before the record that names the account, confirmed after it, given up last.
//!
//! Whoever finds a claim whose connections don't name the account takes it over. A writer that is overtaken so between
//! its claim and its record finds out when it confirms: of two writers, one is told that the account is the other's.

use gatepost_config::{ConnectionId, IntegrationId, TenantId};

use super::{
    Claim, Claiming, Found, LinkError, Linked,
    read::{self, value},
};
use crate::{
    Store, StoreError,
    registry::{Entry, Expect, Kind, Put},
};

/// Tries beside others that write the same claim.
const TRIES: usize = 16;

/// The connections that have an account: listed by its claim, of its tenant, and naming it. Usually one, or none.
///
/// # Errors
/// When the store can't be asked, or a record can't be read.
pub async fn claimants(store: &Store, integration: &IntegrationId, account: &str) -> Result<Vec<Found>, StoreError> {
    match read::claim(store, integration, account).await? {
        Some(claim) => living(store, &claim, None).await,
        None => Ok(Vec::new()),
    }
}

/// Whether a connection's account is its own, by the claim.
///
/// # Errors
/// When the store can't be asked, or the claim can't be read.
pub async fn holds(store: &Store, linked: &Linked, account: &str) -> Result<bool, StoreError> {
    let claim = read::claim(store, &linked.integration, account).await?;
    Ok(linked.claims(account) && claim.is_some_and(|claim| claim.tenant == linked.tenant && claim.lists(&linked.id)))
}

/// Claims an account for a connection whose record does not name it yet. `from` is the tenant whose connection it was
/// until now.
pub(super) async fn take(
    store: &Store,
    linked: &Linked,
    account: &str,
    from: Option<&TenantId>,
    claiming: Claiming,
) -> Result<(), LinkError> {
    let id = Claim::entry_id(&linked.integration, account);
    for _ in 0..TRIES {
        let entry = store.entry(Kind::Claim, &id).await?;
        let before: Option<Claim> = entry.as_ref().map(value).transpose()?;
        let mut connections = match &before {
            Some(claim) => others(store, claim, linked, account, from, claiming).await?,
            None => Vec::new(),
        };
        connections.push(linked.id.clone());
        let next = Claim {
            integration: linked.integration.clone(),
            account: account.to_owned(),
            tenant: linked.tenant.clone(),
            connections,
        };
        if before.as_ref() == Some(&next) || write(store, &id, entry.as_ref(), Some(&next)).await? {
            return Ok(());
        }
    }
    Err(busy(&id))
}

/// Writes a claim once more after the record that names its account, so that nobody who saw no such record takes it over
/// any more; claims it again if somebody has.
pub(super) async fn confirm(
    store: &Store,
    linked: &Linked,
    account: &str,
    claiming: Claiming,
) -> Result<(), LinkError> {
    let id = Claim::entry_id(&linked.integration, account);
    for _ in 0..TRIES {
        let entry = store.entry(Kind::Claim, &id).await?;
        let claim: Option<Claim> = entry.as_ref().map(value).transpose()?;
        match claim.filter(|claim| claim.tenant == linked.tenant && claim.lists(&linked.id)) {
            Some(claim) if write(store, &id, entry.as_ref(), Some(&claim)).await? => return Ok(()),
            Some(_) => {}
            None => take(store, linked, account, None, claiming).await?,
        }
    }
    Err(busy(&id))
}

/// Gives a connection's part of a claim up, unless its record names the account (again): whoever wrote that has yet to
/// confirm the claim, and finds it gone then, or is in time to keep it.
pub(super) async fn release(store: &Store, linked: &Linked, account: &str) -> Result<(), LinkError> {
    let id = Claim::entry_id(&linked.integration, account);
    for _ in 0..TRIES {
        let Some(entry) = store.entry(Kind::Claim, &id).await? else { return Ok(()) };
        let mut claim: Claim = value(&entry)?;
        let names = |found: Found| found.linked.tenant == claim.tenant && found.linked.claims(account);
        if !claim.lists(&linked.id) || read::get(store, &linked.integration, &linked.id).await?.is_some_and(names) {
            return Ok(());
        }
        claim.connections.retain(|connection| *connection != linked.id);
        let rest = Some(&claim).filter(|claim| !claim.connections.is_empty());
        if write(store, &id, Some(&entry), rest).await? {
            return Ok(());
        }
    }
    Err(busy(&id))
}

/// The other connections that go on having an account, if a connection may have it beside them.
async fn others(
    store: &Store,
    claim: &Claim,
    linked: &Linked,
    account: &str,
    from: Option<&TenantId>,
    claiming: Claiming,
) -> Result<Vec<ConnectionId>, LinkError> {
    let others = living(store, claim, Some(&linked.id)).await?;
    let ours = claim.tenant == linked.tenant || from == Some(&claim.tenant);
    let connections: Vec<_> = others.iter().map(|found| found.linked.id.clone()).collect();
    match () {
        () if others.is_empty() => Ok(connections),
        () if !ours => Err(LinkError::AccountTaken(account.to_owned())),
        // What is moved away from a tenant can't stay with its other connections.
        () if claim.tenant != linked.tenant => {
            Err(LinkError::AccountShared { account: account.to_owned(), connections })
        }
        () if claiming.take_over => {
            for found in others {
                give_up(store, &found.linked, account).await?;
            }
            Ok(Vec::new())
        }
        () if claiming.shared => Ok(connections),
        () => Err(LinkError::AccountShared { account: account.to_owned(), connections }),
    }
}

/// The connections of a claim that name its account and are somebody's, but for one.
async fn living(store: &Store, claim: &Claim, but: Option<&ConnectionId>) -> Result<Vec<Found>, StoreError> {
    let mut living = Vec::new();
    for connection in claim.connections.iter().filter(|connection| Some(*connection) != but) {
        let found = read::get(store, &claim.integration, connection).await?;
        living.extend(found.filter(|found| found.linked.tenant == claim.tenant && found.linked.claims(&claim.account)));
    }
    Ok(living)
}

/// Takes an account out of the record of a connection that has it.
async fn give_up(store: &Store, linked: &Linked, account: &str) -> Result<(), LinkError> {
    let id = Linked::entry_id(&linked.integration, &linked.id);
    for _ in 0..TRIES {
        let Some(found) = read::get(store, &linked.integration, &linked.id).await? else { return Ok(()) };
        if !found.linked.names(account) {
            return Ok(());
        }
        let mut next = found.linked;
        next.accounts.retain(|own| own != account);
        next.version = next.version.saturating_add(1);
        if super::write::record(store, &next, Expect::Revision(found.revision)).await?.is_ok() {
            return Ok(());
        }
    }
    Err(busy(&id))
}

/// Writes a claim over what was read, or removes it; `false` when somebody else was faster.
async fn write(store: &Store, id: &str, over: Option<&Entry>, claim: Option<&Claim>) -> Result<bool, StoreError> {
    let expect = over.map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
    let put = match claim {
        Some(claim) => {
            let value = serde_json::to_vec(claim).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            store.put(Kind::Claim, id, value.into(), expect).await?
        }
        None => store.remove(Kind::Claim, id, expect).await?,
    };
    Ok(matches!(put, Put::Stored(_)) || (claim.is_none() && put == Put::Conflict(None)))
}

fn busy(id: &str) -> LinkError {
    LinkError::Store(StoreError::Unavailable(format!("others write {id:?} all the time")))
}
