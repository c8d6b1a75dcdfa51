//! What a tenant may have at most, whatever the others leave.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{OTHERS, Offer, TENANTS_MAX, Tenant, seconds};

/// Time between two looks for tenants that have used nothing lately.
const SWEPT_EVERY: Duration = Duration::from_secs(1);

/// Less of an event than this is nothing: what is left of sums that should be equal.
const NOTHING: f64 = 1e-6;

/// A bucket for each tenant that offered lately. It holds a second's worth; a batch that is larger needs a full one, and
/// leaves a debt.
#[derive(Debug)]
pub(super) struct Own {
    /// Events a second of each.
    rate: f64,
    /// Events that a full bucket holds.
    burst: f64,
    pub(super) used: HashMap<Tenant, Used>,
    swept_at: Instant,
}

/// What a bucket lacks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    events: f64,
    at: Instant,
}

impl Own {
    /// With full buckets, each of which gains so many events a second.
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        Self { rate, burst: rate.max(1.0), used: HashMap::new(), swept_at: now }
    }

    /// Whether every tenant of an offer has enough, or how long it is until all have.
    pub(super) fn ask(&self, offer: &Offer, now: Instant) -> Result<(), Duration> {
        let lacks = |(tenant, count): (Tenant, f64)| self.used(tenant, now) + count.min(self.burst) - self.burst;
        let lacking = offer.each().map(lacks).fold(0.0, f64::max);
        if lacking <= NOTHING { Ok(()) } else { Err(seconds(lacking / self.rate)) }
    }

    /// Takes an offer out of its tenants' buckets.
    pub(super) fn take(&mut self, offer: &Offer, now: Instant) {
        self.sweep(now);
        for (tenant, count) in offer.each() {
            let events = self.used(tenant, now) + count;
            self.used.insert(self.place(tenant), Used { events, at: now });
        }
    }

    fn used(&self, tenant: Tenant, now: Instant) -> f64 {
        self.used.get(&self.place(tenant)).map_or(0.0, |used| used.until(now, self.rate))
    }

    /// Whose bucket a tenant has.
    fn place(&self, tenant: Tenant) -> Tenant {
        if self.used.len() < TENANTS_MAX || self.used.contains_key(&tenant) { tenant } else { OTHERS }
    }

    /// Forgets full buckets.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= SWEPT_EVERY {
            self.used.retain(|_, used| used.until(now, self.rate) > 0.0);
            self.swept_at = now;
        }
    }
}

impl Used {
    fn until(&self, now: Instant, rate: f64) -> f64 {
        (self.events - rate * now.saturating_duration_since(self.at).as_secs_f64()).max(0.0)
    }
}
