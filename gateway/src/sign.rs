//! Makes a genuine signed request, by the same templates that verification reads.

mod condition;
mod draft;
mod means;
mod pair;
mod place;
mod token;

use std::collections::BTreeMap;

use gatepost_config::{
    Integration, Provider, Secret, Timestamp,
    provider::{
        KeyError, Location, Pointer, Scheme, SchemeKind, Segment, Signature, Source, Template, TimeUnit, TimestampRule,
    },
};
use gatepost_event::RequestId;
use http::Method;
use url::Url;

pub use draft::Draft;
pub use means::{Means, Unsendable, means};
pub use pair::{KeyPair, PairError, PairKind};

use crate::{
    extract::{
        Lookup, json,
        template::{Piece, fill},
    },
    verify::{Hasher, Judge, Keying, applying, write, write_time},
};

/// Most elements of an array that are signed one by one.
const ELEMENTS_MAX: usize = 1_000;

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

/// What requests are signed as and with.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// Whose requests they are.
    pub provider: &'a Provider,
    /// The integration's named values.
    pub values: &'a BTreeMap<String, Secret>,
    /// What the provider calls the receiver, where that is not the URL that is posted to.
    pub public_url: Option<&'a Url>,
    /// What signs.
    pub key: SigningKey<'a>,
}

