//! Lists in pages.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::problem::Problem;

/// Items of a page when not said.
const LIMIT: usize = 50;

/// Most items of a page.
const LIMIT_MAX: usize = 500;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    /// Its items.
    pub(crate) items: Vec<T>,
    /// What to ask with as `cursor` for more; none at the end.
    pub(crate) next: Option<String>,
    /// Seconds that the history behind the list may be behind; absent where the store itself was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lag_seconds: Option<f64>,
}

impl<T> Page<T> {
    /// What the store itself holds.
    pub(crate) const fn of(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next, lag_seconds: None }
    }

    /// The first of all that follow a cursor; `id` gives the next one.
    pub(crate) fn cut(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(id);
        Self::of(items, next)
    }
}

/// A record as it is stored.
///
/// # Errors
/// When JSON can't say it; none of ours is such.
pub(crate) fn written(record: &impl Serialize) -> Result<Bytes, Problem> {
    let written = serde_json::to_vec(record).map(Into::into);
    written.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unwritable", error.to_string()))
}

/// Says where something new is.
pub(crate) fn place(response: &mut Response, path: &str) {
    if let Ok(place) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, place);
    }
}

/// How many items to give.
///
/// # Errors
/// When that is none, or too many.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(Problem::bad(format!("limit must be 1 to {LIMIT_MAX}"))),
    }
}

/// A cursor that is a number; in JSON none is above 2^63.
///
/// # Errors
/// When it is below zero.
pub(crate) fn number(cursor: Option<i64>) -> Result<Option<u64>, Problem> {
    cursor.map(u64::try_from).transpose().map_err(|_| bad_cursor())
}

/// A cursor that is not one of ours.
pub(crate) fn bad_cursor() -> Problem {
    Problem::bad("cursor is not one that a list gave as `next`")
}
