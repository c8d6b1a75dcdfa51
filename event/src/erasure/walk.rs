//! One walk through everything that is stored.
//!
//! What destinations answered may hold what they were sent, and only the event's id says whose a record is: so records go
//! before what they are of, and a walk that was cut short finds them again. What is still to be routed is left for a
//! later walk, so that every event ends once and the census stays exact.

use std::collections::{BTreeMap, HashSet};

use super::{Erasure, Reach, Remains, Waits, Walked};
use crate::{DeliveryId, EventId, Meta, Queued, Store, StoreError, store::StoredEvent};

/// Rows read at a time; each may have its body.
const PAGE: usize = 64;
/// Attempt records, and tasks, read at a time.
const RECORDS: usize = 1000;
/// Rows erased together.
const TOGETHER: usize = 128;
/// Rows found before they are erased; each time, all records of attempts are read.
const FOUND_MAX: usize = 250_000;

/// What was erased, and what is to be.
struct Walk<'a> {
    store: &'a Store,
    reach: Reach,
    is_dry: bool,
    walked: Walked,
    found: Vec<Remains>,
    /// Of these events.
    events: HashSet<EventId>,
    /// Events of an account and no connection: only their ids say whose their deliveries are.
    strangers: HashSet<EventId>,
}

/// Erases what is found of an erasure; safe to repeat. When it returns, what it erased is overwritten on disk.
///
/// Deliveries must have stopped: what is attempted meanwhile leaves its record.
///
/// # Errors
/// When the engine can't do it; what was erased stays erased, and a repeat goes on.
pub async fn walk(store: &Store, erasure: &Erasure) -> Result<Walked, StoreError> {
    let mut walk = Walk::new(store, erasure, false);
    walk.everything().await?;
    store.scrub().await?;
    Ok(walk.walked)
}

/// Counts what a walk would erase now, and erases nothing.
///
/// # Errors
/// When the engine can't be asked.
pub async fn count(store: &Store, erasure: &Erasure) -> Result<Walked, StoreError> {
    let mut walk = Walk::new(store, erasure, true);
    walk.everything().await?;
    Ok(walk.walked)
}

impl<'a> Walk<'a> {
    fn new(store: &'a Store, erasure: &Erasure, is_dry: bool) -> Self {
        Self {
            store,
            reach: Reach::of([erasure]),
            is_dry,
            walked: Walked::default(),
            found: Vec::new(),
            events: HashSet::new(),
            strangers: HashSet::new(),
        }
    }

    async fn everything(&mut self) -> Result<(), StoreError> {
        self.parked().await?;
        self.log().await?;
        self.letters().await?;
        self.owed().await?;
        self.erase_found().await
    }

    async fn parked(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.store.unmatched(None, None, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.position;
            let theirs = page.iter().filter(|parked| self.reach.takes(&parked.event.meta));
            let remains: Vec<_> = theirs.map(|parked| Remains::Parked(parked.position)).collect();
            self.walked.erased.parked += remains.len() as u64;
            self.erase(remains).await?;
        }
    }

    /// What is to be routed yet is left: it ends by its deliveries.
    async fn log(&mut self) -> Result<(), StoreError> {
        for partition in 0..self.store.partitions() {
            let routed = self.store.routed_through(partition).await?;
            let mut after = self.store.span(partition, None).await?.after;
            loop {
                let page = self.store.events(partition, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.at.sequence;
                for StoredEvent { at, event } in page {
                    let Ok(event) = event else { continue };
                    if !self.reach.takes(&event.meta) {
                        continue;
                    }
                    if at.sequence > routed {
                        self.walked.left += 1;
                        continue;
                    }
                    self.walked.erased.events += 1;
                    self.find_of(&event.meta, Remains::Event(at)).await?;
                }
            }
        }
        Ok(())
    }

    async fn letters(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.store.dead_letters(after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (position, letter) in page {
                if let Some(event) = letter.event.filter(|event| self.reach.takes(&event.meta)) {
                    self.walked.erased.dead_letters += 1;
                    self.find_of(&event.meta, Remains::Letter(position)).await?;
                }
            }
        }
    }

    async fn owed(&mut self) -> Result<(), StoreError> {
        for shard in 0..self.store.shards() {
            for count in self.store.lanes(shard).await? {
                let mut after = 0;
                loop {
                    let page = self.store.heads(shard, &count.lane, after, RECORDS).await?;
                    let Some(last) = page.last() else { break };
                    after = last.position;
                    self.find_owed(shard, Waits::InLane, page).await?;
                }
            }
            let mut after = 0;
            loop {
                let page = self.store.scheduled(shard, after, RECORDS).await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                self.find_owed(shard, Waits::Scheduled, page).await?;
            }
        }
        Ok(())
    }

    async fn find_owed(&mut self, shard: u16, waits: Waits, page: Vec<Queued>) -> Result<(), StoreError> {
        for queued in page {
            let event = queued.task.event.id;
            if self.reach.takes_task(&queued.task) || self.strangers.contains(&event) {
                self.walked.erased.deliveries += 1;
                self.find(event, Remains::Owed(shard, waits, Box::new(queued))).await?;
            }
        }
        Ok(())
    }

    async fn find_of(&mut self, meta: &Meta, remains: Remains) -> Result<(), StoreError> {
        if meta.connection.is_none() && self.strangers.len() < FOUND_MAX {
            self.strangers.insert(meta.id);
        }
        self.find(meta.id, remains).await
    }

    async fn find(&mut self, event: EventId, remains: Remains) -> Result<(), StoreError> {
        self.events.insert(event);
        self.found.push(remains);
        if self.found.len() >= FOUND_MAX { self.erase_found().await } else { Ok(()) }
    }

    async fn erase_found(&mut self) -> Result<(), StoreError> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let page = self.store.attempts(after, RECORDS).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let mut theirs: BTreeMap<u64, Vec<DeliveryId>> = BTreeMap::new();
            for (position, attempt) in page.iter().filter(|(_, attempt)| self.events.contains(&attempt.event)) {
                theirs.entry(*position).or_default().push(attempt.delivery);
                self.walked.erased.attempts += 1;
            }
            let remains = theirs.into_iter().map(|(position, deliveries)| Remains::Attempts(position, deliveries));
            self.erase(remains.collect()).await?;
        }
        self.events.clear();
        // Of an event, what it is owed goes first: its end is told by that.
        let (events, before): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.found).into_iter().partition(|remains| matches!(remains, Remains::Event(_)));
        self.erase(before).await?;
        self.erase(events).await
    }

    async fn erase(&self, remains: Vec<Remains>) -> Result<(), StoreError> {
        if self.is_dry {
            return Ok(());
        }
        let mut remains = remains.into_iter();
        loop {
            let part: Vec<_> = remains.by_ref().take(TOGETHER).collect();
            if part.is_empty() {
                return Ok(());
            }
            self.store.erase(part).await?;
        }
    }
}
