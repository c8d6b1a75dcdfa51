//! What lets deliveries to one destination begin: how many at once, how many a second, and whether it answers at all.
//!
//! All of it is plain memory of the shard's owner. A new owner knows nothing: it begins with an empty bucket and one
//! probe, so that neither the rate nor a backend that has just come back is overrun.
//!
//! Who waits here takes turns, tenant by tenant. A tenant with nothing but one task waiting goes before those with more,
//! and half of the bucket's burst is kept for such: what is offered in excess waits by itself.

mod breaker;
pub(crate) mod bucket;

use std::time::{Duration, Instant};

use breaker::Breaker;
use bucket::Bucket;
use gatepost_config::Destination;
use gatepost_event::Lane;

use super::turns::Turns;

/// The gate of one destination.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Its shard.
    pub(super) shard: u16,
    /// Lanes that wait here, with the one task that their tenant has waiting.
    lone: Turns,
    /// All others that wait here.
    crowd: Turns,
    /// How many of the lone have begun since one of the crowd did.
    lone_in_a_row: u32,
    /// When it is looked at again by itself.
    pub(super) opens_at: Option<Instant>,
    flying: usize,
    breaker: Breaker,
    bucket: Option<Bucket>,
}

/// Whether a delivery may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Go,
    /// When an attempt under way has ended.
    AfterOne,
    /// Then, if nothing else stands in its way by that time.
    At(Instant),
    /// When the destination is no longer paused.
    Shut,
}

/// How a delivery stands among those of its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is the only one that its tenant has waiting.
    Lone,
    /// More of its tenant's wait.
    Crowd,
}

/// What a delivery has that a gate let begin; it gives it back when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    /// How often the breaker had opened.
    opened: u32,
}

/// What an attempt says about a destination's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers, with whatever status.
    Answers,
    /// No answer in time, no connection, 429 or 5xx.
    Fails,
}

impl Gate {
    /// Nothing is known of the destination.
    pub(crate) fn new(shard: u16) -> Self {
        let breaker = Breaker::unknown();
        let (lone, crowd) = (Turns::default(), Turns::default());
        Self { shard, lone, crowd, lone_in_a_row: 0, opens_at: None, flying: 0, breaker, bucket: None }
    }

    /// Of a sync engine, which is taken to answer until it does not: a probe may take as long as a run.
    pub(crate) fn of_engine(shard: u16) -> Self {
        Self { breaker: Breaker::closed(), ..Self::new(shard) }
    }

    /// Whether a delivery may begin now. While slots are `scarce`, a destination gets one: what it takes in excess is
    /// what another lacks.
    pub(crate) fn ask(&mut self, policy: &Destination, claim: Claim, scarce: bool, now: Instant) -> Verdict {
        if policy.paused {
            return Verdict::Shut;
        }
        let most = if scarce { 1 } else { policy.concurrency.max(1) };
        if policy.breaker_failures > 0 {
            match self.breaker.ask(now) {
                Verdict::Go => {}
                verdict => return verdict,
            }
        }
        if self.flying >= most {
            return Verdict::AfterOne;
        }
        self.bucket = Bucket::fitted(self.bucket.take(), policy, now);
        let keeps_back = claim == Claim::Crowd && !self.owes_the_crowd();
        match self.bucket.as_ref().map(|bucket| bucket.ready_at(now, keeps_back)) {
            Some(at) if at > now => Verdict::At(at),
            _ => Verdict::Go,
        }
    }

    /// A delivery begins.
    pub(crate) fn begin(&mut self, claim: Claim, now: Instant) -> Pass {
        self.flying += 1;
        self.lone_in_a_row = if claim == Claim::Lone { self.lone_in_a_row.saturating_add(1) } else { 0 };
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        Pass { opened: self.breaker.begin() }
    }

    /// A delivery that began has ended. Without a word on the destination's health nothing was learnt of it.
    pub(crate) fn ended(&mut self, pass: Pass, policy: Option<&Destination>, health: Option<Health>, now: Instant) {
        self.flying = self.flying.saturating_sub(1);
        let (most, longest) = policy.map_or((0, FIRST_WAIT), |policy| (policy.breaker_failures, policy.breaker_wait));
        self.breaker.ended(pass.opened, health, (most, longest), now);
    }

    /// It answered something that began and has not ended.
    pub(crate) fn answers(&mut self, pass: Pass, policy: &Destination, now: Instant) {
        let bounds = (policy.breaker_failures, policy.breaker_wait);
        self.breaker.ended(pass.opened, Some(Health::Answers), bounds, now);
    }

    /// The claim of a lane, in which more tasks than the next one wait or not.
    pub(super) fn claim(&self, lane: &Lane, more_wait: bool) -> Claim {
        match more_wait || self.lone.has_tenant_of(lane) || self.crowd.has_tenant_of(lane) {
            true => Claim::Crowd,
            false => Claim::Lone,
        }
    }

    /// A lane waits here: behind the others, or before them when it was its turn already.
    pub(super) fn block(&mut self, lane: Lane, claim: Claim, had_its_turn: bool) {
        let waiting = self.waiting(claim);
        if had_its_turn { waiting.push_front(lane) } else { waiting.push(lane) }
    }

    /// The claim of the lane that is to go next, if one waits.
    pub(super) fn next_claim(&self) -> Option<Claim> {
        match (self.lone.is_empty(), self.crowd.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Claim::Crowd),
            (false, false) if self.owes_the_crowd() => Some(Claim::Crowd),
            (false, _) => Some(Claim::Lone),
        }
    }

    /// The lane with that claim that is to go next; it waits no more.
    pub(super) fn unblock(&mut self, claim: Claim) -> Option<Lane> {
        self.waiting(claim).pop()
    }

    /// Nobody waits here any more.
    pub(super) fn unblock_all(&mut self) {
        (self.lone, self.crowd, self.opens_at) = (Turns::default(), Turns::default(), None);
    }

    /// The lanes that wait here.
    pub(super) fn blocked(&self) -> impl Iterator<Item = &Lane> {
        self.lone.iter().chain(self.crowd.iter())
    }

    const fn waiting(&mut self, claim: Claim) -> &mut Turns {
        match claim {
            Claim::Lone => &mut self.lone,
            Claim::Crowd => &mut self.crowd,
        }
    }

    /// Whether so many of the lone went before them that it is the crowd's turn: many tenants with little each must
    /// not keep the others out.
    const fn owes_the_crowd(&self) -> bool {
        self.lone_in_a_row >= LONE_IN_A_ROW_MAX
    }

    /// Whether it waits for the destination to answer again.
    pub(crate) const fn is_open(&self) -> bool {
        self.breaker.is_open()
    }
}

/// Most of the lone that begin before one of the crowd does.
const LONE_IN_A_ROW_MAX: u32 = 8;

/// The first of a breaker's waits.
const FIRST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