/// What signs.
#[derive(Debug, Clone, Copy)]
pub enum SigningKey<'a> {
    /// The secret that both sides have.
    Secret(&'a Secret),
    /// The private key of a public one.
    Pair(&'a KeyPair),
    /// Nothing: for providers that don't sign.
    Nothing,
}

/// Why a request can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The provider signs with a private key.
    #[error("the provider signs with a private key ({0}); give one whose public key is the integration's secret")]
    NoPrivateKey(&'static str),
    /// The key given is not what the provider signs with.
    #[error("the provider signs with a secret that both sides have; a private key is not needed")]
    NoSecretNeeded,
    /// Nothing here makes such signatures.
    #[error("the provider signs by {0}, which is only checked here, never made")]
    NotMade(&'static str),
    /// The scheme is for other requests.
    #[error("no scheme of the provider is for a request without {0}")]
    NotForThis(String),
    /// Something has to stand in a place that the request has no room for.
    #[error("the request has no room for {0}")]
    NoRoom(String),
    /// The signature stands elsewhere than in a header.
    #[error("the provider's signature stands elsewhere than in a header")]
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

/// Signs a request whose signature stands in a header: the headers to add or to replace. A time or id that is signed and
/// was not given is made up.
///
/// # Errors
/// When the signature doesn't stand in a header alone, or as [`Signer::sign`].
pub fn sign_as(
    provider: &Provider,
    secret: &Secret,
    values: &BTreeMap<String, Secret>,
    unsigned: &Unsigned<'_>,
    now: Timestamp,
) -> Result<Vec<(String, String)>, SignError> {
    let draft = Draft {
        method: unsigned.method.clone(),
        url: unsigned.url.clone(),
        headers: unsigned.headers.to_vec(),
        body: unsigned.body.to_vec(),
    };
    let signer = Signer { provider, values, public_url: None, key: SigningKey::Secret(secret) };
    let signed = signer.sign(&draft, now)?;
    if signed.body != draft.body || signed.url != draft.url {
        return Err(SignError::NotAHeader);
    }
    Ok(signed.headers.into_iter().filter(|header| !draft.headers.contains(header)).collect())
}

impl Signer<'_> {
    /// Signs a request by the provider's first scheme that fits it. Times are now's; whatever else is signed and absent is
    /// made up.
    ///
    /// # Errors
    /// When no scheme fits the request and the key.
    pub fn sign(&self, draft: &Draft, now: Timestamp) -> Result<Draft, SignError> {
        if self.provider.schemes.is_empty() {
            return Ok(draft.clone());
        }
        let mut refused = None;
        for scheme in &self.provider.schemes {
            match self.sign_by(scheme, draft, now) {
                Ok(signed) if self.applies(scheme, &signed)? => return Ok(signed),
                Ok(_) => refused = refused.or_else(|| Some(SignError::NotForThis(format!("`{}`", scheme.id)))),
                Err(error) => {
                    refused = Some(refused.filter(|e| !matches!(e, SignError::NotForThis(_))).unwrap_or(error))
                }
            }
        }
        Err(refused.unwrap_or(SignError::NoSecret))
    }

    /// Whether this is the scheme that the receiver will judge the request by.
    fn applies(&self, scheme: &Scheme, signed: &Draft) -> Result<bool, SignError> {
        let request = signed.request()?;
        let lookup = Lookup::new(self.provider, &request, self.values);
        let origin = self.origin(signed);
        let judge = Judge {
            provider: self.provider,
            secrets: &[],
            values: self.values,
            public_url: Some(&origin),
            unverified: false,
        };
        Ok(applying(&judge, &lookup).is_ok_and(|applied| applied.is_some_and(|applied| applied.id == scheme.id)))
    }

    fn sign_by(&self, scheme: &Scheme, draft: &Draft, now: Timestamp) -> Result<Draft, SignError> {
        let Some(array) = &scheme.each else { return self.sign_whole(scheme, draft, now) };
        let mut signed = draft.clone();
        for n in 0..elements(array, &signed) {
            signed = self.sign_whole(&at_element(scheme, array, n), &signed, now)?;
        }
        Ok(signed)
    }

    fn sign_whole(&self, scheme: &Scheme, draft: &Draft, now: Timestamp) -> Result<Draft, SignError> {
        let mut signed = draft.clone();
        for header in self.provider.schemes.iter().filter_map(|s| s.kind.signature()).flat_map(|s| &s.from) {
            if let (Source::Header(name), true) = (&header.source, scheme.each.is_none()) {
                signed.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
            }
        }
        self.meet_when(scheme, &mut signed)?;
        match &scheme.kind {
            SchemeKind::Hmac { signature, signed: texts, timestamp, .. }
            | SchemeKind::Digest { signature, signed: texts, timestamp, .. }
            | SchemeKind::PublicKey { signature, signed: texts, timestamp, .. } => {
                self.make_up(texts, timestamp.as_ref(), &mut signed, now)?;
                self.meet_also(scheme, &mut signed)?;
                // A time that is signed and not held against the clock may be in any unit.
                let unit = timestamp.as_ref().map_or(TimeUnit::Milliseconds, |rule| rule.unit);
                let time = write_time(unit, now);
                let name = timestamp.as_ref().and_then(field_of).or_else(|| signed_field(texts));
                let field = name.map(|name| (name, time.as_str()));
                let tag = self.tag(scheme, &signed, field, timestamp.as_ref())?;
                self.put(signature, &write(signature, field, &tag, self.values), &mut signed)?;
            }
            SchemeKind::Token { signature } => {
                self.meet_also(scheme, &mut signed)?;
                let SigningKey::Secret(secret) = self.key else { return Err(SignError::NoSecret) };
                self.put(signature, &write(signature, None, secret.expose(), self.values), &mut signed)?;
            }
            SchemeKind::Jwt(jwt) => self.put_token(scheme, jwt, draft, &mut signed, now)?,
            SchemeKind::None => {}
        }
        Ok(signed)
    }

    fn put(&self, signature: &Signature, text: &str, draft: &mut Draft) -> Result<(), SignError> {
        let place = signature.from.first().ok_or(SignError::NotAHeader)?;
        draft.put(self.provider, place, text)
    }

    /// What the key makes of the first of the signed texts that the request has all parts of.
    fn tag(
        &self,
        scheme: &Scheme,
        draft: &Draft,
        field: Option<(&str, &str)>,
        rule: Option<&TimestampRule>,
    ) -> Result<Vec<u8>, SignError> {
        let fields: Vec<_> = field.into_iter().collect();
        let texts = |key: &[u8]| self.text(scheme.kind.signed(), key, draft, &fields, rule);
        let (keying, hash, key) = match &scheme.kind {
            SchemeKind::Hmac { hash, key, .. } => (Keying::Keyed, *hash, key),
            SchemeKind::Digest { hash, key, .. } => (Keying::Plain, *hash, key),
            SchemeKind::PublicKey { algorithm, .. } => {
                let wanted = PairKind::of(*algorithm).map_err(SignError::NotMade)?;
                let SigningKey::Pair(pair) = self.key else { return Err(SignError::NoPrivateKey(wanted.words())) };
                let signed = pair.sign(*algorithm, &texts(b"")?);
                return signed.ok_or(SignError::NoPrivateKey(wanted.words()));
            }
            _ => return Err(SignError::NotAHeader),
        };
        let key = match self.key {
            SigningKey::Secret(secret) => {
                key.bytes(secret).map_err(|error| SignError::Secret(secret.source().to_owned(), error))?
            }
            SigningKey::Pair(_) => return Err(SignError::NoSecretNeeded),
            SigningKey::Nothing => return Err(SignError::NoSecret),
        };
        let mut hasher = Hasher::new(keying, hash, &key).ok_or(SignError::NoSecret)?;
        hasher.update(&texts(&key)?);
        Ok(hasher.finish())
    }

    fn text(
        &self,
        signed: &[Template],
        key: &[u8],
        draft: &Draft,
        fields: &[(&str, &str)],
        rule: Option<&TimestampRule>,
    ) -> Result<Vec<u8>, SignError> {
        let request = draft.request()?;
        let lookup = Lookup::new(self.provider, &request, self.values).with_signature(fields);
        let origin = self.origin(draft);
        let mut refused = SignError::NotAHeader;
        for template in signed {
            let mut text = Vec::new();
            let filled =
                fill(template, &lookup, Some(&origin), rule.map(|rule| &rule.from), &mut |piece| match piece {
                    Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
                    Piece::Secret => text.extend_from_slice(key),
                    Piece::Computed => {}
                });
            match filled {
                Ok(()) => return Ok(text),
                Err(error) => refused = SignError::Text(format!("{error:?}")),
            }
        }
        Err(refused)
    }

    /// Writes the time, and makes up what else is signed and absent.
    fn make_up(
        &self,
        signed: &[Template],
        rule: Option<&TimestampRule>,
        draft: &mut Draft,
        now: Timestamp,
    ) -> Result<(), SignError> {
        let rule = rule.filter(|rule| field_of(rule).is_none());
        let needed = signed.iter().take(1).flat_map(|template| &template.0).flat_map(|segment| match segment {
            Segment::Place { location, optional: false, .. } => std::slice::from_ref(location),
            Segment::Canonical(text) => text.places(),
            _ => &[],
        });
        for location in needed {
            let made = matches!(
                location.source,
                Source::Header(_) | Source::Query(_) | Source::Form(_) | Source::Json(_) | Source::Item(_)
            );
            let request = draft.request()?;
            let absent = Lookup::new(self.provider, &request, self.values).is_present(location) == Ok(false);
            if made && absent && rule.is_none_or(|rule| rule.from != *location) {
                let id = RequestId::fresh(now);
                // What code reads may be letters and digits alone.
                let by_code = signed.iter().any(|t| t.0.iter().any(|s| matches!(s, Segment::Canonical(_))));
                let prefix = if by_code { "" } else { "msg_" };
                draft.put(self.provider, location, &format!("{prefix}{}", id.token()))?;
            }
        }
        if let Some(rule) = rule {
            draft.put(self.provider, &rule.from, &write_time(rule.unit, now))?;
        }
        Ok(())
    }

    /// What the provider believes to call, without path and query.
    fn origin(&self, draft: &Draft) -> Url {
        if let Some(url) = self.public_url {
            return url.clone();
        }
        let mut origin = draft.url.clone();
        origin.set_path("");
        origin.set_query(None);
        origin
    }
}

/// The field of the signature that carries its time.
fn field_of(rule: &TimestampRule) -> Option<&str> {
    match &rule.from.source {
        Source::Signature(name) => Some(name),
        _ => None,
    }
}

/// The field of the signature that is signed itself.
fn signed_field(texts: &[Template]) -> Option<&str> {
    texts.first()?.places().into_iter().find_map(|place| match &place.source {
        Source::Signature(name) => Some(name.as_str()),
        _ => None,
    })
}

/// How many elements an array of the body has.
fn elements(array: &Pointer, draft: &Draft) -> usize {
    let trie = json::Trie::new(std::iter::once(array));
    let found = json::scan(&trie, &draft.body);
    let raw = found.ok().and_then(|found| found.get(&trie, array).map(str::to_owned));
    raw.and_then(|raw| json::items(&raw, ELEMENTS_MAX).and_then(Result::ok).map(|items| items.len()))
        .unwrap_or_default()
}

/// A scheme that is checked for each element of an array, as it is for one of them.
fn at_element(scheme: &Scheme, array: &Pointer, n: usize) -> Scheme {
    let mut one = Scheme { each: None, ..scheme.clone() };
    let at = |location: &mut Location| {
        if let Source::Item(pointer) = &location.source {
            let tokens = array.0.iter().cloned().chain([n.to_string()]).chain(pointer.0.iter().cloned());
            location.source = Source::Json(Pointer(tokens.collect()));
        }
    };
    match &mut one.kind {
        SchemeKind::Hmac { signature, signed, .. }
        | SchemeKind::Digest { signature, signed, .. }
        | SchemeKind::PublicKey { signature, signed, .. } => {
            signature.from.iter_mut().for_each(at);
            for segment in signed.iter_mut().flat_map(|template| &mut template.0) {
                if let Segment::Place { location, .. } | Segment::Sum { location, .. } = segment {
                    at(location);
                }
            }
        }
        SchemeKind::Token { signature } => signature.from.iter_mut().for_each(at),
        SchemeKind::Jwt(_) | SchemeKind::None => {}
    }
    one
}
