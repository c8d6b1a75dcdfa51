//! Reading events together that stand close to each other in a partition's log.

use futures::future::try_join_all;

use super::{Nats, link, read::ALL};
use crate::{Event, EventRef, StoreError, store::StoredEvent};

/// Two events stand close when no more others stand between them: those are read too.
const BETWEEN_MAX: u64 = 2;

impl Nats {
    /// What stands by itself is left out: read so, it costs no less than later.
    pub(in crate::store) async fn events_at(&self, mut places: Vec<EventRef>) -> Result<Vec<StoredEvent>, StoreError> {
        places.sort_unstable_by_key(|at| (at.partition, at.sequence));
        let close = |one: &EventRef, next: &EventRef| {
            one.partition == next.partition && next.sequence - one.sequence <= BETWEEN_MAX + 1
        };
        let runs = places.chunk_by(close).filter(|run| run.len() > 1);
        Ok(try_join_all(runs.map(|run| self.run(run))).await?.into_iter().flatten().collect())
    }

    /// All of a run in one question; fewer when they are large. Which is which their own ids say.
    async fn run(&self, run: &[EventRef]) -> Result<Vec<StoredEvent>, StoreError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(Vec::new()) };
        let stream = self.names.events(first.partition);
        let span = usize::try_from(last.sequence - first.sequence + 1).unwrap_or(usize::MAX);
        let (payloads, _) = self.near().payloads(&stream, ALL, first.sequence, span, link::soon()).await?;
        let mut events = Vec::with_capacity(run.len());
        let mut wanted = run.iter();
        for payload in payloads {
            let Ok(event) = Event::from_frame(&payload) else { continue };
            let is_it = |at: &EventRef| at.id == event.meta.id && at.received_at == event.meta.received_at;
            let Some(skipped) = wanted.clone().position(is_it) else { continue };
            let at = wanted.nth(skipped).copied();
            // A large body is elsewhere, which a header says that was not asked for.
            if let Some(at) = at.filter(|_| !event.body.is_empty()) {
                events.push(StoredEvent { at, event: Ok(event) });
            }
        }
        Ok(events)
    }
}
