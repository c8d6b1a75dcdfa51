//! The lanes of all shards that this router owns, and which task goes next.
//!
//! This is plain memory: it never waits and never asks the store; the dispatcher does both. Of a lane it remembers 32
//! tasks, or more where few lanes share the room, and of all lanes together a bounded number; the store remembers the
//! rest, whatever the backlog.
//!
//! A task goes when its lane's turn comes (round robin over tenants, then over a tenant's lanes) and its destination's
//! [`gate`] lets it. A lane that can't go waits at that gate or asleep, and holds nothing that another could use.

pub(crate) mod gate;
mod lane;
mod survey;
mod turns;
mod wait;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use gate::{Gate, Verdict};
pub(crate) use gate::{Health, Pass};
use gatepost_config::Timestamp;
use gatepost_event::{EventRef, Lane, Queued, id::Token, store::LaneCount};
use lane::{HEADS_FEW, HEADS_MAX, LaneState, Place};
use turns::Turns;
use wait::wait_of;

use crate::{
    plan::{Backend, Plan},
    settle::Settled,
};

/// Most tasks remembered of all lanes together; beyond it a lane gets one at a time.
const CACHED_MAX: usize = 8 * 1024;

/// Of this many, lanes get equal parts; the rest is for those that come when the parts were larger.
const SHARED: usize = CACHED_MAX / 4;

/// More is read of a lane when this part of what it may have is left.
const LOW_PART: usize = 4;

/// How long a lane rests after the store did not confirm something of it.
const REST: Duration = Duration::from_secs(5);

/// How long a lane rests after its heads could not be read.
const REST_READ: Duration = Duration::from_secs(1);

/// The lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    plan: Arc<Plan>,
    lanes: HashMap<Lane, LaneState>,
    gates: HashMap<Token, Gate>,
    gates_due: BTreeSet<(Instant, Token)>,
    /// Destinations that get nothing for now, whatever is configured.
    shut: HashSet<Token>,
    /// Whether slots were scarce when the last delivery asked for one.
    scarce: bool,
    turns: Turns,
    hungry: VecDeque<Lane>,
    asleep: BTreeSet<(Instant, Lane)>,
    cached: usize,
}

/// A task that goes now.
#[derive(Debug)]
pub(crate) struct Go {
    /// Its lane.
    pub(crate) lane: Lane,
    /// Its lane's shard.
    pub(crate) shard: u16,
    /// The task.
    pub(crate) queued: Queued,
    /// Where to.
    pub(crate) backend: Arc<Backend>,
    /// By leave of the destination's gate.
    pub(crate) pass: Pass,
    /// Events that its lane will want soon.
    pub(crate) ahead: Vec<EventRef>,
}

/// Something that was under way, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its lane.
    pub(crate) lane: Lane,
    /// Its place there.
    pub(crate) position: u64,
    /// Where it is now.
    pub(crate) settled: Settled,
}

/// A question to the store for a lane's heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refill {
    /// The lane.
    pub(crate) lane: Lane,
    /// Its shard.
    pub(crate) shard: u16,
    /// After which position.
    pub(crate) after: u64,
    /// How many.
    pub(crate) limit: usize,
}

