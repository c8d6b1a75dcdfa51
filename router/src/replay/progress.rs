//! How far a job is, as others see it.

use gatepost_event::{
    Store, StoreError,
    registry::{Expect, Kind, Put},
    replay::Job,
};

/// A job that is worked on.
#[derive(Debug)]
pub(super) struct Going {
    /// As it stands now.
    pub(super) job: Job,
    revision: u64,
}

/// What keeping a job's place came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is kept.
    Yes,
    /// The job was removed.
    Gone,
}

impl Going {
    pub(super) const fn new(job: Job, revision: u64) -> Self {
        Self { job, revision }
    }

    /// Writes it down; takes over that somebody asked for its end meanwhile.
    pub(super) async fn keep(&mut self, store: &Store) -> Result<Kept, StoreError> {
        let id = self.job.id.to_string();
        loop {
            let value = serde_json::to_vec(&self.job).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            match store.put(Kind::Replay, &id, value.into(), Expect::Revision(self.revision)).await? {
                Put::Stored(revision) => {
                    self.revision = revision;
                    return Ok(Kept::Yes);
                }
                // Only the one that works on a job changes anything of it but this.
                Put::Conflict(Some(entry)) => {
                    let theirs = serde_json::from_slice::<Job>(&entry.value);
                    self.job.cancel |= theirs.is_ok_and(|theirs| theirs.cancel);
                    self.revision = entry.revision;
                }
                Put::Conflict(None) => return Ok(Kept::Gone),
                Put::TooLong => return Err(StoreError::Corrupt("the job is too long to be kept".to_owned())),
            }
        }
    }
}
