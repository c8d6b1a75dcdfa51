//! Makes a genuine signed request, by the same templates that verification reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_config::{
    Integration, Provider, Secret, Timestamp,
    provider::{KeyError, Location, Scheme, SchemeKind, Segment, Signature, Source, Template},
};
use gatepost_event::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::{
    extract::Lookup,
    request::RawRequest,
    verify::{Keying, tags, write, write_time},
};

/// A request that is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The URL that the receiver believes to be called, for schemes that sign it.
    pub url: &'a Url,
    /// Its headers, without the signature's.
    pub headers: &'a [(String, String)],
    /// Its body.
    pub body: &'a [u8],
}

/// Why a request can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The provider declares no check.
    #[error("the provider's requests are not signed")]
    NotSigned,
    /// The provider signs with a private key, or a token.
    #[error("the provider signs with a key of its own, which can't be done here")]
    NoPrivateKey,
    /// The signature stands elsewhere than in a header.
    #[error("the provider's signature stands elsewhere than in a header, which can't be made here")]
    NotAHeader,
    /// The integration has no secret, or none that is still accepted.
    #[error("the integration has no active secret; add one to its `secrets`")]
    NoSecret,
    /// The secret is not written as the provider's file says.
    #[error("the secret from {0} {1}, as the provider's `key` asks for")]
    Secret(String, KeyError),
    /// A header can't be sent.
    #[error("header {0} has a name or value that can't be sent")]
    Header(String),
    /// Something that is signed is absent.
    #[error("what is signed can't be made: {0}")]
    Text(String),
}

impl From<SignError> for String {
    fn from(error: SignError) -> Self {
        error.to_string()
    }
}

/// Signs a `POST` as an integration's provider would, with the integration's first active secret: the headers to add.
///
/// # Errors
/// When the integration has no active secret, or as [`sign_as`].
pub fn sign(
    integration: &Integration,
    url: &Url,
    headers: &[(String, String)],
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<(String, String)>, SignError> {
    let secret = integration.secrets.iter().find(|secret| secret.is_active(now)).ok_or(SignError::NoSecret)?;
    let unsigned = Unsigned { method: &Method::POST, url, headers, body };
    sign_as(&integration.provider, secret, &integration.values, &unsigned, now)
}

/// Signs a request by a provider's first scheme: the headers to add. A time or id that is signed and was not given is
/// made up.
///
/// # Errors
/// When the provider's requests are not signed in a header, or what is signed can't be made.
pub fn sign_as(
    provider: &Provider,
    secret: &Secret,
    values: &BTreeMap<String, Secret>,
    unsigned: &Unsigned<'_>,
    now: Timestamp,
) -> Result<Vec<(String, String)>, SignError> {
    let scheme = provider.schemes.first().ok_or(SignError::NotSigned)?;
    match &scheme.kind {
        SchemeKind::Hmac { signature, .. } | SchemeKind::Digest { signature, .. } => {
            let name = header_of(first(signature)?)?.to_owned();
            let mut added = missing(scheme, unsigned.headers, now);
            let request = request(unsigned, &added)?;
            let text = hash(scheme, secret, (provider, values, &request), unsigned.url, now)?;
            added.push((name, text));
            Ok(added)
        }
        SchemeKind::Token { signature } => {
            let name = header_of(first(signature)?)?.to_owned();
            Ok(vec![(name, write(signature, None, secret.expose(), values))])
        }
        SchemeKind::PublicKey { .. } | SchemeKind::Jwt(_) => Err(SignError::NoPrivateKey),
        SchemeKind::None => Err(SignError::NotSigned),
    }
}

fn hash(
    scheme: &Scheme,
    secret: &Secret,
    (provider, values, request): (&Provider, &BTreeMap<String, Secret>, &RawRequest),
    url: &Url,
    now: Timestamp,
) -> Result<String, SignError> {
    let (keying, hash, key, signature, signed, timestamp) = match &scheme.kind {
        SchemeKind::Hmac { hash, key, signature, signed, timestamp } => {
            (Keying::Keyed, *hash, key, signature, signed, timestamp)
        }
        SchemeKind::Digest { hash, key, signature, signed, timestamp } => {
            (Keying::Plain, *hash, key, signature, signed, timestamp)
        }
        _ => return Err(SignError::NotSigned),
    };
    let signed = signed.first().ok_or(SignError::NotSigned)?;
    let key = key.bytes(secret).map_err(|error| SignError::Secret(secret.source().to_owned(), error))?;
    let time = timestamp.as_ref().map(|rule| write_time(rule.unit, now));
    let field = timestamp.as_ref().and_then(|rule| match &rule.from.source {
        Source::Signature(name) => Some(name.as_str()),
        _ => None,
    });
    let field = field.zip(time.as_deref());
    let fields: Vec<_> = field.into_iter().collect();
    let lookup = Lookup::new(provider, request, values).with_signature(&fields);
    let exempt = timestamp.as_ref().map(|rule| &rule.from);
    let mut origin = url.clone();
    origin.set_path("");
    origin.set_query(None);
    let tags = tags((keying, hash), &[key], signed, &lookup, Some(&origin), exempt);
    let tag = tags.map_err(|error| SignError::Text(format!("{error:?}")))?.into_iter().next().unwrap_or_default();
    Ok(write(signature, field, &tag, values))
}

fn request(unsigned: &Unsigned<'_>, added: &[(String, String)]) -> Result<RawRequest, SignError> {
    let pair = |(name, value): &(String, String)| {
        let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
        parsed.ok_or_else(|| SignError::Header(name.clone()))
    };
    let headers: Result<HeaderMap, _> = unsigned.headers.iter().chain(added).map(pair).collect();
    let query = unsigned.url.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(RawRequest {
        method: unsigned.method.clone(),
        target: format!("{}{query}", unsigned.url.path()),
        headers: headers?,
        body: Bytes::copy_from_slice(unsigned.body),
        connection: None,
    })
}

/// The headers that are signed and were not given: the time, and ids.
fn missing(scheme: &Scheme, given: &[(String, String)], now: Timestamp) -> Vec<(String, String)> {
    let Some(signed) = scheme.kind.signed().first() else { return Vec::new() };
    let rule = scheme.kind.timestamp().filter(|rule| matches!(rule.from.source, Source::Header(_)));
    let value = |name: &str| match rule {
        Some(rule) if header_of(&rule.from) == Ok(name) => write_time(rule.unit, now),
        _ => format!("msg_{}", RequestId::fresh(now).token()),
    };
    let is_given = |name: &str| given.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    signed_headers(signed).filter(|name| !is_given(name)).map(|name| (name.to_owned(), value(name))).collect()
}

/// The headers that a template can't do without.
fn signed_headers(template: &Template) -> impl Iterator<Item = &str> {
    template.0.iter().filter_map(|segment| match segment {
        Segment::Place {
            location: Location { source: Source::Header(name), within: None }, optional: false, ..
        } => Some(name.as_str()),
        _ => None,
    })
}

/// The place that the signature goes to.
fn first(signature: &Signature) -> Result<&Location, SignError> {
    signature.from.first().ok_or(SignError::NotAHeader)
}

fn header_of(location: &Location) -> Result<&str, SignError> {
    match (&location.source, &location.within) {
        (Source::Header(name), None) => Ok(name),
        _ => Err(SignError::NotAHeader),
    }
}
