//! Following the store: reads what is new of every feed, hands it to the writer, and says how far it is.
//!
//! While webhooks come in it works at most half of the time, so that on a small machine the gateway has the rest: the
//! history may fall behind then, which is shown, and catches up later at full speed.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    Attempt, DeadLetter, Outcomes, Store, StoreError,
    erasure::{Known, Reach},
    store::{Parked, StoredEvent},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Metrics,
    batch::{Batch, Feed, Pass},
    write::{Erased, Job, What},
};

/// Rows read at a time, which are small.
const RECORDS: usize = 1_000;

/// Records of outcomes read at a time, each of many events.
const OUTCOMES: usize = 8;

/// Parked events and dead letters read at a time, each with its body.
const WITH_BODY: usize = 64;

/// Events read at a time: fewer when they are large.
const EVENTS_MIN: usize = 32;
const EVENTS_MAX: usize = 1_000;

/// Bytes of bodies after which fewer events are read at a time.
const EVENTS_BYTES: usize = 4 * 1024 * 1024;

/// The pause between two looks, and the longest when there is nothing new.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why the history did not get on.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// The store can't be read.
    #[error("the store can't be read: {0}")]
    Store(#[from] StoreError),
    /// The file can't be written.
    #[error("the file can't be written: {0}")]
    File(#[from] rusqlite::Error),
    /// The writer has gone.
    #[error("the writer has ended")]
    Ended,
}

/// What follows the store.
pub(super) struct Follower {
    pub(super) store: Store,
    pub(super) writer: mpsc::Sender<Job>,
    /// How far each feed is read, by its name.
    pub(super) reached: HashMap<String, u64>,
    pub(super) metrics: Arc<Metrics>,
    /// Events to read at a time.
    pub(super) page: usize,
    /// What is not to be shown any more.
    pub(super) known: Arc<Known>,
    /// What of that was dealt with.
    pub(super) erased: Arc<RwLock<Erased>>,
    /// What is not to be written any more, as it was known when the look began.
    pub(super) gone: Arc<Reach>,
}

/// One look at every feed.
struct Look {
    parked: Vec<Parked>,
    outcomes: Vec<(u64, Outcomes)>,
    attempts: Vec<(u64, Attempt)>,
    letters: Vec<(u64, DeadLetter)>,
    /// When the oldest that may be missing was stored.
    current_at: Timestamp,
}

/// What came of a look.
#[derive(Debug, Default)]
struct Moved {
    rows: usize,
    /// There is more to be read at once.
    more: bool,
}

impl Follower {
    /// Follows until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let (mut pause, mut is_told, mut end) = (PAUSE, false, 0);
        loop {
            let began = Instant::now();
            let looked = tokio::select! {
                () = shutdown.cancelled() => return,
                looked = self.look() => looked,
            };
            self.metrics.tell_lag();
            let took = began.elapsed();
            pause = match looked {
                Ok(Moved { rows: 0, .. }) => (pause * 2).min(PAUSE_MAX),
                Ok(Moved { more: true, .. }) => {
                    let before = end;
                    end = self.end().await.unwrap_or(end);
                    if end > before { took.max(PAUSE) } else { Duration::ZERO }
                }
                Ok(Moved { .. }) => took.max(PAUSE),
                Err(FollowError::Store(StoreError::Closed)) => return,
                Err(FollowError::Ended) => {
                    return tracing::error!(
                        "the history's writer has failed; restart gatepost to have it follow again"
                    );
                }
                Err(error) => {
                    match std::mem::replace(&mut is_told, true) {
                        true => tracing::debug!(%error, "the history does not get on"),
                        false => tracing::warn!(%error, "the history does not get on; its lag grows until it does"),
                    }
                    PAUSE_MAX
                }
            };
            is_told &= pause == PAUSE_MAX;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads and writes a page of every feed.
    async fn look(&mut self) -> Result<Moved, FollowError> {
        self.gone = self.known.reach();
        self.erase().await?;
        let mut look = self.read().await?;
        let mut moved = Moved::default();
        let through = |feed, at: Option<u64>| at.map(|at| (feed, at));
        // Before the log: an event of both was released in between, and the log's is the later word.
        let parked = std::mem::take(&mut look.parked);
        let reached = through(Feed::Parked, parked.last().map(|parked| parked.position));
        moved.more |= parked.len() == WITH_BODY;
        moved.rows += self.write(Batch { parked, reached: reached.into_iter().collect(), ..Batch::default() }).await?;

        for partition in 0..self.store.partitions() {
            self.events(partition, &mut look, &mut moved).await?;
        }

        let reached = [
            through(Feed::Outcomes, look.outcomes.last().map(|(at, _)| *at)),
            through(Feed::Attempts, look.attempts.last().map(|(at, _)| *at)),
            through(Feed::Letters, look.letters.last().map(|(at, _)| *at)),
        ];
        moved.more |=
            look.outcomes.len() == OUTCOMES || look.attempts.len() >= RECORDS || look.letters.len() == WITH_BODY;
        let batch = Batch {
            outcomes: look.outcomes.into_iter().map(|(_, outcomes)| outcomes).collect(),
            attempts: look.attempts.into_iter().map(|(_, attempt)| attempt).collect(),
            letters: look.letters.into_iter().map(|(_, letter)| letter).collect(),
            reached: reached.into_iter().flatten().collect(),
            ..Batch::default()
        };
        moved.rows += self.write(batch).await?;
        self.metrics.lag.current_at(look.current_at);
        Ok(moved)
    }

    /// What is new beside the log. It is read before the log, so that the log has every event that it is about.
    async fn read(&self) -> Result<Look, FollowError> {
        let now = Timestamp::now();
        let letters = self.store.dead_letters(self.after(Feed::Letters), WITH_BODY).await?;
        let attempts = self.store.attempts(self.after(Feed::Attempts), RECORDS).await?;
        let outcomes = self.store.outcomes(self.after(Feed::Outcomes), OUTCOMES).await?;
        let parked = self.store.unmatched(None, None, self.after(Feed::Parked), WITH_BODY).await?;
        let ended = |attempt: &Attempt| attempt.started_at.after(Duration::from_millis(attempt.duration_ms));
        // Behind a full page more may wait.
        let reached = [
            letters.last().filter(|_| letters.len() == WITH_BODY).map(|(_, letter)| letter.note.died_at),
            attempts.last().filter(|_| attempts.len() >= RECORDS).map(|(_, attempt)| ended(attempt)),
            outcomes.last().filter(|_| outcomes.len() == OUTCOMES).map(|(_, outcomes)| outcomes.at),
            parked.last().filter(|_| parked.len() == WITH_BODY).map(|parked| parked.event.meta.received_at),
        ];
        let current_at = reached.into_iter().flatten().fold(now, Timestamp::min);
        Ok(Look { parked, outcomes, attempts, letters, current_at })
    }

    /// Reads a page of a partition's log, and as many more as the outcomes are about.
    async fn events(&mut self, partition: u16, look: &mut Look, moved: &mut Moved) -> Result<(), FollowError> {
        let spots = look.outcomes.iter().flat_map(|(_, outcomes)| {
            let owed = outcomes.owed.iter().flat_map(|owed| owed.deliveries.iter().map(|(_, spot)| spot));
            owed.chain(outcomes.ended.iter().flat_map(|ended| &ended.events))
        });
        let needed = spots.filter(|spot| spot.1 == partition).map(|spot| spot.2).max().unwrap_or_default();
        loop {
            let after = self.after(Feed::Events(partition));
            let limit = self.page;
            let events = self.store.events(partition, after, limit).await?;
            let Some(last) = events.last() else {
                if after > 0 && self.store.span(partition, None).await?.through < after {
                    self.begin_anew().await?;
                }
                return Ok(());
            };
            let (reached, received_at) = (last.at.sequence, last.at.received_at);
            let bytes = self.fit(&events);
            let is_full = events.len() >= limit || bytes > EVENTS_BYTES;
            moved.more |= is_full;
            moved.rows += self.write(Batch::of_events(partition, events)).await?;
            if is_full {
                look.current_at = look.current_at.min(received_at);
            }
            if reached >= needed {
                return Ok(());
            }
        }
    }

    /// The log ends before the place that was reached: it is another one.
    async fn begin_anew(&mut self) -> Result<(), FollowError> {
        tracing::warn!("the store is not the one that the history was made of; it is made anew");
        self.write(Batch { anew: true, ..Batch::default() }).await?;
        self.reached.clear();
        // What was read already is read again.
        Err(FollowError::Store(StoreError::Unavailable("the history begins anew".to_owned())))
    }

    /// Reads more at a time while bodies are small, fewer while they are large; how many bytes these have.
    fn fit(&mut self, events: &[StoredEvent]) -> usize {
        let bytes: usize = events.iter().filter_map(|event| event.event.as_ref().ok()).map(|e| e.body.len()).sum();
        let page = if bytes > EVENTS_BYTES { self.page / 2 } else { self.page * 2 };
        self.page = page.clamp(EVENTS_MIN, EVENTS_MAX);
        bytes
    }

    /// Has a batch written; how many rows it had.
    async fn write(&mut self, batch: Batch) -> Result<usize, FollowError> {
        let (rows, reached) = (batch.len(), batch.reached.clone());
        if rows == 0 && !batch.anew {
            return Ok(0);
        }
        let gone = self.gone.clone();
        self.have_done(What::Write(Batch { gone, ..batch })).await?;
        for (feed, after) in reached {
            self.reached.insert(feed.name(), after);
        }
        self.metrics.rows.inc_by(rows as u64);
        Ok(rows)
    }

    async fn have_done(&self, what: What) -> Result<(), FollowError> {
        let (done, heard) = oneshot::channel();
        self.writer.send(Job { what, done }).await.map_err(|_| FollowError::Ended)?;
        Ok(heard.await.map_err(|_| FollowError::Ended)??)
    }

    /// Deals with erasures: once when they are heard of, and once when nothing of them can come any more.
    async fn erase(&self) -> Result<(), FollowError> {
        for job in self.known.jobs().iter() {
            let is_last = job.state.is_over();
            let dealt_with = self.erased.read().unwrap_or_else(PoisonError::into_inner).get(&job.id).copied();
            if dealt_with.is_some_and(|was_last| was_last || !is_last) {
                continue;
            }
            let pass = Pass { id: job.id, is_last, erasure: job.erasure.clone() };
            self.have_done(What::Erase(pass)).await?;
            self.erased.write().unwrap_or_else(PoisonError::into_inner).insert(job.id, is_last);
            tracing::info!(erasure = %job.id, is_last, "erased in the history");
        }
        Ok(())
    }

    fn after(&self, feed: Feed) -> u64 {
        self.reached.get(&feed.name()).copied().unwrap_or_default()
    }

    /// Where the log ends, over all partitions: grows while webhooks come in.
    async fn end(&self) -> Result<u64, StoreError> {
        let mut end = 0;
        for partition in 0..self.store.partitions() {
            end += self.store.span(partition, None).await?.through;
        }
        Ok(end)
    }
}
