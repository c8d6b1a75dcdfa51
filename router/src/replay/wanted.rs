//! What a job wants: its filter, ready to be asked.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
};

use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{
    DeadLetter, Event, EventId, Store, StoreError,
    replay::{Job, Status, Wish},
};

use crate::pattern::{Pattern, any_matches};

/// Deliveries remembered as made; 8 bytes each, and twice that in the table.
const DELIVERED_MAX: usize = 4_000_000;

/// Attempt records read at a time.
const PAGE: usize = 1000;

/// A job's filter.
pub(super) struct Wanted {
    kinds: Vec<Pattern>,
    delivered: HashSet<u64>,
    hasher: RandomState,
}

impl Wanted {
    /// Reads what the filter needs to know of the past.
    ///
    /// # Errors
    /// When the store can't be asked, or more was delivered than can be remembered.
    pub(super) async fn new(store: &Store, job: &Job) -> Result<Self, StoreError> {
        let kinds = job.wish.kind.as_deref().map(Pattern::new).into_iter().collect();
        let mut wanted = Self { kinds, delivered: HashSet::new(), hasher: RandomState::new() };
        if matches!(job.wish.status, Some(Status::Delivered | Status::Undelivered)) {
            wanted.read_delivered(store, job.created_at).await?;
        }
        Ok(wanted)
    }

    async fn read_delivered(&mut self, store: &Store, until: Timestamp) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = store.attempts(after, PAGE).await?;
            let Some((last, newest)) = page.last() else { return Ok(()) };
            after = *last;
            let is_over = newest.started_at > until;
            for (_, attempt) in &page {
                if attempt.error.is_none() && attempt.status.is_some_and(|status| (200..300).contains(&status)) {
                    self.delivered.insert(self.pair(&attempt.event, &attempt.destination));
                }
            }
            if self.delivered.len() > DELIVERED_MAX {
                return Err(StoreError::Corrupt(format!(
                    "more than {DELIVERED_MAX} deliveries are recorded, too many to tell by status; leave it out"
                )));
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// Whether the job is about an event.
    pub(super) fn wants_event(&self, wish: &Wish, event: &Event) -> bool {
        let at = event.meta.received_at;
        wish.event.is_none_or(|id| id == event.meta.id)
            && wish.since.is_none_or(|since| at >= since)
            && wish.until.is_none_or(|until| at < until)
            && self.wants_kind(wish, event)
    }

    /// Whether the job is about a dead letter.
    pub(super) fn wants_letter(&self, wish: &Wish, letter: &DeadLetter) -> bool {
        let note = &letter.note;
        let is_about = |event: &Event| wish.event.is_none_or(|id| id == event.meta.id) && self.wants_kind(wish, event);
        wish.delivery.is_none_or(|delivery| delivery == note.delivery)
            && wish.since.is_none_or(|since| note.died_at >= since)
            && wish.until.is_none_or(|until| note.died_at < until)
            && wish.reason.is_none_or(|reason| reason == note.reason)
            && (wish.destination.is_none() || wish.destination == note.destination)
            && letter.event.as_ref().map_or(wish.tenant.is_none(), is_about)
    }

    /// Whether the job is about a delivery of an event.
    pub(super) fn wants_delivery(&self, wish: &Wish, event: &EventId, destination: &DestinationId) -> bool {
        let was_delivered = || self.delivered.contains(&self.pair(event, destination));
        wish.destination.as_ref().is_none_or(|wanted| wanted == destination)
            && match wish.status {
                None | Some(Status::Dead) => true,
                Some(Status::Delivered) => was_delivered(),
                Some(Status::Undelivered) => !was_delivered(),
            }
    }

    fn wants_kind(&self, wish: &Wish, event: &Event) -> bool {
        let meta = &event.meta;
        wish.integration.as_ref().is_none_or(|integration| *integration == meta.integration)
            && (wish.connection.is_none() || wish.connection == meta.connection)
            && (wish.tenant.is_none() || wish.tenant == meta.tenant)
            && any_matches(&self.kinds, &meta.kind)
    }

    fn pair(&self, event: &EventId, destination: &DestinationId) -> u64 {
        self.hasher.hash_one((event, destination))
    }
}
