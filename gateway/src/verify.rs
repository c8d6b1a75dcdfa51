//! Proves a request genuine, or says why it can't be.
//!
//! [`verify`] is pure: the same request, secrets and clock give the same verdict, so that `gatepost explain` and a
//! quarantined request's release judge exactly as the gateway did.

mod asymmetric;
pub(crate) mod certificate;
mod chain;
pub(crate) mod condition;
mod der;
mod encoding;
mod hash;
mod jwt;
mod key_check;
mod mac;
mod parse;
mod prove;
mod public_key;
mod timestamp;

use std::collections::BTreeMap;

use gatepost_config::{
    Provider, Secret, Timestamp,
    provider::{Key, Pointer, Scheme, SchemeKind, Signature, Source, Trust},
};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use url::Url;
use zeroize::Zeroizing;

pub(crate) use encoding::{encode, hex};
pub(crate) use hash::{Hasher, Keying, crc32};
pub use key_check::check_public_key;

pub(crate) use parse::{parse_all, write};
pub(crate) use prove::{Proof, Verified, fetched, prove};
pub(crate) use public_key::{has_public_key, holds_a_key};
pub(crate) use timestamp::{read as read_time, write as write_time};

use crate::{
    extract::{Lookup, Scan, Trouble, json, payload},
    reason::Reason,
    request::RawRequest,
};

/// Most elements of an array that are checked one by one.
const ELEMENTS_MAX: usize = 10_000;

/// What a request is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// How the provider signs.
    pub provider: &'a Provider,
    /// Secrets that may have signed it; expired ones don't count.
    pub secrets: &'a [Secret],
    /// The integration's named values.
    pub values: &'a BTreeMap<String, Secret>,
    /// What providers call us, for schemes that sign the URL.
    pub public_url: Option<&'a Url>,
    /// The operator's word that requests can't be verified.
    pub unverified: bool,
}

/// A passed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The scheme that passed.
    pub scheme: String,
    /// What that is worth.
    pub trust: Trust,
    /// The claims of the token that proved it, as JSON.
    pub claims: Option<Vec<u8>>,
}

/// A request being judged, or one element of an array in it.
pub(super) struct Look<'a> {
    judge: &'a Judge<'a>,
    request: &'a RawRequest,
    element: Option<Scan<'a>>,
}

impl<'a> Look<'a> {
    /// Where places are looked up.
    fn lookup(&self) -> Lookup<'a> {
        let lookup = Lookup::new(self.judge.provider, self.request, self.judge.values);
        match self.element {
            Some(element) => lookup.with_item(element),
            None => lookup,
        }
    }
}

/// Checks a request against the one scheme that applies to it: the first whose `when` holds. Nothing weaker is tried
/// after it.
///
/// # Errors
/// Why the request can't be proven genuine.
pub fn verify(judge: &Judge<'_>, request: &RawRequest, now: Timestamp) -> Result<Passed, Reason> {
    let whole = Look { judge, request, element: None };
    let Some(scheme) = applying(judge, &whole.lookup())? else {
        return unchecked(judge, "none");
    };
    if scheme.kind == SchemeKind::None {
        return unchecked(judge, &scheme.id);
    }
    let claims = match &scheme.each {
        None => check(scheme, &whole, now)?,
        Some(array) => check_each(scheme, array, judge, request, now).map(|()| None)?,
    };
    let covered = scheme.covers_body(judge.provider.form_payload.as_deref());
    let trust = if covered { judge.provider.trust } else { at_most_authenticated(judge.provider.trust) };
    Ok(Passed { scheme: scheme.id.clone(), trust, claims })
}

/// The scheme that counts, if the provider declares any. A condition whose place is there twice or can't be read counts
/// as holding: no downgrade.
pub(crate) fn applying<'a>(judge: &Judge<'a>, lookup: &Lookup<'_>) -> Result<Option<&'a Scheme>, Reason> {
    let applies = |scheme: &&Scheme| {
        let mut conditions = scheme.when.iter();
        conditions.all(|when| condition::holds(when, lookup, judge.values, judge.public_url).unwrap_or(true))
    };
    let schemes = &judge.provider.schemes;
    match schemes.iter().find(applies) {
        None if !schemes.is_empty() => Err(Reason::SignatureMissing),
        scheme => Ok(scheme),
    }
}

/// Lets a request pass that nothing checks, if the operator said so.
fn unchecked(judge: &Judge<'_>, scheme: &str) -> Result<Passed, Reason> {
    match judge.unverified {
        true => Ok(Passed { scheme: scheme.to_owned(), trust: Trust::Unverified, claims: None }),
        false => Err(Reason::Unverifiable),
    }
}

