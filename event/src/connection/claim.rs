//! Claims of account keys: written before the record that names the account, looked at again after it, given up last.
//!
//! Whoever finds a claim whose connections don't name the account takes it over. So that nobody is overtaken between his
//! claim and his record without finding out, a claim is first **doubted**: written once more with that mark, and only
//! then its connections are asked for whether they name the account. A writer who finds his claim undoubted after his
//! record is written is done: who doubts it later finds the record. One who finds it doubted writes it again without the
//! mark, which makes the other look again, or finds it gone: of two writers, one is told that the account is the other's.

use gatepost_config::{ConnectionId, IntegrationId, TenantId};

use super::{
    Claim, Claiming, Found, LinkError, Linked,
    entries::Entries,
    read::{self, value},
};
use crate::{
    StoreError,
    registry::{Entry, Expect, Kind, Put},
};

/// Tries beside others that write the same claim.
const TRIES: usize = 64;

/// What came of writing a claim.
enum Wrote {
    /// It is as it was to be.
    Done,
    /// Somebody else was faster: what stands there.
    Instead(Option<Entry>),
}

/// What a claim keeps when a connection joins it.
#[derive(Default)]
struct Others {
    /// Those that go on having the account beside it.
    stay: Vec<ConnectionId>,
    /// Those whose records lose it first.
    lose: Vec<Linked>,
}

/// The connections that have an account: listed by its claim, of its tenant, and naming it. Usually one, or none.
///
/// # Errors
/// When the store can't be asked, or a record can't be read.
pub async fn claimants(
    store: &impl Entries,
    integration: &IntegrationId,
    account: &str,
) -> Result<Vec<Found>, StoreError> {
    match read::claim(store, integration, account).await? {
        Some(claim) => living(store, &claim, None).await,
        None => Ok(Vec::new()),
    }
}

/// Whether a connection's account is its own, by the claim.
///
/// # Errors
/// When the store can't be asked, or the claim can't be read.
pub async fn holds(store: &impl Entries, linked: &Linked, account: &str) -> Result<bool, StoreError> {
    let claim = read::claim(store, &linked.integration, account).await?;
    Ok(linked.claims(account) && claim.is_some_and(|claim| claim.is_of(linked)))
}

/// Claims an account for a connection whose record does not name it yet. `from` is the tenant whose connection it was
/// until now.
pub(super) async fn take(
    store: &impl Entries,
    linked: &Linked,
    account: &str,
    from: Option<&TenantId>,
    claiming: Claiming,
) -> Result<(), LinkError> {
    let id = Claim::entry_id(&linked.integration, account);
    // Usually it is nobody's; if it is somebody's, the first try tells.
    let mut entry: Option<Entry> = None;
    for _ in 0..TRIES {
        let before: Option<Claim> = entry.as_ref().map(value).transpose()?;
        let others = match &before {
            Some(claim) => others(store, claim, linked, account, from, claiming).await?,
            None => Others::default(),
        };
        let mut next = Claim {
            integration: linked.integration.clone(),
            account: account.to_owned(),
            tenant: linked.tenant.clone(),
            connections: others.stay,
            doubted: false,
        };
        next.connections.push(linked.id.clone());
        let loses = before.as_ref().filter(|claim| !claim.doubted && next.takes_from(claim));
        if let Some(claim) = loses {
            entry = doubt(store, &id, entry.as_ref(), claim).await?;
            continue;
        }
        for loser in &others.lose {
            give_up(store, loser, account).await?;
        }
        if before.as_ref() == Some(&next) {
            return Ok(());
        }
        match write(store, &id, entry.as_ref(), Some(&next)).await? {
            Wrote::Done => return Ok(()),
            Wrote::Instead(found) => entry = found,
        }
    }
    Err(busy(&id))
}

/// Makes sure of a claim after the record that names its account is written; claims it again if somebody has taken it
/// over. Whether it had to be written.
pub(super) async fn confirm(
    store: &impl Entries,
    linked: &Linked,
    account: &str,
    claiming: Claiming,
) -> Result<bool, LinkError> {
    let id = Claim::entry_id(&linked.integration, account);
    for tries in 0..TRIES {
        let entry = store.entry(Kind::Claim, &id).await?;
        let claim: Option<Claim> = entry.as_ref().map(value).transpose()?;
        match claim.filter(|claim| claim.is_of(linked)) {
            Some(claim) if !claim.doubted => return Ok(tries > 0),
            Some(claim) => {
                let certain = Claim { doubted: false, ..claim };
                if let Wrote::Done = write(store, &id, entry.as_ref(), Some(&certain)).await? {
                    return Ok(true);
                }
            }
            None => take(store, linked, account, None, claiming).await?,
        }
    }
    Err(busy(&id))
}

