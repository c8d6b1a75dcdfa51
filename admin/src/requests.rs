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

/// Refused requests of an integration that are looked at.
const REFUSALS_MAX: usize = 500;

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

/// Why it was refused. What it was, may be a secret, and is not shown here.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RefusalInShort)]
struct Refused {
    integration: IntegrationId,
    received_at: Timestamp,
    reason: String,
    method: String,
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
    let integrations: Vec<_> =
        admin.config.borrow().integrations.iter().map(|integration| integration.id.clone()).collect();
    for integration in integrations {
        let kept = admin.store.quarantined(&integration, REFUSALS_MAX).await?;
        if let Some(refusal) = kept.into_iter().find(|refusal| refusal.request == id) {
            return Ok(Some(Refused {
                integration,
                received_at: refusal.received_at,
                reason: refusal.reason,
                method: refusal.method,
                bytes: refusal.body.len(),
            }));
        }
    }
    Ok(None)
}
