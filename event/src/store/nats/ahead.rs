//! Reading events together that stand close to each other in a partition's log.

use futures::future::try_join_all;

use super::{Nats, body::BodyRef, link};
use crate::{EventRef, StoreError, store::StoredEvent};

/// Two events stand close when no more others stand between them: those are read too.
const BETWEEN_MAX: u64 = 2;

/// Matches every subject of a stream. How many messages match is told with each answer, and costs the server no count.
const ALL: &str = ">";

impl Nats {
    /// What stands by itself is left out: read so, it costs no less than later.
    pub(in crate::store) async fn events_at(&self, mut places: Vec<EventRef>) -> Result<Vec<StoredEvent>, StoreError> {
        places.sort_unstable_by_key(|at| (at.partition, at.sequence));
        let close = |one: &EventRef, next: &EventRef| {
            one.partition == next.partition && next.sequence - one.sequence <= BETWEEN_MAX + 1
        };
        let runs = places.chunk_by(close).filter(|run| run.len() > 1);
        Ok(try_join_all(runs.map(|run| self.run(run))).await?.concat())
    }

    /// All of a run in one question; fewer when they are large.
    async fn run(&self, run: &[EventRef]) -> Result<Vec<StoredEvent>, StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let stream = self.names.events(first.partition);
        let span = usize::try_from(last.sequence - first.sequence + 1).unwrap_or(usize::MAX);
        let batch = self.link.batch(&stream, ALL, first.sequence, span, link::soon()).await?;
        let mut events = Vec::with_capacity(run.len());
        for message in &batch.messages {
            let is_wanted = run.binary_search_by_key(&message.sequence, |at| at.sequence).is_ok();
            if is_wanted && matches!(BodyRef::get(&message.headers), Ok(None)) {
                events.push(self.stored_event(first.partition, message).await?);
            }
        }
        Ok(events)
    }
}
