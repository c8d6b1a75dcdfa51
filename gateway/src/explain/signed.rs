//! The exact text that was signed, with placeholders for what is secret in it.

use gatepost_config::provider::{Scheme, Segment, Source, Template};

use crate::{
    extract::{
        Lookup,
        template::{Piece, Unfilled, fill},
    },
    request::RawRequest,
    verify::{Judge, parse_all},
};

/// Fewer bytes of secret are not looked for in what is shown.
const SECRET_BYTES_MIN: usize = 4;

/// The text that a scheme's signature must be of; `None` for schemes that sign nothing.
pub(super) fn text(judge: &Judge<'_>, scheme: &Scheme, request: &RawRequest) -> Option<Vec<u8>> {
    let template = scheme.kind.signed().first().filter(|_| scheme.each.is_none())?;
    let signature = scheme.kind.signature()?;
    let lookup = Lookup::new(judge.provider, request, judge.values);
    let held = signature.from.iter().filter_map(|place| lookup.find(place).ok().flatten());
    let held: Vec<Vec<u8>> = held.map(std::borrow::Cow::into_owned).collect();
    let parsed = parse_all(signature, &held, judge.values).ok().and_then(|groups| groups.into_iter().next());
    let fields = parsed.map(|parsed| parsed.fields).unwrap_or_default();
    let lookup = Lookup::new(judge.provider, request, judge.values).with_signature(&fields);
    let mut text = Vec::new();
    walk(template, judge, &lookup, &mut text);
    for secret in judge.secrets.iter().map(gatepost_config::Secret::expose).filter(|s| s.len() >= SECRET_BYTES_MIN) {
        text = masked(&text, secret);
    }
    Some(text)
}

fn walk(template: &Template, judge: &Judge<'_>, lookup: &Lookup<'_>, text: &mut Vec<u8>) {
    for segment in &template.0 {
        match segment {
            Segment::Place { location, .. } if matches!(location.source, Source::Value(_)) => {
                text.extend_from_slice(format!("<{location}>").as_bytes());
            }
            Segment::Optional(inner) => {
                let mut there = false;
                let alone = Template(vec![segment.clone()]);
                let _ = fill(&alone, lookup, judge.public_url, None, &mut |piece| there |= !shown(piece).is_empty());
                if there {
                    walk(inner, judge, lookup, text);
                }
            }
            segment => {
                let alone = Template(vec![segment.clone()]);
                let mut piece = Vec::new();
                match fill(&alone, lookup, judge.public_url, None, &mut |part| piece.extend_from_slice(shown(part))) {
                    Ok(()) => text.extend_from_slice(&piece),
                    Err(why) => text.extend_from_slice(format!("<{}>", absent(&why)).as_bytes()),
                }
            }
        }
    }
}

/// A piece as it may be shown.
fn shown(piece: Piece<'_>) -> &[u8] {
    match piece {
        Piece::Own(bytes) | Piece::Taken(bytes) => bytes,
        Piece::Secret => b"<secret>",
        Piece::Computed => b"<computed>",
    }
}

fn absent(why: &Unfilled) -> String {
    match why {
        Unfilled::Missing(place) => format!("missing {place}"),
        Unfilled::Duplicated(place) => format!("doubled {place}"),
        Unfilled::Ambiguous(place) => format!("ambiguous {place}"),
        Unfilled::NoPublicUrl => "the public URL".to_owned(),
    }
}

/// The text with a secret replaced wherever it stands.
fn masked(text: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        match rest.strip_prefix(secret) {
            Some(after) => {
                out.extend_from_slice(b"<secret>");
                rest = after;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}
