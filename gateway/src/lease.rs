//! Work that one gateway does for all of them, by a lease.

use std::{
    convert::Infallible,
    future::Future,
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use gatepost_event::{
    RequestId, Store,
    store::{Lease, LeaseKey},
};

/// Time between tries to have the lease.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Time between renewals; a lease lasts 5 s, so two may fail.
const RENEW_EVERY: Duration = Duration::from_millis(1500);

/// Has a lease whenever nobody else does, and works while it has it.
pub(crate) async fn whenever<F>(store: &Store, key: LeaseKey, work: impl Fn() -> F) -> Infallible
where
    F: Future<Output = Infallible>,
{
    let owner = RequestId::fresh(Timestamp::now()).to_string();
    loop {
        match store.acquire(key, &owner).await {
            Ok(Some(lease)) => tokio::select! {
                () = hold(store, lease) => tracing::debug!(?key, "the lease has ended"),
                never = Box::pin(work()) => match never {},
            },
            Ok(None) => {}
            Err(error) => tracing::debug!(?key, %error, "the store can't be asked for the lease"),
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// Renews a lease until it is lost or runs out.
async fn hold(store: &Store, mut lease: Lease) {
    let mut renew_at = Instant::now() + RENEW_EVERY;
    while renew_at < lease.valid_until {
        tokio::time::sleep_until(renew_at.into()).await;
        match tokio::time::timeout_at(lease.valid_until.into(), store.renew(&mut lease)).await {
            Ok(Ok(true)) => renew_at = Instant::now() + RENEW_EVERY,
            Ok(Ok(false)) => return,
            Ok(Err(_)) => renew_at = Instant::now() + RENEW_EVERY / 5,
            Err(_) => return,
        }
    }
}
