//! What the store knows by name beside events and deliveries: entries with revisions, that several may write.

use bytes::Bytes;

use crate::id::Token;

/// The longest id of an entry.
pub const ID_BYTES_MAX: usize = 512;

/// The longest value of an entry.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// What an entry is about. Each kind has its own ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The state of a destination while Gatepost runs.
    Destination,
    /// A replay that somebody asked for.
    Replay,
    /// A connection that was made at run time.
    Connection,
    /// Whose an account key is.
    Claim,
    /// A key of the API, by its id; never the key itself.
    Key,
    /// What is known of a tenant beside its id.
    Tenant,
    /// A destination that was made through the API.
    MadeDestination,
    /// A release of refused requests that somebody asked for.
    Release,
    /// How a sync of a connection stands ([`crate::sync::SyncState`]).
    Sync,
    /// That somebody asks for a run of one ([`crate::sync::SyncWish`]).
    SyncWish,
    /// What an event said of a connection, until it is dealt with.
    Announcement,
    /// A heal that somebody asked for ([`crate::heal::Heal`]).
    Heal,
    /// How many requests of an integration were turned away in an hour ([`crate::turned_away::Hour`]).
    TurnedAway,
    /// An erasure that somebody asked for.
    Erasure,
    /// That a gateway has looked through the quarantine for one ([`crate::erasure::note_swept`]).
    Swept,
    /// Which destinations of a shard don't answer ([`crate::answering::Told`]).
    Answering,
}

/// What stands under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Any text of at most [`ID_BYTES_MAX`].
    pub id: String,
    /// Of the last write. It grows with every write and is never given twice, also not after a removal.
    pub revision: u64,
    /// What was put, at most [`VALUE_BYTES_MAX`].
    pub value: Bytes,
}

/// What a writer expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No entry.
    Absent,
    /// The entry with this revision.
    Revision(u64),
    /// An entry or none.
    Any,
}

/// What came of a write.
///
/// A write whose answer was lost may have happened, so its repeat may meet its own first copy and be told of a
/// conflict. A put finds that out by [`Put::revision_of`]; where equal values of two writers are to be told apart, a
/// value carries a mark of its writer. A removal that meets `Conflict(None)` finds done what it wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Put {
    /// It is done, at this revision.
    Stored(u64),
    /// It is not what was expected, and nothing was changed: what stands there instead.
    Conflict(Option<Entry>),
    /// The id or the value is longer than an entry's may be; nothing was changed.
    TooLong,
}

/// What a watch hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The entry is new, or has a new value.
    Put(Entry),
    /// The entry of this id was removed.
    Removed(String),
    /// Some changes went unheard: list the entries again.
    Missed,
}

impl Kind {
    /// Its name where it is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Replay => "replay",
            Self::Connection => "connection",
            Self::Claim => "claim",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::MadeDestination => "made_destination",
            Self::Release => "release",
            Self::Sync => "sync",
            Self::SyncWish => "sync_wish",
            Self::Announcement => "announcement",
            Self::Heal => "heal",
            Self::TurnedAway => "turned_away",
            Self::Erasure => "erasure",
            Self::Swept => "swept",
            Self::Answering => "answering",
        }
    }

    /// Stands for an entry where a store needs a short key.
    pub(crate) fn token(self, id: &str) -> Token {
        Token::hash(&[b"registry", self.word().as_bytes(), id.as_bytes()])
    }
}

impl Expect {
    /// Whether what was found is what was expected.
    pub(crate) fn is_met(self, found: Option<&Entry>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Revision(revision) => found.is_some_and(|entry| entry.revision == revision),
            Self::Any => true,
        }
    }
}

impl Put {
    /// The revision at which the entry holds this value: because of this put, or because it held it already, perhaps of
    /// an earlier try whose answer was lost.
    pub fn revision_of(&self, value: &Bytes) -> Option<u64> {
        match self {
            Self::Stored(revision) => Some(*revision),
            Self::Conflict(Some(entry)) if entry.value == *value => Some(entry.revision),
            Self::Conflict(_) | Self::TooLong => None,
        }
    }
}

/// Whether an entry of this id and value may be.
pub(crate) fn fits(id: &str, value: &Bytes) -> bool {
    id.len() <= ID_BYTES_MAX && value.len() <= VALUE_BYTES_MAX
}
