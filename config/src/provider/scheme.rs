//! How a request is signed.

mod key;

use std::time::Duration;

pub use key::KeyError;
pub(crate) use key::base64;

use super::{Location, Template};

/// One way a provider signs.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// Its name in reason codes and `gatepost explain`.
    pub id: String,
    /// The scheme applies only when this is present. Once it applies nothing weaker is tried.
    pub when: Option<Location>,
    /// What is computed.
    pub kind: SchemeKind,
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
        /// The signed text.
        signed: Template,
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
    /// SHA-1, for providers that still use it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How signature bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal, either case.
    Hex,
    /// Base64, padded or not.
    Base64,
    /// Base64 with `-` and `_`, padded or not.
    Base64Url,
    /// As it is (tokens).
    Plain,
}

/// How a key is made from a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Text removed from the start of the secret, where it stands there (`whsec_`).
    pub strip_prefix: Option<String>,
    /// How the rest is written.
    pub form: KeyForm,
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// Its bytes are the key.
    Utf8,
    /// Base64 of the key.
    Base64,
    /// Hexadecimal of the key.
    Hex,
}

/// Where a signature stands and how it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Where.
    pub from: Location,
    /// How candidates are found in it.
    pub parse: Parse,
    /// How a candidate's bytes are written.
    pub encoding: Encoding,
}

/// How candidates are found in a signature's text. At most 16 are considered; any may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parse {
    /// The whole text after a required prefix (`sha256=`), which may be empty.
    Plain {
        /// The prefix.
        prefix: String,
    },
    /// `t=1,v1=aa,v1=bb`: pairs split at a separator, then at the first `=`.
    Pairs {
        /// Between pairs.
        separator: char,
        /// The key whose values are candidates.
        key: String,
    },
    /// `v1,AA v1,BB`: candidates of one version among several, separated by spaces.
    Versioned {
        /// The version.
        version: String,
    },
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
}
