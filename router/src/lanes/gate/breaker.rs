//! Whether a destination answers. While it does not, deliveries to it wait, but for one at a time that probes.

use std::time::{Duration, Instant};

use super::{FIRST_WAIT, Health, Verdict};

/// A circuit breaker. (In the field's words: closed, open and half-open; *open* lets nothing through.)
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// How often it has opened: what began before says nothing about the time after.
    opened: u32,
    /// Failures since the destination last answered.
    failures: usize,
    /// The last wait.
    waited: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It answers.
    Closed,
    /// It does not; nothing begins before then.
    Open { until: Instant },
    /// One may begin, and decides.
    HalfOpen { probing: bool },
}

impl Breaker {
    /// Nothing is known yet: the first delivery is a probe.
    pub(super) const fn unknown() -> Self {
        Self { state: State::HalfOpen { probing: false }, opened: 0, failures: 0, waited: None }
    }

    /// Taken to answer until it does not.
    pub(super) const fn closed() -> Self {
        Self { state: State::Closed, opened: 0, failures: 0, waited: None }
    }

    /// Whether a delivery may begin.
    pub(super) fn ask(&mut self, now: Instant) -> Verdict {
        match self.state {
            State::Open { until } if until > now => Verdict::At(until),
            State::Open { .. } => {
                self.state = State::HalfOpen { probing: false };
                Verdict::Go
            }
            State::HalfOpen { probing: true } => Verdict::AfterOne,
            State::HalfOpen { probing: false } | State::Closed => Verdict::Go,
        }
    }

    /// A delivery begins; returns how often the breaker has opened.
    pub(super) const fn begin(&mut self) -> u32 {
        if let State::HalfOpen { probing } = &mut self.state {
            *probing = true;
        }
        self.opened
    }

    /// A delivery ended that began when the breaker had opened `opened` times. So many failures in a row open it, 0
    /// never; the waits double up to the longest.
    pub(super) fn ended(
        &mut self,
        opened: u32,
        health: Option<Health>,
        (most, longest): (usize, Duration),
        now: Instant,
    ) {
        if opened != self.opened {
            return;
        }
        let was_probe = matches!(self.state, State::HalfOpen { .. });
        match health {
            None if was_probe => self.state = State::HalfOpen { probing: false },
            None => {}
            Some(Health::Fails) if most > 0 => {
                self.failures = self.failures.saturating_add(1);
                if was_probe || self.failures >= most {
                    self.open(longest, now);
                }
            }
            Some(_) => {
                self.state = State::Closed;
                self.failures = 0;
                self.waited = None;
            }
        }
    }

    fn open(&mut self, longest: Duration, now: Instant) {
        let wait = self.waited.map_or(FIRST_WAIT, |waited| waited * 2).min(longest);
        self.waited = Some(wait);
        self.opened = self.opened.wrapping_add(1);
        self.state = State::Open { until: now + wait };
    }

    /// Whether the destination is known not to answer.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. }) || (matches!(self.state, State::HalfOpen { .. }) && self.failures > 0)
    }
}
