//! How long a provider's API wants to be left alone, and how long we are willing to.

use std::time::Duration;

use gatepost_config::Timestamp;
use http::{HeaderMap, StatusCode};

/// The longest that one limit is waited for, and all limits of a heal together.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
const WAITS_MAX: Duration = Duration::from_secs(60 * 60);

/// The shortest wait.
const WAIT_MIN: Duration = Duration::from_millis(500);

/// Waits after something that broke, one after the other; then it is given up.
const BROKEN: [Duration; 4] = [WAIT_MIN, Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// What an API that limits us without saying for how long is given.
const UNSAID: Duration = Duration::from_secs(10);

/// The patience of one heal.
#[derive(Debug, Default)]
pub(super) struct Pause {
    broken: usize,
    waited: Duration,
}

/// Why an API wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It limits us until then.
    Limit(Timestamp),
    /// It has a problem of its own.
    Trouble,
}

/// Whether an answer is none for now.
///
/// Facts: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>,
/// <https://docs.stripe.com/rate-limits>.
pub(super) fn wanted(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Wanted> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let after = number("retry-after").map(|seconds| now.after(Duration::from_secs(seconds)));
    let is_used_up = number("x-ratelimit-remaining") == Some(0);
    let reset = number("x-ratelimit-reset").filter(|_| is_used_up);
    let reset = reset.and_then(|at| i64::try_from(at.checked_mul(1000)?).ok()).map(Timestamp::from_millis);
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Wanted::Limit(after.or(reset).unwrap_or_else(|| now.after(UNSAID)))),
        StatusCode::FORBIDDEN => after.or(reset).map(Wanted::Limit),
        status if status.is_server_error() => Some(after.map_or(Wanted::Trouble, Wanted::Limit)),
        _ => None,
    }
}

impl Pause {
    /// How long to wait for it; until when it can't be waited for, or nothing when it has been in trouble too often.
    pub(super) fn limited(&mut self, wanted: Wanted) -> Result<Duration, Option<Timestamp>> {
        let Wanted::Limit(until) = wanted else { return self.broken() };
        let wait = until.since(Timestamp::now()).max(WAIT_MIN);
        if wait > WAIT_MAX || self.waited + wait > WAITS_MAX {
            return Err(Some(until));
        }
        self.waited += wait;
        Ok(wait)
    }

    /// It answers again.
    pub(super) const fn answered(&mut self) {
        self.broken = 0;
    }

    /// How long to wait before it is tried again, if it is.
    pub(super) fn broken(&mut self) -> Result<Duration, Option<Timestamp>> {
        let wait = BROKEN.get(self.broken).copied().ok_or(None)?;
        self.broken += 1;
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn of(status: u16, headers: &[(&'static str, &str)]) -> Option<Wanted> {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().expect("a header's value"))
        };
        let status = StatusCode::from_u16(status).expect("a status");
        wanted(status, &headers.iter().map(header).collect(), Timestamp::from_millis(1_000_000_000))
    }

    #[test]
    fn a_limit_is_kept_and_a_refusal_is_none() {
        let at = |seconds: i64| Some(Wanted::Limit(Timestamp::from_millis((1_000_000 + seconds) * 1000)));
        assert_eq!(of(429, &[("retry-after", "7")]), at(7));
        assert_eq!(of(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000030")]), at(30));
        assert_eq!(of(429, &[]), at(10));
        assert_eq!(of(403, &[("retry-after", "60")]), at(60));
        assert_eq!(of(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000030")]), at(30));
        assert_eq!(of(403, &[("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1000030")]), None);
        assert_eq!(of(503, &[]), Some(Wanted::Trouble));
        for status in [200, 202, 301, 401, 404, 422] {
            assert_eq!(of(status, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000030")]), None);
        }
    }

    #[test]
    fn patience_ends() {
        let mut pause = Pause::default();
        let waits: Vec<_> = std::iter::from_fn(|| pause.broken().ok()).collect();
        assert_eq!(waits, BROKEN);
        assert_eq!(pause.broken(), Err(None));
        let far = Timestamp::now().after(Duration::from_secs(16 * 60));
        assert_eq!(pause.limited(Wanted::Limit(far)), Err(Some(far)));
        let near = Timestamp::now().after(Duration::from_secs(14 * 60));
        let granted = std::iter::from_fn(|| pause.limited(Wanted::Limit(near)).ok()).take(100).count();
        assert_eq!(granted, 4, "an hour in all");
    }
}
