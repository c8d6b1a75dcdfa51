//! How far each partition is routed.
//!
//! A cursor is written at most once a second or per 1,000 events, so that routing costs no second commit. In between
//! it stands in the owner's memory; a crash there makes the next owner read those events again, and the tasks' message
//! ids absorb them.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex, MutexGuard, Notify},
    time::timeout_at,
};

use super::{
    Nats, link,
    state::{At, Write},
    tally::{Tally, numbers},
};
use crate::{
    StoreError,
    store::{Lease, LeaseKey, Routed},
};

/// The least time between two writes of a cursor.
pub(super) const WRITE_EVERY: Duration = Duration::from_secs(1);
/// The most events that a written cursor may be behind.
const BEHIND_MAX: u64 = 1000;

/// The cursors that this process owns.
pub(super) struct Cursors(Vec<Slot>);

/// A partition's place.
#[derive(Default)]
struct Slot {
    cursor: Mutex<Option<Cursor>>,
    /// Hears when it has moved.
    moved: Notify,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Cursor {
    epoch: u64,
    through: u64,
    created: String,
    written: u64,
    written_at: Instant,
    revision: u64,
}

/// What stands under a cursor's key.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    epoch: u64,
    through: u64,
    /// When the stream was made that the place is in.
    created: String,
}

impl Cursors {
    pub(super) fn new(partitions: u16) -> Self {
        Self((0..partitions).map(|_| Slot::default()).collect())
    }

    fn of(&self, partition: u16) -> Result<&Slot, StoreError> {
        let missing = || StoreError::Corrupt(format!("there is no partition {partition}"));
        self.0.get(usize::from(partition)).ok_or_else(missing)
    }
}

impl Slot {
    /// The cursor, once it stands where `after` says.
    async fn in_turn(
        &self,
        lease: &Lease,
        after: u64,
        deadline: Instant,
    ) -> Result<MutexGuard<'_, Option<Cursor>>, StoreError> {
        let mut moved = pin!(self.moved.notified());
        loop {
            // Listening from before the look, so that no move goes unheard.
            moved.as_mut().enable();
            let slot = self.cursor.lock().await;
            let stands_before =
                slot.as_ref().is_some_and(|cursor| cursor.epoch == lease.epoch && cursor.through < after);
            if !stands_before {
                return Ok(slot);
            }
            drop(slot);
            let late = |_| StoreError::Unavailable("what comes before it was not stored in time".to_owned());
            timeout_at(deadline.into(), moved.as_mut()).await.map_err(late)?;
            moved.set(self.moved.notified());
        }
    }
}

impl Nats {
    /// Takes a partition's cursor over, so that an earlier owner can't move it any more; where it stands.
    pub(super) async fn take_cursor(&self, lease: &Lease, partition: u16) -> Result<u64, StoreError> {
        let deadline = link::soon();
        let mut slot = self.cursors.of(partition)?.cursor.lock().await;
        let cursor = self.claim(lease, partition, deadline).await?;
        let through = cursor.through;
        *slot = Some(cursor);
        Ok(through)
    }

    /// Moves a partition's cursor on, after what comes before.
    pub(super) async fn move_cursor(
        &self,
        lease: &Lease,
        routed: &Routed,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let Routed { partition, after, through, .. } = *routed;
        let place = self.cursors.of(partition)?;
        let mut slot = place.in_turn(lease, after, deadline).await?;
        let mut cursor = match slot.take() {
            Some(cursor) if cursor.epoch > lease.epoch => {
                *slot = Some(cursor);
                return Err(StoreError::LeaseLost);
            }
            Some(cursor) if cursor.epoch == lease.epoch => cursor,
            // What was recorded and not written is not known any more: the log is to be read again from the cursor.
            _ if after > 0 => return Err(StoreError::LeaseLost),
            _ => self.claim(lease, partition, deadline).await?,
        };
        cursor.through = cursor.through.max(through);
        let due = cursor.written_at.elapsed() >= WRITE_EVERY || cursor.through - cursor.written >= BEHIND_MAX;
        let kept = match due {
            true => self.write_cursor(&mut cursor, partition, deadline).await,
            false => self.still_ours(&cursor, partition, deadline).await,
        };
        match kept {
            Err(StoreError::LeaseLost) => Err(StoreError::LeaseLost),
            kept => {
                *slot = Some(cursor);
                place.moved.notify_waiters();
                kept
            }
        }
    }

    /// Writes a cursor if it has moved since it was written.
    pub(super) async fn flush_cursor(&self, partition: u16, epoch: u64, deadline: Instant) -> Result<(), StoreError> {
        let mut slot = self.cursors.of(partition)?.cursor.lock().await;
        match slot.as_mut() {
            Some(cursor) if cursor.epoch == epoch && cursor.through > cursor.written => {
                self.write_cursor(cursor, partition, deadline).await
            }
            _ => Ok(()),
        }
    }

