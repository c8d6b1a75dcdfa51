//! A heal that is worked on, and how far it is as others see it.

use std::time::{Duration, Instant};

use gatepost_event::{
    Store, StoreError,
    heal::{Heal, Question, Wanted},
    registry::{Expect, Kind, Put},
};
use tokio::time::sleep;

use super::{error::HealError, read};

/// The longest that a router may take to say what is stored: it reads the log from the heal's time on.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Time between looks for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A heal with its revision in the registry.
#[derive(Debug, Clone)]
pub(super) struct Going {
    pub(super) heal: Heal,
    revision: u64,
}

/// Writes a new heal; none when one of its id is there.
pub(super) async fn ask_for(store: &Store, heal: Heal) -> Result<Option<Going>, StoreError> {
    let value = serde_json::to_vec(&heal).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let put = store.put(Kind::Heal, &heal.id.to_string(), value.into(), Expect::Absent).await?;
    Ok(match put {
        Put::Stored(revision) => Some(Going { heal, revision }),
        Put::Conflict(_) | Put::TooLong => None,
    })
}

impl Going {
    pub(super) const fn new(heal: Heal, revision: u64) -> Self {
        Self { heal, revision }
    }

    /// Writes down how far it is.
    pub(super) async fn keep(&mut self, store: &Store) -> Result<(), HealError> {
        let id = self.heal.id.to_string();
        loop {
            let value = serde_json::to_vec(&self.heal).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            match store.put(Kind::Heal, &id, value.into(), Expect::Revision(self.revision)).await? {
                Put::Stored(revision) => {
                    self.revision = revision;
                    return Ok(());
                }
                // An earlier try of ours, one that had the lease before, or an answer to a question that is no more.
                Put::Conflict(Some(entry)) => self.revision = entry.revision,
                Put::Conflict(None) => return Err(HealError::Removed),
                Put::TooLong => return Err(StoreError::Corrupt("the heal is too long to be kept".to_owned()).into()),
            }
        }
    }

    /// Asks a router which events are stored, and waits for its word: their places.
    pub(super) async fn present(&mut self, store: &Store, wanted: Vec<Wanted>) -> Result<Vec<u32>, HealError> {
        let question = Question { since: self.heal.wish.since, wanted, present: None };
        self.heal.question = Some(question.clone());
        self.keep(store).await?;
        let (id, deadline) = (self.heal.id.to_string(), Instant::now() + ANSWERED_WITHIN);
        while Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
            let Ok(found) = store.entry(Kind::Heal, &id).await else { continue };
            let entry = found.ok_or(HealError::Removed)?;
            let asked = read(&entry).and_then(|heal| heal.question);
            let Some(asked) = asked.filter(|asked| asked.wanted == question.wanted) else { continue };
            if let Some(present) = asked.present {
                self.revision = entry.revision;
                self.heal.question = None;
                return Ok(present);
            }
        }
        Err(HealError::Unanswered(ANSWERED_WITHIN))
    }
}
