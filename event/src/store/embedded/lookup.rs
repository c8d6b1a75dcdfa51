//! Reads of single events. What is asked for while others are read is read together: one question, one snapshot, however
//! many deliveries wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{
    events,
    read::{ReadError, Readers},
};
use crate::{Event, EventRef, StoreError};

/// Events that one question reads.
const TOGETHER_MAX: usize = 64;

/// Who waits for events.
#[derive(Debug, Clone)]
pub(super) struct Lookups {
    readers: Readers,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    wanted: Vec<Wanted>,
    /// Somebody reads, and goes on until nobody waits.
    is_read: bool,
}

#[derive(Debug)]
struct Wanted {
    at: EventRef,
    answer: oneshot::Sender<Result<Option<Event>, StoreError>>,
}

impl Lookups {
    pub(super) fn new(readers: Readers) -> Self {
        Self { readers, waiting: Arc::default() }
    }

    /// One event; none when its retention has ended.
    pub(super) async fn event(&self, at: &EventRef) -> Result<Option<Event>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.wanted.push(Wanted { at: *at, answer });
            !std::mem::replace(&mut waiting.is_read, true)
        };
        if begins {
            // A task of its own: whoever began it may be dropped before all others have their events.
            tokio::spawn(self.clone().read_all());
        }
        answered.await.unwrap_or_else(|_| match self.readers.is_closed() {
            true => Err(StoreError::Closed),
            false => Err(StoreError::Unavailable("the event was not read".to_owned())),
        })
    }

    async fn read_all(self) {
        while let Some(wanted) = self.next() {
            let read = self.readers.ask(move |from| {
                // One that can't be read keeps no other from being read, and nobody waits for all of them.
                for Wanted { at, answer } in wanted {
                    // Whoever asked may have gone.
                    drop(answer.send(events::one(from, &at).map_err(ReadError::into_store_error)));
                }
                Ok(())
            });
            if let Err(error) = read.await {
                tracing::debug!(%error, "events were not read; whoever wants them asks again");
            }
        }
    }

    /// What is read next; when nobody waits any more, the next one who does begins again.
    fn next(&self) -> Option<Vec<Wanted>> {
        let mut waiting = self.waiting();
        let count = waiting.wanted.len().min(TOGETHER_MAX);
        waiting.is_read = count > 0;
        waiting.is_read.then(|| waiting.wanted.drain(..count).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
