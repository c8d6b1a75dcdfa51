//! Asking the history for the API.

use std::sync::Arc;

use gatepost_event::RequestId;
use http::StatusCode;
use rusqlite::Connection;

use crate::{
    access::Caller,
    destinations,
    history::{History, ReadError, query::Scope},
    problem::Problem,
    serve::Admin,
};

/// What the caller may see.
async fn scope(admin: &Admin, caller: &Caller) -> Result<Scope, Problem> {
    let everything = Scope::everything(admin.erasures.reach());
    let Some(tenant) = caller.tenant() else { return Ok(everything) };
    let all = destinations::all(admin).await?.into_iter().filter(|known| known.tenant() == Some(tenant));
    let ids: Vec<_> = all.map(|known| known.id().clone()).collect();
    Ok(everything.tenant(tenant.clone(), ids.into_iter()))
}

/// The history.
///
/// # Errors
/// When there is none.
pub(crate) fn history(admin: &Admin) -> Result<&Arc<History>, Problem> {
    admin.history.as_ref().ok_or_else(|| {
        let detail = "no history is kept: admin.history is false, or there is no place for it (see the log)";
        Problem::new(StatusCode::CONFLICT, "history_off", detail)
    })
}

/// Asks it one question; the answer, and how many seconds it may be behind.
///
/// # Errors
/// When there is none, or it can't be read.
pub(crate) async fn ask<T: Send + 'static>(
    admin: &Admin,
    caller: &Caller,
    question: impl FnOnce(&Connection, &Scope) -> Result<T, ReadError> + Send + 'static,
) -> Result<(T, f64), Problem> {
    let history = history(admin)?;
    // Before the question: what came since may be missing.
    let lag = history.lag_seconds();
    let scope = scope(admin, caller).await?;
    Ok((history.ask(move |db| question(db, &scope)).await?, lag))
}

/// A cursor of an event list.
///
/// # Errors
/// When it is not one.
pub(crate) fn before(cursor: Option<&String>) -> Result<Option<i64>, Problem> {
    cursor.map(|cursor| cursor.parse().map_err(|_| crate::page::bad_cursor())).transpose()
}

/// An id that has the form but that nobody knows.
pub(crate) fn no_request(id: RequestId) -> Problem {
    Problem::missing(&format!("request {id}: neither an event nor a refused request that is still kept"))
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Late => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "the history took too long; ask for less, or again",
            ),
            ReadError::File(_) | ReadError::Row(_) => {
                tracing::error!(%error, "the API could not read the history; delete its file if this goes on");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "the history can't be read; see the log")
            }
        }
    }
}
