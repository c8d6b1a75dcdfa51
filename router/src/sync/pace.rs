//! Calls of an engine begin at most so often, whatever they are for.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use gatepost_config::Destination;

use crate::lanes::gate::bucket::Bucket;

/// What paces the calls of one engine. It begins empty, so that a change of owners overruns no rate.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<Bucket>>);

impl Pace {
    /// Waits until another call may begin.
    pub(crate) async fn wait(&self, policy: &Destination) {
        loop {
            let now = Instant::now();
            let ready_at = {
                let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *slot = Bucket::fitted(slot.take(), policy, now);
                match slot.as_mut() {
                    None => return,
                    Some(bucket) if bucket.ready_at(now, false) <= now => return bucket.take(now),
                    Some(bucket) => bucket.ready_at(now, false),
                }
            };
            tokio::time::sleep_until(ready_at.into()).await;
        }
    }
}
