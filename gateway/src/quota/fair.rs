//! How tenants share one rate.
//!
//! As if what is accepted waited in a queue of its tenant's, and all queues that hold something were emptied evenly, at the
//! rate together. They hold a second's worth in all, and one may hold no more than it leaves free. So whoever offers less than
//! an even share finds its queue short and room free; whoever offers more holds half of the room at most, and gets what the
//! others leave over. Nothing waits: the queues are only counted, and one that is empty is forgotten.
//!
//! Of a batch that is too large for that a part enters, and the rest is owed: it enters bit by bit whenever its tenant's
//! queue is empty, and until then that tenant gets nothing more. What is owed in all is a second's worth too, or one batch.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{OTHERS, Offer, TENANTS_MAX, Tenant, seconds};

/// The least that the queues hold in all: two events of one tenant, and one of another's that finds as much free.
const ROOM_MIN: f64 = 4.0;

/// How much of an owed batch enters an empty queue.
const BIT: f64 = 1.0;

/// Less of an event than this is nothing: what is left of sums that should be equal.
const NOTHING: f64 = 1e-6;

/// What was accepted, as if it waited.
#[derive(Debug)]
pub(super) struct Fair {
    /// Events a second.
    rate: f64,
    /// Events that the queues hold at most.
    room: f64,
    /// Up to when the queues were emptied.
    at: Instant,
    /// What a queue has given that was never empty since the last time all were.
    given: f64,
    /// Events that all queues hold.
    held: f64,
    /// Events that have not entered yet.
    owed: f64,
    pub(super) queues: HashMap<Tenant, Queue>,
    /// The queues in the order in which they become empty, by the bits of their ends: these sort as the ends do, none of
    /// which is negative.
    pub(super) ends: BTreeSet<(u64, Tenant)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    /// It is empty when so much is given.
    end: f64,
    /// What of its tenant's has not entered yet.
    owed: f64,
}

/// The part of an offer that enters at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry(f64);

impl Fair {
    /// With empty queues, which are emptied at so many events a second.
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        let (queues, ends) = (HashMap::new(), BTreeSet::new());
        Self { rate, room: rate.max(ROOM_MIN), at: now, given: 0.0, held: 0.0, owed: 0.0, queues, ends }
    }

    /// Whether there is room for an offer of at least one event, or how long it is until there is some.
    pub(super) fn ask(&mut self, offer: &Offer, now: Instant) -> Result<Entry, Duration> {
        self.empty_until(now);
        let queues = self.queues.len() as f64;
        let debts = offer.each().filter(|(tenant, _)| self.queue(*tenant).owed > 0.0);
        let debt = debts.map(|(tenant, _)| self.queue(tenant).owed + self.length(tenant)).fold(0.0, f64::max);
        if debt > 0.0 {
            return Err(seconds(debt * queues / self.rate));
        }
        let lacking = self.lacks(offer, 1.0);
        if lacking <= NOTHING {
            return Ok(Entry(1.0));
        }
        // As much as a tenant finds room for that comes after the others have taken all they may.
        let most = (self.room / 2.0 / (queues + 1.0)).max(BIT);
        let part = most / offer.count();
        if part >= 1.0 {
            return Err(seconds(lacking / self.rate));
        }
        let lacking = self.lacks(offer, part);
        let owed_beyond = if self.owed > NOTHING { self.owed + offer.count() - most - self.room } else { 0.0 };
        if lacking <= NOTHING && owed_beyond <= NOTHING {
            return Ok(Entry(part));
        }
        Err(seconds(lacking.max(owed_beyond) / self.rate))
    }

    /// Puts an offer into its tenants' queues, as it was told that it may.
    pub(super) fn take(&mut self, offer: &Offer, Entry(part): Entry) {
        for (tenant, count) in offer.each() {
            let (tenant, mut queue) = (self.place(tenant), self.queue(tenant));
            self.ends.remove(&(queue.end.to_bits(), tenant));
            queue.owed += count * (1.0 - part);
            self.owed += count * (1.0 - part);
            self.enter(tenant, queue, count * part);
        }
    }

    /// The room that an offer lacks of which a part enters.
    fn lacks(&self, offer: &Offer, part: f64) -> f64 {
        let longest = offer.each().map(|(tenant, count)| self.length(tenant) + count * part).fold(0.0, f64::max);
        let free = self.room - self.held - offer.count() * part;
        longest - free
    }

    fn length(&self, tenant: Tenant) -> f64 {
        (self.queue(tenant).end - self.given).max(0.0)
    }

    fn queue(&self, tenant: Tenant) -> Queue {
        let empty = Queue { end: self.given, owed: 0.0 };
        self.queues.get(&self.place(tenant)).copied().unwrap_or(empty)
    }

    /// Whose queue a tenant has.
    fn place(&self, tenant: Tenant) -> Tenant {
        if self.queues.len() < TENANTS_MAX || self.queues.contains_key(&tenant) { tenant } else { OTHERS }
    }

    fn enter(&mut self, tenant: Tenant, mut queue: Queue, events: f64) {
        queue.end += events;
        self.held += events;
        self.queues.insert(tenant, queue);
        self.ends.insert((queue.end.to_bits(), tenant));
    }

    /// Takes out of the queues what they have given until now.
    fn empty_until(&mut self, now: Instant) {
        let mut gives = self.rate * now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        while let Some((end, tenant)) = self.ends.first().copied() {
            let each = (f64::from_bits(end) - self.given).max(0.0);
            let queues = self.ends.len() as f64;
            if each * queues > gives {
                self.given += gives / queues;
                self.held -= gives;
                return;
            }
            gives -= each * queues;
            self.held -= each * queues;
            self.given = f64::from_bits(end);
            self.ends.pop_first();
            self.is_empty(tenant);
        }
        (self.given, self.held, self.owed) = (0.0, 0.0, 0.0);
    }

    /// A queue has become empty: what is owed enters it, or it is forgotten.
    fn is_empty(&mut self, tenant: Tenant) {
        let Some(mut queue) = self.queues.remove(&tenant).filter(|queue| queue.owed > 0.0) else { return };
        let enters = queue.owed.min(BIT);
        queue.owed -= enters;
        self.owed -= enters;
        self.enter(tenant, queue, enters);
    }
}
