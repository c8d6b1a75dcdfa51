//! A fresh store per test, whatever the engine, that can be closed and opened again with all it held.
//!
//! To add an engine: a file beside `fixture/embedded.rs` with the same functions, a variant of [`Engine`] and
//! [`Fixture`], a line in each `match` below, and a line at the end of the `contract!` macro.

pub(crate) mod embedded;
pub(crate) mod nats;

use std::{collections::BTreeMap, path::Path, time::Duration};

use gatepost_config::{IntegrationId, Retention, Retentions};
use gatepost_event::{EventId, Store};

/// The engines under test.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Embedded,
    Nats,
}

/// A place where a store can be opened; it goes away with the value.
pub(crate) enum Fixture {
    Embedded(embedded::Folder),
    Nats(Box<nats::Server>),
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) dedupe_window: Option<Duration>,
    pub(crate) retention: Retention,
    /// Of integrations that say something themselves.
    pub(crate) own: BTreeMap<IntegrationId, Retention>,
}

impl Setup {
    pub(crate) fn retentions(&self) -> Retentions {
        Retentions { all: self.retention.clone(), own: self.own.clone() }
    }
}

impl Default for Setup {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        let retention = Retention {
            events: 14 * day,
            dead_letters: 30 * day,
            unmatched: 7 * day,
            quarantine: 3 * day,
            audit: 90 * day,
        };
        Self { dedupe_window: None, retention, own: BTreeMap::new() }
    }
}

impl Fixture {
    /// An empty place of its own.
    pub(crate) async fn fresh(engine: Engine) -> Self {
        match engine {
            Engine::Embedded => Self::Embedded(embedded::Folder::fresh().await),
            Engine::Nats => Self::Nats(Box::new(nats::Server::fresh().await)),
        }
    }

    /// Opens the store as configured by default.
    pub(crate) async fn open(&self) -> Store {
        self.open_as(&Setup::default()).await
    }

    /// Opens the store.
    pub(crate) async fn open_as(&self, setup: &Setup) -> Store {
        match self {
            Self::Embedded(folder) => folder.open(setup).await,
            Self::Nats(server) => server.open(setup).await,
        }
    }

    /// Closes the store and opens it again, as a restart of the process does.
    pub(crate) async fn reopen(&self, store: Store) -> Store {
        store.close().await;
        drop(store);
        self.open().await
    }

    /// Where the engine keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Embedded(folder) => folder.path(),
            Self::Nats(server) => server.folder(),
        }
    }

    /// Makes the stored bytes of an event those of a later version. The store must be closed.
    pub(crate) async fn spoil(&self, event: EventId) {
        match self {
            Self::Embedded(folder) => folder.spoil(event).await,
            Self::Nats(server) => server.spoil(event).await,
        }
    }
}

/// Makes one test per engine of every case named: `contract! { a_case, another_case }` gives `embedded::a_case`, ...
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        crate::fixture::contract!(@ embedded, Embedded, $($case)*);
        crate::fixture::contract!(@ nats, Nats, $($case)*);
    };
    (@ $module:ident, $engine:ident, $($case:ident)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let fixture = crate::fixture::Fixture::fresh(crate::fixture::Engine::$engine).await;
                    crate::wait::within(crate::wait::CASE, super::$case(&fixture)).await;
                }
            )*
        }
    };
}
pub(crate) use contract;
