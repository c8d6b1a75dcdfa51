//! Keeps the quarantine within its bounds, and fulfils releases: one gateway at a time, by a lease.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    RequestId, Store, StoreError,
    store::{Lease, LeaseKey},
};

use super::{bounds, release};
use crate::serve::Gateway;

/// Time between looks at the quarantine, and between tries to have the lease.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Time between renewals; a lease lasts 5 s, so two may fail.
const RENEW_EVERY: Duration = Duration::from_millis(1500);

/// Has the lease whenever nobody else does, and works while it has it.
pub(crate) async fn tend(gateway: Arc<Gateway>) -> Infallible {
    let owner = RequestId::fresh(Timestamp::now()).to_string();
    loop {
        match gateway.store.acquire(LeaseKey::Quarantine, &owner).await {
            Ok(Some(lease)) => tokio::select! {
                () = hold(&gateway.store, lease) => tracing::debug!("the lease of the quarantine has ended"),
                never = work(&gateway) => match never {},
            },
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the store can't be asked for the lease of the quarantine"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Renews a lease until it is lost or runs out.
async fn hold(store: &Store, mut lease: Lease) {
    let mut renew_at = Instant::now() + RENEW_EVERY;
    while renew_at < lease.valid_until {
        tokio::time::sleep_until(renew_at.into()).await;
        match tokio::time::timeout_at(lease.valid_until.into(), store.renew(&mut lease)).await {
            Ok(Ok(true)) => renew_at = Instant::now() + RENEW_EVERY,
            Ok(Ok(false)) => return,
            Ok(Err(_)) => renew_at = Instant::now() + RENEW_EVERY / 5,
            Err(_) => return,
        }
    }
}

async fn work(gateway: &Gateway) -> Infallible {
    let mut seen = None;
    loop {
        if let Err(error) = trim(gateway, &mut seen).await {
            tracing::debug!(%error, "the quarantine could not be kept within its bounds; trying again");
        }
        if let Err(error) = release::fulfil(gateway).await {
            tracing::debug!(%error, "releases could not be looked for; trying again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Thins the quarantine out, if it was given anything since it was last looked at, or its limits have changed.
async fn trim(gateway: &Gateway, seen: &mut Option<(u64, gatepost_config::Quarantine)>) -> Result<(), StoreError> {
    let limits = gateway.tables().quarantine.clone();
    let mark = gateway.store.quarantine_mark().await?;
    if seen.as_ref() == Some(&(mark, limits.clone())) {
        return Ok(());
    }
    let keys = gateway.store.quarantined(None).await?;
    let (count, within) = (keys.len(), limits.clone());
    let surplus = tokio::task::spawn_blocking(move || bounds::surplus(&keys, &within)).await;
    let surplus = surplus.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    gateway.store.forget_refusals(&surplus).await?;
    gateway.metrics.quarantine_holds(count - surplus.len());
    *seen = Some((mark, limits));
    Ok(())
}
