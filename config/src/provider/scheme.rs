//! How a request is signed.

mod chain;
mod key;
mod parse;

use std::time::Duration;

pub use chain::{ObjectId, TokenChain};
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
    /// A signature by a private key; the secret is the public key: PEM, base64 of its SPKI or of its raw bytes, hexadecimal
    /// of those, a JWK, or a set of them.
    PublicKey {
        /// How it signs.
        algorithm: Algorithm,
        /// Where the signature stands and how it is written.
        signature: Signature,
        /// The signed text; where there are several, any of them may be what was signed.
        signed: Vec<Template>,
        /// A signed time that must be near now.
        timestamp: Option<TimestampRule>,
    },
    /// A JSON Web Token. What it must say besides its times is for `also`, at `claim:` places.
    Jwt(Jwt),
    /// The secret itself stands in the request.
    Token {
        /// Where, with the text that must stand before it.
        signature: Signature,
    },
    /// Nothing is checked; an integration must say `unverified = true`.
    None,
}

/// How a private key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, written as a DER sequence.
    EcdsaDer,
    /// ECDSA on P-256 with SHA-256, written as two numbers of 32 bytes.
    EcdsaRaw,
    /// RSA with PKCS #1 v1.5 padding and a hash (not MD5).
    Rsa(Hash),
}

/// What a JSON Web Token must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    /// The algorithms it may be signed by; the token chooses among these alone.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The key made from the secret, for HS256.
    pub key: Key,
    /// Where it stands; its encoding is plain.
    pub signature: Signature,
    /// The times that it must carry. Those it carries are checked anyhow.
    pub required: Vec<JwtTime>,
    /// How old it may be, by its `iat`.
    pub max_age: Option<Duration>,
    /// Its payload is the body, which is not repeated in it.
    pub detached: bool,
    /// It brings the certificates of its key along, which lead to the secret.
    pub chain: Option<TokenChain>,
}

/// An algorithm of JSON Web Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSA with SHA-256.
    Rs256,
    /// RSA with SHA-512.
    Rs512,
    /// ECDSA on P-256.
    Es256,
}

/// A time in a JSON Web Token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtTime {
    /// `exp`: until when it holds.
    Expires,
    /// `nbf`: from when it holds.
    NotBefore,
    /// `iat`: when it was made.
    IssuedAt,
}

impl JwtAlgorithm {
    /// Its name in a token's head.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
        }
    }
}

impl JwtTime {
    /// Its name in a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expires => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
        }
    }
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
            Self::Hmac { signature, .. }
            | Self::Digest { signature, .. }
            | Self::PublicKey { signature, .. }
            | Self::Jwt(Jwt { signature, .. })
            | Self::Token { signature } => Some(signature),
            Self::None => None,
        }
    }

    /// The texts of which one was signed.
    pub fn signed(&self) -> &[Template] {
        match self {
            Self::Hmac { signed, .. } | Self::Digest { signed, .. } | Self::PublicKey { signed, .. } => signed,
            Self::Jwt(_) | Self::Token { .. } | Self::None => &[],
        }
    }

    /// The signed time.
    pub const fn timestamp(&self) -> Option<&TimestampRule> {
        match self {
            Self::Hmac { timestamp, .. } | Self::Digest { timestamp, .. } | Self::PublicKey { timestamp, .. } => {
                timestamp.as_ref()
            }
            Self::Jwt(_) | Self::Token { .. } | Self::None => None,
        }
    }

    /// How a symmetric key is made from the secret.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Hmac { key, .. } | Self::Digest { key, .. } => Some(key),
            Self::Jwt(jwt) if jwt.algorithms.contains(&JwtAlgorithm::Hs256) => Some(&jwt.key),
            Self::PublicKey { .. } | Self::Jwt(_) | Self::Token { .. } | Self::None => None,
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
        by_text || self.is_the_body() || self.covers_by_condition()
    }

    /// Whether the body is a token, or its payload.
    fn is_the_body(&self) -> bool {
        let SchemeKind::Jwt(jwt) = &self.kind else { return false };
        jwt.detached || jwt.signature.from.iter().all(|place| place.source == Source::Body && place.within.is_none())
    }

    /// Whether something signed must equal a text that covers the body (`query:bodySHA256`, a claim with its hash).
    fn covers_by_condition(&self) -> bool {
        self.also.iter().any(|(place, expect)| {
            let signed = match place.source {
                Source::Claim(_) => matches!(self.kind, SchemeKind::Jwt(_)),
                Source::Query(_) => self.kind.signed().iter().all(Template::has_url) && !self.kind.signed().is_empty(),
                _ => false,
            };
            signed && expect.covers_body()
        })
    }
}