/// Checks every element of an array in the payload; all must pass, and there must be one.
fn check_each(
    scheme: &Scheme,
    array: &Pointer,
    judge: &Judge<'_>,
    request: &RawRequest,
    now: Timestamp,
) -> Result<(), Reason> {
    let trouble = |trouble| match trouble {
        Trouble::Duplicated => Reason::SignedFieldDuplicated,
        Trouble::Unreadable => Reason::SignatureMissing,
    };
    let payload = payload(judge.provider.form_payload.as_deref(), request).map_err(trouble)?;
    let trie = json::Trie::new(std::iter::once(array));
    let found = json::scan(&trie, &payload);
    let raw = Scan { trie: &trie, found: &found }.get(array).map_err(trouble)?;
    let items = raw.and_then(|raw| json::items(raw, ELEMENTS_MAX)).ok_or(Reason::SignatureMissing)?;
    let items = items.map_err(|json::TooMany| Reason::BatchTooLarge)?;
    if items.is_empty() {
        return Err(Reason::SignatureMissing);
    }
    let places = scheme.places();
    let pointers = places.iter().filter_map(|place| match &place.source {
        Source::Item(pointer) => Some(pointer),
        _ => None,
    });
    let trie = json::Trie::new(pointers);
    items.iter().try_for_each(|raw| {
        let found = json::scan(&trie, raw.as_bytes());
        let element = Some(Scan { trie: &trie, found: &found });
        check(scheme, &Look { judge, request, element }, now).map(|_| ())
    })
}

/// Checks a request, or one element of it, by a scheme: the claims of its token, if it has one.
fn check(scheme: &Scheme, look: &Look<'_>, now: Timestamp) -> Result<Option<Vec<u8>>, Reason> {
    let mut claims = None;
    match &scheme.kind {
        SchemeKind::Hmac { hash, key, signature, signed, timestamp } => {
            let timestamp = timestamp.as_ref();
            let rule = mac::Rule { keying: Keying::Keyed, hash: *hash, key, signature, signed, timestamp };
            mac::check(rule, look, now)?;
        }
        SchemeKind::Digest { hash, key, signature, signed, timestamp } => {
            let timestamp = timestamp.as_ref();
            let rule = mac::Rule { keying: Keying::Plain, hash: *hash, key, signature, signed, timestamp };
            mac::check(rule, look, now)?;
        }
        SchemeKind::PublicKey { algorithm, signature, signed, timestamp } => {
            let timestamp = timestamp.as_ref();
            asymmetric::check(asymmetric::Rule { algorithm: *algorithm, signature, signed, timestamp }, look, now)?;
        }
        SchemeKind::Jwt(rule) => claims = jwt::check(rule, look, now)?,
        SchemeKind::Token { signature } => check_token(look, signature, now)?,
        SchemeKind::None => return Err(Reason::Unverifiable),
    }
    let lookup = look.lookup().with_claims(claims.as_deref());
    match condition::all_hold(&scheme.also, &lookup, look.judge.values, look.judge.public_url) {
        true => Ok(claims),
        false => Err(Reason::ConditionFailed),
    }
}

/// Compares a token with every active secret, both hashed so that neither length nor content shows in the time.
fn check_token(look: &Look<'_>, signature: &Signature, now: Timestamp) -> Result<(), Reason> {
    let texts = signature_texts(signature, &look.lookup())?;
    let groups = parse::parse_all(signature, &texts, look.judge.values)?;
    let active = look.judge.secrets.iter().filter(|secret| secret.is_active(now) && !secret.expose().is_empty());
    let mut active = active.peekable();
    if active.peek().is_none() {
        return Err(Reason::SecretAbsent);
    }
    let mut matched = Choice::from(0);
    for secret in active {
        let wanted = Sha256::digest(secret.expose());
        for candidate in groups.iter().flat_map(|group| &group.candidates) {
            matched |= Sha256::digest(candidate).ct_eq(&wanted);
        }
    }
    if bool::from(matched) { Ok(()) } else { Err(Reason::TokenMismatch) }
}

/// The keys of every active secret that makes one.
fn active_keys(judge: &Judge<'_>, key: &Key, now: Timestamp) -> Result<Vec<Zeroizing<Vec<u8>>>, Reason> {
    let (mut keys, mut refused) = (Vec::with_capacity(judge.secrets.len()), Reason::SecretAbsent);
    for secret in judge.secrets.iter().filter(|secret| secret.is_active(now)) {
        refused = Reason::SecretMalformed;
        keys.extend(key.bytes(secret).ok().filter(|key| !key.is_empty()));
    }
    if keys.is_empty() { Err(refused) } else { Ok(keys) }
}

/// The texts that hold the signature: one for each of its places that is there.
fn signature_texts(signature: &Signature, lookup: &Lookup<'_>) -> Result<Vec<Vec<u8>>, Reason> {
    let mut texts = Vec::new();
    for place in &signature.from {
        match lookup.find(place) {
            Ok(Some(text)) if text.is_empty() => return Err(Reason::SignatureMissing),
            Ok(Some(text)) => texts.push(text.into_owned()),
            Ok(None) => {}
            Err(Trouble::Duplicated) => return Err(Reason::SignatureDuplicated),
            Err(Trouble::Unreadable) => return Err(Reason::SignatureMalformed),
        }
    }
    if texts.is_empty() { Err(Reason::SignatureMissing) } else { Ok(texts) }
}

const fn at_most_authenticated(trust: Trust) -> Trust {
    match trust {
        Trust::Verified => Trust::Authenticated,
        other => other,
    }
}
