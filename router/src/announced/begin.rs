//! An account was connected.

use gatepost_config::{Announced, Config, ConnectionId, Integration, TenantId, Timestamp};
use gatepost_event::{
    Announcement, Linked, StoreError,
    connection::{self, Claiming, LinkError, Phase},
    registry::Expect,
};

use super::{Dealt, audit, crowd::Crowd};
use crate::work::Desk;

/// Makes its connection, unless somebody has the account or the id.
pub(super) async fn deal(
    desk: &Desk,
    config: &Config,
    integration: &Integration,
    told: &Announcement,
    crowd: &mut Crowd,
) -> Result<Dealt, StoreError> {
    let name = told.connection.as_deref().unwrap_or(&told.account);
    let (Ok(id), Ok(own_name)) = (name.parse::<ConnectionId>(), name.parse::<TenantId>()) else {
        return Ok(Dealt::Unfit);
    };
    let mut declared = config.connections.iter().filter(|declared| declared.integration == integration.id);
    if declared.clone().any(|declared| declared.account.as_ref() == Some(&told.account)) {
        return Ok(Dealt::Known);
    }
    if declared.any(|declared| declared.id == id) {
        return Ok(Dealt::Taken);
    }
    if let Some(found) = connection::get(&desk.store, &integration.id, &id).await? {
        if found.linked.announced_by.as_ref() == Some(&told.event) && found.linked.updated_at == found.linked.created_at
        {
            // It may be this very announcement, dealt with by a router that died before it said so.
            audit(desk, told, 201, None, Some(&found.linked)).await?;
        }
        return Ok(if found.linked.names(&told.account) { Dealt::Known } else { Dealt::Taken });
    }
    if !connection::claimants(&desk.store, &integration.id, &told.account).await?.is_empty() {
        return Ok(Dealt::Known);
    }
    let now = Timestamp::now();
    if !crowd.has_room(&desk.store, integration, now).await? {
        return Ok(Dealt::Full);
    }
    let said = told.tenant.as_deref().and_then(|tenant| tenant.parse().ok());
    let owner = integration.announced_tenant.clone().or(said);
    let dealt = match (integration.announced, &owner) {
        (Announced::Trusted, Some(_)) => Dealt::Trusted,
        _ => Dealt::Pending,
    };
    let fresh = Linked::new(integration.id.clone(), id, owner.unwrap_or(own_name), now);
    let wanted = Linked {
        accounts: vec![told.account.clone()],
        phase: if dealt == Dealt::Trusted { Phase::Binding } else { Phase::Pending },
        announced_by: Some(told.event.clone()),
        ..fresh
    };
    match connection::put(&desk.store, wanted, Expect::Absent, Claiming::default(), now).await {
        Ok(found) => {
            crowd.add(&integration.id);
            audit(desk, told, 201, None, Some(&found.linked)).await?;
            Ok(dealt)
        }
        // Somebody was faster.
        Err(LinkError::AccountTaken(_) | LinkError::AccountShared { .. }) => Ok(Dealt::Known),
        Err(LinkError::Conflict(_) | LinkError::OtherTenant) => Ok(Dealt::Taken),
        Err(LinkError::Invalid { .. }) => Ok(Dealt::Unfit),
        Err(LinkError::Store(error)) => Err(error),
    }
}
