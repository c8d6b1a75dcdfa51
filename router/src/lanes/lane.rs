//! What is remembered of one lane.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use gatepost_event::{EventRef, Queued};

use super::gate::Claim;
use crate::recent::{BODY_BYTES_MAX, META_BYTES};

/// Most tasks remembered of one lane, where many share the room and where few do.
pub(super) const HEADS_FEW: usize = 32;
pub(super) const HEADS_MAX: usize = 512;

/// Events that are read ahead at a time: at first so many, and twice as many each time that they are used up soon.
const AHEAD_MIN: usize = 8;
const AHEAD_MAX: usize = 128;
const AHEAD_BYTES_MAX: usize = 1024 * 1024;
const AHEAD_SOON: Duration = Duration::from_secs(1);

/// What is remembered of one lane.
///
/// Every task of the lane up to position `known` is in `heads` or in `flying`, or has left the lane. Later ones may be in
/// the store, when `more`.
#[derive(Debug)]
pub(super) struct LaneState {
    /// Its shard.
    pub(super) shard: u16,
    /// Where it is.
    pub(super) place: Place,
    /// The next tasks, in order.
    pub(super) heads: VecDeque<Queued>,
    /// Positions of tasks under way.
    pub(super) flying: BTreeSet<u64>,
    /// The position up to which everything is known.
    pub(super) known: u64,
    /// The store may hold tasks after `known`.
    pub(super) more: bool,
    /// Heads are being read from the store.
    pub(super) refilling: bool,
    /// An arrival went by while heads were being read.
    pub(super) missed: bool,
    /// What is being read or was attempted says nothing about when the first goes: it is to be read again.
    pub(super) stale: bool,
    /// Nothing goes before.
    pub(super) not_before: Option<Instant>,
    /// Its tasks were given back to the store until it can go again.
    pub(super) shelved: bool,
    /// Its gate let it on, by this claim, and it has not gone yet.
    pub(super) let_on: Option<Claim>,
    /// Tasks in the lane, as far as is known.
    pub(super) waiting: u64,
    /// What is read ahead of it.
    ahead: Ahead,
}

/// How far the events of a lane's tasks are read ahead.
#[derive(Debug)]
struct Ahead {
    /// Up to this position.
    through: u64,
    /// How many at a time.
    count: usize,
    /// Since when.
    since: Option<Instant>,
}

/// Where a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it has nothing that could go.
    Idle,
    /// Among those whose turn comes.
    Turn,
    /// At its destination's gate, which lets nothing more begin now.
    Gate,
    /// Asleep until a time.
    Asleep,
    /// Its destination is not configured.
    Unknown,
}

impl LaneState {
    /// An empty lane of which nothing is known.
    pub(super) const fn new(shard: u16) -> Self {
        Self {
            shard,
            place: Place::Idle,
            heads: VecDeque::new(),
            flying: BTreeSet::new(),
            known: 0,
            more: false,
            refilling: false,
            missed: false,
            stale: false,
            not_before: None,
            shelved: false,
            let_on: None,
            waiting: 0,
            ahead: Ahead { through: 0, count: AHEAD_MIN, since: None },
        }
    }

    /// A task arrived at its end, of which it may remember so many in all.
    pub(super) fn arrive(&mut self, queued: Queued, most: usize) {
        if queued.position <= self.known {
            return;
        }
        self.waiting += 1;
        self.missed |= self.refilling;
        if self.more || self.refilling || self.heads.len() >= most {
            self.more = true;
            return;
        }
        self.known = queued.position;
        self.heads.push_back(queued);
    }

    /// The store's answer to a question for `limit` heads after `after`.
    pub(super) fn refill(&mut self, after: u64, limit: usize, heads: Vec<Queued>) {
        self.refilling = false;
        let missed = std::mem::take(&mut self.missed);
        // What is under way takes the mark with it when it ends.
        let stale = self.flying.is_empty() && std::mem::take(&mut self.stale);
        if stale || after != self.known {
            // Something was put back meanwhile, or may go earlier; ask again from there.
            self.more = true;
            return;
        }
        self.more = missed || heads.len() >= limit;
        for queued in heads {
            if queued.position > self.known {
                self.known = queued.position;
                if !self.flying.contains(&queued.position) {
                    self.heads.push_back(queued);
                }
            }
        }
    }

    /// A task under way did not leave the lane: it and what follows are read again.
    pub(super) fn put_back(&mut self, position: u64) {
        self.heads.clear();
        self.known = self.known.min(position.saturating_sub(1));
        self.more = true;
    }

    /// The events of its next tasks, when it is time to read some more: as many as go within about a second. A lane that
    /// goes slowly has its events read one by one.
    pub(super) fn look_ahead(&mut self, now: Instant) -> Vec<EventRef> {
        let known = self.heads.partition_point(|head| head.position <= self.ahead.through);
        let ahead = &mut self.ahead;
        if known > ahead.count / 2 || known == self.heads.len() {
            return Vec::new();
        }
        let is_soon = ahead.since.replace(now).is_some_and(|since| now.duration_since(since) <= AHEAD_SOON);
        ahead.count = if is_soon { (ahead.count * 2).min(AHEAD_MAX) } else { AHEAD_MIN };
        let (mut wanted, mut bytes) = (Vec::new(), 0);
        for head in self.heads.range(known..).take(ahead.count) {
            ahead.through = head.position;
            let body = usize::try_from(head.task.bytes).unwrap_or(usize::MAX);
            if body <= BODY_BYTES_MAX && head.task.copy().is_none() {
                bytes += body + META_BYTES;
                wanted.push(head.task.event);
            }
            if bytes >= AHEAD_BYTES_MAX {
                break;
            }
        }
        if is_soon { wanted } else { Vec::new() }
    }

    /// Whether more wait than the next one.
    pub(super) fn has_more_than_one(&self) -> bool {
        self.more || self.refilling || self.heads.len() > 1
    }

    /// Whether nothing is left to remember.
    pub(super) fn is_spent(&self) -> bool {
        self.heads.is_empty() && self.flying.is_empty() && !self.more && !self.refilling
    }
}
