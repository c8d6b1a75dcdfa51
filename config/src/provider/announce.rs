//! Events by which a provider says that an account was connected, or that it is no more.

use super::{Conditions, Location, Source};

/// What a provider's events say of connections themselves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Announce {
    /// An account is connected: all conditions of one of these hold.
    pub begins: Vec<Conditions>,
    /// It is no more: likewise.
    pub ends: Vec<Conditions>,
    /// What the connection is to be called: the first that is present; the account's key when none is.
    pub connection: Vec<Location>,
    /// Whose it is: the first that is present.
    pub tenant: Vec<Location>,
}

/// What an integration says otherwise; what it leaves out is as the provider's file has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnAnnounce {
    /// [`Announce::begins`]
    pub begins: Option<Vec<Conditions>>,
    /// [`Announce::ends`]
    pub ends: Option<Vec<Conditions>>,
    /// [`Announce::connection`]
    pub connection: Option<Vec<Location>>,
    /// [`Announce::tenant`]
    pub tenant: Option<Vec<Location>>,
}

impl Announce {
    /// Every place that it reads.
    pub fn places(&self) -> impl Iterator<Item = &Location> {
        let conditions = self.begins.iter().chain(&self.ends).flat_map(super::condition::places_of);
        conditions.chain(&self.connection).chain(&self.tenant)
    }

    /// Whether it says nothing of any event.
    pub fn is_empty(&self) -> bool {
        self.begins.is_empty() && self.ends.is_empty()
    }
}

impl OwnAnnounce {
    /// With what it leaves out from the provider's.
    pub fn over(&self, provider: &Announce) -> Announce {
        Announce {
            begins: self.begins.clone().unwrap_or_else(|| provider.begins.clone()),
            ends: self.ends.clone().unwrap_or_else(|| provider.ends.clone()),
            connection: self.connection.clone().unwrap_or_else(|| provider.connection.clone()),
            tenant: self.tenant.clone().unwrap_or_else(|| provider.tenant.clone()),
        }
    }
}

/// Whether a place is in what a signature over the body covers: only that may make or end a connection.
pub(crate) fn is_signed(place: &Location) -> bool {
    matches!(
        place.source,
        Source::Json(_) | Source::Item(_) | Source::Form(_) | Source::Xml(_) | Source::Claim(_) | Source::Body
    )
}
