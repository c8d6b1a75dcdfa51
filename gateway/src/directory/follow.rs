//! Hears of changes, and knows since when none can be heard.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use gatepost_event::{
    StoreError,
    registry::{Change, Kind},
};

use super::Directory;

/// The wait before the store is asked again that could not be.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Since when something is away, if it is.
#[derive(Debug, Default)]
pub(super) struct Away(Mutex<Option<Instant>>);

/// Integrations that connections were made of.
#[derive(Debug, Default)]
pub(super) struct Integrations(RwLock<HashSet<String>>);

impl Directory {
    /// Hears of changes for as long as it is polled.
    pub(crate) async fn follow(&self) -> Infallible {
        loop {
            let Err(error) = self.listen().await;
            self.unheard.begin(Instant::now());
            tracing::debug!(%error, "changes of connections can't be heard; trying again");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn listen(&self) -> Result<Infallible, StoreError> {
        let mut watch = self.store.watch_any(vec![Kind::Connection, Kind::Claim]).await?;
        // What changed while nobody listened.
        self.marks.move_all();
        self.unheard.end();
        let preload = async {
            match self.preload().await {
                Ok(connections) => tracing::info!(connections, "connections made at run time are in memory"),
                Err(error) => tracing::debug!(%error, "connections are read as they are asked for"),
            }
        };
        let mut preload = std::pin::pin!(preload);
        let mut is_loaded = false;
        loop {
            let change = tokio::select! {
                change = watch.next() => change?,
                () = &mut preload, if !is_loaded => {
                    is_loaded = true;
                    continue;
                }
            };
            match &change {
                Change::Put(entry) => {
                    self.integrations.add(&entry.id);
                    self.marks.move_on(&entry.id);
                }
                Change::Removed(id) => self.marks.move_on(id),
                Change::Missed => self.marks.move_all(),
            }
        }
    }
}

impl Away {
    /// Away from the beginning.
    pub(super) fn now() -> Self {
        Self(Mutex::new(Some(Instant::now())))
    }

    /// It is away, if it was not before.
    pub(super) fn begin(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
    }

    /// It is back.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// For how long.
    pub(super) fn span(&self, now: Instant) -> Option<Duration> {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| now.saturating_duration_since(since))
    }
}

impl Integrations {
    /// That of a registry's id of a connection or claim.
    pub(super) fn add(&self, id: &str) {
        let Some((integration, _)) = id.split_once('/') else { return };
        if !self.contains(integration) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(integration.to_owned());
        }
    }

    pub(super) fn contains(&self, integration: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(integration)
    }
}
