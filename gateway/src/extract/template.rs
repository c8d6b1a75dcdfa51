//! Fills in a template with a request's raw bytes, piece by piece, so that a body is never copied.

mod canonical;
mod url_text;

use std::borrow::Cow;

use gatepost_config::provider::{Encoding, Location, Segment, Source, Sum, Template};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Lookup, Trouble, form};
use crate::verify::{crc32, encode, hex};

/// Why a template can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfilled {
    /// A place is absent.
    Missing(Location),
    /// A place stands there more than once.
    Duplicated(Location),
    /// What stands at a place could be read together with what follows it.
    Ambiguous(Location),
    /// The URL is part of it, and nobody said what providers call us.
    NoPublicUrl,
}

/// A piece of a filled-in template.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Of the template itself, of the URL, or one of the integration's values.
    Own(&'a [u8]),
    /// Taken from the request.
    Taken(&'a [u8]),
    /// The key that the text is made for.
    Secret,
    /// What a handshake's answer computes.
    Computed,
}

/// Most characters of an id that stands before a dot.
const DOTTED_CHARS_MAX: usize = 128;

/// Fills in a template: every piece goes to `sink`, in order.
///
/// A place before a `.` must be 1 to 128 characters of `A-Z a-z 0-9 _ -`, and a place before any other text may not
/// hold that text's first character: otherwise two requests could have one signed text. `exempt` was checked before.
pub(crate) fn fill(
    template: &Template,
    lookup: &Lookup<'_>,
    public_url: Option<&Url>,
    exempt: Option<&Location>,
    sink: &mut impl FnMut(Piece<'_>),
) -> Result<(), Unfilled> {
    for (at, segment) in template.0.iter().enumerate() {
        match segment {
            Segment::Literal(text) => sink(Piece::Own(text.as_bytes())),
            Segment::Secret => sink(Piece::Secret),
            Segment::Computed => sink(Piece::Computed),
            Segment::Method => sink(Piece::Own(lookup.request().method.as_str().as_bytes())),
            Segment::Url(form) => {
                let base = public_url.ok_or(Unfilled::NoPublicUrl)?;
                sink(Piece::Own(url_text::write(*form, base, &lookup.request().target).as_bytes()));
            }
            Segment::Form => fill_form(lookup, sink)?,
            Segment::Canonical(text) => canonical::fill(*text, lookup, public_url, sink)?,
            Segment::Sum { sum, location } => match find(lookup, location)? {
                Some(value) => sink(Piece::Taken(checksum(*sum, &value).as_bytes())),
                None => return Err(Unfilled::Missing(location.clone())),
            },
            Segment::Place { location, optional, open } => match find(lookup, location)? {
                Some(value) => {
                    let next = template.0.get(at.saturating_add(1));
                    if !open && exempt != Some(location) && !stands_apart(location, &value, next, exempt) {
                        return Err(Unfilled::Ambiguous(location.clone()));
                    }
                    sink(match location.source {
                        Source::Value(_) => Piece::Own(&value),
                        _ => Piece::Taken(&value),
                    });
                }
                // An object or array where a value should be is not the same as nothing.
                None if *optional && lookup.is_present(location) == Ok(false) => {}
                None if *optional => return Err(Unfilled::Ambiguous(location.clone())),
                None => return Err(Unfilled::Missing(location.clone())),
            },
            Segment::Optional(part) => {
                if is_complete(part, lookup)? {
                    fill(part, lookup, public_url, exempt, sink)?;
                }
            }
        }
    }
    Ok(())
}

/// Every field of a form, sorted; a body that is no form has none, so it must be empty.
fn fill_form(lookup: &Lookup<'_>, sink: &mut impl FnMut(Piece<'_>)) -> Result<(), Unfilled> {
    let request = lookup.request();
    if !request.is_form() {
        let form = Location::from(Source::Form("*".to_owned()));
        return if request.body.is_empty() { Ok(()) } else { Err(Unfilled::Missing(form)) };
    }
    let mut fields: Vec<_> = form::fields(&request.body).collect();
    fields.sort_unstable();
    fields.dedup();
    for (name, value) in &fields {
        sink(Piece::Taken(name));
        sink(Piece::Taken(value));
    }
    Ok(())
}

fn checksum(sum: Sum, bytes: &[u8]) -> String {
    match sum {
        Sum::Sha256Hex => hex(&Sha256::digest(bytes)),
        Sum::Sha256Base64 => encode(Encoding::Base64, &Sha256::digest(bytes)),
        Sum::Sha256Base64Url => encode(Encoding::Base64Url, &Sha256::digest(bytes)).trim_end_matches('=').to_owned(),
        Sum::Crc32Decimal => crc32(bytes).to_string(),
    }
}

fn find<'l>(lookup: &'l Lookup<'_>, location: &Location) -> Result<Option<Cow<'l, [u8]>>, Unfilled> {
    match lookup.find(location) {
        Ok(found) => Ok(found),
        Err(Trouble::Duplicated) => Err(Unfilled::Duplicated(location.clone())),
        Err(Trouble::Unreadable) => Ok(None),
    }
}

/// Whether every place in a part is there.
fn is_complete(part: &Template, lookup: &Lookup<'_>) -> Result<bool, Unfilled> {
    for segment in &part.0 {
        let there = match segment {
            Segment::Place { location, optional, .. } => *optional || find(lookup, location)?.is_some(),
            Segment::Sum { location, .. } => find(lookup, location)?.is_some(),
            Segment::Optional(_)
            | Segment::Literal(_)
            | Segment::Method
            | Segment::Url(_)
            | Segment::Form
            | Segment::Canonical(_)
            | Segment::Computed
            | Segment::Secret => true,
        };
        if !there {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a value can't be read together with what follows it.
fn stands_apart(location: &Location, value: &[u8], next: Option<&Segment>, exempt: Option<&Location>) -> bool {
    let text = match next {
        Some(Segment::Literal(text)) => text,
        // Nothing between the body and a header: bytes could move from one to the other unless the body ends by itself.
        Some(Segment::Place { location: next, .. }) if location.source == Source::Body && exempt != Some(next) => {
            return !matches!(next.source, Source::Header(_)) || ends_by_itself(value);
        }
        _ => return true,
    };
    match (&location.source, text.as_bytes().first()) {
        (Source::Body | Source::Value(_), _) | (_, None) => true,
        (_, Some(b'.')) => {
            let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            !value.is_empty() && value.len() <= DOTTED_CHARS_MAX && value.iter().all(fit)
        }
        (_, Some(separator)) => !value.contains(separator),
    }
}

/// Whether a body is a JSON object or array, which is none any more with a byte more or less.
fn ends_by_itself(body: &[u8]) -> bool {
    let closed = matches!((body.first(), body.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')));
    closed && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::request::RawRequest;

    fn header(name: &str) -> Segment {
        let location = Location { source: Source::Header(name.into()), within: None };
        Segment::Place { location, optional: false, open: false }
    }

    fn filled(template: Vec<Segment>, headers: &[(&str, &str)]) -> Result<String, Unfilled> {
        filled_from("BODY", template, headers)
    }

    fn filled_from(body: &'static str, template: Vec<Segment>, headers: &[(&str, &str)]) -> Result<String, Unfilled> {
        let provider = crate::fixtures::github();
        let headers = headers.iter().map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value")));
        let request = RawRequest {
            method: http::Method::POST,
            target: "/webhooks/x?b=%2F&a=".into(),
            headers: headers.collect(),
            body: body.into(),
            connection: None,
        };
        let values = BTreeMap::new();
        let lookup = Lookup::new(&provider, &request, &values);
        let url = Url::parse("https://hooks.example.com/").expect("url");
        let mut text = Vec::new();
        let mut sink = |piece: Piece<'_>| match piece {
            Piece::Own(bytes) | Piece::Taken(bytes) => text.extend_from_slice(bytes),
            Piece::Secret | Piece::Computed => text.extend_from_slice(b"SECRET"),
        };
        fill(&Template(template), &lookup, Some(&url), None, &mut sink)?;
        Ok(String::from_utf8(text).expect("text"))
    }

    #[test]
    fn an_id_that_could_be_read_with_what_follows_it_is_ambiguous() {
        let dotted = || vec![header("id"), Segment::Literal(".".into()), header("at")];
        assert_eq!(filled(dotted(), &[("id", "msg_1-a"), ("at", "5")]), Ok("msg_1-a.5".into()));
        for bad in ["m.5", "", "m 5", "é", &"x".repeat(129)] {
            let ambiguous = filled(dotted(), &[("id", bad), ("at", "5")]);
            assert!(matches!(ambiguous, Err(Unfilled::Ambiguous(_))), "{bad:?} gave {ambiguous:?}");
        }
        let colon = || vec![header("id"), Segment::Literal(":".into())];
        assert_eq!(filled(colon(), &[("id", "m.5")]), Ok("m.5:".into()));
        assert!(matches!(filled(colon(), &[("id", "m:5")]), Err(Unfilled::Ambiguous(_))));
    }

    #[test]
    fn a_body_that_touches_a_header_must_end_by_itself() {
        let body = || Segment::Place { location: Source::Body.into(), optional: false, open: false };
        let filled_with = |text: &'static str, template: Vec<Segment>| filled_from(text, template, &[("id", "msg_1")]);
        let touching = || vec![body(), header("id")];
        assert_eq!(filled_with(r#"{"a":1}"#, touching()), Ok(r#"{"a":1}msg_1"#.into()));
        for bad in [r#"{"a":1"#, r#"{"a":1}m"#, "1", "", r#"{"a":1} "#] {
            let ambiguous = filled_with(bad, touching());
            assert!(matches!(ambiguous, Err(Unfilled::Ambiguous(_))), "{bad:?} gave {ambiguous:?}");
        }
        assert_eq!(filled_with("1", vec![body(), Segment::Literal(".".into()), header("id")]), Ok("1.msg_1".into()));
    }

    #[test]
    fn the_url_is_the_public_one_with_the_raw_target() {
        let text = filled(vec![Segment::Method, Segment::Url(gatepost_config::provider::UrlForm::Raw)], &[]);
        assert_eq!(text, Ok("POSThttps://hooks.example.com/webhooks/x?b=%2F&a=".into()));
    }

    #[test]
    fn a_part_is_left_out_when_a_place_in_it_is_absent() {
        let part = || vec![Segment::Optional(Template(vec![Segment::Literal("+".into()), header("id")]))];
        assert_eq!(filled(part(), &[("id", "1")]), Ok("+1".into()));
        assert_eq!(filled(part(), &[]), Ok(String::new()));
        assert!(matches!(filled(vec![header("id")], &[]), Err(Unfilled::Missing(_))));
        assert!(matches!(filled(vec![header("id")], &[("id", "1"), ("id", "1")]), Err(Unfilled::Duplicated(_))));
    }
}
