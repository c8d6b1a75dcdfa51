//! Keyed hashes over a text made from the request.

use std::collections::BTreeSet;

use gatepost_config::{
    Timestamp,
    provider::{Hash, Location, Scheme, SchemeKind, Template},
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};
use url::Url;

use super::{Judge, parse, signature_text, timestamp};
use crate::{
    extract::{
        Lookup,
        template::{Unfilled, fill},
    },
    reason::Reason,
    request::RawRequest,
};

/// Why no keyed hash could be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MacError {
    /// The signed text can't be made.
    Text(Unfilled),
    /// A key can't be used.
    Key,
}

/// A keyed hash under way.
enum Digester {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Digester {
    fn new(hash: Hash, key: &[u8]) -> Option<Self> {
        match hash {
            Hash::Sha1 => Hmac::new_from_slice(key).ok().map(Self::Sha1),
            Hash::Sha256 => Hmac::new_from_slice(key).ok().map(Self::Sha256),
            Hash::Sha512 => Hmac::new_from_slice(key).ok().map(Self::Sha512),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(bytes),
            Self::Sha256(mac) => mac.update(bytes),
            Self::Sha512(mac) => mac.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}

/// The tag that each key makes of a template's text. The text is never built: its pieces go to all keys in turn.
pub(crate) fn tags(
    hash: Hash,
    keys: &[impl AsRef<[u8]>],
    signed: &Template,
    lookup: &Lookup<'_>,
    public_url: Option<&Url>,
    exempt: Option<&Location>,
) -> Result<Vec<Vec<u8>>, MacError> {
    let macs: Option<Vec<_>> = keys.iter().map(|key| Digester::new(hash, key.as_ref())).collect();
    let mut macs = macs.ok_or(MacError::Key)?;
    fill(signed, lookup, public_url, exempt, &mut |piece| {
        for mac in &mut macs {
            mac.update(piece.bytes());
        }
    })
    .map_err(MacError::Text)?;
    Ok(macs.into_iter().map(Digester::finish).collect())
}

/// Checks a request's keyed hash with every active secret and every candidate, whatever matched before.
pub(super) fn check(judge: &Judge<'_>, scheme: &Scheme, request: &RawRequest, now: Timestamp) -> Result<(), Reason> {
    let SchemeKind::Hmac { hash, key, signature, signed, timestamp } = &scheme.kind else {
        return Err(Reason::Unverifiable);
    };
    let text = signature_text(signature, &Lookup::new(judge.provider, request, judge.values))?;
    let parsed = parse::parse(signature, &text)?;
    if parsed.candidates.iter().any(|candidate| candidate.len() != tag_bytes(*hash)) {
        return Err(Reason::SignatureMalformed);
    }
    check_fields(&parsed.fields)?;
    let lookup = Lookup::new(judge.provider, request, judge.values).with_signature(&parsed.fields);
    let at = timestamp.as_ref().map(|rule| timestamp::signed_at(rule, &lookup)).transpose()?;

    let active: Vec<_> = judge.secrets.iter().filter(|secret| secret.is_active(now)).collect();
    if active.is_empty() {
        return Err(Reason::SecretAbsent);
    }
    let keys = active.iter().filter_map(|secret| key.bytes(secret).ok()).filter(|key| !key.is_empty());
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        return Err(Reason::SecretMalformed);
    }
    let exempt = timestamp.as_ref().map(|rule| &rule.from);
    let tags = tags(*hash, &keys, signed, &lookup, judge.public_url, exempt).map_err(reason)?;
    let mut matched = Choice::from(0);
    for tag in &tags {
        for candidate in &parsed.candidates {
            matched |= candidate.ct_eq(tag);
        }
    }
    if !bool::from(matched) {
        return Err(Reason::SignatureMismatch);
    }
    match (timestamp, at) {
        (Some(rule), Some(at)) => timestamp::check_age(rule, at, now),
        _ => Ok(()),
    }
}

/// A field that stands beside the candidates twice could be read in two ways, unless it is another version's signature.
fn check_fields(fields: &[(&str, &str)]) -> Result<(), Reason> {
    let mut seen = BTreeSet::new();
    let is_version = |name: &str| name.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    match fields.iter().all(|(name, _)| is_version(name) || seen.insert(*name)) {
        true => Ok(()),
        false => Err(Reason::SignatureDuplicated),
    }
}

fn reason(error: MacError) -> Reason {
    match error {
        MacError::Text(Unfilled::Missing(_)) => Reason::SignedFieldMissing,
        MacError::Text(Unfilled::Duplicated(_)) => Reason::SignedFieldDuplicated,
        MacError::Text(Unfilled::Ambiguous(_)) => Reason::SignedFieldMalformed,
        MacError::Text(Unfilled::NoPublicUrl) => Reason::PublicUrlAbsent,
        MacError::Key => Reason::SecretMalformed,
    }
}

/// Bytes of a whole tag.
pub(crate) const fn tag_bytes(hash: Hash) -> usize {
    match hash {
        Hash::Sha1 => 20,
        Hash::Sha256 => 32,
        Hash::Sha512 => 64,
    }
}
