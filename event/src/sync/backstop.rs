//! When the backstop of a sync asks for a run. Times and spans are in milliseconds.
//!
//! Its owner may be killed at any moment. Another one takes over when the lease has run out, and has to be in time still:
//! so a run is asked for a reserve before the time is over.

use crate::{id::Token, store::types::LEASE_TTL};

/// The reserve: thrice a lease. One until it has run out, one until the store has noticed, another owner has looked and
/// has read what is known of the syncs, and one to make up for what was due meanwhile.
#[expect(clippy::cast_possible_truncation, reason = "it is some seconds")]
const TAKE_OVER: i64 = 3 * LEASE_TTL.as_millis() as i64;

/// The time after a run by which the next one is asked for. Of an hour a hundredth is kept in reserve, which is more than
/// a take-over takes; of less than a minute no more than a quarter, because runs would come too often.
pub const fn latest(backstop: i64) -> i64 {
    let reserve = if backstop / 100 > TAKE_OVER { backstop / 100 } else { TAKE_OVER };
    backstop - if reserve < backstop / 4 { reserve } else { backstop / 4 }
}

/// When the first run is asked for: within half of [`latest`], so that an owner who knows nothing of another before it is in
/// time too. Where in that is the sync's own, and the same whoever asks and whenever, so that a change of owners moves
/// nothing.
pub fn first(token: &Token, backstop: i64, now: i64) -> i64 {
    let half = (latest(backstop) / 2).max(1);
    now + (spread(token, 0, half) - now).rem_euclid(half)
}

/// When the next run is asked for after one: in the last fifth of [`latest`], so that connections that were triggered
/// together spread out.
pub fn next(token: &Token, backstop: i64, last: i64) -> i64 {
    let latest = latest(backstop);
    last + latest - spread(token, last, latest / 5)
}

/// A number below `over` that is the sync's own, and another one for each `salt`.
pub fn spread(token: &Token, salt: i64, over: i64) -> i64 {
    let mut bits: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in token.as_str().bytes().chain(salt.to_be_bytes()) {
        bits = (bits ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    bits ^= bits >> 29;
    i64::try_from(bits >> 1).unwrap_or_default().rem_euclid(over.max(1))
}
