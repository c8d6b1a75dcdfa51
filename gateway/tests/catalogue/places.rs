//! Reads and writes what stands at a place of a request.

use gatepost_config::provider::{Location, Source};
use serde_json::Value;

use crate::attempt::{Attempt, spliced};

/// The name of the header that a place is.
pub(crate) fn header_name(place: Option<&Location>) -> Option<String> {
    match place {
        Some(Location { source: Source::Header(name), .. }) => Some(name.clone()),
        _ => None,
    }
}

/// What stands at a place, as text.
pub(crate) fn read(attempt: &Attempt, place: &Location) -> Option<String> {
    let request = &attempt.request;
    if place.within.is_some() {
        return None;
    }
    match &place.source {
        Source::Header(name) => Some(request.headers.get(name.as_str())?.to_str().ok()?.to_owned()),
        Source::Query(name) => field(request.target.split_once('?')?.1, name),
        Source::Form(name) => match attempt.parts() {
            Some(parts) => parts.into_iter().find(|(key, _)| key == name).map(|(_, value)| value),
            None => field(std::str::from_utf8(&request.body).ok()?, name),
        },
        Source::Json(pointer) => match json(attempt, &pointer.0)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The request with another text at a place, or with none there; none when that can't be sent or isn't known how.
pub(crate) fn write(attempt: &Attempt, place: &Location, text: Option<&[u8]>) -> Option<Attempt> {
    let request = &attempt.request;
    let old = read(attempt, place)?;
    match &place.source {
        Source::Header(name) => attempt.with_header(name, &text.into_iter().collect::<Vec<_>>()),
        Source::Query(name) => {
            let (path, query) = request.target.split_once('?')?;
            Some(attempt.with_target(format!("{path}?{}", with_field(query, name, text))))
        }
        Source::Form(name) if attempt.parts().is_some() => {
            let (body, text) = (std::str::from_utf8(&request.body).ok()?, text.map(std::str::from_utf8));
            let head = format!("name=\"{name}\"\r\n\r\n");
            let at = body.find(&head)? + head.len();
            let new = match text {
                Some(text) => spliced(body.as_bytes(), at..at + old.len(), text.ok()?.as_bytes()),
                None => body.replacen(&head, "name=\"gone\"\r\n\r\n", 1).into_bytes(),
            };
            Some(attempt.with_body(new))
        }
        Source::Form(name) => {
            let form = std::str::from_utf8(&request.body).ok()?;
            Some(attempt.with_body(with_field(form, name, text).into_bytes()))
        }
        Source::Json(_) => {
            let body = std::str::from_utf8(&request.body).ok()?;
            let quoted = Value::String(old.clone()).to_string();
            let old = if body.contains(&quoted) { quoted } else { old };
            let at = body.find(&old)?;
            let new = match text {
                Some(text) if old.starts_with('"') => {
                    Value::String(std::str::from_utf8(text).ok()?.to_owned()).to_string()
                }
                Some(text) => std::str::from_utf8(text).ok()?.to_owned(),
                None => "null".to_owned(),
            };
            Some(attempt.with_body(spliced(body.as_bytes(), at..at + old.len(), new.as_bytes())))
        }
        _ => None,
    }
}

fn json(attempt: &Attempt, tokens: &[String]) -> Option<Value> {
    let part = attempt.parts().and_then(|parts| parts.into_iter().map(|(_, value)| value).find(|v| v.starts_with('{')));
    let payload = part.map_or_else(|| attempt.body().to_vec(), String::into_bytes);
    let body: Value = serde_json::from_slice(&payload).ok()?;
    tokens.iter().try_fold(body, |value, token| match value {
        Value::Object(mut members) => members.remove(token),
        Value::Array(mut items) => token.parse().ok().filter(|n| *n < items.len()).map(|n: usize| items.swap_remove(n)),
        _ => None,
    })
}

fn field(form: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn with_field(form: &str, name: &str, text: Option<&[u8]>) -> String {
    let pairs = form.split('&').filter_map(|pair| {
        let (key, _) = pair.split_once('=').unwrap_or((pair, ""));
        let is_it = url::form_urlencoded::parse(key.as_bytes()).any(|(key, _)| key == name);
        match (is_it, text) {
            (false, _) => Some(pair.to_owned()),
            (true, None) => None,
            (true, Some(text)) => {
                let encoded: String = url::form_urlencoded::byte_serialize(text).collect();
                Some(format!("{key}={encoded}"))
            }
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}
