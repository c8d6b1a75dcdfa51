//! How a request is signed.

mod key;
mod parse;

use std::time::Duration;

pub(crate) use key::base64;
pub use key::{Key, KeyError, KeyForm};
pub use parse::{Encoding, Parse, Signature};

use super::{Conditions, Pointer, Source, Template, condition::places_of};
use crate::provider::Location;

/// One way a provider signs.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// Its name in reason codes and `gatepost explain`.
    pub id: String,
    /// The scheme applies only when all of these hold. Once it applies nothing weaker is tried: a place that stands there
    /// twice or can't be read counts as holding.
    pub when: Conditions,
    /// An array of the JSON body: the check runs once for each element, which `item:` places look into, and all must
    /// pass. No array, or an empty one, is refused.
    pub each: Option<Pointer>,
    /// What is computed.
    pub kind: SchemeKind,
    /// What else must hold once the check has passed.
    pub also: Conditions,
}

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemeKind {
    /// A keyed hash over a text made from the request.
    Hmac {
        /// The hash.
        hash: Hash,
        /// The key made from the secret.
        key: Key,
        /// Where the signature stands and how it is written.
        signature: Signature,
        /// The signed text; where there are several, any of them may be what was signed.
        signed: Vec<Template>,
        /// A signed time that must be near now.
        timestamp: Option<TimestampRule>,
    },
    /// A plain hash over a text that the secret is part of, at `{secret}`.
    Digest {
        /// The hash.
        hash: Hash,
        /// What stands for `{secret}`.
        key: Key,
        /// Where the digest stands and how it is written.
        signature: Signature,
        /// The hashed text; where there are several, any of them may be.
        signed: Vec<Template>,
        /// A signed time that must be near now.
        timestamp: Option<TimestampRule>,
    },
    /// The secret itself stands in the request.
    Token {
        /// Where, with the text that must stand before it.
        signature: Signature,
    },
    /// Nothing is checked; an integration must say `unverified = true`.
    None,
}

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// MD5, for the one provider that still uses it.
    Md5,
    /// SHA-1, for providers that still use it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A signed time that must be near now, checked both ways.
#[derive(Debug, Clone, PartialEq)]
pub struct TimestampRule {
    /// Where it stands.
    pub from: Location,
    /// How it is written.
    pub unit: TimeUnit,
    /// How far from now it may be, both ways.
    pub tolerance: Duration,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds since the epoch, digits only.
    Seconds,
    /// Milliseconds since the epoch, digits only.
    Milliseconds,
    /// RFC 3339.
    Iso8601,
    /// RFC 3339 without its zone, which is UTC.
    Iso8601Utc,
}

impl SchemeKind {
    /// Where the signature or token stands.
    pub const fn signature(&self) -> Option<&Signature> {
        match self {
            Self::Hmac { signature, .. } | Self::Digest { signature, .. } | Self::Token { signature } => {
                Some(signature)
            }
            Self::None => None,
        }
    }

    /// The texts of which one was signed.
    pub fn signed(&self) -> &[Template] {
        match self {
            Self::Hmac { signed, .. } | Self::Digest { signed, .. } => signed,
            Self::Token { .. } | Self::None => &[],
        }
    }

    /// The signed time.
    pub const fn timestamp(&self) -> Option<&TimestampRule> {
        match self {
            Self::Hmac { timestamp, .. } | Self::Digest { timestamp, .. } => timestamp.as_ref(),
            Self::Token { .. } | Self::None => None,
        }
    }

    /// How a key is made from the secret.
    pub const fn key(&self) -> Option<&Key> {
        match self {
            Self::Hmac { key, .. } | Self::Digest { key, .. } => Some(key),
            Self::Token { .. } | Self::None => None,
        }
    }
}

impl Scheme {
    /// Every place that the check reads.
    pub fn places(&self) -> Vec<&Location> {
        let mut places = places_of(&self.when);
        places.extend(self.kind.signature().into_iter().flat_map(|signature| &signature.from));
        places.extend(self.kind.signed().iter().flat_map(Template::places));
        places.extend(self.kind.timestamp().map(|rule| &rule.from));
        places.extend(places_of(&self.also));
        places
    }

    /// Whether whatever passes the check has its whole body signed. `form_payload` is the provider's.
    pub fn covers_body(&self, form_payload: Option<&str>) -> bool {
        let signed = self.kind.signed();
        let by_text = !signed.is_empty() && signed.iter().all(|text| text.covers_body(form_payload));
        by_text || self.covers_by_condition()
    }

    /// Whether something signed must equal a text that covers the body (`query:bodySHA256`, a claim with its hash).
    fn covers_by_condition(&self) -> bool {
        self.also.iter().any(|(place, expect)| {
            let signed = match place.source {
                Source::Query(_) => self.kind.signed().iter().all(Template::has_url) && !self.kind.signed().is_empty(),
                _ => false,
            };
            signed && expect.covers_body()
        })
    }
}