    /// Writes every cursor that has moved.
    pub(super) async fn flush_cursors(&self) {
        for (partition, slot) in (0..).zip(&self.cursors.0) {
            let mut slot = slot.cursor.lock().await;
            let Some(cursor) = slot.as_mut().filter(|cursor| cursor.through > cursor.written) else { continue };
            match self.write_cursor(cursor, partition, link::soon()).await {
                Ok(()) => {}
                Err(StoreError::LeaseLost) => *slot = None,
                Err(error) => tracing::debug!(partition, %error, "the cursor was not written; it will be tried again"),
            }
        }
    }

    /// Where a partition's routing stands, by this process' word or the written one.
    pub(super) async fn routed_through(
        &self,
        partition: u16,
        log: &Tally,
        deadline: Instant,
    ) -> Result<u64, StoreError> {
        let here = self.cursors.of(partition)?.cursor.lock().await.as_ref().map_or(0, |cursor| cursor.through);
        let written = self.read::<Written>(&self.names.cursor_key(partition), deadline).await?;
        // Only of this log; that it is ahead of these numbers means no more than that they were asked for earlier.
        let written = written.and_then(|entry| entry.value).filter(|written| written.created == log.created);
        Ok(written.map_or(0, |written| written.through.max(here)))
    }

    async fn claim(&self, lease: &Lease, partition: u16, deadline: Instant) -> Result<Cursor, StoreError> {
        if lease.key != LeaseKey::Partition(partition) {
            return Err(StoreError::LeaseLost);
        }
        let key = self.names.cursor_key(partition);
        let log = numbers(&self.link, &self.names.events(partition), deadline).await?;
        for _ in 0..4 {
            let entry = self.read::<Written>(&key, deadline).await?;
            let revision = entry.as_ref().map_or(0, |entry| entry.revision);
            let written = entry.and_then(|entry| entry.value);
            if written.as_ref().is_some_and(|written| written.epoch > lease.epoch) {
                return Err(StoreError::LeaseLost);
            }
            let through = start(partition, written.as_ref(), &log);
            let claim = Written { epoch: lease.epoch, through, created: log.created.clone() };
            if let Some(revision) =
                self.write(&key, Write::Value(&claim), At::Revision(revision), None, deadline).await?
            {
                let (epoch, created, written_at) = (lease.epoch, log.created, Instant::now());
                return Ok(Cursor { epoch, through, created, written: through, written_at, revision });
            }
        }
        Err(StoreError::LeaseLost)
    }

    async fn write_cursor(&self, cursor: &mut Cursor, partition: u16, deadline: Instant) -> Result<(), StoreError> {
        let key = self.names.cursor_key(partition);
        let value = Written { epoch: cursor.epoch, through: cursor.through, created: cursor.created.clone() };
        for _ in 0..2 {
            let at = At::Revision(cursor.revision);
            if let Some(revision) = self.write(&key, Write::Value(&value), at, None, deadline).await? {
                (cursor.revision, cursor.written, cursor.written_at) = (revision, value.through, Instant::now());
                return Ok(());
            }
            // An earlier write of ours may have been stored though its answer never came.
            match self.read::<Written>(&key, deadline).await? {
                Some(entry) if entry.value.as_ref().is_some_and(|written| written.epoch == cursor.epoch) => {
                    cursor.revision = entry.revision;
                }
                _ => return Err(StoreError::LeaseLost),
            }
        }
        Err(StoreError::LeaseLost)
    }

    /// Whether nobody has taken the cursor over; costs a read and no commit.
    async fn still_ours(&self, cursor: &Cursor, partition: u16, deadline: Instant) -> Result<(), StoreError> {
        let entry = self.read::<Written>(&self.names.cursor_key(partition), deadline).await?;
        match entry.and_then(|entry| entry.value) {
            Some(written) if written.epoch == cursor.epoch => Ok(()),
            _ => Err(StoreError::LeaseLost),
        }
    }
}

/// Where to start reading a partition.
fn start(partition: u16, written: Option<&Written>, log: &Tally) -> u64 {
    let before = log.first.saturating_sub(1);
    let Some(written) = written else { return before };
    if !fits(written, log) {
        tracing::error!(
            partition,
            through = written.through,
            "the event log was made anew or put back to an earlier state: everything it holds is routed again"
        );
        return before;
    }
    let lost = before.saturating_sub(written.through);
    if lost > 0 {
        tell_lost(partition, lost);
    }
    written.through + lost
}

/// Says that events are gone that nobody was seen to route.
pub(super) fn tell_lost(partition: u16, lost: u64) {
    tracing::error!(partition, lost, "retention removed events before they were routed");
}

/// Whether a written cursor belongs to the log as it is now.
fn fits(written: &Written, log: &Tally) -> bool {
    written.created == log.created && written.through <= log.last
}
