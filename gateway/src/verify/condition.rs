//! What must hold at places of a request.

use std::collections::BTreeMap;

use gatepost_config::{
    Secret,
    provider::{Conditions, Expect, Location, Template},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use crate::extract::{
    Lookup, Trouble,
    template::{Piece, fill},
};

/// Whether a condition holds; trouble when its place can't be read with one meaning.
pub(crate) fn holds(
    (place, expect): &(Location, Expect),
    lookup: &Lookup<'_>,
    values: &BTreeMap<String, Secret>,
    public_url: Option<&Url>,
) -> Result<bool, Trouble> {
    match expect {
        Expect::Present => lookup.is_present(place),
        Expect::Absent => lookup.is_present(place).map(|present| !present),
        Expect::Equals(text) => any(lookup, place, |shown| shown == text.as_bytes()),
        Expect::Value(name) => match values.get(name) {
            Some(value) => any(lookup, place, |shown| is_same(shown, value.expose())),
            None => Ok(false),
        },
        Expect::OneOf(name) => {
            let list = values.get(name).map(Secret::expose).unwrap_or_default();
            let texts = || list.split(|b| *b == b',' || b.is_ascii_whitespace()).filter(|text| !text.is_empty());
            any(lookup, place, |shown| texts().any(|text| is_same(shown, text)))
        }
        Expect::Text { or_empty: true, .. } if lookup.request().body.is_empty() && !lookup.is_present(place)? => {
            Ok(true)
        }
        Expect::Text { template, .. } => match text(template, lookup, public_url) {
            Some(wanted) => any(lookup, place, |shown| is_same(unpadded(shown), unpadded(&wanted))),
            None => Ok(false),
        },
    }
}

/// Whether all hold; what can't be read with one meaning doesn't.
pub(crate) fn all_hold(
    conditions: &Conditions,
    lookup: &Lookup<'_>,
    values: &BTreeMap<String, Secret>,
    public_url: Option<&Url>,
) -> bool {
    conditions.iter().all(|condition| holds(condition, lookup, values, public_url) == Ok(true))
}

/// Whether what stands at a place is wanted.
fn any(lookup: &Lookup<'_>, place: &Location, is_wanted: impl Fn(&[u8]) -> bool) -> Result<bool, Trouble> {
    let alone = lookup.find(place)?.is_some_and(|shown| is_wanted(&shown));
    // An audience may be one of several.
    Ok(alone || lookup.claim_list(place)?.iter().any(|shown| is_wanted(shown.as_bytes())))
}

/// Compares two texts, both hashed so that neither length nor content shows in the time.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

fn unpadded(text: &[u8]) -> &[u8] {
    match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] => rest,
        text => text,
    }
}

fn text(template: &Template, lookup: &Lookup<'_>, public_url: Option<&Url>) -> Option<Vec<u8>> {
    let (mut text, mut whole) = (Vec::new(), true);
    let filled = fill(template, lookup, public_url, None, &mut |piece| match piece {
        Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
        Piece::Secret | Piece::Computed => whole = false,
    });
    (filled.is_ok() && whole).then_some(text)
}
