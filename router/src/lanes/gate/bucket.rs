//! How many attempts may begin in any span of time.

use std::time::{Duration, Instant};

use gatepost_config::{Destination, Rate};

/// A token bucket, kept as the time at which it would be full.
///
/// It holds `burst` tokens and gains them so slowly that burst and gain together stay within the rate, in whatever span
/// of its length one counts.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    burst: u32,
    /// Time in which a token is gained.
    gap: Duration,
    full_at: Instant,
}

impl Bucket {
    /// The bucket that a destination's policy asks for: the one at hand if it fits, else a new, empty one.
    pub(crate) fn fitted(at_hand: Option<Self>, policy: &Destination, now: Instant) -> Option<Self> {
        let rate = policy.rate?;
        let asked = policy.burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(rate.count / 20);
        let burst = asked.clamp(1, rate.count);
        match at_hand {
            Some(bucket) if (bucket.rate, bucket.burst) == (rate, burst) => Some(bucket),
            _ => {
                let gap = rate.per / (rate.count - burst + 1);
                Some(Self { rate, burst, gap, full_at: now + gap * burst })
            }
        }
    }

    /// When it holds a token, beside the half of the burst that is kept back from some.
    pub(crate) fn ready_at(&self, now: Instant, keeps_back: bool) -> Instant {
        let kept = if keeps_back { self.burst / 2 } else { 0 };
        let room = self.gap * (self.burst - 1 - kept);
        self.full_at.checked_sub(room).map_or(now, |at| at.max(now))
    }

    /// Takes a token.
    pub(crate) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.gap;
    }
}
