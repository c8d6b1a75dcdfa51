//! Writing connections.

use gatepost_config::{ConnectionId, IntegrationId, Timestamp};

use super::{Found, LinkError, Linked, Phase, check::check, claim, entries::Entries, read};
use crate::{
    StoreError,
    registry::{Expect, Kind, Put},
};

/// Tries beside others that write the same connection.
const TRIES: usize = 16;

/// What a writer may do beside writing a connection's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claiming {
    /// An account may be that of several connections of its tenant (`shared_accounts = "all"`).
    pub shared: bool,
    /// The tenant's other connections lose the accounts that this one names.
    pub take_over: bool,
    /// The connection may be another tenant's until now.
    pub change_tenant: bool,
}

/// Makes or replaces a connection, with the version that is expected of it ([`Linked::version`]).
///
/// Version, times and phase are worked out: [`Phase::Pending`] is kept, and claims nothing; any other becomes [`Phase::Binding`] when the
/// connection may have become the owner of parked events, and else stays what it was. Nothing is written when it is the
/// same already, whatever was expected. A repeat after an error completes what was begun.
///
/// # Errors
/// Why it can't be. Nothing is changed then but claims that anybody may take over, unless it is a [`LinkError::Store`].
pub async fn put(
    store: &impl Entries,
    wanted: Linked,
    expect: Expect,
    claiming: Claiming,
    now: Timestamp,
) -> Result<Found, LinkError> {
    let before = read::get(store, &wanted.integration, &wanted.id).await?;
    put_over(store, before, wanted, expect, claiming, now).await
}

/// As [`put`], of a connection that was read a moment ago.
///
/// # Errors
/// As [`put`].
pub async fn put_over(
    store: &impl Entries,
    mut before: Option<Found>,
    wanted: Linked,
    expect: Expect,
    claiming: Claiming,
    now: Timestamp,
) -> Result<Found, LinkError> {
    check(&wanted)?;
    for tries in 0..TRIES {
        // Whose a pending one is, is yet to be said.
        let tenant = before.as_ref().filter(|before| has_owner(before)).map(|before| &before.linked.tenant);
        if tenant.is_some_and(|tenant| *tenant != wanted.tenant) && !claiming.change_tenant {
            return Err(LinkError::OtherTenant);
        }
        if let Some(same) = before.as_ref().filter(|before| is_same(&before.linked, &wanted)) {
            // Whoever wrote it may have been cut off before its claims were confirmed.
            let wrote = confirm_all(store, &same.linked, claiming).await?;
            if !wrote && tries == 0 {
                return Ok(same.clone());
            }
            // Or it was refused an account, and takes its record back: not one of another version.
            let again = Linked { version: same.linked.version.saturating_add(1), ..same.linked.clone() };
            if let Ok(revision) = record(store, &again, Expect::Revision(same.revision)).await? {
                return Ok(Found { linked: again, revision });
            }
            before = read::get(store, &wanted.integration, &wanted.id).await?;
            continue;
        }
        meets(before.as_ref(), expect)?;
        let next = next(before.as_ref().map(|before| &before.linked), &wanted, now);
        claim_all(store, &next, before.as_ref(), claiming).await?;
        let over = before.as_ref().map_or(Expect::Absent, |before| Expect::Revision(before.revision));
        // Only its phase may have changed, or all of it: the next look tells.
        let Ok(revision) = record(store, &next, over).await? else {
            before = read::get(store, &wanted.integration, &wanted.id).await?;
            continue;
        };
        if let Err(error) = confirm_all(store, &next, claiming).await {
            return Err(undo(store, &next, before, error).await);
        }
        for account in before.iter().flat_map(|before| &before.linked.accounts).filter(|own| !next.names(own)) {
            claim::release(store, &next, account).await?;
        }
        return Ok(Found { linked: next, revision });
    }
    Err(busy(&wanted))
}

