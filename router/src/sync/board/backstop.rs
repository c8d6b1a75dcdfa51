//! When the backstop of a sync asks for a run.
//!
//! Its owner may be killed at any moment. Another one takes over when the lease has run out, and has to be in time still:
//! so a run is asked for a reserve before the time is over.

use gatepost_event::store::types::LEASE_TTL;

use super::slot::{NEVER, Slot};

/// The reserve: thrice a lease. One until it has run out, one until the store has noticed, another owner has looked and
/// has read what is known of the syncs, and one to make up for what was due meanwhile.
#[expect(clippy::cast_possible_truncation, reason = "it is some seconds")]
const TAKE_OVER: i64 = 3 * LEASE_TTL.as_millis() as i64;

/// The time after a run by which the next one is asked for. Of an hour a hundredth is kept in reserve, which is more than
/// a take-over takes; of less than a minute no more than a quarter, because runs would come too often.
pub(super) const fn latest(backstop: i64) -> i64 {
    let reserve = if backstop / 100 > TAKE_OVER { backstop / 100 } else { TAKE_OVER };
    backstop - if reserve < backstop / 4 { reserve } else { backstop / 4 }
}

impl Slot {
    /// When the backstop asks for a run: after the last one in the last fifth of [`latest`], so that connections that were
    /// triggered together spread out; before the first one within half of it, so that an owner who knows nothing of
    /// another before it is in time too. Where in that is the connection's own, and the same whoever asks, so that a
    /// change of owners moves nothing.
    pub(super) fn next_backstop(&self, now: i64) -> i64 {
        if self.backstop == 0 {
            return NEVER;
        }
        let latest = latest(self.backstop);
        match self.triggered_at {
            0 => {
                let half = (latest / 2).max(1);
                now + (self.spread(0, half) - now).rem_euclid(half)
            }
            last => last + latest - self.spread(last, latest / 5),
        }
    }

    /// The same for whoever has just taken over. What was due while nobody was there is not all due at once, but spread
    /// over what is left of its time; what is late already becomes no later than twice that.
    pub(super) fn next_backstop_of_new_owner(&self, now: i64) -> i64 {
        let at = self.next_backstop(now);
        if at >= now {
            return at;
        }
        let end = self.triggered_at + self.backstop;
        now + self.spread(self.triggered_at, (end - now).abs().min(self.backstop / 10))
    }

    /// A number below `over` that is the slot's own, and another one for each `salt`.
    fn spread(&self, salt: i64, over: i64) -> i64 {
        let mut bits: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.token.as_str().bytes().chain(salt.to_be_bytes()) {
            bits = (bits ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        bits ^= bits >> 29;
        i64::try_from(bits >> 1).unwrap_or_default().rem_euclid(over.max(1))
    }
}
