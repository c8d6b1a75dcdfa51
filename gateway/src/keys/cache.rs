//! What was fetched, by place: one GET at a time for each, rarely again on an unknown key's account, and the old as long
//! as nothing newer comes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use gatepost_config::{Secret, Timestamp};
use rustls::RootCertStore;
use url::Url;

use super::fetch::{Document, Missed, Way};
use crate::{metrics::Metrics, verify::holds_a_key};

/// Most places that are remembered.
const PLACES_MAX: usize = 512;
/// Requests can't make us ask one place more often than this.
const PROMPTED_EVERY: Duration = Duration::from_secs(30);
/// Pause after a GET that failed.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// How long an old document counts while no newer one can be had.
const STALE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most GETs of places that requests name, over all, within [`PROMPTED_EVERY`].
const NAMED_MAX: u32 = 20;

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Its URL.
    pub(crate) url: Url,
    /// Whether private addresses and plain http are allowed.
    pub(crate) private: bool,
}

/// The documents of all integrations.
pub(crate) struct Cache {
    /// Authorities that certificates may come from.
    pub(crate) roots: Arc<RootCertStore>,
    way: Arc<Way>,
    known: Arc<Mutex<Known>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Known {
    entries: HashMap<Place, Entry>,
    /// When requests began to name new places, and how many since.
    named: Option<(Instant, u32)>,
}

type Get = Shared<BoxFuture<'static, Option<Secret>>>;

struct Entry {
    document: Option<Secret>,
    /// When it was fetched, and for how long it counts as new.
    fetched: Option<(Instant, Duration)>,
    failed: Option<Instant>,
    prompted: Option<Instant>,
    used: Instant,
    under_way: Option<Get>,
}

impl Cache {
    /// With nothing fetched yet.
    ///
    /// # Errors
    /// When TLS can't be set up; in words.
    pub(crate) fn new(metrics: Metrics) -> Result<Self, String> {
        let (way, roots) = Way::new()?;
        Ok(Self { roots, way: Arc::new(way), known: Arc::default(), metrics })
    }

    /// The document of a place: without any waiting when it is there and not too old.
    pub(crate) async fn document(&self, place: &Place, by: Instant) -> Option<Secret> {
        let now = Instant::now();
        let get = {
            let mut known = self.known();
            let entry = known.entry(place, now);
            if entry.is_new(now) {
                return entry.document.clone();
            }
            let (paused, asked) = (entry.is_paused(now), entry.under_way.is_some());
            if paused || !asked && !known.may_ask(now) {
                return known.entry(place, now).not_too_old(now);
            }
            self.join(&mut known, place)
        };
        match tokio::time::timeout_at(by.into(), get).await {
            Ok(Some(document)) => Some(document),
            Ok(None) | Err(_) => self.known().entry(place, now).not_too_old(now),
        }
    }

    /// Fetches a document once more, since the one that we have lacks a key: none when that was done a moment ago and
    /// brought nothing better, none within it when it can't be had.
    pub(crate) async fn again(&self, place: &Place, by: Instant) -> Option<Option<Secret>> {
        let now = Instant::now();
        let get = {
            let mut known = self.known();
            let entry = known.entry(place, now);
            if entry.under_way.is_none() {
                if entry.prompted.is_some_and(|at| now.duration_since(at) < PROMPTED_EVERY) {
                    let has_failed = entry.failed.is_some_and(|at| entry.fetched.is_none_or(|(then, _)| then < at));
                    return has_failed.then_some(None);
                }
                entry.prompted = Some(now);
            }
            self.join(&mut known, place)
        };
        Some(tokio::time::timeout_at(by.into(), get).await.unwrap_or(None))
    }

    /// Fetches what is missing or old among places that are known beforehand; waits for nothing.
    pub(crate) fn follow(&self, places: &[Place], now: Instant) {
        let mut known = self.known();
        for place in places {
            let entry = known.entry(place, now);
            if !entry.is_new(now) && !entry.is_paused(now) && entry.under_way.is_none() {
                drop(self.join(&mut known, place));
            }
        }
    }

