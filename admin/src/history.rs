//! The history: what became of every event, in a SQLite file of its own that can be searched.
//!
//! A projection of what the store holds: it follows the store from behind, one writer at a time, and is never on the
//! way of a webhook or a delivery. The file is disposable. When it is deleted, damaged, or of another version, it is
//! made anew from the store and gives the same answers. Each process that serves the API has its own.

mod batch;
mod file;
mod follow;
mod lag;
pub(crate) mod query;
mod read;
mod schema;
mod state;
mod words;
mod write;

use std::sync::{Arc, PoisonError, RwLock};

use gatepost_config::{Config, Timestamp};
use gatepost_event::{ErasureId, Store, erasure::Known};
use prometheus::{Gauge, IntCounter, Registry};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{
    file::Place,
    follow::Follower,
    lag::Lag,
    read::Readers,
    write::{Erased, Writer},
};
pub(crate) use self::{read::ReadError, state::State};

/// Events read at a time before it is known how large they are.
const FIRST_PAGE: usize = 128;

/// The history, for those who ask it.
pub(crate) struct History {
    readers: Readers,
    metrics: Arc<Metrics>,
    erased: Arc<RwLock<Erased>>,
}

/// What the history tells of itself.
#[derive(Debug)]
struct Metrics {
    lag: Lag,
    lag_seconds: Gauge,
    rows: IntCounter,
}

/// The follower and the writer under way.
pub(crate) struct Running {
    follower: JoinHandle<()>,
    writer: std::thread::JoinHandle<()>,
}

impl History {
    /// Opens the file and begins to follow the store, until `shutdown`. None when the configuration turns it off, or when
    /// there is no place for it, which is logged: the API does without it.
    ///
    /// # Errors
    /// When its metrics can't be registered.
    pub(crate) async fn start(
        config: watch::Receiver<Arc<Config>>,
        store: Store,
        known: Arc<Known>,
        registry: &Registry,
        shutdown: CancellationToken,
    ) -> Result<Option<(Arc<Self>, Running)>, prometheus::Error> {
        if !config.borrow().admin.history {
            return Ok(None);
        }
        let metrics = Arc::new(Metrics::register(registry)?);
        let opened = tokio::task::spawn_blocking(move || open(config)).await;
        let (readers, writer) = match opened.map_err(|error| error.to_string()).flatten() {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(
                    error,
                    "admin.history_path: there is no place for the history; the API does without search and lists"
                );
                return Ok(None);
            }
        };
        let (sender, jobs) = mpsc::channel(1);
        let read = writer.reached().and_then(|reached| Ok((reached, writer.erased()?)));
        let started = read.map_err(|error| error.to_string()).and_then(|(reached, erased)| {
            let writer = writer.start(jobs).map_err(|error| error.to_string())?;
            Ok((reached, Arc::new(RwLock::new(erased)), writer))
        });
        let (reached, erased, writer) = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(error, "the history can't be written; the API does without search and lists");
                return Ok(None);
            }
        };
        let follower = Follower {
            store,
            writer: sender,
            reached,
            metrics: metrics.clone(),
            page: FIRST_PAGE,
            known,
            erased: erased.clone(),
            gone: Arc::default(),
        };
        let follower = tokio::spawn(follower.run(shutdown));
        Ok(Some((Arc::new(Self { readers, metrics, erased }), Running { follower, writer })))
    }

    /// Seconds that it may be behind the store.
    pub(crate) fn lag_seconds(&self) -> f64 {
        self.metrics.lag.seconds(Timestamp::now())
    }

    /// Whether an erasure was dealt with; once it is over, for the last time.
    pub(crate) fn has_erased(&self, id: ErasureId, is_over: bool) -> bool {
        let erased = self.erased.read().unwrap_or_else(PoisonError::into_inner);
        erased.get(&id).is_some_and(|was_last| *was_last || !is_over)
    }

    /// Answers a question from one snapshot.
    ///
    /// # Errors
    /// When it takes too long, or the file can't be read.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&rusqlite::Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.readers.ask(question).await
    }
}

impl Running {
    /// Waits until both have ended, which they do after `shutdown`.
    pub(crate) async fn ended(self) {
        // One that crashed has been told of.
        drop(self.follower.await);
        drop(tokio::task::spawn_blocking(move || drop(self.writer.join())).await);
    }
}

impl Metrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Seconds that the history behind search and lists may be behind the store";
        let lag_seconds = Gauge::new("gatepost_admin_history_lag_seconds", help)?;
        let help = "Events, attempts, dead letters and other records written to the history";
        let rows = IntCounter::new("gatepost_admin_history_rows_total", help)?;
        registry.register(Box::new(lag_seconds.clone()))?;
        registry.register(Box::new(rows.clone()))?;
        Ok(Self { lag: Lag::new(Timestamp::now()), lag_seconds, rows })
    }

    fn tell_lag(&self) {
        self.lag_seconds.set(self.lag.seconds(Timestamp::now()));
    }
}

fn open(config: watch::Receiver<Arc<Config>>) -> Result<(Readers, Writer), String> {
    let place = Place::take(&config.borrow()).map_err(|error| error.to_string())?;
    let readers = Readers::new(place.path());
    let path = place.path().to_owned();
    let writer = Writer::new(place, config).map_err(|error| error.to_string())?;
    tracing::info!(path = %path.display(), "the history is kept");
    Ok((readers, writer))
}