/// Removes a connection with the version that is expected of it, and gives its accounts up. `false` when there is none.
///
/// # Errors
/// [`LinkError::Conflict`], or the store's; a repeat completes what was begun, but for claims, which others may then
/// take over.
pub async fn remove(
    store: &impl Entries,
    integration: &IntegrationId,
    id: &ConnectionId,
    expect: Expect,
) -> Result<bool, LinkError> {
    for _ in 0..TRIES {
        let Some(found) = read::get(store, integration, id).await? else { return Ok(false) };
        meets(Some(&found), expect)?;
        let entry = Linked::entry_id(integration, id);
        match store.remove(Kind::Connection, &entry, Expect::Revision(found.revision)).await? {
            Put::Stored(_) | Put::Conflict(None) => {
                for account in &found.linked.accounts {
                    claim::release(store, &found.linked, account).await?;
                }
                return Ok(true);
            }
            Put::Conflict(Some(_)) | Put::TooLong => {}
        }
    }
    Err(LinkError::Store(StoreError::Unavailable(format!("others write {integration}/{id} all the time"))))
}

/// Changes the phase of a connection that is as it was found, and nothing else; `None` when it is not any more.
///
/// # Errors
/// When the store can't confirm.
pub async fn advance(store: &impl Entries, found: &Found, phase: Phase) -> Result<Option<Found>, StoreError> {
    let linked = Linked { phase, ..found.linked.clone() };
    let revision = record(store, &linked, Expect::Revision(found.revision)).await?;
    Ok(revision.ok().map(|revision| Found { linked, revision }))
}

/// Writes a record; `Err` when what stands there is not as expected.
pub(super) async fn record(
    store: &impl Entries,
    linked: &Linked,
    expect: Expect,
) -> Result<Result<u64, ()>, StoreError> {
    let id = Linked::entry_id(&linked.integration, &linked.id);
    let value = serde_json::to_vec(linked).map_err(|error| StoreError::Corrupt(error.to_string()))?.into();
    match store.put(Kind::Connection, &id, value, expect).await? {
        Put::Stored(revision) => Ok(Ok(revision)),
        Put::Conflict(_) => Ok(Err(())),
        Put::TooLong => Err(StoreError::Corrupt(format!("the connection {id} is too long to be kept"))),
    }
}

fn meets(found: Option<&Found>, expect: Expect) -> Result<(), LinkError> {
    let version = found.map(|found| found.linked.version);
    let met = match expect {
        Expect::Any => true,
        Expect::Absent => version.is_none(),
        Expect::Revision(expected) => version == Some(expected),
    };
    if met { Ok(()) } else { Err(LinkError::Conflict(version)) }
}

/// Whether nothing is to be written; who had a pending one confirmed wants a write.
fn is_same(before: &Linked, wanted: &Linked) -> bool {
    let phase_stays = (before.phase == Phase::Pending) == (wanted.phase == Phase::Pending);
    let Linked { phase, active_since, version, created_at, updated_at, .. } = *before;
    phase_stays && *before == Linked { phase, active_since, version, created_at, updated_at, ..wanted.clone() }
}

/// A record as it is to be written.
fn next(before: Option<&Linked>, wanted: &Linked, now: Timestamp) -> Linked {
    let gains = |before: &Linked| {
        before.phase == Phase::Pending
            || before.tenant != wanted.tenant
            || (before.disabled && !wanted.disabled)
            || wanted.accounts.iter().any(|account| !before.names(account))
    };
    let phase = match (wanted.phase, before) {
        (Phase::Pending, _) => Phase::Pending,
        (_, Some(before)) if !gains(before) => before.phase,
        _ => Phase::Binding,
    };
    let at = u64::try_from(now.millis()).unwrap_or(0);
    let version = before.map_or(at, |before| at.max(before.version.saturating_add(1)));
    let created_at = before.map_or(now, |before| before.created_at);
    let active_since = before.and_then(|before| before.active_since);
    Linked { phase, active_since, version, created_at, updated_at: now, ..wanted.clone() }
}

/// Whether it is somebody's.
fn has_owner(found: &Found) -> bool {
    found.linked.phase != Phase::Pending
}

/// The accounts that a record claims and the one before did not, or not as this tenant's.
fn gained<'a>(next: &'a Linked, before: Option<&'a Found>) -> impl Iterator<Item = &'a String> {
    let same_tenant = before.filter(|before| has_owner(before) && before.linked.tenant == next.tenant);
    let claims = next.phase != Phase::Pending;
    let gains = move |account: &&String| claims && !same_tenant.is_some_and(|before| before.linked.names(account));
    next.accounts.iter().filter(gains)
}

