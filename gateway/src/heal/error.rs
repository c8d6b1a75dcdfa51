//! Why a heal could not come to its end, in words for the operator.

use std::time::Duration;

use gatepost_config::{Timestamp, units::format_span};
use gatepost_event::StoreError;

/// Why it failed. Nothing of it names a credential.
#[derive(Debug, thiserror::Error)]
pub(super) enum HealError {
    /// There is no such integration any more.
    #[error("there is no such integration in the configuration any more")]
    NoIntegration,
    /// The configuration doesn't say how.
    #[error("the configuration has no heal for this integration; add [integration.heal]")]
    NotConfigured,
    /// The private key can't sign.
    #[error("heal.private_key {0}; give the .pem file as GitHub made it")]
    Key(String),
    /// The API's address may not be dialled.
    #[error("heal.url may not be asked: {0}")]
    Refused(String),
    /// No connection, or it broke.
    #[error("the provider's API can't be reached: {0}; run it again later")]
    Connection(String),
    /// No whole answer in time.
    #[error("the provider's API did not answer within {}; run it again later", format_span(*.0))]
    Late(Duration),
    /// It says no.
    #[error("the provider's API answered {status} to {what}: {said}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// Its status.
        status: u16,
        /// What else it said, cut.
        said: String,
    },
    /// It wants to be asked later than can be waited for.
    #[error("the provider's API takes no more requests until {0}; run it again then")]
    Limited(Timestamp),
    /// What it said can't be understood.
    #[error("the provider's answer to {0} can't be read: {1}")]
    Unreadable(&'static str, String),
    /// It lists more than is taken at once.
    #[error("the provider lists more than is dealt with at once; heal shorter times, one after the other")]
    TooMuch,
    /// No router said what is stored.
    #[error("no router said within {} what is stored already; is one running?", format_span(*.0))]
    Unanswered(Duration),
    /// The store can't be asked.
    #[error("the store can't be asked: {0}")]
    Store(#[from] StoreError),
    /// It was removed from the registry.
    #[error("it was removed")]
    Removed,
}
