//! An account is no more.

use gatepost_config::{Config, ConnectionId, Timestamp};
use gatepost_event::{
    Announcement, Linked, StoreError,
    connection::{self, Claiming, Found, LinkError, Phase},
    registry::Expect,
};

use super::{Dealt, audit};
use crate::work::Desk;

/// Disables the connections that have the account, and no other. A connection that waits for its confirmation goes.
pub(super) async fn deal(desk: &Desk, config: &Config, told: &Announcement) -> Result<Dealt, StoreError> {
    let declared = config.connections.iter().filter(|declared| declared.integration == told.integration);
    if declared.clone().any(|declared| declared.account.as_ref() == Some(&told.account)) {
        return Ok(Dealt::Declared);
    }
    let mut dealt = Dealt::Known;
    for found in connection::claimants(&desk.store, &told.integration, &told.account).await? {
        if declared.clone().any(|declared| declared.id == found.linked.id) {
            continue;
        }
        if disable(desk, told, found).await? {
            dealt = Dealt::Disabled;
        }
    }
    if forget(desk, told).await? {
        dealt = Dealt::Forgotten;
    }
    Ok(dealt)
}

/// Once for each event, so that one sent again ends nothing that somebody has enabled since.
async fn disable(desk: &Desk, told: &Announcement, found: Found) -> Result<bool, StoreError> {
    let before = found.linked;
    if before.ended_by.as_ref() == Some(&told.event) {
        return Ok(false);
    }
    let after = Linked { disabled: true, ended_by: Some(told.event.clone()), ..before.clone() };
    let expect = Expect::Revision(before.version);
    match connection::put(&desk.store, after, expect, Claiming::default(), Timestamp::now()).await {
        Ok(found) => {
            audit(desk, told, 200, Some(&before), Some(&found.linked)).await?;
            Ok(!before.disabled)
        }
        Err(LinkError::Store(error)) => Err(error),
        // Somebody changed it meanwhile: it is looked at again.
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

/// Removes the connection that announced itself for the account and that nobody has confirmed.
async fn forget(desk: &Desk, told: &Announcement) -> Result<bool, StoreError> {
    let name = told.connection.as_deref().unwrap_or(&told.account);
    let Ok(id) = name.parse::<ConnectionId>() else { return Ok(false) };
    let Some(found) = connection::get(&desk.store, &told.integration, &id).await? else { return Ok(false) };
    let linked = found.linked;
    if linked.phase != Phase::Pending || !linked.names(&told.account) {
        return Ok(false);
    }
    match connection::remove(&desk.store, &told.integration, &id, Expect::Revision(linked.version)).await {
        Ok(removed) => {
            audit(desk, told, 200, Some(&linked), None).await?;
            Ok(removed)
        }
        Err(LinkError::Store(error)) => Err(error),
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}
