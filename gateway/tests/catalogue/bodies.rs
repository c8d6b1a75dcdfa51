//! Changes of a signed body.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    attempt::{flipped, spliced},
    subject::Subject,
    tally::Tally,
};

/// Tries every change of a body that must be noticed.
pub(crate) fn prove(subject: &Subject, all: &[Subject], tally: &mut Tally) {
    if !subject.signs_body() {
        return;
    }
    let genuine = &subject.genuine;
    let body = genuine.body().to_vec();
    let form = signed_form(subject, &body);
    if form.is_some() {
        tally.unsigned(subject, "how a form is written, and its fields that are not named in what is signed");
    }
    let mut bad = |class, body: Vec<u8>| {
        if form.is_none() || form != signed_form(subject, &body) {
            tally.bad(subject, class, &genuine.with_body(body));
        }
    };
    for at in 0..body.len() {
        bad("body: a bit flipped", flipped(&body, at, at));
    }
    for at in [0, body.len() / 2, body.len().saturating_sub(1)] {
        for bit in 0..8 {
            if at < body.len() {
                bad("body: each bit of a byte flipped", flipped(&body, at, bit));
            }
        }
    }
    for (class, end) in [
        ("body: a line feed after it", &b"\n"[..]),
        ("body: a carriage return and line feed after it", b"\r\n"),
        ("body: a space after it", b" "),
        ("body: a NUL after it", b"\0"),
        ("body: more after it", b"{}"),
    ] {
        bad(class, [&body, end].concat());
    }
    for (class, start) in [
        ("body: a space before it", &b" "[..]),
        ("body: a byte order mark before it", "\u{feff}".as_bytes()),
        ("body: more before it", b"0"),
    ] {
        bad(class, [start, &body].concat());
    }
    bad("body: emptied", Vec::new());
    bad("body: doubled", body.repeat(2));
    bad("body: in a list", [b"[", &body[..], b"]"].concat());
    bad("body: in upper case", body.to_ascii_uppercase());
    bad("body: reversed", body.iter().rev().copied().collect());
    bad("body: in base64", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body).into());
    bad("body: percent-encoded", url::form_urlencoded::byte_serialize(&body).collect::<String>().into_bytes());
    if !body.is_empty() {
        bad("body: the first byte lost", body[1..].to_vec());
        bad("body: the last byte lost", body[..body.len() - 1].to_vec());
        bad("body: the second half lost", body[..body.len() / 2].to_vec());
    }
    if body.len() > 3 {
        let mut swapped = body.clone();
        let at = (0..body.len() - 1).find(|at| body[*at] != body[at + 1]).unwrap_or(0);
        swapped.swap(at, at + 1);
        bad("body: two bytes swapped", swapped);
    }
    texts(&body, &mut bad);
    for other in all.iter().filter(|other| other.vector.body != subject.vector.body).take(12) {
        bad("body: another's", other.vector.body.clone());
    }
}

/// The fields of a form that are signed, decoded, where the bytes of the body are not.
fn signed_form(subject: &Subject, body: &[u8]) -> Option<BTreeSet<(String, String)>> {
    if subject.signs("body}") || !subject.genuine.is_form() {
        return None;
    }
    let all = subject.signs("{form:*}");
    let pairs = url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned()));
    Some(pairs.filter(|(name, _)| all || subject.signs(&format!("{{form:{name}}}"))).collect())
}

/// Changes that keep the meaning, as proxies and frameworks make them.
fn texts(body: &[u8], bad: &mut impl FnMut(&'static str, Vec<u8>)) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    bad("body: line feeds made carriage returns too", text.replace('\n', "\r\n").into());
    bad("body: plus signs made spaces", text.replace('+', " ").into());
    bad("body: escapes made characters", text.replace("\\u00e9", "é").replace("\\/", "/").into());
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
    bad("body: characters made escapes", text.chars().map(escape).collect::<String>().into());
    bad(
        "body: characters lost as in Latin-1",
        text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>().into(),
    );
    if let Some(at) = text.find(|c: char| c.is_ascii_digit()) {
        let digit = if body[at] == b'9' { b'8' } else { body[at] + 1 };
        bad("body: a digit changed", spliced(body, at..at + 1, &[digit]));
    }
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        bad("body: JSON written anew with indentation", serde_json::to_vec_pretty(&value).unwrap_or_default());
        bad("body: JSON with spaces after commas", text.replace(",\"", ", \"").into());
        if let Some(rest) = text.strip_prefix('{') {
            bad("body: a member added to JSON", format!("{{\"forged\":true,{rest}").into());
            bad("body: a member doubled in JSON", format!("{{\"id\":\"forged\",{rest}").into());
        }
    } else {
        bad("body: a form field added", format!("{text}&forged=1").into());
        bad(
            "body: a form decoded",
            url::form_urlencoded::parse(body).map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&").into(),
        );
    }
}
