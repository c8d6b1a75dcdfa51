//! UniSender Go: the body, with the hash in it replaced by the API key that made it.
//! Source: PyPI `django-anymail`, its receiver for UniSender Go.

use gatepost_config::provider::{Location, Pointer, Source};

use super::{Piece, Unfilled, required};
use crate::extract::Lookup;

/// Characters of the hash.
const HASH_CHARS: usize = 32;

pub(super) fn fill(lookup: &Lookup<'_>, sink: &mut impl FnMut(Piece<'_>)) -> Result<(), Unfilled> {
    let place: Location = Source::Json(Pointer(vec!["auth".to_owned()])).into();
    let hash = required(lookup, &place)?;
    let body = &lookup.request().body;
    if hash.len() != HASH_CHARS || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(Unfilled::Ambiguous(place));
    }
    let mut at = (0..body.len()).filter(|at| body.get(*at..).is_some_and(|rest| rest.starts_with(hash.as_bytes())));
    let (Some(start), None) = (at.next(), at.next()) else { return Err(Unfilled::Ambiguous(place)) };
    sink(Piece::Taken(body.get(..start).unwrap_or_default()));
    sink(Piece::Secret);
    sink(Piece::Taken(body.get(start.saturating_add(HASH_CHARS)..).unwrap_or_default()));
    Ok(())
}
