//! Following one shard: what arrives in its lanes, and what they hold already.

use std::{sync::Arc, time::Duration};

use gatepost_event::{
    Lane, Store, StoreError,
    store::{LaneCount, Tailed},
};
use tokio::{
    sync::{
        mpsc::{self, error::SendError},
        oneshot, watch,
    },
    time::{Instant, timeout},
};

use crate::{
    backoff::{Backoff, around},
    dispatch::Note,
    lease::Held,
    plan::Plan,
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
pub(crate) async fn follow(desk: &Desk, plan: watch::Receiver<Arc<Plan>>, held: Held, shard: u16, notes: &Notes) {
    for to in [&notes.deliveries, &notes.syncs] {
        if to.send(Note::Opened(shard, held.clone())).await.is_err() {
            return;
        }
    }
    tokio::select! {
        () = held.stopped() => {}
        () = listen(&desk.store, &plan, shard, notes) => {}
    }
    let (send, of_syncs) = oneshot::channel();
    let syncs_closed = notes.syncs.send(Note::Closed(shard, send)).await;
    let (send, mut drained) = oneshot::channel();
    if notes.deliveries.send(Note::Closed(shard, send)).await.is_ok() {
        // An error means that the dispatcher is gone, and with it all that was under way.
        let patience = if desk.store.is_shared() { HAND_OVER_MAX } else { Duration::MAX };
        if timeout(patience, &mut drained).await.is_err() {
            held.cut_off();
            let _ = drained.await;
        }
    }
    if syncs_closed.is_ok() {
        // What it has under way ends at once.
        let _ = of_syncs.await;
    }
}

/// Whom a shard's follower tells what it hears.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    /// The dispatcher: of deliveries, and of what nobody is configured for.
    pub(crate) deliveries: mpsc::Sender<Note>,
    /// The conductor: of tasks that syncs are owed to.
    pub(crate) syncs: mpsc::Sender<Note>,
}

/// Returns only when the dispatcher is gone.
async fn listen(store: &Store, plan: &watch::Receiver<Arc<Plan>>, shard: u16, notes: &Notes) {
    let mut backoff = Backoff::store();
    loop {
        let opened = Instant::now();
        match listen_once(store, plan, shard, notes).await {
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
async fn listen_once(
    store: &Store,
    plan: &watch::Receiver<Arc<Plan>>,
    shard: u16,
    notes: &Notes,
) -> Result<(), StoreError> {
    let mut tail = timeout(ASK_MAX, store.tail(shard)).await.unwrap_or_else(|_| Err(late()))?;
    let mut missed = true;
    loop {
        let counts = timeout(ASK_MAX, store.lanes(shard)).await.unwrap_or_else(|_| Err(late()))?;
        if notes.listed(plan, shard, counts, missed).await.is_err() {
            return Ok(());
        }
        missed = false;
        let list_again = Instant::now() + around(LIST_EVERY);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(list_again) => break,
                heard = tail.next() => match heard? {
                    Tailed::Arrived(lane, queued) => {
                        let note = Note::Arrived(shard, lane, Box::new(queued));
                        if notes.of(plan, &lane).send(note).await.is_err() {
                            return Ok(());
                        }
                    }
                    Tailed::Sooner(lane) => {
                        if notes.of(plan, &lane).send(Note::Sooner(lane)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Tailed::Missed => {
                        missed = true;
                        break;
                    }
                },
            }
        }
    }
}

impl Notes {
    /// Who works on a lane.
    fn of(&self, plan: &watch::Receiver<Arc<Plan>>, lane: &Lane) -> &mpsc::Sender<Note> {
        match plan.borrow().engines.contains_key(&lane.destination) {
            true => &self.syncs,
            false => &self.deliveries,
        }
    }

    async fn listed(
        &self,
        plan: &watch::Receiver<Arc<Plan>>,
        shard: u16,
        counts: Vec<LaneCount>,
        missed: bool,
    ) -> Result<(), SendError<Note>> {
        let engines = plan.borrow().clone();
        let is_sync = |count: &LaneCount| engines.engines.contains_key(&count.lane.destination);
        let (syncs, deliveries) = counts.into_iter().partition(is_sync);
        self.syncs.send(Note::Listed(shard, syncs, missed)).await?;
        self.deliveries.send(Note::Listed(shard, deliveries, missed)).await
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("it did not answer in time".to_owned())
}
