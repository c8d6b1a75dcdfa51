//! Makes a genuine signed request, by the same templates that verification reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Location, Scheme, SchemeKind, Segment, Source, Template},
};
use gatepost_event::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::{
    extract::Lookup,
    request::RawRequest,
    verify::{key_of, tags, write, write_time},
};

/// A request that is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path and query.
    pub target: &'a str,
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
    /// The signature stands elsewhere than in a header.
    #[error("the provider's signature stands elsewhere than in a header, which can't be made here")]
    NotAHeader,
    /// The secret is not written as the provider's file says.
    #[error("the secret from {0} is not written as the provider's file says (see its `key`)")]
    Secret(String),
    /// A header can't be sent.
    #[error("header {0} has a name or value that can't be sent")]
    Header(String),
    /// Something that is signed is absent.
    #[error("what is signed can't be made: {0}")]
    Text(String),
}

/// Signs a request by the provider's first scheme: all headers to send, those given and those that signing adds.
///
/// `public_url` is what the receiver believes to be called, for schemes that sign the URL. An id that is signed and not
/// given is made up.
///
/// # Errors
/// When the provider's requests are not signed in a header, or what is signed can't be made.
pub fn sign(
    provider: &Provider,
    secret: &Secret,
    values: &BTreeMap<String, Secret>,
    public_url: Option<&Url>,
    unsigned: &Unsigned<'_>,
    now: Timestamp,
) -> Result<Vec<(String, String)>, SignError> {
    let scheme = provider.schemes.first().ok_or(SignError::NotSigned)?;
    let mut headers = unsigned.headers.to_vec();
    let (name, signature) = match &scheme.kind {
        SchemeKind::Hmac { signature, .. } => {
            complete(scheme, &mut headers, now);
            let text = hmac(provider, scheme, secret, values, public_url, unsigned, &headers, now)?;
            (header_of(&signature.from)?, text)
        }
        SchemeKind::Token { signature } => (header_of(&signature.from)?, write(signature, None, secret.expose())),
        SchemeKind::None => return Err(SignError::NotSigned),
    };
    headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    headers.push((name.to_owned(), signature));
    Ok(headers)
}

#[expect(clippy::too_many_arguments, reason = "each is another part of one request; a struct would be used once")]
fn hmac(
    provider: &Provider,
    scheme: &Scheme,
    secret: &Secret,
    values: &BTreeMap<String, Secret>,
    public_url: Option<&Url>,
    unsigned: &Unsigned<'_>,
    headers: &[(String, String)],
    now: Timestamp,
) -> Result<String, SignError> {
    let SchemeKind::Hmac { hash, key, signature, signed, timestamp } = &scheme.kind else {
        return Err(SignError::NotSigned);
    };
    let key = key_of(key, secret).ok_or_else(|| SignError::Secret(secret.source().to_owned()))?;
    let request = RawRequest {
        method: unsigned.method.clone(),
        target: unsigned.target.to_owned(),
        headers: header_map(headers)?,
        body: Bytes::copy_from_slice(unsigned.body),
        connection: None,
    };
    let time = timestamp.as_ref().map(|rule| write_time(rule.unit, now));
    let field = timestamp.as_ref().and_then(|rule| match &rule.from.source {
        Source::Signature(name) => Some(name.as_str()),
        _ => None,
    });
    let field = field.zip(time.as_deref());
    let fields: Vec<_> = field.into_iter().collect();
    let lookup = Lookup::new(provider, &request, values).with_signature(&fields);
    let exempt = timestamp.as_ref().map(|rule| &rule.from);
    let tags = tags(*hash, &[key], signed, &lookup, public_url, exempt);
    let tag = tags.map_err(|error| SignError::Text(format!("{error:?}")))?.into_iter().next().unwrap_or_default();
    Ok(write(signature, field, &tag))
}

/// Adds the headers that are signed and were not given: the time, and ids.
fn complete(scheme: &Scheme, headers: &mut Vec<(String, String)>, now: Timestamp) {
    let SchemeKind::Hmac { signed, timestamp, .. } = &scheme.kind else { return };
    if let Some(rule) = timestamp
        && let Source::Header(name) = &rule.from.source
    {
        headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        headers.push((name.clone(), write_time(rule.unit, now)));
    }
    for name in signed_headers(signed) {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            let id = RequestId::fresh(now).token().to_string();
            headers.push((name.to_owned(), format!("msg_{id}")));
        }
    }
}

/// The headers that a template can't do without.
fn signed_headers(template: &Template) -> impl Iterator<Item = &str> {
    template.0.iter().filter_map(|segment| match segment {
        Segment::Place { location: Location { source: Source::Header(name), within: None }, optional: false } => {
            Some(name.as_str())
        }
        _ => None,
    })
}

fn header_of(location: &Location) -> Result<&str, SignError> {
    match (&location.source, &location.within) {
        (Source::Header(name), None) => Ok(name),
        _ => Err(SignError::NotAHeader),
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, SignError> {
    let pair = |(name, value): &(String, String)| {
        let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
        parsed.ok_or_else(|| SignError::Header(name.clone()))
    };
    headers.iter().map(pair).collect()
}
