//! Records of attempts that are tried again, written in batches beside the deliveries' way.
//!
//! A delivery's end is not such a record: it is counted, and is confirmed before the task goes. What is written here is
//! history; when it can't be, the delivery goes on all the same, and what was lost is told.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use tokio::sync::{mpsc, oneshot};

use super::{
    Nats,
    link::{self, Link, Post, Repeat},
};
use crate::StoreError;

/// Records that may wait to be written.
pub(super) const QUEUE_MAX: usize = 2048;
/// Records written together.
const BATCH_MAX: usize = 256;
/// Publishes under way at once.
const AT_ONCE: usize = 32;
/// Longest time that a batch is tried, and the pause between two tries.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// What the writer is asked.
pub(super) enum Record {
    /// To write this.
    Attempt(Box<Post>),
    /// To say when all that was asked before is written.
    Flush(oneshot::Sender<()>),
}

impl Nats {
    /// Has an attempt written, soon or never; nobody waits for it.
    pub(super) fn record(&self, post: Post) {
        if self.records.try_send(Record::Attempt(Box::new(post))).is_err() {
            self.records_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything recorded so far is written.
    pub(super) async fn flush_records(&self) {
        let (done, written) = oneshot::channel();
        if self.records.send(Record::Flush(done)).await.is_ok() {
            // The writer is gone: nothing more is written.
            let _ = written.await;
        }
    }
}

/// Writes records as they come; ends when the store is dropped.
pub(super) async fn keep(link: &Link, lost: &AtomicU64, mut records: mpsc::Receiver<Record>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while records.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (mut posts, mut flushes) = (Vec::new(), Vec::new());
        for record in batch.drain(..) {
            match record {
                Record::Attempt(post) => posts.push(post),
                Record::Flush(done) => flushes.push(done),
            }
        }
        let deadline = Instant::now() + GIVE_UP_AFTER;
        let unwritten = stream::iter(posts)
            .map(|post| async move { write(link, &post, deadline).await })
            .buffer_unordered(AT_ONCE)
            .filter(|written| std::future::ready(!written))
            .count()
            .await;
        let lost = lost.swap(0, Ordering::Relaxed) + u64::try_from(unwritten).unwrap_or(u64::MAX);
        if lost > 0 {
            tracing::warn!(lost, "records of failed attempts were not kept; their deliveries go on");
        }
        for done in flushes {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
    }
}

async fn write(link: &Link, post: &Post, deadline: Instant) -> bool {
    loop {
        match link.publish(post, Repeat::Harmless, link::soon()).await.map_err(StoreError::from) {
            Ok(_) => return true,
            Err(StoreError::Closed) => return false,
            Err(_) if Instant::now() >= deadline => return false,
            Err(_) => tokio::time::sleep(TRY_AGAIN).await,
        }
    }
}
