//! Following one shard: what arrives in its lanes, and what they hold already.

use std::time::Duration;

use gatepost_event::{Store, StoreError, store::Tailed};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use crate::{
    backoff::{Backoff, around},
    dispatch::Note,
    lease::Held,
    work::Desk,
};

/// Time between looks at all lanes of the shard, in case an arrival was never heard of.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Longest time that a question to the store may take here.
const ASK_MAX: Duration = Duration::from_secs(10);

/// How long attempts under way hold a shard up that another router is to take. Nothing of the shard begins meanwhile, so
/// what a hanging backend keeps under way must not keep the others waiting; the other router makes the attempt again.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);

/// Tells the dispatcher of the shard's tasks until the lease ends or is to be given up, then waits until nothing of the
/// shard is under way.
pub(crate) async fn follow(desk: &Desk, held: Held, shard: u16, notes: &mpsc::Sender<Note>) {
    if notes.send(Note::Opened(shard, held.clone())).await.is_err() {
        return;
    }
    tokio::select! {
        () = held.stopped() => {}
        () = listen(&desk.store, shard, notes) => {}
    }
    let (send, mut drained) = oneshot::channel();
    if notes.send(Note::Closed(shard, send)).await.is_ok() {
        // An error means that the dispatcher is gone, and with it all that was under way.
        let patience = if desk.store.is_shared() { HAND_OVER_MAX } else { Duration::MAX };
        if timeout(patience, &mut drained).await.is_err() {
            held.cut_off();
            let _ = drained.await;
        }
    }
}

/// Returns only when the dispatcher is gone.
async fn listen(store: &Store, shard: u16, notes: &mpsc::Sender<Note>) {
    let mut backoff = Backoff::store();
    loop {
        let opened = Instant::now();
        match listen_once(store, shard, notes).await {
            Ok(()) => return,
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(shard, %error, "the shard can't be read; trying again")
            }
            Err(error) => tracing::debug!(shard, %error, "the shard's tail ended; opening it again"),
        }
        if opened.elapsed() > LIST_EVERY {
            backoff = Backoff::store();
        }
        backoff.wait().await;
    }
}

/// Opens the tail first and then asks for the lanes, so that no task falls between.
async fn listen_once(store: &Store, shard: u16, notes: &mpsc::Sender<Note>) -> Result<(), StoreError> {
    let mut tail = timeout(ASK_MAX, store.tail(shard)).await.unwrap_or_else(|_| Err(late()))?;
    loop {
        let counts = timeout(ASK_MAX, store.lanes(shard)).await.unwrap_or_else(|_| Err(late()))?;
        if notes.send(Note::Listed(shard, counts)).await.is_err() {
            return Ok(());
        }
        let list_again = Instant::now() + around(LIST_EVERY);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(list_again) => break,
                heard = tail.next() => match heard? {
                    Tailed::Arrived(lane, queued) => {
                        if notes.send(Note::Arrived(shard, lane, Box::new(queued))).await.is_err() {
                            return Ok(());
                        }
                    }
                    Tailed::Sooner(lane) => {
                        if notes.send(Note::Sooner(lane)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Tailed::Missed => break,
                },
            }
        }
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("it did not answer in time".to_owned())
}
