//! One connection on its way from parked events to active.

use std::time::Duration;

use gatepost_config::{Config, Connection, ConnectionId, DestinationId, IntegrationId, TenantId, Timestamp};
use gatepost_event::{
    Linked, StoreError,
    connection::{self, Found, Phase},
    store::{Release, Under},
};

use crate::work::Desk;

/// How long gateways get to hear that a connection settles, before what they parked until then is released.
const HEARD_WITHIN: Duration = Duration::from_millis(250);

/// Passes over what is parked before a connection settles, though events may come faster than they are released.
const PASSES_MAX: usize = 4;

/// So many events are released fast enough for requests to wait.
const FEW: u64 = 32;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Job {
    /// A connection of the file.
    Declared(Declared),
    /// A connection that was made at run time.
    Linked(IntegrationId, ConnectionId),
}

/// A connection of the file that claims an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Declared {
    integration: IntegrationId,
    id: ConnectionId,
    account: String,
    tenant: TenantId,
    destination: Option<DestinationId>,
}

impl Declared {
    /// None for one without an account.
    pub(super) fn of(connection: &Connection) -> Option<Self> {
        Some(Self {
            integration: connection.integration.clone(),
            id: connection.id.clone(),
            account: connection.account.clone()?,
            tenant: connection.tenant.clone(),
            destination: connection.destination.clone(),
        })
    }
}

/// Does it; safe to repeat.
pub(super) async fn run(desk: &Desk, config: &Config, job: &Job) -> Result<(), StoreError> {
    match job {
        Job::Declared(Declared { integration, id, account, tenant, destination }) => {
            let release = Release {
                integration: integration.clone(),
                under: Under::Account(account.clone()),
                connection: id.clone(),
                tenant: tenant.clone(),
                destination: destination.clone(),
                since: Some(since(config)),
            };
            released(desk, &release).await.map(drop)
        }
        Job::Linked(integration, id) => bind(desk, config, integration, id).await,
    }
}

async fn bind(desk: &Desk, config: &Config, integration: &IntegrationId, id: &ConnectionId) -> Result<(), StoreError> {
    loop {
        let Some(found) = connection::get(&desk.store, integration, id).await? else { return Ok(()) };
        let phase = found.linked.phase;
        if found.linked.disabled || phase == Phase::Pending {
            return Ok(());
        }
        if phase == Phase::Settling {
            tokio::time::sleep(HEARD_WITHIN).await;
        }
        let mut last = release(desk, config, &found.linked).await?;
        let mut count = last;
        // What came meanwhile, until little comes in the time of a pass; the rest comes while it settles.
        for _ in 1..PASSES_MAX {
            if phase != Phase::Binding || last <= FEW {
                break;
            }
            last = release(desk, config, &found.linked).await?;
            count += last;
        }
        let next = match phase {
            Phase::Pending | Phase::Active => return Ok(()),
            Phase::Binding if count > 0 => Phase::Settling,
            Phase::Binding | Phase::Settling => Phase::Active,
        };
        // If somebody changed it meanwhile, it is looked at again.
        if let Some(found) = advance(desk, found, next).await? {
            let linked = &found.linked;
            let (connection, phase) = (linked.id.as_str(), linked.phase.word());
            tracing::debug!(%integration, connection, phase, released = count, "a connection is bound");
        }
    }
}

async fn advance(desk: &Desk, mut found: Found, phase: Phase) -> Result<Option<Found>, StoreError> {
    if phase == Phase::Active {
        found.linked.active_since = Some(Timestamp::now());
    }
    connection::advance(&desk.store, &found, phase).await
}

/// Releases what waits under a connection's own keys; how many events.
async fn release(desk: &Desk, config: &Config, linked: &Linked) -> Result<u64, StoreError> {
    let ours = |declared: &&Connection| declared.integration == linked.integration;
    let declared: Vec<_> = config.connections.iter().filter(ours).collect();
    if declared.iter().any(|declared| declared.id == linked.id) {
        // The file's takes its place.
        return Ok(0);
    }
    let mut count = 0;
    let of = |under| Release {
        integration: linked.integration.clone(),
        under,
        connection: linked.id.clone(),
        tenant: linked.tenant.clone(),
        destination: linked.destination.clone(),
        since: Some(since(config)),
    };
    for account in &linked.accounts {
        let is_declared = declared.iter().any(|declared| declared.account.as_ref() == Some(account));
        if !is_declared && connection::holds(&desk.store, linked, account).await? {
            count += released(desk, &of(Under::Account(account.clone()))).await?;
        }
    }
    Ok(count + released(desk, &of(Under::Connection)).await?)
}

async fn released(desk: &Desk, release: &Release) -> Result<u64, StoreError> {
    let count = desk.store.release_parked(release).await?;
    if count > 0 {
        desk.metrics.released(count);
        let Release { integration, connection, .. } = release;
        tracing::info!(%integration, %connection, events = count, "parked events are released");
    }
    Ok(count)
}

fn since(config: &Config) -> Timestamp {
    Timestamp::now().before(config.router.release_max_age)
}
