//! A client of the admin API.

use std::time::Duration;

use bytes::Bytes;
use gatepost_config::Timestamp;
use http::Method;
use serde_json::Value;

use crate::{args::ApiArgs, client, exit::Exit, style};

/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is asked in JSON.
const JSON: &str = "application/json";

/// A query, in pieces.
pub(crate) type Query<'a> = [(&'a str, Option<String>)];

/// Reads something.
///
/// # Errors
/// When the API can't be reached or refuses.
pub(crate) async fn get(api: &ApiArgs, path: &[&str], query: &Query<'_>) -> Result<Value, Exit> {
    json(&get_bytes(api, path, query).await?)
}

/// As [`get`], whatever it is.
///
/// # Errors
/// As [`get`].
pub(crate) async fn get_bytes(api: &ApiArgs, path: &[&str], query: &Query<'_>) -> Result<Bytes, Exit> {
    ask(api, Method::GET, path, query, "", Bytes::new()).await
}

/// Asks for something to be done.
///
/// # Errors
/// As [`get`].
pub(crate) async fn post(api: &ApiArgs, path: &[&str], body: &Value) -> Result<Value, Exit> {
    json(&ask(api, Method::POST, path, &[], JSON, body.to_string().into()).await?)
}

/// Puts something.
///
/// # Errors
/// As [`get`].
pub(crate) async fn put(api: &ApiArgs, path: &[&str], body: &Value) -> Result<Value, Exit> {
    json(&ask(api, Method::PUT, path, &[], JSON, body.to_string().into()).await?)
}

/// Posts lines of JSON.
///
/// # Errors
/// As [`get`].
pub(crate) async fn post_lines(api: &ApiArgs, path: &[&str], lines: Bytes) -> Result<Value, Exit> {
    json(&ask(api, Method::POST, path, &[], "application/x-ndjson", lines).await?)
}

/// Deletes something.
///
/// # Errors
/// As [`get`].
pub(crate) async fn delete(api: &ApiArgs, path: &[&str]) -> Result<(), Exit> {
    ask(api, Method::DELETE, path, &[], "", Bytes::new()).await.map(drop)
}

async fn ask(
    api: &ApiArgs,
    method: Method,
    path: &[&str],
    query: &Query<'_>,
    content_type: &str,
    body: Bytes,
) -> Result<Bytes, Exit> {
    let mut url = api.address.url().clone();
    url.path_segments_mut()
        .map_err(|()| Exit::failed(format!("{} can't be the API's address", api.address.url())))?
        .pop_if_empty()
        .push("v1")
        .extend(path);
    for (name, value) in query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        url.query_pairs_mut().append_pair(name, value);
    }
    let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", api.api_key.trim()))];
    if !content_type.is_empty() {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    let answer = client::request(method, &url, &headers, body, ANSWER_BYTES_MAX).await;
    let answer = answer.map_err(|why| Exit::failed(api.address.unanswered(&why)))?;
    if answer.head.status.is_success() {
        return Ok(answer.body);
    }
    let status = answer.head.status.as_u16();
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default();
    let hint = if status == 401 { " (give the key in GATEPOST_API_KEY)" } else { "" };
    if !problem.is_object() || problem.get("detail").is_none() {
        return Err(Exit::failed(api.address.no_api(status)));
    }
    Err(Exit::failed(format!("the API answered {status}: {detail}{hint}")))
}

fn json(body: &Bytes) -> Result<Value, Exit> {
    serde_json::from_slice(body).map_err(|error| Exit::failed(format!("the API's answer is not JSON: {error}")))
}

/// Prints JSON as it is.
pub(crate) fn print(value: &Value) {
    style::line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints a page: JSON as it is, or a line for each item and how to go on.
pub(crate) fn print_page(api: &ApiArgs, page: &Value, line: impl Fn(&Value) -> String) {
    if api.json {
        return print(page);
    }
    let items = page.get("items").and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        style::line(&line(item));
    }
    if let Some(next) = page.get("next").and_then(Value::as_str) {
        style::note(&format!("more: --cursor {next}"));
    }
}

/// A field as text; `-` when there is none. `a.b` is the field `b` of `a`.
pub(crate) fn field(value: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(value, |value, name| value.get(name));
    match found {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A time: RFC 3339, or how long ago.
///
/// # Errors
/// When it is neither.
pub(crate) fn time(text: Option<&String>, now: Timestamp) -> Result<Option<String>, Exit> {
    let Some(text) = text else { return Ok(None) };
    let at = text.parse::<Timestamp>().ok().or_else(|| Some(now.before(ago(text)?)));
    let wrong =
        || Exit::failed(format!("{text:?} is neither a time such as 2026-11-22T17:04:05Z nor a span such as 3h"));
    Ok(Some(at.ok_or_else(wrong)?.to_string()))
}

/// A span, such as `90s`, `15m` or `2h`.
///
/// # Errors
/// When it is none.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    ago(text).ok_or_else(|| format!("{text:?} is no span such as 90s, 15m or 2h"))
}

fn ago(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_a_span_ago() {
        let now: Timestamp = "2026-11-22T17:04:05Z".parse().expect("a time");
        let at = |text: &str| time(Some(&text.to_owned()), now).ok().flatten();
        assert_eq!(at("3h").as_deref(), Some("2026-11-22T14:04:05.000Z"));
        assert_eq!(at("2d").as_deref(), Some("2026-11-20T17:04:05.000Z"));
        assert_eq!(at("2026-11-22T18:04:05+01:00").as_deref(), Some("2026-11-22T17:04:05.000Z"));
        for bad in ["", "h", "3", "3y", "-3h", "yesterday"] {
            assert!(at(bad).is_none(), "{bad}");
        }
    }
}
