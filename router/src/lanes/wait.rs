//! Lanes that can't go now: asleep until a time, or at the gate of their destination.

use std::time::{Duration, Instant};

use gatepost_config::Timestamp;
use gatepost_event::{Lane, Queued, id::Token};

use super::{
    CACHED_MAX, Health, Lanes, Pass,
    gate::{Claim, Verdict},
    lane::Place,
};
use crate::plan::Backend;

/// A lane that waits longer than this gives its tasks back to the store when memory is short.
const SHELVE_AFTER: Duration = Duration::from_secs(1);

impl Lanes {
    pub(super) fn rest(&mut self, lane: Lane, until: Instant) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.place = Place::Asleep;
            self.asleep.insert((until, lane));
        }
    }

    pub(super) fn wake(&mut self, now: Instant) {
        while let Some((at, lane)) = self.asleep.first().copied()
            && at <= now
        {
            self.asleep.pop_first();
            self.return_from_wait(lane);
        }
        while let Some((at, destination)) = self.gates_due.first().copied()
            && at <= now
        {
            self.gates_due.pop_first();
            if let Some(gate) = self.gates.get_mut(&destination) {
                gate.opens_at = None;
            }
            self.let_through(&destination, now);
        }
    }

    pub(super) fn return_from_wait(&mut self, lane: Lane) {
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.place = Place::Idle;
            state.shelved = false;
        }
        self.stir(lane);
    }

    /// Lets a lane wait at its gate: behind the others, or before them when it was its turn already.
    pub(super) fn block(&mut self, lane: Lane, claim: Claim, verdict: Verdict, now: Instant) {
        let (Some(state), Some(gate)) = (self.lanes.get_mut(&lane), self.gates.get_mut(&lane.destination)) else {
            return;
        };
        state.place = Place::Gate;
        gate.block(lane, claim, state.let_on.take().is_some());
        match verdict {
            Verdict::At(at) => {
                self.look_again(&lane.destination, at);
                self.shelve(lane, at.saturating_duration_since(now));
            }
            Verdict::Shut => self.shelve(lane, Duration::MAX),
            Verdict::AfterOne | Verdict::Go => {}
        }
    }

    /// Looks at a gate again at a time.
    fn look_again(&mut self, destination: &Token, at: Instant) {
        let Some(gate) = self.gates.get_mut(destination) else { return };
        if gate.opens_at.is_some_and(|earlier| earlier <= at) {
            return;
        }
        if let Some(later) = gate.opens_at.replace(at) {
            self.gates_due.remove(&(later, *destination));
        }
        self.gates_due.insert((at, *destination));
    }

    /// Gives the tasks of a lane that waits for long back to the store, when memory is short.
    pub(super) fn shelve(&mut self, lane: Lane, wait: Duration) {
        if wait < SHELVE_AFTER || self.cached <= CACHED_MAX / 2 {
            return;
        }
        if let Some(state) = self.lanes.get_mut(&lane)
            && let Some(head) = state.heads.front().map(|head| head.position)
        {
            self.cached -= state.heads.len();
            state.put_back(head);
            state.shelved = true;
        }
    }

    fn shelve_blocked(&mut self, destination: &Token, wait: Duration) {
        if wait >= SHELVE_AFTER && self.cached > CACHED_MAX / 2 {
            let blocked: Vec<Lane> =
                self.gates.get(destination).iter().flat_map(|gate| gate.blocked()).copied().collect();
            blocked.into_iter().for_each(|lane| self.shelve(lane, wait));
        }
    }

    /// An attempt is over: another may go to its destination. Without a word on its health nothing was learnt of it.
    pub(crate) fn leave_gate(&mut self, lane: &Lane, pass: Pass, health: Option<Health>, now: Instant) {
        let policy = self.plan.backend(&lane.destination).map(|backend| &backend.destination);
        if let Some(gate) = self.gates.get_mut(&lane.destination) {
            gate.ended(pass, policy, health, now);
        }
        self.let_through(&lane.destination, now);
    }

    /// Lets lanes at a gate on, if it lets any, until one of them is on its way; that one lets the next on when it goes.
    pub(super) fn let_through(&mut self, destination: &Token, now: Instant) {
        while let Some(gate) = self.gates.get_mut(destination)
            && let Some(claim) = gate.next_claim()
            && let Some(backend) = self.plan.backend(destination)
            && !self.shut.contains(destination)
        {
            match gate.ask(&backend.destination, claim, self.scarce, now) {
                Verdict::Go => {}
                Verdict::At(at) => {
                    self.look_again(destination, at);
                    return self.shelve_blocked(destination, at.saturating_duration_since(now));
                }
                Verdict::AfterOne | Verdict::Shut => return,
            }
            let Some(lane) = gate.unblock(claim) else { return };
            self.return_from_wait(lane);
            if let Some(state) = self.lanes.get_mut(&lane)
                && (state.place == Place::Turn || state.refilling)
            {
                state.let_on = Some(claim);
                return;
            }
        }
    }
}

/// How long a task still has to wait: for its first attempt where the schedule does not begin at once, or for the retry
/// of an ordered one.
pub(super) fn wait_of(backend: &Backend, head: &Queued, now: Timestamp) -> Option<Duration> {
    let until = match head.task.not_before {
        Some(until) => until,
        None if head.task.attempt == 1 => head.task.created_at.after(*backend.destination.schedule.first()?),
        None => return None,
    };
    let left = until.since(now);
    (!left.is_zero()).then_some(left)
}