impl Lanes {
    /// No lanes.
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            lanes: HashMap::new(),
            gates: HashMap::new(),
            gates_due: BTreeSet::new(),
            shut: HashSet::new(),
            scarce: false,
            turns: Turns::default(),
            hungry: VecDeque::new(),
            asleep: BTreeSet::new(),
            cached: 0,
        }
    }

    /// The configuration changed: lanes of removed destinations wait, those of new ones go.
    pub(crate) fn replan(&mut self, plan: Arc<Plan>) {
        self.plan = plan;
        let stirred: Vec<Lane> = self.lanes.keys().copied().collect();
        self.turns = Turns::default();
        self.asleep.clear();
        self.gates_due.clear();
        self.gates.retain(|destination, _| self.plan.backend(destination).is_some());
        for gate in self.gates.values_mut() {
            gate.unblock_all();
        }
        for lane in stirred {
            self.return_from_wait(lane);
        }
    }

    /// Destinations that get nothing for now; the others go on.
    pub(crate) fn shut(&mut self, shut: HashSet<Token>, now: Instant) {
        let before = std::mem::replace(&mut self.shut, shut);
        for destination in before {
            self.let_through(&destination, now);
        }
    }

    /// What the store holds in a shard's lanes: asked for when the shard was taken, after arrivals went unheard, and from
    /// time to time.
    pub(crate) fn listed(&mut self, shard: u16, counts: &[LaneCount]) {
        for LaneCount { lane, waiting } in counts {
            let state = self.lanes.entry(*lane).or_insert_with(|| LaneState::new(shard));
            state.waiting = *waiting;
            state.more = true;
            state.missed |= state.refilling;
            self.stir(*lane);
        }
        let listed: BTreeSet<Lane> = counts.iter().map(|count| count.lane).collect();
        for (_, state) in self.lanes.iter_mut().filter(|(lane, state)| state.shard == shard && !listed.contains(lane)) {
            state.waiting = (state.heads.len() + state.flying.len()) as u64;
        }
    }

    /// A task arrived.
    pub(crate) fn arrived(&mut self, shard: u16, lane: Lane, queued: Queued) {
        let most = if self.cached < CACHED_MAX { self.share(&lane) } else { 0 };
        let state = self.lanes.entry(lane).or_insert_with(|| LaneState::new(shard));
        let before = state.heads.len();
        state.arrive(queued, most);
        self.cached += state.heads.len() - before;
        self.stir(lane);
    }

    /// The first task of an ordered lane may go earlier than was said: what is remembered of the lane is read again.
    pub(crate) fn sooner(&mut self, lane: Lane) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        state.stale = state.refilling || !state.flying.is_empty();
        if let Some(head) = state.heads.front().map(|head| head.position)
            && state.flying.is_empty()
        {
            self.cached -= state.heads.len();
            state.put_back(head);
        }
        if state.place == Place::Asleep {
            self.asleep.retain(|(_, asleep)| *asleep != lane);
            self.return_from_wait(lane);
        } else {
            self.stir(lane);
        }
    }

    /// A shard is no longer worked on; its lanes are forgotten, except what is under way.
    pub(crate) fn close(&mut self, shard: u16) {
        let gone: BTreeSet<Lane> =
            self.lanes.iter().filter(|(_, state)| state.shard == shard).map(|(lane, _)| *lane).collect();
        self.lanes.retain(|lane, _| !gone.contains(lane));
        self.turns.retain(|lane| !gone.contains(lane));
        self.hungry.retain(|lane| !gone.contains(lane));
        self.asleep.retain(|(_, lane)| !gone.contains(lane));
        // What was learnt of the destinations is out of date when the shard comes back.
        self.gates.retain(|_, gate| gate.shard != shard);
        self.gates_due.retain(|(_, destination)| self.gates.contains_key(destination));
        self.cached = self.lanes.values().map(|state| state.heads.len()).sum();
    }

    /// The task that goes now, if one can. While slots are `scarce` each destination gets one. `may_begin` says whether a
    /// shard's lease lasts long enough.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        wall: Timestamp,
        scarce: bool,
        may_begin: impl Fn(u16) -> bool,
    ) -> Option<Go> {
        self.scarce = scarce;
        self.wake(now);
        while let Some(lane) = self.turns.pop() {
            let Some(state) = self.lanes.get_mut(&lane) else { continue };
            state.place = Place::Idle;
            let Some(backend) = self.plan.backend(&lane.destination).cloned() else {
                self.stir(lane);
                continue;
            };
            if state.not_before.is_some_and(|at| at > now) {
                self.stir(lane);
                self.let_through(&lane.destination, now);
                continue;
            }
            if !may_begin(state.shard) {
                self.rest(lane, now + REST_READ);
                self.let_through(&lane.destination, now);
                continue;
            }
            let Some(head) = state.heads.front() else {
                // What it had was taken out or put back meanwhile.
                self.stir(lane);
                self.let_through(&lane.destination, now);
                continue;
            };
            if let Some(wait) = wait_of(&backend, head, wall) {
                self.rest(lane, now + wait);
                self.shelve(lane, wait);
                self.let_through(&lane.destination, now);
                continue;
            }
            let gate = self.gates.entry(lane.destination).or_insert_with(|| Gate::new(state.shard));
            let claim = state.let_on.unwrap_or_else(|| gate.claim(&lane, state.has_more_than_one()));
            let verdict = match self.shut.contains(&lane.destination) {
                true => Verdict::Shut,
                false => gate.ask(&backend.destination, claim, scarce, now),
            };
            match verdict {
                Verdict::Go => {}
                verdict => {
                    self.block(lane, claim, verdict, now);
                    continue;
                }
            }
            if let Some(queued) = state.heads.pop_front() {
                self.cached -= 1;
                let pass = gate.begin(claim, now);
                state.flying.insert(queued.position);
                state.let_on = None;
                let (shard, ahead) = (state.shard, state.look_ahead(now));
                self.stir(lane);
                self.let_through(&lane.destination, now);
                return Some(Go { lane, shard, queued, backend, pass, ahead });
            }
        }
        None
    }

    /// The lane whose heads are to be read next, if one needs it. Answer with [`Self::refilled`].
    pub(crate) fn refill(&mut self) -> Option<Refill> {
        let room = CACHED_MAX.saturating_sub(self.cached);
        loop {
            let lane = self.hungry.pop_front()?;
            if let Some(state) = self.lanes.get(&lane) {
                let limit = self.share(&lane).saturating_sub(state.heads.len()).min(room).max(1);
                return Some(Refill { lane, shard: state.shard, after: state.known, limit });
            }
        }
    }

    /// The store's answer; `None` when it did not give one.
    pub(crate) fn refilled(&mut self, asked: Refill, heads: Option<Vec<Queued>>, now: Instant) {
        let Some(state) = self.lanes.get_mut(&asked.lane) else { return };
        let before = state.heads.len();
        let answered = heads.is_some();
        match heads {
            Some(heads) => state.refill(asked.after, asked.limit, heads),
            None => state.refilling = false,
        }
        self.cached = self.cached + state.heads.len() - before;
        if answered {
            self.stir(asked.lane);
        } else if state.place == Place::Idle {
            self.rest(asked.lane, now + REST_READ);
        }
        if self.lanes.get(&asked.lane).is_none_or(|state| state.place != Place::Turn) {
            self.let_through(&asked.lane.destination, now);
        }
    }

    /// A task that went has come to an end, or is still in its lane as far as is known.
    pub(crate) fn ended(&mut self, ended: Ended, now: Instant) {
        let Ended { lane, position, settled } = ended;
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        match settled {
            Settled::Gone => {
                state.flying.remove(&position);
                state.waiting = state.waiting.saturating_sub(1);
                self.stir(lane);
            }
            Settled::Stays(_) if std::mem::take(&mut state.stale) => {
                state.flying.remove(&position);
                self.cached -= state.heads.len();
                state.put_back(position);
                self.stir(lane);
            }
            Settled::Stays(queued) => {
                state.flying.remove(&position);
                state.heads.push_front(*queued);
                self.cached += 1;
                self.stir(lane);
            }
            Settled::No | Settled::Abandoned => {
                state.flying.remove(&position);
                self.cached -= state.heads.len();
                state.put_back(position);
                if state.place == Place::Idle {
                    self.rest(lane, now + REST);
                } else {
                    state.not_before = Some(now + REST);
                }
            }
        }
    }

    /// When the next sleeping lane wakes, or the next gate is to be looked at.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let lane = self.asleep.first().map(|(at, _)| *at);
        let gate = self.gates_due.first().map(|(at, _)| *at);
        lane.into_iter().chain(gate).min()
    }

    /// Most tasks remembered of a lane. Of an ordered one, only the first can go.
    fn share(&self, lane: &Lane) -> usize {
        match lane.connection {
            Some(_) => HEADS_FEW,
            None => (SHARED / self.lanes.len().max(1)).clamp(HEADS_FEW, HEADS_MAX),
        }
    }

    /// Puts a lane where it belongs now.
    fn stir(&mut self, lane: Lane) {
        let known = self.plan.backend(&lane.destination).is_some();
        let low = if self.cached < CACHED_MAX { self.share(&lane) / LOW_PART } else { 0 };
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if !known {
            self.cached -= state.heads.len();
            state.put_back(state.heads.front().map_or(u64::MAX, |head| head.position));
            state.place = Place::Unknown;
            return;
        }
        if state.more && !state.refilling && !state.shelved && state.heads.len() <= low {
            state.refilling = true;
            self.hungry.push_back(lane);
        }
        if state.place != Place::Idle && state.place != Place::Unknown {
            return;
        }
        state.place = Place::Idle;
        if let Some(at) = state.not_before.take() {
            return self.rest(lane, at);
        }
        if state.is_spent() {
            self.lanes.remove(&lane);
            return;
        }
        // In an ordered lane the next waits until the one before has ended.
        let in_order = lane.connection.is_some() && !state.flying.is_empty();
        if state.heads.is_empty() || in_order {
            return;
        }
        state.place = Place::Turn;
        self.turns.push(lane);
    }
}

#[cfg(test)]
mod tests;
