//! What a tenant may have of this gateway, where the operator bounds it: asked before the store is.
//!
//! The events of a request are admitted together or not at all, and one that is not takes nothing from anybody. Events that
//! no tenant owns yet count for their integration and account. What was admitted counts, whatever the store makes of it: a
//! repeat, or nothing. What the operator asked for (a release from quarantine, a heal) doesn't come this way.

mod fair;
mod own;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use gatepost_config::{Gateway as Settings, Rate};
use gatepost_event::store::Item;

use self::{fair::Fair, own::Own};
use crate::{event::Accepted, failure::Failure, inbound::Inbound, serve::Gateway};

/// Tenants that are remembered, and those who bring no tenant; all beyond count as one.
const TENANTS_MAX: usize = 65_536;

/// Time between two lines of the log about what was refused.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// The longest that a provider is told to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A request whose events may be stored.
pub(crate) struct Admitted(Accepted);

impl Admitted {
    /// The request and what is to be stored of it.
    pub(crate) fn into_parts(self) -> (Arc<Inbound>, Vec<Item>) {
        self.0.into_parts()
    }
}

/// The quotas of this process; nothing where the operator set none.
#[derive(Debug)]
pub(crate) struct Quota {
    set: ArcSwapOption<Set>,
    hasher: RandomState,
}

/// Quotas that are set.
#[derive(Debug)]
struct Set {
    rates: Rates,
    shares: Mutex<Shares>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rates {
    accept: Option<Rate>,
    tenant: Option<Rate>,
}

/// Stands for a tenant, or an account that nobody owns: a hash under a key of this process's own, so that what is remembered
/// of one is as long as of any other.
type Tenant = u64;

/// All tenants that find no place.
const OTHERS: Tenant = 0;

/// How many events of which tenants a request brings.
#[derive(Debug)]
struct Offer(Vec<(Tenant, f64)>);

/// What was taken of the quotas, as far as they are set.
#[derive(Debug)]
struct Shares {
    all: Option<Fair>,
    each: Option<Own>,
    told_at: Option<Instant>,
    /// Events that were refused since.
    untold: u64,
}

/// A setting that bounds what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `gateway.accept_rate`
    All,
    /// `gateway.tenant_rate`
    Each,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Excess {
    limit: Limit,
    /// When room is expected.
    wait: Duration,
}

/// Admits a request, or tells its provider to come again.
pub(crate) fn admit(accepted: Accepted, gateway: &Gateway) -> Result<Admitted, Failure> {
    let Some(set) = &*gateway.quota.set.load() else { return Ok(Admitted(accepted)) };
    let (offer, now) = (Offer::of(accepted.items(), &gateway.quota.hasher), Instant::now());
    let mut shares = set.shares.lock().unwrap_or_else(PoisonError::into_inner);
    let Err(excess) = shares.admit(&offer, now) else { return Ok(Admitted(accepted)) };
    let to_tell = shares.tell(&offer, now);
    drop(shares);

    let (inbound, limit) = (accepted.inbound(), excess.limit.word());
    let integration = &inbound.endpoint().integration.id;
    gateway.metrics.rate_limited(integration.as_str(), excess.limit, offer.events());
    tracing::debug!(target: "gatepost::step", step = "rate_limited", request = %inbound.arrival.request, limit);
    if let Some(events) = to_tell {
        let meta = accepted.items().first().map(|item| &item.event.meta);
        let tenant = meta.and_then(|meta| meta.tenant.as_ref()).map(ToString::to_string);
        let account = meta.and_then(|meta| meta.account.as_deref());
        tracing::warn!(request = %inbound.arrival.request, %integration, tenant, account, events, limit,
            "more events are offered than a quota of [gateway] allows; answered 429 (these since the last such line)");
    }
    Err(Failure::RateLimited(excess.wait.min(RETRY_AFTER_MAX)))
}

impl Quota {
    /// As the settings say, with nothing taken.
    pub(crate) fn new(settings: &Settings) -> Self {
        let quota = Self { set: ArcSwapOption::empty(), hasher: RandomState::new() };
        quota.follow(settings);
        quota
    }

    /// As the settings say now; where they differ, what was taken is forgotten.
    pub(crate) fn follow(&self, settings: &Settings) {
        let rates = Rates { accept: settings.accept_rate, tenant: settings.tenant_rate };
        if self.set.load().as_ref().map(|set| set.rates) == Some(rates) {
            return;
        }
        let is_set = rates.accept.is_some() || rates.tenant.is_some();
        let set = || Arc::new(Set { rates, shares: Mutex::new(Shares::new(rates, Instant::now())) });
        self.set.store(is_set.then(set));
    }
}

impl Limit {
    /// The setting's name, for metrics and the log.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::All => "accept_rate",
            Self::Each => "tenant_rate",
        }
    }
}

impl Offer {
    fn of(items: &[Item], hasher: &RandomState) -> Self {
        let mut counts: HashMap<Tenant, f64> = HashMap::with_capacity(1);
        for Item { event, .. } in items {
            let tenant = match &event.meta.tenant {
                Some(tenant) => hasher.hash_one(tenant),
                None => hasher.hash_one((&event.meta.integration, &event.meta.account)),
            };
            *counts.entry(tenant).or_default() += 1.0;
        }
        Self(counts.into_iter().collect())
    }

    fn each(&self) -> impl Iterator<Item = (Tenant, f64)> {
        self.0.iter().copied()
    }

    fn count(&self) -> f64 {
        self.each().map(|(_, count)| count).sum()
    }

    fn events(&self) -> u64 {
        self.count() as u64
    }
}

impl Shares {
    fn new(rates: Rates, now: Instant) -> Self {
        let all = rates.accept.map(|rate| Fair::new(per_second(rate), now));
        let each = rates.tenant.map(|rate| Own::new(per_second(rate), now));
        Self { all, each, told_at: None, untold: 0 }
    }

    /// Takes what an offer needs of every quota, or nothing of any.
    fn admit(&mut self, offer: &Offer, now: Instant) -> Result<(), Excess> {
        if offer.0.is_empty() {
            return Ok(());
        }
        if let Some(each) = &mut self.each {
            each.ask(offer, now).map_err(|wait| Excess { limit: Limit::Each, wait })?;
        }
        if let Some(all) = &mut self.all {
            let entry = all.ask(offer, now).map_err(|wait| Excess { limit: Limit::All, wait })?;
            all.take(offer, entry);
        }
        if let Some(each) = &mut self.each {
            each.take(offer, now);
        }
        Ok(())
    }

    /// How many events were refused since somebody was told of it, these among them; none while that was lately.
    fn tell(&mut self, offer: &Offer, now: Instant) -> Option<u64> {
        self.untold += offer.events();
        if self.told_at.is_some_and(|at| now.saturating_duration_since(at) < TOLD_EVERY) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.count) / rate.per.as_secs_f64()
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests;
