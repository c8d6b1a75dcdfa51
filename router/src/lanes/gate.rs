//! What lets deliveries to one destination begin: how many at once, how many a second, and whether it answers at all.
//!
//! All of it is plain memory of the shard's owner. A new owner knows nothing: it begins with an empty bucket and one
//! probe, so that neither the rate nor a backend that has just come back is overrun.

mod breaker;
mod bucket;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use breaker::Breaker;
use bucket::Bucket;
use gatepost_config::Destination;
use gatepost_event::Lane;

/// The gate of one destination.
#[derive(Debug)]
pub(super) struct Gate {
    /// Its shard.
    pub(super) shard: u16,
    /// Lanes that wait here, in the order they came.
    pub(super) blocked: VecDeque<Lane>,
    /// When it is looked at again by itself.
    pub(super) opens_at: Option<Instant>,
    flying: usize,
    breaker: Breaker,
    bucket: Option<Bucket>,
}

/// Whether a delivery may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Go,
    /// When an attempt under way has ended.
    AfterOne,
    /// Then, if nothing else stands in its way by that time.
    At(Instant),
    /// When the destination is no longer paused.
    Shut,
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
    pub(super) const fn new(shard: u16) -> Self {
        let breaker = Breaker::unknown();
        Self { shard, blocked: VecDeque::new(), opens_at: None, flying: 0, breaker, bucket: None }
    }

    /// Whether a delivery may begin now. While slots are `scarce`, a destination gets one: what it takes in excess is
    /// what another lacks.
    pub(super) fn ask(&mut self, policy: &Destination, scarce: bool, now: Instant) -> Verdict {
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
        match self.bucket.as_ref().map(|bucket| bucket.ready_at(now)) {
            Some(at) if at > now => Verdict::At(at),
            _ => Verdict::Go,
        }
    }

    /// A delivery begins.
    pub(super) fn begin(&mut self, now: Instant) -> Pass {
        self.flying += 1;
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        Pass { opened: self.breaker.begin() }
    }

    /// A delivery that began has ended. Without a word on the destination's health nothing was learnt of it.
    pub(super) fn ended(&mut self, pass: Pass, policy: Option<&Destination>, health: Option<Health>, now: Instant) {
        self.flying = self.flying.saturating_sub(1);
        let (most, longest) = policy.map_or((0, FIRST_WAIT), |policy| (policy.breaker_failures, policy.breaker_wait));
        self.breaker.ended(pass.opened, health, (most, longest), now);
    }

    /// Whether it waits for the destination to answer again.
    pub(super) const fn is_open(&self) -> bool {
        self.breaker.is_open()
    }
}

/// The first of a breaker's waits.
const FIRST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