async fn claim_all(
    store: &impl Entries,
    next: &Linked,
    before: Option<&Found>,
    claiming: Claiming,
) -> Result<(), LinkError> {
    let from = before.filter(|before| has_owner(before)).map(|before| &before.linked.tenant);
    let mut taken = Vec::new();
    for account in gained(next, before) {
        if let Err(error) = claim::take(store, next, account, from, claiming).await {
            give_back(store, next, before, &taken).await?;
            return Err(error);
        }
        taken.push(account);
    }
    Ok(())
}

/// All of a record's claims, those too that the record before should have: whoever wrote that may have been cut off
/// before he knew. Whether any had to be written.
async fn confirm_all(store: &impl Entries, next: &Linked, claiming: Claiming) -> Result<bool, LinkError> {
    let mut wrote = false;
    for account in gained(next, None) {
        wrote |= claim::confirm(store, next, account, claiming).await?;
    }
    Ok(wrote)
}

/// Gives claims up that were taken for a record that is not written.
async fn give_back(
    store: &impl Entries,
    next: &Linked,
    before: Option<&Found>,
    taken: &[&String],
) -> Result<(), LinkError> {
    for account in taken {
        match before.filter(|before| has_owner(before) && before.linked.names(account)) {
            // It stays what it was, another tenant's.
            Some(before) => {
                let claiming = Claiming { change_tenant: true, ..Claiming::default() };
                claim::take(store, &before.linked, account, Some(&next.tenant), claiming).await?;
            }
            None => claim::release(store, next, account).await?,
        }
    }
    Ok(())
}

/// Takes a record back whose accounts were claimed by somebody else meanwhile, and says why.
async fn undo(store: &impl Entries, next: &Linked, before: Option<Found>, error: LinkError) -> LinkError {
    if matches!(error, LinkError::Store(_)) {
        // Nothing is known: a repeat finds out.
        return error;
    }
    let taken: Vec<_> = gained(next, before.as_ref()).collect();
    let undone = match take_back(store, next, before.as_ref().map(|before| &before.linked)).await {
        Ok(()) => give_back(store, next, before.as_ref(), &taken).await,
        Err(failed) => Err(failed),
    };
    undone.err().unwrap_or(error)
}

/// Puts back what stood before a record, or removes it; nothing when somebody has written another since.
async fn take_back(store: &impl Entries, next: &Linked, before: Option<&Linked>) -> Result<(), LinkError> {
    for _ in 0..TRIES {
        let found = read::get(store, &next.integration, &next.id).await?;
        let Some(found) = found.filter(|found| is_still(&found.linked, next)) else { return Ok(()) };
        let over = Expect::Revision(found.revision);
        let is_done = match before {
            Some(before) => record(store, &without_lost(before, next, &found.linked), over).await?.is_ok(),
            None => {
                let id = Linked::entry_id(&next.integration, &next.id);
                matches!(store.remove(Kind::Connection, &id, over).await?, Put::Stored(_) | Put::Conflict(None))
            }
        };
        if is_done {
            return Ok(());
        }
    }
    Err(busy(next))
}

/// Whether a record is one that was written, but for what others may do to it at any time: a router moves it from phase to
/// phase, and who takes accounts over takes them out of it. The same with another version is another writer's.
fn is_still(found: &Linked, written: &Linked) -> bool {
    let Linked { phase, active_since, version, .. } = *found;
    let accounts = found.accounts.clone();
    let is_anothers = version != written.version && accounts == written.accounts;
    !is_anothers
        && accounts.iter().all(|account| written.names(account))
        && *found == Linked { phase, active_since, version, accounts, ..written.clone() }
}

/// What stood before a record, without the accounts that were taken out of it meanwhile.
fn without_lost(before: &Linked, written: &Linked, found: &Linked) -> Linked {
    let is_lost = |account: &String| written.names(account) && !found.names(account);
    let mut rest = before.clone();
    rest.accounts.retain(|account| !is_lost(account));
    if rest.accounts != before.accounts {
        rest.version = found.version.saturating_add(1);
    }
    rest
}

fn busy(wanted: &Linked) -> LinkError {
    let id = Linked::entry_id(&wanted.integration, &wanted.id);
    LinkError::Store(StoreError::Unavailable(format!("others write {id:?} all the time")))
}
