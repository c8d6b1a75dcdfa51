//! Reading lanes in which tasks stand one right after the other, without the headers that say where each stands: those cost
//! the server more than the task.
//!
//! What is asked for is what follows a place, in order, and the end of the answer says where the last of it stands. When that
//! is as far behind the place as there are tasks, nothing stands between them. Else they are asked for with their headers.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_nats::HeaderMap;

use super::{
    Nats,
    link::{self, Link},
    read::Stored,
};
use crate::{Lane, StoreError};

/// Lanes that are remembered; where more are read, those that matter are soon found again.
const LANES_MAX: usize = 1024;
/// Fewer tasks are not worth the chance that they are asked for twice.
const WORTH: usize = 32;

/// Lanes that were found to be like that when they were last read, by shard.
#[derive(Debug, Default)]
pub(super) struct Dense(Mutex<HashSet<(u16, Lane)>>);

impl Nats {
    /// What stands in a lane after a place, in order.
    pub(super) async fn lane_page(
        &self,
        shard: u16,
        lane: &Lane,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let (stream, subject) = (self.names.deliveries(shard), self.names.lane_subject(shard, lane));
        let link = self.near();
        if limit >= WORTH && self.dense.lanes().contains(&(shard, *lane)) {
            if let Some(page) = in_a_row(&link, &stream, &subject, after, limit).await? {
                return Ok(page);
            }
            self.dense.lanes().remove(&(shard, *lane));
        }
        let page = link.page(&stream, &subject, after, limit, self.replicas).await?;
        if page.len() >= WORTH && is_in_a_row(&page) {
            let mut lanes = self.dense.lanes();
            if lanes.len() >= LANES_MAX {
                lanes.clear();
            }
            lanes.insert((shard, *lane));
        }
        Ok(page)
    }
}

/// What follows a place, if it is proven where it stands. Nothing found proves nothing: a replica may be behind.
async fn in_a_row(
    link: &Link,
    stream: &str,
    subject: &str,
    after: u64,
    limit: usize,
) -> Result<Option<Vec<Stored>>, StoreError> {
    let (payloads, last) = link.payloads(stream, subject, after + 1, limit, link::soon()).await?;
    if payloads.is_empty() || last != Some(after + payloads.len() as u64) {
        return Ok(None);
    }
    let stored =
        |(payload, sequence)| Stored { sequence, subject: subject.to_owned(), headers: HeaderMap::new(), payload };
    Ok(Some(payloads.into_iter().zip(after + 1..).map(stored).collect()))
}

fn is_in_a_row(page: &[Stored]) -> bool {
    page.windows(2).all(|pair| matches!(pair, [one, next] if next.sequence == one.sequence + 1))
}

impl Dense {
    fn lanes(&self) -> MutexGuard<'_, HashSet<(u16, Lane)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
