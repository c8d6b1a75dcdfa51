//! Requests with a wrong key: only so many from one address, so that nobody tries out keys fast.
//!
//! An address that has used up its failures is answered 429 without a look at its key, unless that very key was right
//! before: who works with a good key is not shut out by somebody else's wrong ones behind the same proxy. A good key that
//! was never used since the process started has to wait with the others, for at most a minute.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

/// Addresses that are told apart; further ones share one allowance until some of these are forgotten.
const SOURCES_MAX: usize = 4096;

/// Keys that were right, as hashes; the one that was used longest ago goes first.
const RIGHT_MAX: usize = 1024;

/// The allowance is for this time, and comes back over it.
const SPAN: Duration = Duration::from_secs(60);

/// Failures by source, and keys that were right.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When a source's failures are all forgotten.
    sources: HashMap<IpAddr, Instant>,
    /// The same of all that found no place.
    others: Option<Instant>,
    right: HashMap<[u8; 32], Instant>,
}

impl Failures {
    /// Whether a key is to be looked at; how long to wait otherwise. `allowed` is the number of failures in a minute.
    pub(crate) fn admit(&self, from: IpAddr, key: &[u8], allowed: u32, now: Instant) -> Result<(), Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = known.sources.get(&source(from)).copied();
        let forgotten = forgotten.or(if known.is_full() { known.others } else { None });
        let owed = forgotten.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let room = SPAN.saturating_sub(each(allowed));
        if owed <= room || known.right.contains_key(&hash(key)) {
            return Ok(());
        }
        Err(owed - room)
    }

    /// A key was wrong.
    pub(crate) fn failed(&self, from: IpAddr, key: &[u8], allowed: u32, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It was right once, and is revoked since.
        known.right.remove(&hash(key));
        let from = source(from);
        if known.is_full() && !known.sources.contains_key(&from) {
            known.sources.retain(|_, at| *at > now);
        }
        let is_known = known.sources.contains_key(&from);
        if is_known || !known.is_full() {
            let at = known.sources.entry(from).or_insert(now);
            *at = (*at).max(now) + each(allowed);
        } else {
            known.others = Some(known.others.unwrap_or(now).max(now) + each(allowed));
        }
    }

    /// A key was right.
    pub(crate) fn passed(&self, key: &[u8], now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(key);
        if known.right.len() >= RIGHT_MAX && !known.right.contains_key(&hash) {
            let oldest = known.right.iter().min_by_key(|(_, at)| **at).map(|(hash, _)| *hash);
            oldest.map(|oldest| known.right.remove(&oldest));
        }
        known.right.insert(hash, now);
    }
}

impl Known {
    fn is_full(&self) -> bool {
        self.sources.len() >= SOURCES_MAX
    }
}

/// What one failure takes of the allowance.
fn each(allowed: u32) -> Duration {
    SPAN / allowed.max(1)
}

/// Who has one IPv6 address has its whole network.
fn source(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: u32 = 30;

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    /// Fails until it is shut out; how often it could.
    fn exhaust(failures: &Failures, from: IpAddr, now: Instant) -> u32 {
        (0..1000)
            .find(|_| {
                let is_out = failures.admit(from, b"wrong", ALLOWED, now).is_err();
                failures.failed(from, b"wrong", ALLOWED, now);
                is_out
            })
            .expect("it is shut out")
    }

    #[test]
    fn wrong_keys_use_up_the_allowance_of_their_address_and_of_no_other() {
        let (failures, now) = (Failures::default(), Instant::now());
        failures.passed(b"in use", now);
        assert_eq!(exhaust(&failures, address(1), now), ALLOWED);
        assert!(failures.admit(address(1), b"right, but new", ALLOWED, now).is_err());
        assert!(failures.admit(address(1), b"in use", ALLOWED, now).is_ok(), "a good key is shut out");
        assert!(failures.admit(address(2), b"wrong", ALLOWED, now).is_ok());
        let wait = failures.admit(address(1), b"wrong", ALLOWED, now).expect_err("it is shut out");
        assert!(wait > Duration::ZERO && wait <= SPAN, "{wait:?}");
        assert!(failures.admit(address(1), b"wrong", ALLOWED, now + wait).is_ok(), "the wait is too short");
        failures.failed(address(3), b"in use", ALLOWED, now);
        assert!(failures.admit(address(1), b"in use", ALLOWED, now).is_err(), "a revoked key is taken for a good one");
        let network = |host: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) + host));
        exhaust(&failures, network(1), now);
        assert!(failures.admit(network(2), b"wrong", ALLOWED, now).is_err(), "of the same network");
        assert!(failures.admit(network(1 << 64), b"wrong", ALLOWED, now).is_ok(), "of another");
    }

    #[test]
    fn a_flood_of_addresses_and_keys_is_remembered_within_bounds() {
        let (failures, now) = (Failures::default(), Instant::now());
        let many = u32::try_from(SOURCES_MAX).expect("few") * 2;
        for n in 0..many {
            failures.failed(address(n), b"wrong", ALLOWED, now);
            failures.passed(&n.to_be_bytes(), now + Duration::from_millis(n.into()));
        }
        {
            let known = failures.0.lock().expect("whole");
            assert_eq!((known.sources.len(), known.right.len()), (SOURCES_MAX, RIGHT_MAX));
        }
        assert!(failures.admit(address(many + 1), b"wrong", ALLOWED, now).is_err(), "those without a place share one");
        assert!(failures.admit(address(0), b"wrong", ALLOWED, now).is_ok(), "who has a place has its own");
        assert!(failures.admit(address(many + 1), &(many - 1).to_be_bytes(), ALLOWED, now).is_ok());
        let later = now + SPAN * 300;
        failures.failed(address(many + 1), b"wrong", ALLOWED, later);
        assert_eq!(failures.0.lock().expect("whole").sources.len(), 1, "what is over is forgotten");
    }
}
