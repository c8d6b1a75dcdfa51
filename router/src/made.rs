//! Destinations that were made through the API, followed in the registry.

use std::{sync::Arc, time::Duration};

use gatepost_config::{Config, Destination};
use gatepost_event::{Keyring, Store, StoreError, made::Made, registry::Kind};
use tokio::{sync::watch, time::timeout};

use crate::backoff::Backoff;

/// Changes that follow each other within this are taken up together.
const QUIET: Duration = Duration::from_millis(100);
/// Longest wait for such quiet.
const QUIET_MAX: usize = 10;

/// All of them, waiting for the store.
pub(crate) async fn first(store: &Store, config: &watch::Receiver<Arc<Config>>) -> Vec<Destination> {
    let mut backoff = Backoff::store();
    loop {
        match list(store, config).await {
            Ok(made) => return made,
            Err(error) => tracing::debug!(%error, "the destinations that were made can't be read; trying again"),
        }
        backoff.wait().await;
    }
}

/// Tells of every change. Never returns.
pub(crate) async fn follow(
    store: &Store,
    config: watch::Receiver<Arc<Config>>,
    made: watch::Sender<Arc<Vec<Destination>>>,
) {
    let mut backoff = Backoff::store();
    loop {
        if let Err(error) = listen(store, &config, &made).await {
            tracing::debug!(%error, "the destinations that were made can't be followed; trying again");
        }
        backoff.wait().await;
    }
}

async fn listen(
    store: &Store,
    config: &watch::Receiver<Arc<Config>>,
    made: &watch::Sender<Arc<Vec<Destination>>>,
) -> Result<(), StoreError> {
    let mut watch = store.watch(Kind::MadeDestination).await?;
    loop {
        made.send_replace(Arc::new(list(store, config).await?));
        watch.next().await?;
        for _ in 0..QUIET_MAX {
            match timeout(QUIET, watch.next()).await {
                Ok(change) => drop(change?),
                Err(_) => break,
            }
        }
    }
}

/// Those that can be read; of the others is told.
async fn list(store: &Store, config: &watch::Receiver<Arc<Config>>) -> Result<Vec<Destination>, StoreError> {
    let entries = store.entries(Kind::MadeDestination).await?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let config = config.borrow().clone();
    let keys = Keyring::load(&config).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut made = Vec::with_capacity(entries.len());
    for entry in &entries {
        let read = Made::read(entry).map_err(|error| error.to_string()).and_then(|record| record.destination(&keys));
        match read {
            Ok(destination) => made.push(destination),
            Err(error) => tracing::error!(id = entry.id, error, "a destination can't be used; its deliveries wait"),
        }
    }
    Ok(made)
}
