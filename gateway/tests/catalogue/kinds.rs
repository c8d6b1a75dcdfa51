//! Kinds of bodies: compressed, XML, forms in parts, and bodies that hold a secret.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use gatepost_config::provider::{Gzip, Source};
use gatepost_gateway::{Rehearsed, Turned};

use crate::{attempt::Attempt, subject::Subject, tally::Tally};

/// Tries what goes wrong with each kind of body.
pub(crate) fn prove(subject: &Subject, tally: &mut Tally) {
    compressed(subject, tally);
    xml(subject, tally);
    in_parts(subject, tally);
}

/// Bodies as they are sent compressed, or as nobody may.
fn compressed(subject: &Subject, tally: &mut Tally) {
    let plain = match subject.provider.gzip {
        Some(Gzip::Wire) if subject.sent.request.headers.contains_key("content-encoding") => {
            encodings(subject, &subject.sent, tally);
            return;
        }
        _ => &subject.genuine,
    };
    let coded = |body: Vec<u8>| {
        let coded = plain.with_body(body).with_header("content-encoding", &[b"gzip"]);
        coded.expect("a header")
    };
    let whole = gzip(plain.body(), Compression::best());
    if subject.provider.gzip != Some(Gzip::Decoded) {
        tally.bad(subject, "compressed: as the provider never does", &coded(whole));
        return;
    }
    let other = coded(gzip(plain.body(), Compression::none()));
    tally.all_good(subject, "compressed at another level", [coded(whole.clone()), other]);
    encodings(subject, &coded(whole.clone()), tally);
    let mut bad = |class, body: Vec<u8>| tally.bad(subject, class, &coded(body));
    bad("compressed: not at all, though it says so", plain.body().to_vec());
    bad("compressed: twice", gzip(&whole, Compression::best()));
    bad("compressed: something else", gzip(b"{}", Compression::best()));
    bad("compressed: with more after it", [&whole[..], b"\0"].concat());
    bad("compressed: with a second part", [&whole[..], &gzip(b"", Compression::best())].concat());
    for end in [0, 2, 10, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        bad("compressed: cut short", whole[..end].to_vec());
    }
    for at in whole.len() - 8..whole.len() {
        bad("compressed: a bit of its checksum or length flipped", crate::attempt::flipped(&whole, at, at));
    }
    let limit = usize::try_from(subject.provider.body_max.0).expect("a length");
    let bomb = coded(gzip(&vec![b' '; limit + 1], Compression::best()));
    tally.bad(subject, "compressed: a bomb", &bomb);
    if subject.judge(&bomb).err() != Some(Turned::Limited("body_too_large")) {
        tally.wrong(subject, "a bomb is not refused by its size");
    }
}

/// Other words for how a compressed body is encoded.
fn encodings(subject: &Subject, coded: &Attempt, tally: &mut Tally) {
    let mut bad = |class, values: &[&[u8]]| {
        tally.bad(subject, class, &coded.with_header("content-encoding", values).expect("a header"));
    };
    if subject.provider.gzip == Some(Gzip::Decoded) {
        bad("compressed: without saying so", &[]);
    }
    bad("compressed: said to be of another encoding", &[b"br"]);
    bad("compressed: said to be of another encoding", &[b"deflate"]);
    bad("compressed: said to be of two encodings", &[b"gzip, gzip"]);
    bad("compressed: said to be of two encodings", &[b"gzip", b"gzip"]);
    bad("compressed: said to be of two encodings", &[b"gzip", b"identity"]);
}

fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).expect("it compresses");
    encoder.finish().expect("it ends")
}

/// XML of which something is read for the check.
fn xml(subject: &Subject, tally: &mut Tally) {
    let Some(scheme) = &subject.scheme else { return };
    let places = scheme.places();
    let Some(names) = places.iter().find_map(|place| match &place.source {
        Source::Xml(pointer) => Some(&pointer.0),
        _ => None,
    }) else {
        return;
    };
    let text = std::str::from_utf8(subject.genuine.body()).expect("text");
    let last = names.last().expect("a name");
    let (open, close) = (format!("<{last}>"), format!("</{last}>"));
    let (start, end) = (text.find(&open).expect("an element"), text.find(&close).expect("its end") + close.len());
    let element = &text[start..end];
    let value = &element[open.len()..element.len() - close.len()];
    let head = text.find("?>").map_or(0, |at| at + 2);
    let mut bad = |class, body: String| tally.bad(subject, class, &subject.genuine.with_body(body));
    let with = |new: &str| text.replacen(element, new, 1);
    bad("XML: another value", with(&element.replace(value, "forged")));
    bad("XML: an element gone", with(""));
    bad("XML: an element doubled", with(&element.repeat(2)));
    bad("XML: an element doubled with another value", with(&format!("{element}{open}forged{close}")));
    bad(
        "XML: an element doubled under a prefix",
        with(&format!("{element}<x:{last} xmlns:x='urn:x'>forged</x:{last}>")),
    );
    bad("XML: elements inside a value", with(&format!("{open}{value}<i/>{close}")));
    bad("XML: a value in an attribute", with(&format!("<{last} value='{value}'/>")));
    bad("XML: a document type", format!("{}<!DOCTYPE x>{}", &text[..head], &text[head..]));
    let entities = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let with_entity = with(&format!("{element}<i>&c;</i>"));
    bad("XML: entities that grow", format!("{}{entities}{}", &with_entity[..head], &with_entity[head..]));
    let outside = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>";
    let with_entity = with(&format!("{open}&a;{close}"));
    bad("XML: an entity from outside", format!("{}{outside}{}", &with_entity[..head], &with_entity[head..]));
    bad("XML: an entity that nobody declared", with(&format!("{element}<i>&a;</i>")));
    bad("XML: another encoding declared", text.replacen("UTF-8", "UTF-16", 1));
    bad("XML: cut short", text[..text.len() - 3].to_owned());
    bad("XML: more after it", format!("{text}<x/>"));
    bad("XML: text after it", format!("{text}x"));
    bad("XML: tags crossed", with(&format!("{element}<a><b></a></b>")));
    bad("XML: deeper than anybody nests", with(&format!("{element}{}{}", "<d>".repeat(99), "</d>".repeat(99))));
    let comment = with(&format!("<!-- {open}forged{close} -->{element}<![CDATA[ ]]>"));
    tally.good(subject, "XML with a comment", &subject.genuine.with_body(comment));
}

