//! Many connections at once, one JSON object a line. A client sends a large file in parts of this.
//!
//! Many rows are under way at once, and the answers are those of one after the other: rows that name the same connection,
//! or an account that one of them has or had, wait for each other ([`chains`]).

mod chains;

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::BytesRejection},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use gatepost_config::{ConnectionId, IntegrationId};
use gatepost_event::{
    Claim, Linked, StoreError,
    connection::{self, Found},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::chains::chains;
use super::write::{Moves, Over, Wish, replace};
use crate::{access::Caller, audit::Note, etag::Expected, problem::Problem, serve::Admin};

/// Lines of one request.
const ROWS_MAX: usize = 1000;
/// Rows that are in memory with what they replace.
const ROWS_AT_ONCE: usize = 256;
/// Connections read or written at once.
const AT_ONCE: usize = 64;
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

/// A row that could be read.
struct Row {
    /// Which, from 1.
    at: usize,
    name: Name,
    wish: Wish,
    /// How its connection stood before any of the rows.
    before: Result<Option<Found>, StoreError>,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
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
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let lines: Vec<(usize, &[u8])> = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    if lines.is_empty() {
        return Err(Problem::senseless("there is no row; send a JSON object a line"));
    }
    if lines.len() > ROWS_MAX {
        return Err(Problem::senseless(format!(
            "{} rows are too many; send at most {ROWS_MAX} at a time",
            lines.len()
        )));
    }
    let mut report = Report { rows: lines.len(), imported: 0, created: 0, errors: Vec::new() };
    for part in lines.chunks(ROWS_AT_ONCE) {
        write_part(&admin, &caller, part, &mut report).await;
    }
    report.errors.sort_by_key(|error| error.row);
    let Report { rows, imported, created, .. } = report;
    tracing::info!(rows, imported, created, by = caller.who(), "connections were imported");
    caller.note(Note::made(&report));
    Ok(Json(report))
}

/// Reads what some rows are about, and writes them.
async fn write_part(admin: &Arc<Admin>, caller: &Caller, lines: &[(usize, &[u8])], report: &mut Report) {
    let mut rows = Vec::new();
    for (at, line) in lines {
        match Row::read(at + 1, line) {
            Ok(row) => rows.push(row),
            Err(error) => report.errors.push(error),
        }
    }
    let rows = stream::iter(rows).map(|row| row.found(admin)).buffered(AT_ONCE).collect::<Vec<_>>().await;
    let (admin, caller) = (admin.clone(), caller.clone());
    let chains = chains(rows, Row::keys).into_iter().map(|chain| write_chain(admin.clone(), caller.clone(), chain));
    let mut written = stream::iter(chains).buffer_unordered(AT_ONCE);
    while let Some(outcomes) = written.next().await {
        for outcome in outcomes {
            match outcome {
                Ok(is_new) => {
                    report.imported += 1;
                    report.created += usize::from(is_new);
                }
                Err(error) => report.errors.push(error),
            }
        }
    }
}

/// Writes rows one after the other; of each, whether its connection is new.
async fn write_chain(admin: Arc<Admin>, caller: Caller, chain: Vec<Row>) -> Vec<Result<bool, RowError>> {
    let (mut outcomes, mut written) = (Vec::with_capacity(chain.len()), Vec::new());
    for mut row in chain {
        if written.contains(&row.name) {
            row = row.found(&admin).await;
        }
        written.push(row.name.clone());
        outcomes.push(row.write(&admin, &caller).await);
    }
    outcomes
}

impl Row {
    fn read(at: usize, line: &[u8]) -> Result<Self, RowError> {
        let unread = |error: serde_json::Error| RowError::new(at, None, Problem::bad(error.to_string()));
        let mut object: Map<String, Value> = serde_json::from_slice(line).map_err(unread)?;
        let name: Map<_, _> = ["integration", "id"].iter().filter_map(|key| object.remove_entry(*key)).collect();
        let name: Name = serde_json::from_value(name.into()).map_err(unread)?;
        let wish = serde_json::from_value(object.into())
            .map_err(|error| RowError::new(at, Some(&name), Problem::bad(error.to_string())))?;
        Ok(Self { at, name, wish, before: Ok(None) })
    }

    /// With its connection as it stands now.
    async fn found(self, admin: &Admin) -> Self {
        let before = connection::get(&admin.store, &self.name.integration, &self.name.id).await;
        Self { before, ..self }
    }

    /// What it may touch: its connection, and the accounts that it had and will have.
    fn keys(&self) -> Vec<String> {
        let Name { integration, id } = &self.name;
        let had = self.before.iter().flatten().flat_map(|found| &found.linked.accounts);
        let accounts = self.wish.accounts.iter().chain(had).map(|account| Claim::entry_id(integration, account));
        // Neither an integration's id nor a hash begins with a space.
        accounts.chain([format!(" {}", Linked::entry_id(integration, id))]).collect()
    }

    /// Whether its connection is new.
    async fn write(self, admin: &Admin, caller: &Caller) -> Result<bool, RowError> {
        let Self { at, name, wish, before } = self;
        let refused = |problem: Problem| RowError::new(at, Some(&name), problem);
        let before = before.map_err(|error| refused(error.into()))?;
        let over = Over { integration: &name.integration, id: &name.id, before };
        let put = replace(admin, caller, over, Expected::Anything, Moves::default(), wish).await;
        put.map(|(before, _)| before.is_none()).map_err(refused)
    }
}

impl RowError {
    fn new(row: usize, name: Option<&Name>, problem: Problem) -> Self {
        let (code, detail) = problem.into_parts();
        Self { row, connection: name.map(|name| format!("{}/{}", name.integration, name.id)), code, detail }
    }
}