    /// Asks for a URL whose answer is of no interest; whether it was 200.
    pub(crate) async fn visit(&self, place: &Place, by: Instant) -> bool {
        let visited = tokio::time::timeout_at(by.into(), self.way.get(place)).await.unwrap_or(Err(Missed::Timeout));
        self.metrics.fetched("visit", visited.as_ref().map_or_else(|missed| missed.word(), |_| "ok"));
        if let Err(missed) = visited {
            tracing::warn!(
                host = place.url.host_str(),
                why = missed.word(),
                "could not confirm a provider's handshake"
            );
        }
        visited.is_ok()
    }

    /// The GET of a place that is under way, or a new one, which goes on also when nobody waits for it.
    fn join(&self, known: &mut Known, place: &Place) -> Get {
        let entry = known.entry(place, Instant::now());
        if let Some(get) = &entry.under_way {
            return get.clone();
        }
        let (way, all, metrics, place) =
            (Arc::clone(&self.way), Arc::clone(&self.known), self.metrics.clone(), place.clone());
        let asked = tokio::spawn(async move {
            let got = way.get(&place).await.and_then(readable);
            metrics.fetched("keys", got.as_ref().map_or_else(|missed| missed.word(), |_| "ok"));
            if let Err(missed) = &got {
                tracing::warn!(host = place.url.host_str(), why = missed.word(), "could not fetch a provider's keys");
            }
            lock(&all).entry(&place, Instant::now()).took(got)
        });
        let get = async move { asked.await.ok().flatten() }.boxed().shared();
        entry.under_way = Some(get.clone());
        get
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn readable(document: Document) -> Result<Document, Missed> {
    if holds_a_key(&document.bytes, Timestamp::now()) { Ok(document) } else { Err(Missed::Unreadable) }
}

impl Known {
    fn entry(&mut self, place: &Place, now: Instant) -> &mut Entry {
        if !self.entries.contains_key(place) && self.entries.len() >= PLACES_MAX {
            self.forget_one();
        }
        let fresh =
            || Entry { document: None, fetched: None, failed: None, prompted: None, used: now, under_way: None };
        let entry = self.entries.entry(place.clone()).or_insert_with(fresh);
        entry.used = now;
        entry
    }

    /// First what was never fetched, then what was not used for longest.
    fn forget_one(&mut self) {
        let idle = self.entries.iter().filter(|(_, entry)| entry.under_way.is_none());
        let oldest =
            idle.min_by_key(|(_, entry)| (entry.document.is_some(), entry.used)).map(|(place, _)| place.clone());
        if let Some(place) = oldest {
            self.entries.remove(&place);
        }
    }

    /// Whether another GET may be made on a request's account.
    fn may_ask(&mut self, now: Instant) -> bool {
        let (since, count) =
            self.named.filter(|(since, _)| now.duration_since(*since) < PROMPTED_EVERY).unwrap_or((now, 0));
        self.named = Some((since, count.saturating_add(1)));
        count < NAMED_MAX
    }
}

impl Entry {
    fn is_new(&self, now: Instant) -> bool {
        self.fetched.is_some_and(|(at, age_max)| now.duration_since(at) < age_max)
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.failed.is_some_and(|at| now.duration_since(at) < FAILED_PAUSE)
    }

    fn not_too_old(&self, now: Instant) -> Option<Secret> {
        let in_time = self.fetched.is_some_and(|(at, _)| now.duration_since(at) < STALE_MAX);
        self.document.clone().filter(|_| in_time)
    }

    /// Takes what a GET brought.
    fn took(&mut self, got: Result<Document, Missed>) -> Option<Secret> {
        self.under_way = None;
        let now = Instant::now();
        match got {
            Ok(Document { bytes, age_max }) => {
                let document = Secret::new(bytes.to_vec(), "the provider");
                self.document = Some(document.clone());
                (self.fetched, self.failed) = (Some((now, age_max)), None);
                Some(document)
            }
            Err(_) => {
                self.failed = Some(now);
                None
            }
        }
    }
}
