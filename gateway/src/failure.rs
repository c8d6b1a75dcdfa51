//! Why a request ended without being accepted.

use std::{sync::Arc, time::Duration};

use crate::{inbound::Inbound, reason::Reason};

/// Why a request ended without being accepted.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not be proven genuine, or read with one meaning.
    Refused(Reason, Arc<Inbound>),
    /// A method that the provider doesn't use.
    MethodNotAllowed,
    /// A content encoding that the provider doesn't use: what is signed is not what would be read.
    UnsupportedEncoding,
    /// A body over the provider's limit, in bytes.
    BodyTooLarge(u64),
    /// A body that did not arrive in time.
    BodyTimeout,
    /// The connection broke, or what came is not HTTP, before the body ended.
    BodyBroken,
    /// Too many bytes of bodies are held at once.
    Overloaded,
    /// More is offered than a quota of the operator's allows; when room is expected.
    RateLimited(Duration),
    /// The store did not confirm in time, or has no room.
    StoreAway,
    /// Something of the provider's could not be fetched: its keys, or the URL that a handshake wants visited.
    ProviderAway,
    /// A bug; the request may come again.
    Panicked,
}

impl Failure {
    /// Its word in metrics.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Refused(..) => "refused",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::Overloaded => "overloaded",
            Self::RateLimited(_) => "rate_limited",
            Self::StoreAway => "unavailable",
            Self::ProviderAway => "provider_away",
            Self::Panicked => "panicked",
        }
    }
}
