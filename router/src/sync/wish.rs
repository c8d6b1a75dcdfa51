//! Runs that somebody asked for through the API.

use gatepost_event::{
    StoreError,
    registry::{Change, Kind},
};
use tokio::sync::mpsc;

use super::conduct::Heard;
use crate::{backoff::Backoff, work::Desk};

/// Tells the conductor of every wish. Those that stood there before are read with what the store remembers of an engine.
/// Never returns before the conductor is gone.
pub(crate) async fn follow(desk: &Desk, heard: mpsc::Sender<Heard>) {
    let mut backoff = Backoff::store();
    loop {
        match listen(desk, &heard).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "wishes for runs can't be followed; trying again"),
        }
        backoff.wait().await;
    }
}

async fn listen(desk: &Desk, heard: &mpsc::Sender<Heard>) -> Result<(), StoreError> {
    let mut watch = desk.store.watch(Kind::SyncWish).await?;
    loop {
        // All of them first: some may have come while nobody watched.
        let mut entries = desk.store.entries(Kind::SyncWish).await?;
        loop {
            for entry in entries.drain(..) {
                if heard.send(Heard::Wish(entry)).await.is_err() {
                    return Ok(());
                }
            }
            match watch.next().await? {
                Change::Put(entry) => entries.push(entry),
                Change::Removed(_) => {}
                Change::Missed => break,
            }
        }
    }
}
