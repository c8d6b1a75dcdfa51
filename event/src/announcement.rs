//! What verified events say of connections: an account was connected, or is no more.
//!
//! A gateway writes it down before it answers, as an entry of the registry; the one router with the lease for bindings
//! deals with it and removes it. There is a fixed number of places for each integration, so that whoever may cause such
//! events fills no store with them, whether a router runs or not.

use gatepost_config::{IntegrationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    RequestId, Store, StoreError,
    id::Token,
    registry::{Entry, Expect, Kind, Put},
};

/// Announcements of an integration that may wait at once.
pub const PLACES: u64 = 256;

/// Places that one account's announcements may have.
const TRIED: u64 = 8;

/// What an event said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Under which integration.
    pub integration: IntegrationId,
    /// The provider's key of the account that it speaks of.
    pub account: String,
    /// What became of it.
    pub what: What,
    /// What the connection is to be called.
    pub connection: Option<String>,
    /// Whose it is, by the event.
    pub tenant: Option<String>,
    /// Names the event: the same for every time that its provider sends it, where that can be told.
    pub event: String,
    /// The request that brought it.
    pub request: RequestId,
    /// When.
    pub at: Timestamp,
}

/// What became of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is connected.
    Begins,
    /// It is no more.
    Ends,
}

/// What became of an announcement that was to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is, and will be dealt with.
    New,
    /// It was already.
    Known,
    /// Too many wait.
    Full,
}

impl What {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Ends => "ends",
        }
    }
}

impl Announcement {
    /// Whether it says the same of the same account, by the same event.
    fn is_again(&self, other: &Self) -> bool {
        (self.what, &self.integration, &self.account, &self.event)
            == (other.what, &other.integration, &other.account, &other.event)
    }

    /// The places where it may stand.
    fn places(&self) -> impl Iterator<Item = String> {
        let token = Token::hash(&[b"announcement", self.integration.as_str().as_bytes(), self.account.as_bytes()]);
        let sum = token.as_str().bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let integration = self.integration.clone();
        (0..TRIED).map(move |n| format!("{integration}/{}", sum.wrapping_add(n) % PLACES))
    }
}

/// Writes an announcement down.
///
/// # Errors
/// When the store can't confirm; a repeat completes it.
pub async fn note(store: &Store, announcement: &Announcement) -> Result<Heard, StoreError> {
    let value = serde_json::to_vec(announcement).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    for place in announcement.places() {
        match store.put(Kind::Announcement, &place, value.clone().into(), Expect::Absent).await? {
            Put::Stored(_) => return Ok(Heard::New),
            Put::Conflict(Some(entry)) if read(&entry).is_ok_and(|other| other.is_again(announcement)) => {
                return Ok(Heard::Known);
            }
            Put::Conflict(_) | Put::TooLong => {}
        }
    }
    Ok(Heard::Full)
}

/// All that wait to be dealt with, in the order in which they were written down.
///
/// # Errors
/// When the store can't be asked.
pub async fn waiting(store: &Store) -> Result<Vec<(Entry, Result<Announcement, StoreError>)>, StoreError> {
    let mut entries = store.entries(Kind::Announcement).await?;
    entries.sort_by_key(|entry| entry.revision);
    Ok(entries.into_iter().map(|entry| (entry.clone(), read(&entry))).collect())
}

/// Removes one that was dealt with.
///
/// # Errors
/// When the store can't confirm; it is dealt with once more then.
pub async fn forget(store: &Store, entry: &Entry) -> Result<(), StoreError> {
    store.remove(Kind::Announcement, &entry.id, Expect::Revision(entry.revision)).await.map(drop)
}

fn read(entry: &Entry) -> Result<Announcement, StoreError> {
    serde_json::from_slice(&entry.value)
        .map_err(|error| StoreError::Corrupt(format!("the announcement {:?}: {error}", entry.id)))
}
