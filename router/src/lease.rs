//! The right to work on a partition or shard, kept up while the work goes on.

use std::time::{Duration, Instant};

use gatepost_event::{Store, StoreError, store::Lease};
use tokio::{sync::watch, time::timeout_at};
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, around};

/// Time between renewals; a lease lasts 5 s, so two may fail.
const RENEW_EVERY: Duration = Duration::from_millis(1500);

/// A lease as its worker sees it.
///
/// What it guarantees: work begins only while the lease is valid for another second ([`Self::may_begin`]), and whatever
/// is under way is dropped at the instant when the lease's last confirmed validity runs out ([`Self::ended`]). Renewals go on
/// while attempts are under way, so an attempt may take longer than a lease lasts; but no two owners ever have an
/// attempt of one delivery under way at once.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    lease: watch::Receiver<Lease>,
    stop: CancellationToken,
    ended: CancellationToken,
    /// Ends with the lease, or before it when attempts under way are cut off.
    attempts: CancellationToken,
}

/// Least validity with which work begins.
const BEGIN_WITH: Duration = Duration::from_secs(1);

/// The other side of a [`Held`]: renews the lease.
#[derive(Debug)]
pub(crate) struct Keeper {
    lease: watch::Sender<Lease>,
    ended: CancellationToken,
    abandon: CancellationToken,
}

/// Splits a lease into what its worker sees and what renews it.
///
/// `stop` asks the worker to end what is under way and take nothing more; `abandon` ends the lease for the worker at
/// once.
pub(crate) fn hold(lease: Lease, stop: CancellationToken, abandon: &CancellationToken) -> (Held, Keeper) {
    let ended = abandon.child_token();
    let (send, receive) = watch::channel(lease);
    let held = Held { lease: receive, stop, ended: ended.clone(), attempts: ended.child_token() };
    (held, Keeper { lease: send, ended, abandon: abandon.clone() })
}

impl Held {
    /// The lease, as last renewed.
    pub(crate) fn lease(&self) -> Lease {
        self.lease.borrow().clone()
    }

    /// Whether work may begin at `now`.
    pub(crate) fn may_begin(&self, now: Instant) -> bool {
        !self.stop.is_cancelled() && !self.ended.is_cancelled() && self.lease.borrow().valid_until >= now + BEGIN_WITH
    }

    /// Returns when the lease has ended for this router: lost, run out, or given up in haste.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Returns when attempts under way are to be dropped: the lease has ended, or [`Self::cut_off`].
    pub(crate) async fn attempts_ended(&self) {
        self.attempts.cancelled().await;
    }

    /// Drops the attempts under way; the lease stays, to be given up.
    pub(crate) fn cut_off(&self) {
        self.attempts.cancel();
    }

    /// Whether the lease has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Returns when the worker should take nothing more: asked to stop, or the lease has ended.
    pub(crate) async fn stopped(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.ended.cancelled() => {}
        }
    }

    /// The worker found out that the lease is lost.
    pub(crate) fn give_up(&self) {
        self.ended.cancel();
    }
}

impl Keeper {
    /// Renews the lease until it is lost. Never returns otherwise; drop it to stop renewing.
    pub(crate) async fn keep(&self, store: &Store) {
        loop {
            tokio::time::sleep(around(RENEW_EVERY)).await;
            let lease = self.lease.borrow().clone();
            let key = lease.key;
            match timeout_at(lease.valid_until.into(), self.renew(store, lease)).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(?key, "the lease was lost");
                    break;
                }
                Err(_) => {
                    tracing::warn!(?key, "the lease ran out because the store did not renew it");
                    break;
                }
            }
        }
        self.ended.cancel();
    }

    /// The lease, to be released; none when it was lost or has run out.
    pub(crate) fn into_lease(self) -> Option<Lease> {
        let lost = self.ended.is_cancelled() && !self.abandon.is_cancelled();
        let lease = self.lease.borrow().clone();
        (!lost && lease.valid_until > Instant::now()).then_some(lease)
    }

    async fn renew(&self, store: &Store, mut lease: Lease) -> bool {
        let mut backoff = Backoff::store();
        loop {
            match store.renew(&mut lease).await {
                Ok(true) => {
                    self.lease.send_replace(lease);
                    return true;
                }
                Ok(false) | Err(StoreError::LeaseLost) => return false,
                Err(_) => backoff.wait().await,
            }
        }
    }
}
