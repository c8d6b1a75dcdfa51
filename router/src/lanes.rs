//! The lanes of all shards that this router owns, and which task goes next.
//!
//! This is plain memory: it never waits and never asks the store; the dispatcher does both. Of a lane it remembers at
//! most 32 tasks, of all lanes together a bounded number; the store remembers the rest, whatever the backlog.
//!
//! A task goes when its lane's turn comes (round robin over tenants, then over a tenant's lanes) and its destination
//! has fewer attempts under way than it may. A lane that can't go waits at its destination's gate or asleep, and holds
//! nothing that another could use.

mod lane;
mod turns;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{Lane, Queued, id::Token, store::LaneCount};
use lane::{HEADS_MAX, LaneState, Place};
use turns::Turns;

use crate::plan::{Backend, Plan};

/// Most tasks remembered of all lanes together; beyond it a lane gets one at a time.
const CACHED_MAX: usize = 8 * 1024;

/// Heads at which more are read.
const HEADS_LOW: usize = 8;

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
    turns: Turns,
    hungry: VecDeque<Lane>,
    asleep: BTreeSet<(Instant, Lane)>,
    cached: usize,
}

/// What is under way to one destination.
#[derive(Debug, Default)]
struct Gate {
    flying: usize,
    blocked: VecDeque<Lane>,
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
        self.gates.values_mut().for_each(|gate| gate.blocked.clear());
        for lane in stirred {
            let group = self.group(&lane);
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.group = group;
                state.place = Place::Idle;
            }
            self.stir(lane);
        }
    }

    /// What the store holds in a shard's lanes: asked for when the shard was taken, after arrivals went unheard, and from
    /// time to time.
    pub(crate) fn listed(&mut self, shard: u16, counts: &[LaneCount]) {
        for LaneCount { lane, waiting } in counts {
            let group = self.group(lane);
            let state = self.lanes.entry(*lane).or_insert_with(|| LaneState::new(shard, group));
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
        let group = self.group(&lane);
        let room = self.cached < CACHED_MAX;
        let state = self.lanes.entry(lane).or_insert_with(|| LaneState::new(shard, group));
        let before = state.heads.len();
        state.arrive(queued, room);
        self.cached += state.heads.len() - before;
        self.stir(lane);
    }

    /// A shard is no longer worked on; its lanes are forgotten, except what is under way.
    pub(crate) fn close(&mut self, shard: u16) {
        let gone: BTreeSet<Lane> =
            self.lanes.iter().filter(|(_, state)| state.shard == shard).map(|(lane, _)| *lane).collect();
        self.lanes.retain(|lane, _| !gone.contains(lane));
        self.turns.retain(|lane| !gone.contains(lane));
        self.hungry.retain(|lane| !gone.contains(lane));
        self.asleep.retain(|(_, lane)| !gone.contains(lane));
        self.gates.values_mut().for_each(|gate| gate.blocked.retain(|lane| !gone.contains(lane)));
        self.gates.retain(|_, gate| gate.flying > 0 || !gate.blocked.is_empty());
        self.cached = self.lanes.values().map(|state| state.heads.len()).sum();
    }

    /// The task that goes now, if one can. `may_begin` says whether a shard's lease lasts long enough.
    pub(crate) fn next(&mut self, now: Instant, wall: Timestamp, may_begin: impl Fn(u16) -> bool) -> Option<Go> {
        self.wake(now);
        while let Some(lane) = self.turns.pop() {
            let Some(state) = self.lanes.get_mut(&lane) else { continue };
            state.place = Place::Idle;
            let Some(backend) = self.plan.backend(&lane.destination).cloned() else {
                self.stir(lane);
                continue;
            };
            if !may_begin(state.shard) {
                self.rest(lane, now + REST_READ);
                continue;
            }
            let gate = self.gates.entry(lane.destination).or_default();
            if gate.flying >= backend.destination.concurrency.max(1) {
                state.place = Place::Gate;
                gate.blocked.push_back(lane);
                continue;
            }
            let Some(head) = state.heads.front() else {
                // What it had was taken out or put back meanwhile.
                self.stir(lane);
                self.let_through(&lane.destination);
                continue;
            };
            if let Some(wait) = first_wait(&backend, head, wall) {
                self.rest(lane, now + wait);
                continue;
            }
            if let Some(queued) = state.heads.pop_front() {
                self.cached -= 1;
                gate.flying += 1;
                state.flying.insert(queued.position);
                let shard = state.shard;
                self.stir(lane);
                return Some(Go { lane, shard, queued, backend });
            }
        }
        None
    }

    /// The lane whose heads are to be read next, if one needs it. Answer with [`Self::refilled`].
    pub(crate) fn refill(&mut self) -> Option<Refill> {
        let room = CACHED_MAX.saturating_sub(self.cached).clamp(1, HEADS_MAX);
        loop {
            let lane = self.hungry.pop_front()?;
            if let Some(state) = self.lanes.get(&lane) {
                return Some(Refill { lane, shard: state.shard, after: state.known, limit: room });
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
    }

    /// A task that went has come to an end, or, when not `settled`, is still in its lane as far as is known.
    pub(crate) fn ended(&mut self, lane: Lane, position: u64, through_gate: bool, settled: bool, now: Instant) {
        if through_gate {
            self.leave_gate(&lane);
        }
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        state.flying.remove(&position);
        if settled {
            state.waiting = state.waiting.saturating_sub(1);
            return self.stir(lane);
        }
        self.cached -= state.heads.len();
        state.put_back(position);
        if state.place == Place::Idle {
            self.rest(lane, now + REST);
        } else {
            state.not_before = Some(now + REST);
        }
    }

    /// Takes out the remembered tasks whose event arrived before `limit`, at most `most`, as under way.
    pub(crate) fn take_expired(&mut self, limit: Timestamp, most: usize) -> Vec<(Lane, u16, Queued)> {
        let mut expired = Vec::new();
        for (lane, state) in &mut self.lanes {
            let old = |queued: &Queued| queued.task.event.received_at < limit;
            while expired.len() < most
                && let Some(at) = state.heads.iter().position(old)
                && let Some(queued) = state.heads.remove(at)
            {
                self.cached -= 1;
                state.flying.insert(queued.position);
                expired.push((*lane, state.shard, queued));
            }
        }
        expired
    }

    /// Lanes whose destinations are not configured.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = (Lane, u16)> {
        self.lanes.iter().filter(|(_, state)| state.place == Place::Unknown).map(|(lane, state)| (*lane, state.shard))
    }

    /// Marks a task of a lane with an unknown destination as under way; `false` when it is already.
    pub(crate) fn take(&mut self, lane: &Lane, position: u64) -> bool {
        self.lanes.get_mut(lane).is_some_and(|state| state.flying.insert(position))
    }

    /// When the next sleeping lane wakes.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.asleep.first().map(|(at, _)| *at)
    }

    /// Deliveries in lanes by destination, and how many wait for destinations that are not configured.
    pub(crate) fn waiting(&self) -> (HashMap<&DestinationId, u64>, u64) {
        let mut unknown = 0;
        let mut known: HashMap<&DestinationId, u64> =
            self.plan.backends.iter().map(|backend| (&backend.destination.id, 0)).collect();
        for (lane, state) in &self.lanes {
            match self.plan.backend(&lane.destination) {
                Some(backend) => *known.entry(&backend.destination.id).or_default() += state.waiting,
                None => unknown += state.waiting,
            }
        }
        (known, unknown)
    }

    /// Tasks remembered, of all lanes.
    #[cfg(test)]
    pub(crate) const fn cached(&self) -> usize {
        self.cached
    }

    fn group(&self, lane: &Lane) -> turns::Group {
        self.plan.backend(&lane.destination).and_then(|backend| backend.destination.tenant.clone())
    }

    /// Puts a lane where it belongs now.
    fn stir(&mut self, lane: Lane) {
        let known = self.plan.backend(&lane.destination).is_some();
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if !known {
            self.cached -= state.heads.len();
            state.put_back(state.heads.front().map_or(u64::MAX, |head| head.position));
            state.place = Place::Unknown;
            return;
        }
        let low = if self.cached < CACHED_MAX { HEADS_LOW } else { 0 };
        if state.more && !state.refilling && state.heads.len() <= low {
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
        self.turns.push(state.group.clone(), lane);
    }

    fn rest(&mut self, lane: Lane, until: Instant) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.place = Place::Asleep;
            self.asleep.insert((until, lane));
        }
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, lane)) = self.asleep.first().copied()
            && at <= now
        {
            self.asleep.pop_first();
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.place = Place::Idle;
            }
            self.stir(lane);
        }
    }

    fn leave_gate(&mut self, lane: &Lane) {
        if let Some(gate) = self.gates.get_mut(&lane.destination) {
            gate.flying = gate.flying.saturating_sub(1);
        }
        self.let_through(&lane.destination);
    }

    /// Lets lanes at a gate on until one of them has a turn; that one lets the next on when it has gone and ended.
    fn let_through(&mut self, destination: &Token) {
        let Some(gate) = self.gates.get_mut(destination) else { return };
        let Some(lane) = gate.blocked.pop_front() else {
            if gate.flying == 0 {
                self.gates.remove(destination);
            }
            return;
        };
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.place = Place::Idle;
        }
        self.stir(lane);
        if self.lanes.get(&lane).is_none_or(|state| state.place != Place::Turn) {
            self.let_through(destination);
        }
    }
}

/// How long a first attempt still has to wait, where the schedule does not begin at once.
fn first_wait(backend: &Backend, head: &Queued, now: Timestamp) -> Option<Duration> {
    let wait = *backend.destination.schedule.first()?;
    if head.task.attempt != 1 || wait.is_zero() {
        return None;
    }
    let left = head.task.created_at.after(wait).since(now);
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests;
