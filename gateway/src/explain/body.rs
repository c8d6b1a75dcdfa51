//! What a body may have been before something on its way changed it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    cause::Cause,
    json::{self, Layout, Node, Text},
};
use crate::{extract::form, request::RawRequest};

/// A body to try, with what it would mean.
pub(super) struct Guess {
    pub(super) cause: Cause,
    pub(super) words: String,
    pub(super) body: Vec<u8>,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bodies longer than this are not written again as JSON in every way of escaping.
const ESCAPED_BYTES_MAX: usize = 256 * 1024;
/// Bodies longer than this are not written again as JSON at all.
const REWRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The bodies to try, the simplest changes first.
pub(super) fn guesses(request: &RawRequest, form_payload: Option<&str>) -> Vec<Guess> {
    let body = &request.body[..];
    let mut guesses = Vec::new();
    edges(body, &mut guesses);
    line_ends(body, &mut guesses);
    bom(body, &mut guesses);
    decoded(body, form_payload, &mut guesses);
    charset(body, &mut guesses);
    reserialized(body, &mut guesses);
    guesses.retain(|guess| guess.body != body);
    guesses
}

fn push(guesses: &mut Vec<Guess>, cause: Cause, words: impl Into<String>, body: impl Into<Vec<u8>>) {
    guesses.push(Guess { cause, words: words.into(), body: body.into() });
}

fn edges(body: &[u8], guesses: &mut Vec<Guess>) {
    let with = |end: &[u8]| [body, end].concat();
    let cause = Cause::BodyTrailing;
    push(guesses, cause, "the provider signed it with a line feed at the end, which was lost", with(b"\n"));
    push(guesses, cause, "the provider signed it with CRLF at the end, which was lost", with(b"\r\n"));
    for end in [&b"\r\n"[..], b"\n"] {
        if let Some(without) = body.strip_suffix(end) {
            push(guesses, cause, "the provider signed it without the line end that it now has", without);
        }
    }
    push(guesses, cause, "the provider signed it without the white space around it", body.trim_ascii());
    if let Some(without) = body.strip_suffix(b"\0") {
        push(guesses, cause, "the provider signed it without the zero byte at its end", without);
    }
}

fn line_ends(body: &[u8], guesses: &mut Vec<Guess>) {
    let lf = replaced(body, b"\r\n", b"\n");
    push(
        guesses,
        Cause::BodyLineEndings,
        "the provider signed it with CRLF, and it has LF now",
        replaced(&lf, b"\n", b"\r\n"),
    );
    push(guesses, Cause::BodyLineEndings, "the provider signed it with LF, and it has CRLF now", lf);
}

fn bom(body: &[u8], guesses: &mut Vec<Guess>) {
    match body.strip_prefix(BOM) {
        Some(without) => push(guesses, Cause::BodyBom, "the provider signed it without the byte order mark", without),
        None => push(guesses, Cause::BodyBom, "the provider signed it with a byte order mark", [BOM, body].concat()),
    }
}

fn decoded(body: &[u8], form_payload: Option<&str>, guesses: &mut Vec<Guess>) {
    let cause = Cause::BodyDecoded;
    for name in form_payload.into_iter().chain(["payload"]) {
        let encoded = encode(body, true);
        push(guesses, cause, format!("the provider signed the whole form, {name}=..."), format!("{name}={encoded}"));
        let encoded = encode(body, false);
        push(guesses, cause, format!("the provider signed the whole form, {name}=..."), format!("{name}={encoded}"));
        let mut fields = form::fields(body);
        if let Some((_, value)) = fields.find(|(field, _)| **field == *name.as_bytes()) {
            push(guesses, cause, format!("the provider signed the decoded field {name} only"), value.into_owned());
        }
    }
    if body.contains(&b'=') {
        for plus in [true, false] {
            push(guesses, cause, "the provider signed the form with its fields encoded", form_again(body, plus));
        }
    }
    push(guesses, cause, "the provider signed it percent-decoded", form::decoded(body));
    if let Ok(raw) = STANDARD.decode(body.trim_ascii()) {
        push(guesses, cause, "it is base64 of what the provider signed", raw);
    }
    push(guesses, cause, "the provider signed its base64", STANDARD.encode(body));
    if let Ok(inner) = serde_json::from_slice::<String>(body) {
        push(guesses, cause, "it is a JSON text that holds what the provider signed", inner);
    }
}

fn charset(body: &[u8], guesses: &mut Vec<Guess>) {
    if body.is_ascii() {
        return;
    }
    let Ok(text) = std::str::from_utf8(body) else {
        let utf8: String = body.iter().map(|byte| char::from(*byte)).collect();
        push(guesses, Cause::BodyCharset, "the provider signed it as UTF-8, and it is Latin-1 now", utf8);
        return;
    };
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    if let Some(latin) = latin {
        push(guesses, Cause::BodyCharset, "its UTF-8 was taken for Latin-1 and encoded again", latin);
    }
}

/// The JSON of the body as other programs would have written it.
fn reserialized(body: &[u8], guesses: &mut Vec<Guess>) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    if body.len() > REWRITTEN_BYTES_MAX {
        return;
    }
    let forms = if body.len() > ESCAPED_BYTES_MAX { &[Text::Same][..] } else { Text::ALL };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(node) = Node::parse(text) else { return };
    for form in forms.iter().filter(|form| **form != Text::Same) {
        if let Some(json) = json::retext(text, *form) {
            let words = format!("the provider signed it with {}", form.words());
            push(guesses, Cause::BodyEscapes, words, json);
        }
    }
    layouts(&node, "", forms, guesses);
    let Some(mut sorted) = Node::parse(text) else { return };
    sorted.sort();
    if sorted != node {
        layouts(&sorted, "with its keys in alphabetical order, ", forms, guesses);
    }
}

fn layouts(node: &Node<'_>, order: &str, forms: &[Text], guesses: &mut Vec<Guess>) {
    for form in forms {
        for layout in Layout::ALL {
            let json = node.write(*layout, *form);
            let escapes = if *form == Text::Same { String::new() } else { format!(", with {}", form.words()) };
            let words = format!("the provider signed the same JSON {order}{}{escapes}", layout.words());
            push(guesses, Cause::BodyReserialized, format!("{words}, and a line feed at the end"), format!("{json}\n"));
            push(guesses, Cause::BodyReserialized, words, json);
        }
    }
}

/// A form whose fields were decoded in place, encoded again.
fn form_again(body: &[u8], plus: bool) -> String {
    let field =
        |field: &[u8]| match field.iter().position(|byte| *byte == b'=').and_then(|at| field.split_at_checked(at)) {
            Some((name, value)) => {
                format!("{}={}", encode(name, plus), encode(value.strip_prefix(b"=").unwrap_or(value), plus))
            }
            None => encode(field, plus),
        };
    body.split(|byte| *byte == b'&').map(field).collect::<Vec<_>>().join("&")
}

/// Percent-encodes all but letters, digits and `-_.` (and `*` where a space is `+`, else `~`), as forms do.
fn encode(text: &[u8], plus: bool) -> String {
    text.iter()
        .map(|byte| match byte {
            b' ' if plus => "+".to_owned(),
            b'*' if plus => "*".to_owned(),
            b'~' if !plus => "~".to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-_.".contains(byte) => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, tail)) = rest.split_first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
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
