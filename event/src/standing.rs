//! How a destination stands while Gatepost runs: kept in the registry, beside what is configured. A sync engine has an entry of
//! the same kind, under its own id.

use gatepost_config::{DestinationId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// The integration, provider and route of events about Gatepost itself.
pub const OWN_NAME: &str = "gatepost";

/// The type of the event that a destination is tried out with.
pub const TEST_KIND: &str = "gatepost.destination.test";

/// The body of such an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Where it goes, and nowhere else.
    pub destination: DestinationId,
    /// When it was asked for.
    pub asked_at: Timestamp,
}

/// A destination's state, or a sync engine's, which is paused and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Standing {
    /// Somebody paused it.
    #[serde(default)]
    pub paused: bool,
    /// It was disabled because of its answers.
    #[serde(default)]
    pub disabled: Option<Disabled>,
    /// Since when every attempt has failed.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
}

/// Why a destination gets nothing until somebody resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub why: Why,
}

/// What disables a tenant's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It answered 410.
    Gone,
    /// Nothing but failures for as long as the configuration allows.
    Failing,
}

/// The body of the operational event `gatepost.destination.disabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledNotice {
    /// The destination.
    pub destination: DestinationId,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// When and why.
    #[serde(flatten)]
    pub disabled: Disabled,
    /// Since when every attempt had failed.
    pub failing_since: Option<Timestamp>,
    /// The last answer's status.
    pub last_status: Option<u16>,
}

impl Standing {
    /// Whether its deliveries wait.
    pub const fn is_shut(&self) -> bool {
        self.paused || self.disabled.is_some()
    }
}
