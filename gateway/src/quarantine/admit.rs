//! Which refused requests are worth storing at all: a gate before the disk.
//!
//! An integration has one allowance for all of its refused requests, large enough for a wrong secret's first minutes;
//! besides, each class (reason and source) has a small one of its own, which no other class can use up. So a flood is
//! soon stored at a trickle, and what is refused beside it for another reason, or comes from elsewhere, still is stored.

use std::{collections::HashMap, time::Instant};

use gatepost_config::{IntegrationId, Quarantine};

use super::bounds::Unit;
use crate::reason::Reason;

/// Requests of a class that are stored at once, and each second after.
const CLASS: (f64, f64) = (64.0, 2.0);

/// Requests of an integration that are stored each second after as many as may be kept.
const INTEGRATION_RATE: f64 = 50.0;

/// Classes that are remembered; an integration has at most 9,000.
const CLASSES_MAX: usize = 65_536;

/// The kind of a refused request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class<'a> {
    pub(super) integration: &'a IntegrationId,
    pub(super) reason: Reason,
    pub(super) source: u8,
}

/// The allowances, as far as they are used up.
#[derive(Debug, Default)]
pub(super) struct Admission {
    integrations: HashMap<IntegrationId, Allowance>,
    classes: HashMap<(IntegrationId, Reason, u8), Allowance>,
}

#[derive(Debug)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Admission {
    /// Whether a refused request of so many bytes is to be stored.
    pub(super) fn admits(&mut self, class: Class<'_>, bytes: usize, limits: &Quarantine, now: Instant) -> bool {
        if self.classes.len() >= CLASSES_MAX {
            self.classes.clear();
        }
        let cost = Unit::of(limits).cost(bytes as u64) as f64;
        let Class { integration, reason, source } = class;
        let most = limits.requests_max as f64;
        if !self.integrations.contains_key(integration) {
            self.integrations.insert(integration.clone(), Allowance { left: most, at: now });
        }
        let all = self.integrations.get_mut(integration);
        if all.is_some_and(|all| all.take(cost, most, INTEGRATION_RATE, now)) {
            return true;
        }
        let (most, rate) = CLASS;
        let own = self.classes.entry((integration.clone(), reason, source));
        own.or_insert_with(|| Allowance { left: most, at: now }).take(cost, most, rate, now)
    }
}

impl Allowance {
    /// Takes a cost while anything is left; a large one leaves a debt.
    fn take(&mut self, cost: f64, most: f64, rate: f64, now: Instant) -> bool {
        self.left = most.min(rate.mul_add(now.saturating_duration_since(self.at).as_secs_f64(), self.left));
        self.at = now;
        let takes = self.left >= 1.0_f64.min(most);
        if takes {
            self.left -= cost;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatepost_config::ByteSize;

    use super::*;

    #[test]
    fn a_flood_of_one_class_is_soon_stored_at_a_trickle_and_uses_up_no_other_class() {
        let limits = Quarantine {
            requests_max: 1_000,
            bytes_max: ByteSize(1_000 * 1024),
            total_requests_max: 1_000,
            total_bytes_max: ByteSize(1_000 * 1024),
        };
        let (flooded, quiet) = ("flooded".parse().expect("an id"), "quiet".parse().expect("an id"));
        let class = |integration, reason, source| Class { integration, reason, source };
        let mismatch = |source| class(&flooded, Reason::SignatureMismatch, source);
        let (mut admission, start) = (Admission::default(), Instant::now());
        let mut flood = |from: Duration| {
            let at = start + from;
            (0..100_000).filter(|_| admission.admits(mismatch(7), 100, &limits, at)).count()
        };
        assert_eq!(flood(Duration::ZERO), 1_064, "as many as may be kept, and its own");
        assert_eq!(flood(Duration::from_secs(2)), 104);
        let at = start + Duration::from_secs(2);
        for other in [mismatch(8), class(&flooded, Reason::TokenMismatch, 7), class(&quiet, Reason::TokenMismatch, 7)] {
            assert!((0..64).all(|_| admission.admits(other, 100, &limits, at)), "{other:?}");
        }
        let large = (0..100).filter(|_| admission.admits(mismatch(9), 32 * 1024, &limits, at)).count();
        assert_eq!(large, 2, "large ones count for many");
    }
}
