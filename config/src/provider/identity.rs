//! What tells one event from every other.

use std::fmt;

use super::Location;

/// What makes an event's id: the same for a request that is sent again, another for another occurrence.
///
/// Too fine an id tells an event twice; too coarse a one loses data, with a 2xx. So where a provider names nothing that
/// is sure to differ between two occurrences, a file has no id at all, every event gets a fresh one, and a retry adds an
/// event. Dropbox's `{"list_folder":{"accounts":["dbid:1"]}}` is such a case: the next change of that account has the
/// very same bytes, and no window of time tells it from a retry of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// `"header:x-request-id"`: the provider's own id.
    Place(Location),
    /// `{ all = ["json:/id", "json:/state"] }`: places that name the event together. All must be there.
    Together(Vec<Location>),
    /// `{ content_dated_by = "item:/timestamp" }`: the event's own bytes, for providers that give no id but write a time
    /// or a version into each event. One of these places must be there, else equal bytes may be two occurrences. Of
    /// equal items in one request each counts.
    Content {
        /// Places whose text differs from one occurrence to the next.
        dated_by: Vec<Location>,
    },
}

impl Identity {
    /// The places it reads.
    pub fn places(&self) -> &[Location] {
        match self {
            Self::Place(place) => std::slice::from_ref(place),
            Self::Together(places) | Self::Content { dated_by: places } => places,
        }
    }

    /// Whether it tells the items of one request apart by itself.
    pub const fn is_of_item(&self) -> bool {
        !matches!(self, Self::Place(_))
    }
}

/// As it stands on a provider's page.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |places: &[Location], between: &str| {
            places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Place(place) => write!(f, "`{place}`"),
            Self::Together(places) => write!(f, "{} together", joined(places, " and ")),
            Self::Content { dated_by } => write!(f, "its own bytes, where {} dates them", joined(dated_by, " or ")),
        }
    }
}