/// Forms in parts.
fn in_parts(subject: &Subject, tally: &mut Tally) {
    let content_type = subject.genuine.request.headers.get("content-type").and_then(|value| value.to_str().ok());
    let Some((media, boundary)) = content_type.and_then(|text| text.split_once("; boundary=")) else { return };
    let text = std::str::from_utf8(subject.genuine.body()).expect("text").to_owned();
    let mut bad = |class, body: String| tally.bad(subject, class, &subject.genuine.with_body(body));
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    let joined = |parts: &[&str]| parts.join(&format!("--{boundary}"));
    let decisive = subject.provider.form_payload.as_deref().unwrap_or("signature");
    let at = parts.iter().position(|part| part.contains(&format!("name=\"{decisive}\""))).expect("the field");
    let mut doubled = parts.clone();
    doubled.insert(at, parts[at]);
    bad("parts: a field doubled", joined(&doubled));
    let forged = parts[at].replace("\r\n\r\n", "\r\n\r\nforged");
    doubled[at] = &forged;
    bad("parts: a field doubled with another value", joined(&doubled));
    let mut gone = parts.clone();
    gone.remove(at);
    bad("parts: a field gone", joined(&gone));
    bad(
        "parts: a field that is a file",
        text.replace(&format!("name=\"{decisive}\""), &format!("name=\"{decisive}\"; filename=\"f\"")),
    );
    bad(
        "parts: a field with two names",
        text.replace(&format!("name=\"{decisive}\""), &format!("name=\"{decisive}\"; name=\"x\"")),
    );
    bad("parts: a field in base64", text.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
    bad("parts: without an end", text.replace(&format!("--{boundary}--\r\n"), ""));
    bad("parts: cut short", text[..text.len() / 2].to_owned());
    bad("parts: more after the end", format!("{text}--{boundary}\r\n"));
    bad("parts: more before the start", format!("x\r\n{text}"));
    bad("parts: line feeds alone", text.replace("\r\n", "\n"));
    let types = [
        format!("{media}; boundary=x{boundary}"),
        media.to_owned(),
        format!("{media}; boundary={boundary}; boundary=x"),
    ];
    let typed = types.iter().filter_map(|text| subject.genuine.with_header("content-type", &[text.as_bytes()]));
    tally.all_bad(subject, "parts: another boundary", typed);
    let quoted = format!("{media}; charset=utf-8; boundary=\"{boundary}\"");
    tally.all_good(
        subject,
        "parts with a quoted boundary",
        subject.genuine.with_header("content-type", &[quoted.as_bytes()]),
    );
}

/// Whether a body that holds a secret is stored without it, and otherwise as it was.
pub(crate) fn redacted(subject: &Subject, outcome: &Rehearsed, tally: &mut Tally) {
    let Rehearsed::Events(events) = outcome else { return };
    let places = &subject.provider.redact;
    let sent = subject.genuine.body();
    let mut at = 0;
    for event in events {
        let stored = &event.body[..];
        let same = |window: &[u8]| window.iter().zip(stored).all(|(sent, stored)| sent == stored || *stored == b'*');
        let found = sent[at..].windows(stored.len().max(1)).position(same).map(|start| start + at);
        let changed = found.is_some_and(|start| sent[start..start + stored.len()] != *stored);
        if event.meta.redacted != changed && !places.is_empty() {
            tally.wrong(subject, format!("says redacted = {}, which it is not", event.meta.redacted));
        }
        if places.is_empty() && event.meta.redacted {
            tally.wrong(subject, "is redacted, though nothing of it is secret");
        }
        if found.is_none() && !places.is_empty() {
            tally.wrong(subject, "is not stored at its length with stars alone in it");
        }
        let secret = subject.vector.secret.as_bytes();
        if !places.is_empty() && stored.windows(secret.len()).any(|window| window == secret) {
            tally.wrong(subject, "is stored with its secret");
        }
        at = found.map_or(at, |start| start + stored.len());
    }
    let redacted = events.iter().any(|event| event.meta.redacted);
    tally.all_good(subject, "stored without the secret in its body", redacted.then(|| subject.genuine.clone()));
}
