//! Signatures by a private key, checked with the public one.

use gatepost_config::{
    Timestamp,
    provider::{Algorithm, Location, Signature, Template, TimestampRule},
};

use super::{
    Judge, Look,
    mac::{check_fields, text_reason},
    parse::{self, Parsed},
    public_key::PublicKey,
    signature_texts, timestamp,
};
use crate::{
    extract::{
        Lookup,
        template::{Piece, Unfilled, fill},
    },
    reason::Reason,
};

/// What a signature is checked by.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) signature: &'a Signature,
    pub(super) signed: &'a [Template],
    pub(super) timestamp: Option<&'a TimestampRule>,
}

/// The public keys of every active secret.
pub(super) fn public_keys(judge: &Judge<'_>, now: Timestamp) -> Result<Vec<PublicKey>, Reason> {
    let active: Vec<_> = judge.secrets.iter().filter(|secret| secret.is_active(now)).collect();
    if active.is_empty() {
        return Err(Reason::SecretAbsent);
    }
    let keys: Vec<_> = active.iter().flat_map(|secret| PublicKey::read(secret.expose(), now)).collect();
    if keys.is_empty() { Err(Reason::SecretMalformed) } else { Ok(keys) }
}

/// Checks a request's signature with every active key and every candidate.
pub(super) fn check(rule: Rule<'_>, look: &Look<'_>, now: Timestamp) -> Result<(), Reason> {
    let texts = signature_texts(rule.signature, &look.lookup())?;
    let groups = parse::parse_all(rule.signature, &texts, look.judge.values)?;
    let keys = public_keys(look.judge, now)?;
    let mut refused = Reason::SignatureMismatch;
    for group in &groups {
        match check_group(rule, group, &keys, look, now) {
            Ok(()) => return Ok(()),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

fn check_group(
    rule: Rule<'_>,
    group: &Parsed<'_>,
    keys: &[PublicKey],
    look: &Look<'_>,
    now: Timestamp,
) -> Result<(), Reason> {
    check_fields(&group.fields)?;
    let lookup = look.lookup().with_signature(&group.fields);
    let at = rule.timestamp.map(|rule| timestamp::signed_at(rule, &lookup)).transpose()?;
    let exempt = rule.timestamp.map(|rule| &rule.from);
    let mut refused = Reason::SignatureMismatch;
    for signed in rule.signed {
        let text = match text(signed, &lookup, look.judge, exempt) {
            Ok(text) => text,
            Err(unfilled) => {
                refused = text_reason(&unfilled);
                continue;
            }
        };
        let mut pairs = keys.iter().flat_map(|key| group.candidates.iter().map(move |candidate| (key, candidate)));
        if pairs.any(|(key, candidate)| key.verifies(rule.algorithm, &text, candidate)) {
            return match (rule.timestamp, at) {
                (Some(rule), Some(at)) => timestamp::check_age(rule, at, now),
                _ => Ok(()),
            };
        }
        refused = Reason::SignatureMismatch;
    }
    Err(refused)
}

fn text(
    signed: &Template,
    lookup: &Lookup<'_>,
    judge: &Judge<'_>,
    exempt: Option<&Location>,
) -> Result<Vec<u8>, Unfilled> {
    let mut text = Vec::new();
    fill(signed, lookup, judge.public_url, exempt, &mut |piece| match piece {
        Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
        // Checking the provider's file refuses a secret here.
        Piece::Secret | Piece::Computed => {}
    })?;
    Ok(text)
}
