//! Lists in pages.

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

/// A cursor that is not one of ours.
pub(crate) fn bad_cursor() -> Problem {
    Problem::bad("cursor is not one that a list gave as `next`")
}
