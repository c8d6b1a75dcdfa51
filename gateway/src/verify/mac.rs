//! Keyed hashes, and plain ones that the secret is part of, over a text made from the request.

use std::collections::BTreeSet;

use gatepost_config::{
    Timestamp,
    provider::{Hash, Key, Location, Signature, Template, TimestampRule},
};
use subtle::{Choice, ConstantTimeEq};
use url::Url;

use super::{
    Judge, Look, active_keys,
    hash::{Hasher, Keying, tag_bytes},
    parse::{self, Parsed},
    signature_texts, timestamp,
};
use crate::{
    extract::{
        Lookup,
        template::{Piece, Unfilled, fill},
    },
    reason::Reason,
};

/// Why no hash could be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MacError {
    /// The signed text can't be made.
    Text(Unfilled),
    /// A key can't be used.
    Key,
}

/// What a hash is checked by.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) keying: Keying,
    pub(super) hash: Hash,
    pub(super) key: &'a Key,
    pub(super) signature: &'a Signature,
    pub(super) signed: &'a [Template],
    pub(super) timestamp: Option<&'a TimestampRule>,
}

/// The tag that each key makes of a template's text. The text is never built: its pieces go to all keys in turn.
fn tags(
    (keying, hash): (Keying, Hash),
    keys: &[impl AsRef<[u8]>],
    signed: &Template,
    lookup: &Lookup<'_>,
    public_url: Option<&Url>,
    exempt: Option<&Location>,
) -> Result<Vec<Vec<u8>>, MacError> {
    let mut hashers = Vec::with_capacity(keys.len());
    for key in keys {
        hashers.push(Hasher::new(keying, hash, key.as_ref()).ok_or(MacError::Key)?);
    }
    fill(signed, lookup, public_url, exempt, &mut |piece| {
        for (hasher, key) in hashers.iter_mut().zip(keys) {
            match piece {
                Piece::Own(bytes) | Piece::Taken(bytes) => hasher.update(bytes),
                Piece::Secret => hasher.update(key.as_ref()),
                Piece::Computed => {}
            }
        }
    })
    .map_err(MacError::Text)?;
    Ok(hashers.into_iter().map(Hasher::finish).collect())
}

/// Checks a request's hash with every active secret and every candidate, whatever matched before.
pub(super) fn check(rule: Rule<'_>, look: &Look<'_>, now: Timestamp) -> Result<(), Reason> {
    let texts = signature_texts(rule.signature, &look.lookup())?;
    let groups = parse::parse_all(rule.signature, &texts, look.judge.values)?;
    let mut candidates = groups.iter().flat_map(|group| &group.candidates);
    if candidates.any(|candidate| candidate.len() != tag_bytes(rule.hash)) {
        return Err(Reason::SignatureMalformed);
    }
    let mut refused = Reason::SignatureMismatch;
    for group in &groups {
        match check_group(rule, group, look, now) {
            Ok(()) => return Ok(()),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

fn check_group(rule: Rule<'_>, group: &Parsed<'_>, look: &Look<'_>, now: Timestamp) -> Result<(), Reason> {
    check_fields(&group.fields)?;
    let lookup = look.lookup().with_signature(&group.fields);
    let at = rule.timestamp.map(|rule| timestamp::signed_at(rule, &lookup)).transpose()?;
    let keys = active_keys(look.judge, rule.key, now)?;
    let exempt = rule.timestamp.map(|rule| &rule.from);
    let (mut matched, mut refused) = (Choice::from(0), Vec::new());
    for signed in rule.signed {
        if could_be_a_challenge(signed, &lookup, look.judge) {
            refused.push(Reason::SignedFieldMalformed);
            continue;
        }
        match tags((rule.keying, rule.hash), &keys, signed, &lookup, look.judge.public_url, exempt) {
            Ok(tags) => {
                for (tag, candidate) in tags.iter().flat_map(|tag| group.candidates.iter().map(move |c| (tag, c))) {
                    matched |= candidate.ct_eq(tag);
                }
            }
            Err(error) => refused.push(unfilled(error)),
        }
    }
    if !bool::from(matched) {
        let none_made = refused.len() == rule.signed.len();
        return Err(refused.into_iter().next().filter(|_| none_made).unwrap_or(Reason::SignatureMismatch));
    }
    match (rule.timestamp, at) {
        (Some(rule), Some(at)) => timestamp::check_age(rule, at, now),
        _ => Ok(()),
    }
}

/// Whether a text could have been tagged for anybody, as the answer to a challenge.
fn could_be_a_challenge(signed: &Template, lookup: &Lookup<'_>, judge: &Judge<'_>) -> bool {
    let mut oracles = judge.provider.handshakes.iter().filter(|handshake| handshake.is_oracle()).peekable();
    if oracles.peek().is_none() {
        return false;
    }
    let mut text = Vec::new();
    // An error here is met again when the tags are made.
    let _ = fill(signed, lookup, judge.public_url, None, &mut |piece| match piece {
        Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
        Piece::Secret | Piece::Computed => {}
    });
    oracles.any(|oracle| oracle.respond.echo.fits(&text))
}

/// A field that stands beside the candidates twice could be read in two ways, unless it is another version's signature.
pub(super) fn check_fields(fields: &[(&str, &str)]) -> Result<(), Reason> {
    let mut seen = BTreeSet::new();
    let is_version = |name: &str| name.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    match fields.iter().all(|(name, _)| is_version(name) || seen.insert(*name)) {
        true => Ok(()),
        false => Err(Reason::SignatureDuplicated),
    }
}

fn unfilled(error: MacError) -> Reason {
    match error {
        MacError::Text(unfilled) => text_reason(&unfilled),
        MacError::Key => Reason::SecretMalformed,
    }
}

/// Why a signed text can't be made.
pub(super) const fn text_reason(unfilled: &Unfilled) -> Reason {
    match unfilled {
        Unfilled::Missing(_) => Reason::SignedFieldMissing,
        Unfilled::Duplicated(_) => Reason::SignedFieldDuplicated,
        Unfilled::Ambiguous(_) => Reason::SignedFieldMalformed,
        Unfilled::NoPublicUrl => Reason::PublicUrlAbsent,
    }
}
