//! Finds connections that were made at run time: remembered answers first, then the store.
//!
//! An answer keeps what the change counters of its entries stood at before it was read, and is good only while they
//! stand there still: one watch of the registry moves them. So an answer that was read before a change and remembered
//! after it is never taken for a fresh one. While the watch is away, connections that are known and open are taken for
//! what they were for a bounded time; everything else is asked of the store, and when that is away nobody is told that
//! there is no such connection.

mod follow;
mod load;
mod marks;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use gatepost_config::{Config, ConnectionId};
use gatepost_event::{
    Claim, Keyring, Linked, Store, StoreError,
    store::{Health, OpenError},
};
use moka::future::Cache;
use tokio::sync::Semaphore;

use self::{
    follow::{Away, Integrations},
    marks::{Mark, Marks},
};
use crate::{
    link::{Link, State},
    metrics::Metrics,
    tables::Endpoint,
};

/// Questions to the store under way at once: whoever floods us with unknown names waits for his own.
const LOADS_MAX: usize = 256;

/// Looks at an entry that is changed all the time.
const TRIES: usize = 4;

/// Connections that were made at run time, as far as they are known.
pub(crate) struct Directory {
    store: Store,
    keys: ArcSwap<Keyring>,
    answers: Cache<Key, Arc<Answer>>,
    marks: Marks,
    /// The watch is away.
    unheard: Away,
    /// The store is.
    unreached: Away,
    integrations: Integrations,
    loads: Semaphore,
    metrics: Metrics,
    stale_max: Duration,
    preloaded_max: usize,
}

/// What is asked for, by the registry's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Connection(String),
    Account(String),
}

/// What was found.
#[derive(Debug)]
struct Answer {
    links: Vec<Arc<Link>>,
    /// What the counters of all that was read stood at before.
    marks: Vec<Mark>,
}

impl Directory {
    /// Knows nothing yet. The store must be open: its own key lies beside it.
    pub(crate) fn new(config: &Config, store: Store, metrics: Metrics) -> Result<Self, OpenError> {
        let settings = &config.gateway;
        Ok(Self {
            store,
            keys: ArcSwap::from_pointee(Keyring::load(config)?),
            answers: Cache::new(settings.connections_cached_max as u64),
            marks: Marks::default(),
            unheard: Away::now(),
            unreached: Away::default(),
            integrations: Integrations::default(),
            loads: Semaphore::new(LOADS_MAX),
            metrics,
            stale_max: settings.connections_stale_max,
            preloaded_max: settings.connections_preloaded_max,
        })
    }

    /// Takes the master keys of another configuration.
    pub(crate) fn rekey(&self, config: &Config) {
        match Keyring::load(config) {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                self.marks.move_all();
            }
            Err(error) => tracing::error!(%error, "the master keys stay those from before"),
        }
    }

    /// The connection of an id: the file's, or one that was made at run time.
    pub(crate) async fn connection(&self, endpoint: &Endpoint, id: &str) -> Result<Option<Arc<Link>>, StoreError> {
        if let Some(declared) = endpoint.connection(id) {
            return Ok(Some(Arc::clone(declared)));
        }
        let Ok(id) = id.parse::<ConnectionId>() else { return Ok(None) };
        let key = Key::Connection(Linked::entry_id(&endpoint.integration.id, &id));
        Ok(self.answer(key).await?.links.first().cloned())
    }

    /// The connections that claim an account: the file's, or those that were made at run time.
    pub(crate) async fn claimants(&self, endpoint: &Endpoint, account: &str) -> Result<Vec<Arc<Link>>, StoreError> {
        let declared = endpoint.claimants(account);
        if !declared.is_empty() {
            return Ok(declared.to_vec());
        }
        let key = Key::Account(Claim::entry_id(&endpoint.integration.id, account));
        let links = &self.answer(key).await?.links;
        // One that the file declares under the same id takes this one's place.
        Ok(links.iter().filter(|link| endpoint.connection(link.id.as_str()).is_none()).cloned().collect())
    }

    /// Whether some connection of an integration was made at run time, as far as is known.
    pub(crate) fn has_connections(&self, endpoint: &Endpoint) -> bool {
        self.integrations.contains(endpoint.integration.id.as_str())
    }

    async fn answer(&self, key: Key) -> Result<Arc<Answer>, StoreError> {
        let away = self.away_for();
        if let Some(answer) = self.answers.get(&key).await {
            let is_unchanged = self.marks.stand_at(&answer.marks);
            match away {
                None if is_unchanged => return Ok(self.told(answer, "hit")),
                Some(span) if is_unchanged && span < self.stale_max && answer.is_known() => {
                    return Ok(self.told(answer, "stale"));
                }
                _ => self.answers.invalidate(&key).await,
            }
        }
        for _ in 1..TRIES {
            let answer = self.load(&key).await?;
            if self.marks.stand_at(&answer.marks) {
                return Ok(self.told(answer, "loaded"));
            }
            self.answers.invalidate(&key).await;
        }
        // It is changed all the time; this is what it was a moment ago.
        Ok(self.told(self.load(&key).await?, "loaded"))
    }

    /// Asks the store, once for all who want the same.
    async fn load(&self, key: &Key) -> Result<Arc<Answer>, StoreError> {
        let loaded = self.answers.try_get_with_by_ref(key, async { self.read(key).await.map(Arc::new) }).await;
        loaded.map_err(|error| {
            self.metrics.looked_up("failed");
            StoreError::clone(&error)
        })
    }

    fn told(&self, answer: Arc<Answer>, result: &'static str) -> Arc<Answer> {
        self.metrics.looked_up(result);
        answer
    }

    /// How long changes have gone unheard, if they have.
    fn away_for(&self) -> Option<Duration> {
        let now = Instant::now();
        match self.store.health() {
            Health::Connected => self.unreached.end(),
            Health::Disconnected => self.unreached.begin(now),
        }
        self.unheard.span(now).max(self.unreached.span(now))
    }
}

impl Answer {
    /// Whether it says that there is a connection which takes events.
    fn is_known(&self) -> bool {
        !self.links.is_empty() && self.links.iter().all(|link| link.state == State::Open)
    }
}

#[cfg(test)]
mod tests;
