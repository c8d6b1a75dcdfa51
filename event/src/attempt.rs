//! What one HTTP try of a delivery came to.

use gatepost_config::{DestinationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeliveryId, EventId};

/// Bytes of a response that an attempt record keeps.
pub const RESPONSE_BYTES_KEPT: usize = 4 * 1024;

/// One HTTP try of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attempt {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Of which event.
    pub event: EventId,
    /// To which destination.
    pub destination: DestinationId,
    /// Which try, from 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, to the last byte read.
    pub duration_ms: u64,
    /// Where that time went.
    #[serde(default)]
    pub phases: Phases,
    /// The status, when an answer came.
    pub status: Option<u16>,
    /// Why it failed, when it did.
    pub error: Option<AttemptError>,
    /// The response's first bytes as text, invalid UTF-8 replaced.
    pub response: String,
    /// Ids of the keys that signed it.
    pub key_ids: Vec<String>,
}

/// Microseconds of each phase of an attempt. A phase is absent when it did not end, or was not needed on a connection that
/// was open already: where an attempt hung is the first one absent after those that are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Phases {
    /// The name was looked up and its addresses checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// The connection was made, through the egress proxy where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// The TLS session was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// The request was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_us: Option<u64>,
    /// The head of the answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// The rest of the answer came, or as much of it as is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_us: Option<u64>,
}

/// Why an attempt failed: a closed set, fit for a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptError {
    /// The name did not resolve.
    Dns,
    /// The address is one that destinations may not have.
    AddressRefused,
    /// No connection.
    Connect,
    /// The egress proxy can't be reached, or doesn't let the attempt through.
    Proxy,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke, or what came back is not HTTP.
    Protocol,
    /// The attempt's time was up.
    Timeout,
    /// A status other than 2xx.
    Status,
}

impl AttemptError {
    /// Its word in metrics and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::AddressRefused => "address_refused",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Status => "status",
        }
    }
}
