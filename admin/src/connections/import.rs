//! Many connections at once, one JSON object a line. A client sends a large file in parts of this.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::BytesRejection},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use gatepost_config::{ConnectionId, IntegrationId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::write::{Moves, Wish, replace};
use crate::{access::Caller, audit::Note, etag::Expected, problem::Problem, serve::Admin};

/// Lines of one request.
const ROWS_MAX: usize = 1000;
/// Connections written at once.
const AT_ONCE: usize = 32;
/// Longest body of a request.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What came of an import.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ImportReport)]
pub(crate) struct Report {
    /// Rows that were read.
    rows: usize,
    /// Of these, those that are as they were asked to be.
    imported: usize,
    /// Of these, those that are new.
    created: usize,
    /// What was refused, in the order of the rows.
    errors: Vec<RowError>,
}

/// Why a row was refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RowError {
    /// Which, from 1.
    row: usize,
    /// The connection, where it could be read.
    connection: Option<String>,
    /// A stable word for machines.
    code: &'static str,
    /// For people.
    detail: String,
}

#[derive(Deserialize)]
struct Name {
    integration: IntegrationId,
    id: ConnectionId,
}

/// `POST /v1/connections/import`: every row as a PUT. What was refused is told by row and keeps nothing else from being
/// done.
pub(crate) async fn import(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Report>, Problem> {
    let body = body?;
    let lines = body.split(|byte| *byte == b'\n').map(|line| body.slice_ref(line)).enumerate();
    let lines: Vec<(usize, Bytes)> = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    if lines.is_empty() {
        return Err(Problem::senseless("there is no row; send a JSON object a line"));
    }
    if lines.len() > ROWS_MAX {
        return Err(Problem::senseless(format!(
            "{} rows are too many; send at most {ROWS_MAX} at a time",
            lines.len()
        )));
    }
    let rows = lines.len();
    let rows_done = lines.into_iter().map(|(at, line)| {
        let (admin, caller) = (admin.clone(), caller.clone());
        async move { row(&admin, &caller, at + 1, &line).await }
    });
    let outcomes: Vec<Result<bool, RowError>> = stream::iter(rows_done).buffered(AT_ONCE).collect().await;
    let mut report = Report { rows, imported: 0, created: 0, errors: Vec::new() };
    for outcome in outcomes {
        match outcome {
            Ok(is_new) => {
                report.imported += 1;
                report.created += usize::from(is_new);
            }
            Err(error) => report.errors.push(error),
        }
    }
    caller.note(Note::made(&report));
    Ok(Json(report))
}

/// One row; whether the connection is new.
async fn row(admin: &Admin, caller: &Caller, at: usize, line: &[u8]) -> Result<bool, RowError> {
    let refused = |connection: Option<String>, problem: Problem| {
        let (code, detail) = problem.into_parts();
        RowError { row: at, connection, code, detail }
    };
    let unread = |error: serde_json::Error| refused(None, Problem::bad(error.to_string()));
    let mut object: Map<String, Value> = serde_json::from_slice(line).map_err(unread)?;
    let name: Map<_, _> = ["integration", "id"].iter().filter_map(|key| object.remove_entry(*key)).collect();
    let name: Name = serde_json::from_value(name.into()).map_err(unread)?;
    let connection = format!("{}/{}", name.integration, name.id);
    let wish: Wish = serde_json::from_value(object.into())
        .map_err(|error| refused(Some(connection.clone()), Problem::bad(error.to_string())))?;
    let put = replace(admin, caller, &name.integration, &name.id, Expected::Anything, Moves::default(), wish).await;
    put.map(|(before, _)| before.is_none()).map_err(|problem| refused(Some(connection), problem))
}
