//! One request to the gateway: the events that came of it, or why it was refused.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::RequestId;
use serde::Serialize;

use crate::{
    access::Caller,
    history::query::{self, EventItem},
    past,
    problem::Problem,
    serve::Admin,
};

/// A request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Request)]
pub(crate) struct View {
    id: RequestId,
    /// What came of it.
    events: Vec<EventItem>,
    /// Why nothing came of it.
    refusal: Option<Refused>,
    /// Seconds that the history may be behind.
    lag_seconds: f64,
}

/// Why it was refused. What it was is sealed, and shown by `/v1/quarantine/{refused}`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RefusalInShort)]
struct Refused {
    integration: IntegrationId,
    received_at: Timestamp,
    reason: String,
    /// Bytes that it takes, sealed.
    bytes: usize,
}

/// `GET /v1/requests/{req}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<RequestId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let Path(id) = id?;
    let (events, lag_seconds) = past::ask(&admin, &caller, move |db, scope| query::of_request(db, scope, id)).await?;
    // What was refused belongs to nobody but the operator.
    let may_be_refused = events.is_empty() && caller.tenant().is_none();
    let refusal = if may_be_refused { refused(&admin, id).await? } else { None };
    if events.is_empty() && refusal.is_none() {
        return Err(past::no_request(id));
    }
    Ok(Json(View { id, events, refusal, lag_seconds }))
}

async fn refused(admin: &Admin, id: RequestId) -> Result<Option<Refused>, Problem> {
    let keys = admin.store.quarantined(Some(id)).await?;
    let Some(key) = keys.first() else { return Ok(None) };
    let sealed = admin.store.refusal(key).await?;
    Ok(sealed.map(|sealed| Refused {
        integration: sealed.integration,
        received_at: sealed.received_at,
        reason: sealed.reason,
        bytes: sealed.sealed.len(),
    }))
}
