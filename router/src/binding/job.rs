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

/// As [`run`], unless nothing was parked since it was done the last time.
pub(super) async fn run_unless(
    desk: &Desk,
    config: &Config,
    job: &Job,
    seen: Option<u64>,
) -> Result<Option<u64>, StoreError> {
    match seen {
        None => run(desk, config, job).await,
        Some(seen) if desk.store.parked_mark().await?.last == seen => Ok(None),
        Some(_) => run(desk, config, job).await.map(|_| None),
    }
}

/// Does it; safe to repeat. Returns the place of the last event that was parked when nothing of its own was left: a later
/// look has nothing to do when none was parked since.
async fn run(desk: &Desk, config: &Config, job: &Job) -> Result<Option<u64>, StoreError> {
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
            let mark = desk.store.parked_mark().await?;
            released(desk, &release).await?;
            Ok(Some(mark.last))
        }
        Job::Linked(integration, id) => bind(desk, config, integration, id).await,
    }
}

async fn bind(
    desk: &Desk,
    config: &Config,
    integration: &IntegrationId,
    id: &ConnectionId,
) -> Result<Option<u64>, StoreError> {
    let (mut advanced, mut seen) = (None, None);
    loop {
        let found = match advanced.take() {
            None => {
                // What was seen is of the record as it was.
                seen = None;
                connection::get(&desk.store, integration, id).await?
            }
            advanced => advanced,
        };
        let Some(found) = found else { return Ok(None) };
        let phase = found.linked.phase;
        if found.linked.disabled || phase == Phase::Pending {
            return Ok(None);
        }
        if phase == Phase::Settling {
            tokio::time::sleep(HEARD_WITHIN).await;
        }
        let mut last = release(desk, config, &found.linked, &mut seen).await?;
        let mut count = last;
        // What came meanwhile, until little comes in the time of a pass; the rest comes while it settles.
        for _ in 1..PASSES_MAX {
            if phase != Phase::Binding || last <= FEW {
                break;
            }
            last = release(desk, config, &found.linked, &mut seen).await?;
            count += last;
        }
        let next = match phase {
            Phase::Pending | Phase::Active => return Ok(seen),
            Phase::Binding if count > 0 => Phase::Settling,
            Phase::Binding | Phase::Settling => Phase::Active,
        };
        // If somebody changed it meanwhile, it is looked at again.
        advanced = advance(desk, found, next).await?;
        if let Some(found) = &advanced {
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

/// Releases what waits under a connection's own keys; how many events. What was parked when it began is seen then: nothing
/// is asked of the store the next time unless more was parked.
async fn release(desk: &Desk, config: &Config, linked: &Linked, seen: &mut Option<u64>) -> Result<u64, StoreError> {
    let mark = desk.store.parked_mark().await?;
    if mark.is_empty || *seen == Some(mark.last) {
        *seen = Some(mark.last);
        return Ok(0);
    }
    let (count, is_all) = release_some(desk, config, linked).await?;
    *seen = Some(mark.last).filter(|_| is_all);
    Ok(count)
}

/// How many events, and whether it has all its keys by now.
async fn release_some(desk: &Desk, config: &Config, linked: &Linked) -> Result<(u64, bool), StoreError> {
    let ours = |declared: &&Connection| declared.integration == linked.integration;
    let declared: Vec<_> = config.connections.iter().filter(ours).collect();
    if declared.iter().any(|declared| declared.id == linked.id) {
        // The file's takes its place.
        return Ok((0, true));
    }
    let (mut count, mut is_all) = (0, true);
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
        if is_declared {
            continue;
        }
        match connection::holds(&desk.store, linked, account).await? {
            true => count += released(desk, &of(Under::Account(account.clone()))).await?,
            // It may yet be taken back from somebody who was faster.
            false => is_all = false,
        }
    }
    Ok((count + released(desk, &of(Under::Connection)).await?, is_all))
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
