//! What a secret may have been before somebody stored it.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use gatepost_config::Secret;

use super::cause::Cause;
use crate::extract::form;

/// Secrets to try in the place of those given, with what it would mean.
pub(super) struct Guess {
    pub(super) cause: Cause,
    pub(super) words: &'static str,
    pub(super) secrets: Vec<Secret>,
}

/// A change to a secret's bytes; `None` when it changes nothing.
type Change<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// The secrets to try, the simplest changes first. `prefixes` are those that the provider's keys may have.
pub(super) fn guesses(secrets: &[Secret], prefixes: &[String]) -> Vec<Guess> {
    let mut guesses = Vec::new();
    let mut push = |cause, words, change: Change<'_>| {
        let changed = secrets.iter().filter_map(|secret| {
            let bytes = change(secret.expose()).filter(|bytes| !bytes.is_empty() && bytes != secret.expose())?;
            Some(Secret::new(bytes, secret.source()))
        });
        guesses.push(Guess { cause, words, secrets: changed.collect() });
    };
    let space = Cause::SecretWhitespace;
    push(space, "the secret given has white space around it that is not part of it", &|text| {
        Some(text.trim_ascii().to_vec())
    });
    push(
        space,
        "the secret given has a byte order mark, quotes or white space around it that are not part of it",
        &|text| Some(unquoted(text).to_vec()),
    );
    push(space, "the secret given has white space within it that is not part of it", &|text| {
        Some(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect())
    });
    push(space, "the provider's secret has a line feed at its end that the one given lacks", &|text| with(text, b"\n"));
    push(space, "the provider's secret has CRLF at its end that the one given lacks", &|text| with(text, b"\r\n"));
    push(space, "the provider's secret has a space at its end that the one given lacks", &|text| with(text, b" "));

    let form = Cause::SecretEncoding;
    for prefix in prefixes.iter().map(String::as_bytes).chain([&b"whsec_"[..]]) {
        push(form, "the provider's secret has a prefix (such as whsec_) that the one given lacks", &|text| {
            if text.starts_with(prefix) { None } else { Some([prefix, text].concat()) }
        });
        push(form, "the secret given has a prefix (such as whsec_) that must not be there", &|text| {
            text.strip_prefix(prefix).map(<[u8]>::to_vec)
        });
        push(form, "the secret must not be base64-decoded, nor its prefix taken off", &|text| {
            Some([prefix, STANDARD.encode(text).as_bytes()].concat())
        });
        push(form, "the secret must be base64-decoded after its prefix", &|text| base64(text.strip_prefix(prefix)?));
        push(form, "the secret after its prefix is used as it stands, not base64-decoded", &|text| {
            Some(STANDARD.encode(text.strip_prefix(prefix)?).into_bytes())
        });
    }
    push(form, "the secret given is base64 of the provider's", &|text| base64(text.trim_ascii()));
    push(
        form,
        "the provider's secret is base64 of the one given, or the one given is not the base64 it is taken for",
        &|text| Some(STANDARD.encode(text).into_bytes()),
    );
    push(form, "the secret given is hexadecimal of the provider's", &|text| hex(text.trim_ascii()));
    push(
        form,
        "the provider's secret is hexadecimal of the one given, or the one given is not the hexadecimal it is taken for",
        &|text| Some(crate::verify::hex(text).into_bytes()),
    );
    push(form, "the secret given is hexadecimal of the key that the provider shows in base64", &|text| {
        Some(STANDARD.encode(hex(text.trim_ascii())?).into_bytes())
    });
    push(form, "the secret given is percent-encoded", &|text| Some(form::decoded(text)));
    push(form, "the provider's secret is in lower case", &|text| Some(text.to_ascii_lowercase()));
    push(form, "the provider's secret is in upper case", &|text| Some(text.to_ascii_uppercase()));
    guesses.retain(|guess| !guess.secrets.is_empty());
    guesses
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a change")]
fn with(text: &[u8], end: &[u8]) -> Option<Vec<u8>> {
    Some([text, end].concat())
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
    let quoted = [b'"', b'\'', b'`'].into_iter().find_map(|quote| text.strip_prefix(&[quote])?.strip_suffix(&[quote]));
    quoted.unwrap_or(text)
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|engine| engine.decode(text).ok())
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}
