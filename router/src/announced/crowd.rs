//! How many connections announced themselves, so that those who may cause such events fill no registry.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gatepost_config::{Integration, IntegrationId, Timestamp};
use gatepost_event::{
    Linked, Store, StoreError,
    connection::{self, Phase},
};

/// For how long one that was trusted counts.
const COUNTED_FOR: Duration = Duration::from_secs(86_400);

/// Time between counts, where there was no room: confirmed ones make some.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Connections read at a time.
const PAGE: usize = 1000;

/// How many there are of each integration: never fewer than that since the last count, since only this router adds any.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    counted_at: Option<Instant>,
    counts: HashMap<IntegrationId, usize>,
}

impl Crowd {
    /// Whether an integration may have one more.
    pub(super) async fn has_room(
        &mut self,
        store: &Store,
        integration: &Integration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let is_old = |at: &Option<Instant>| at.is_none_or(|at| at.elapsed() >= AGAIN_AFTER);
        if self.counted_at.is_none() || (!self.is_below(integration) && is_old(&self.counted_at)) {
            self.count(store, now).await?;
        }
        Ok(self.is_below(integration))
    }

    /// One more was made.
    pub(super) fn add(&mut self, integration: &IntegrationId) {
        *self.counts.entry(integration.clone()).or_default() += 1;
    }

    fn is_below(&self, integration: &Integration) -> bool {
        self.counts.get(&integration.id).copied().unwrap_or_default() < integration.announced_max
    }

    async fn count(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut counts = HashMap::new();
        let mut after = 0;
        loop {
            let page = connection::page(store, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.revision;
            for found in page.iter().filter(|found| counts_in(&found.linked, now)) {
                *counts.entry(found.linked.integration.clone()).or_default() += 1;
            }
        }
        (self.counts, self.counted_at) = (counts, Some(Instant::now()));
        Ok(())
    }
}

fn counts_in(linked: &Linked, now: Timestamp) -> bool {
    linked.announced_by.is_some() && (linked.phase == Phase::Pending || now.since(linked.created_at) < COUNTED_FOR)
}
