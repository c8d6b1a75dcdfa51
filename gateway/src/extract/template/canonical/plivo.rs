//! Plivo: the URL, and what its method says of the parameters.
//! Source: npm `plivo`, `validateSignature` and `validateV3Signature`.

use gatepost_config::provider::{Location, Source};
use url::Url;

use super::{Piece, Unfilled, required};
use crate::extract::{Lookup, form};

/// Version 2: the URL without its query, and the nonce. Nothing of the body.
pub(super) fn fill_v2(lookup: &Lookup<'_>, url: &Url, sink: &mut impl FnMut(Piece<'_>)) -> Result<(), Unfilled> {
    let (base, _) = split(lookup, url);
    sink(Piece::Own(base.as_bytes()));
    sink(Piece::Taken(nonce(lookup, "x-plivo-signature-v2-nonce")?.as_bytes()));
    Ok(())
}

/// Version 3: `URL`, `?` and the query's parameters, `.` and the form's, `.` and the nonce; each but the first and the last
/// where there is any, and `?` also before a form without a query.
pub(super) fn fill_v3(lookup: &Lookup<'_>, url: &Url, sink: &mut impl FnMut(Piece<'_>)) -> Result<(), Unfilled> {
    let request = lookup.request();
    let (base, query) = split(lookup, url);
    if !request.is_form() && !request.body.is_empty() {
        return Err(Unfilled::Missing(Source::Form("*".to_owned()).into()));
    }
    let query = sorted(query.as_bytes());
    let form = if request.is_form() { sorted(&request.body) } else { Vec::new() };
    sink(Piece::Own(base.as_bytes()));
    if !query.is_empty() || !form.is_empty() {
        sink(Piece::Own(b"?"));
    }
    for (n, (name, value)) in query.iter().enumerate() {
        // Decoded, a parameter could be read as two.
        if name.iter().chain(value).any(|b| matches!(b, b'&' | b'=')) {
            return Err(Unfilled::Ambiguous(Source::Query(String::from_utf8_lossy(name).into_owned()).into()));
        }
        sink(Piece::Own(if n == 0 { b"" } else { b"&" }));
        sink(Piece::Taken(name));
        sink(Piece::Own(b"="));
        sink(Piece::Taken(value));
    }
    if !query.is_empty() && !form.is_empty() {
        sink(Piece::Own(b"."));
    }
    for (name, value) in &form {
        sink(Piece::Taken(name));
        sink(Piece::Taken(value));
    }
    sink(Piece::Own(b"."));
    sink(Piece::Taken(nonce(lookup, "x-plivo-signature-v3-nonce")?.as_bytes()));
    Ok(())
}

/// The URL that Plivo called, and its query.
fn split<'l>(lookup: &Lookup<'l>, url: &Url) -> (String, &'l str) {
    let (path, query) = lookup.request().target.split_once('?').unwrap_or((&lookup.request().target, ""));
    (format!("{}{path}", url.as_str().trim_end_matches('/')), query)
}

/// Fields, decoded and sorted.
fn sorted(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields: Vec<_> = form::fields(text).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    fields.sort_unstable();
    fields
}

/// The nonce: letters and digits, so that no other part of one text can be passed off as the nonce of another, such as all
/// that version 3 signs after the URL as that of version 2.
fn nonce(lookup: &Lookup<'_>, name: &str) -> Result<String, Unfilled> {
    let place: Location = Source::Header(name.to_owned()).into();
    let nonce = required(lookup, &place)?;
    let is_plain = !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_plain { Ok(nonce) } else { Err(Unfilled::Ambiguous(place)) }
}