/// Gives a connection's part of a claim up, unless its record names the account (again): whoever wrote that has yet to
/// look at the claim, and finds it doubted or gone then, or has looked before it was doubted.
pub(super) async fn release(store: &impl Entries, linked: &Linked, account: &str) -> Result<(), LinkError> {
    let id = Claim::entry_id(&linked.integration, account);
    let mut entry = store.entry(Kind::Claim, &id).await?;
    for _ in 0..TRIES {
        let Some(found) = &entry else { return Ok(()) };
        let mut claim: Claim = value(found)?;
        if !claim.lists(&linked.id) {
            return Ok(());
        }
        if !claim.doubted {
            entry = doubt(store, &id, Some(found), &claim).await?;
            continue;
        }
        let names = |found: Found| found.linked.tenant == claim.tenant && found.linked.claims(account);
        if read::get(store, &linked.integration, &linked.id).await?.is_some_and(names) {
            return Ok(());
        }
        claim.connections.retain(|connection| *connection != linked.id);
        claim.doubted = false;
        let rest = Some(&claim).filter(|claim| !claim.connections.is_empty());
        match write(store, &id, Some(found), rest).await? {
            Wrote::Done => return Ok(()),
            Wrote::Instead(found) => entry = found,
        }
    }
    Err(busy(&id))
}

/// The other connections of a claim, if a connection may have the account beside them or instead of them.
async fn others(
    store: &impl Entries,
    claim: &Claim,
    linked: &Linked,
    account: &str,
    from: Option<&TenantId>,
    claiming: Claiming,
) -> Result<Others, LinkError> {
    let others = living(store, claim, Some(&linked.id)).await?;
    let ours = claim.tenant == linked.tenant || from == Some(&claim.tenant);
    let connections: Vec<_> = others.iter().map(|found| found.linked.id.clone()).collect();
    match () {
        // Somebody else has made the same connection, as another tenant's.
        () if !ours && claim.lists(&linked.id) && is_living(store, claim, &linked.id).await? => {
            Err(LinkError::OtherTenant)
        }
        () if others.is_empty() => Ok(Others::default()),
        () if !ours => Err(LinkError::AccountTaken(account.to_owned())),
        // What is moved away from a tenant can't stay with its other connections.
        () if claim.tenant != linked.tenant => {
            Err(LinkError::AccountShared { account: account.to_owned(), connections })
        }
        () if claiming.take_over => {
            Ok(Others { stay: Vec::new(), lose: others.into_iter().map(|found| found.linked).collect() })
        }
        () if claiming.shared => Ok(Others { stay: connections, lose: Vec::new() }),
        () => Err(LinkError::AccountShared { account: account.to_owned(), connections }),
    }
}

/// The connections of a claim that name its account and are somebody's, but for one.
async fn living(store: &impl Entries, claim: &Claim, but: Option<&ConnectionId>) -> Result<Vec<Found>, StoreError> {
    let mut living = Vec::new();
    for connection in claim.connections.iter().filter(|connection| Some(*connection) != but) {
        living.extend(found(store, claim, connection).await?);
    }
    Ok(living)
}

async fn is_living(store: &impl Entries, claim: &Claim, connection: &ConnectionId) -> Result<bool, StoreError> {
    Ok(found(store, claim, connection).await?.is_some())
}

/// A connection of a claim, if it has the account.
async fn found(store: &impl Entries, claim: &Claim, connection: &ConnectionId) -> Result<Option<Found>, StoreError> {
    let found = read::get(store, &claim.integration, connection).await?;
    Ok(found.filter(|found| found.linked.tenant == claim.tenant && found.linked.claims(&claim.account)))
}

/// Takes an account out of the record of a connection that has it.
async fn give_up(store: &impl Entries, linked: &Linked, account: &str) -> Result<(), LinkError> {
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

/// Marks a claim as doubted; what stands there then.
async fn doubt(
    store: &impl Entries,
    id: &str,
    over: Option<&Entry>,
    claim: &Claim,
) -> Result<Option<Entry>, StoreError> {
    let doubted = Claim { doubted: true, ..claim.clone() };
    match write(store, id, over, Some(&doubted)).await? {
        Wrote::Done => store.entry(Kind::Claim, id).await,
        Wrote::Instead(found) => Ok(found),
    }
}

/// Writes a claim over what was read, or removes it.
async fn write(
    store: &impl Entries,
    id: &str,
    over: Option<&Entry>,
    claim: Option<&Claim>,
) -> Result<Wrote, StoreError> {
    let expect = over.map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
    let put = match claim {
        Some(claim) => {
            let value = serde_json::to_vec(claim).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            store.put(Kind::Claim, id, value.into(), expect).await?
        }
        None => store.remove(Kind::Claim, id, expect).await?,
    };
    Ok(match put {
        Put::Stored(_) => Wrote::Done,
        Put::Conflict(None) if claim.is_none() => Wrote::Done,
        Put::Conflict(found) => Wrote::Instead(found),
        Put::TooLong => return Err(StoreError::Corrupt(format!("the claim {id:?} is too long to be kept"))),
    })
}

impl Claim {
    /// Whether it is a connection's, as far as it says.
    fn is_of(&self, linked: &Linked) -> bool {
        self.tenant == linked.tenant && self.lists(&linked.id)
    }

    /// Whether somebody loses the account when this takes another's place.
    fn takes_from(&self, before: &Self) -> bool {
        self.tenant != before.tenant || before.connections.iter().any(|connection| !self.lists(connection))
    }
}

fn busy(id: &str) -> LinkError {
    LinkError::Store(StoreError::Unavailable(format!("others write {id:?} all the time")))
}
