//! Waiting for a condition, always with a deadline.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The longest a case may take.
pub(crate) const CASE: Duration = Duration::from_secs(120);

/// The longest that something which should happen soon may take.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A deadline for an operation.
pub(crate) fn soon() -> Instant {
    Instant::now() + SOON
}

/// The future's value, which must come in time.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("nothing within {limit:?}"))
}

/// Asks until the answer is `Some`, which must come soon.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = soon();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
