//! Waiting between tries of something that failed.

use std::time::Duration;

/// Waits that double up to a bound, each shortened at random by up to a half, so that many waiters spread out.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// For calls to the store: from 100 ms to 2 s.
    pub(crate) const fn store() -> Self {
        Self { next: Duration::from_millis(100), max: Duration::from_secs(2) }
    }

    /// Waits, longer each time.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next.mul_f64(rand::random_range(0.5..=1.0))).await;
        self.next = (self.next * 2).min(self.max);
    }
}

/// A span changed at random by at most a fifth either way.
pub(crate) fn around(span: Duration) -> Duration {
    span.mul_f64(rand::random_range(0.8..=1.2))
}
