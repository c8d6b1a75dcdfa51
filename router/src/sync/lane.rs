//! What a lane of a sync holds: its first and its last task.

use std::{sync::Arc, time::Duration};

use gatepost_event::{Lane, Queued};
use tokio::time::timeout;

use crate::work::Desk;

/// Longest time that the question may take.
const ASK_MAX: Duration = Duration::from_secs(10);

/// What a look at a lane came to.
#[derive(Debug)]
pub(super) enum Looked {
    /// These are its first and its last task.
    Holds(Box<(Queued, Queued)>),
    /// It is empty.
    Empty,
    /// The store did not say.
    Unknown,
}

/// Looks at a lane.
pub(super) async fn look(desk: Arc<Desk>, shard: u16, lane: Lane) -> Looked {
    let asking = async {
        // The last one first: what arrives in between is heard of anyway.
        let newest = desk.store.newest(shard, &lane).await.ok()?;
        let oldest = desk.store.heads(shard, &lane, 0, 1).await.ok()?.pop();
        Some(oldest.zip(newest))
    };
    match timeout(ASK_MAX, asking).await {
        Ok(Some(Some(found))) => Looked::Holds(Box::new(found)),
        Ok(Some(None)) => Looked::Empty,
        Ok(None) | Err(_) => Looked::Unknown,
    }
}
