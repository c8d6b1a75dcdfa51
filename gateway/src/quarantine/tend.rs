//! Keeps the quarantine within its bounds, fulfils releases, and takes out what is erased: one gateway at a time, by a
//! lease.

use std::{convert::Infallible, sync::Arc, time::Duration};

use gatepost_event::{StoreError, store::LeaseKey};

use super::{bounds, erase::Erasing, release};
use crate::{lease, serve::Gateway};

/// Time between looks at the quarantine.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Has the lease whenever nobody else does, and works while it has it.
pub(crate) async fn tend(gateway: Arc<Gateway>) -> Infallible {
    lease::whenever(&gateway.store, LeaseKey::Quarantine, || work(&gateway)).await
}

async fn work(gateway: &Gateway) -> Infallible {
    let (mut seen, mut erasing) = (None, Erasing::default());
    loop {
        if let Err(error) = trim(gateway, &mut seen).await {
            tracing::debug!(%error, "the quarantine could not be kept within its bounds; trying again");
        }
        if let Err(error) = release::fulfil(gateway).await {
            tracing::debug!(%error, "releases could not be looked for; trying again");
        }
        if let Err(error) = erasing.erase(gateway).await {
            tracing::debug!(%error, "refused requests that are erased could not be looked for; trying again");
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
