//! The audit log: every write that was done, by whom, from what to what.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use gatepost_config::Timestamp;
use gatepost_event::{Act, ActId, audit::ACT_BYTES_MAX, erasure::Reach};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    access::Caller,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// What a write changed. Without secrets: it is made of what the API shows.
#[derive(Debug)]
pub(crate) struct Note {
    before: Option<Value>,
    after: Option<Value>,
}

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = AuditQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(minimum = 0)]
    cursor: Option<i64>,
}

impl Note {
    /// What stood there before, and what stands there now.
    pub(crate) fn new(before: Option<&impl Serialize>, after: Option<&impl Serialize>) -> Self {
        Self { before: value(before), after: value(after) }
    }

    /// Something new.
    pub(crate) fn made(after: &impl Serialize) -> Self {
        Self { before: None, after: value(Some(after)) }
    }

    /// Something that is gone.
    pub(crate) fn gone(before: &impl Serialize) -> Self {
        Self { before: value(Some(before)), after: None }
    }
}

fn value(thing: Option<&impl Serialize>) -> Option<Value> {
    let value = serde_json::to_value(thing?).ok()?;
    let bytes = value.to_string().len();
    // Twice that and the rest of an act fit.
    Some(if bytes > ACT_BYTES_MAX / 3 { json!({ "too_long_for_the_log": bytes }) } else { value })
}

/// `GET /v1/audit`: newest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Act>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let acts = admin.store.acts(page::number(ask.cursor)?.unwrap_or(u64::MAX), limit).await?;
    let next = acts.last().filter(|_| acts.len() == limit).map(|(position, _)| position.to_string());
    let gone = admin.erasures.reach();
    Ok(Json(Page::of(acts.into_iter().map(|(_, act)| shown(act, &gone)).collect(), next)))
}

/// Who did what is shown always; from what to what, of connections and tenants that are not erased.
fn shown(act: Act, gone: &Reach) -> Act {
    fn of<T: FromStr>(thing: &Value, field: &str) -> Option<T> {
        thing.get(field)?.as_str()?.parse().ok()
    }
    let is_gone = |thing: &Value| {
        let (integration, id, tenant) = (of(thing, "integration"), of(thing, "id"), of(thing, "tenant"));
        gone.takes_named(integration.as_ref(), id.as_ref(), tenant.as_ref(), act.at)
    };
    if ![&act.before, &act.after].into_iter().flatten().any(is_gone) {
        return act;
    }
    let erased = |thing: Option<Value>| thing.map(|_| json!({ "erased": true }));
    Act { before: erased(act.before), after: erased(act.after), ..act }
}

/// Writes down what was done, before the answer goes out. What was refused changed nothing and is not kept.
pub(crate) async fn keep(
    admin: &Admin,
    caller: &Caller,
    action: String,
    target: String,
    response: Response,
) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let now = Timestamp::now();
    let note = caller.take_note();
    let (before, after) = note.map_or((None, None), |note| (note.before, note.after));
    let act = Act {
        id: ActId::fresh(now),
        at: now,
        who: caller.who().to_owned(),
        tenant: caller.tenant().cloned(),
        action,
        target,
        status: response.status().as_u16(),
        before,
        after,
    };
    match admin.store.note_act(&act).await {
        Ok(()) => response,
        Err(error) => {
            let Act { who, action, target, .. } = &act;
            tracing::error!(who, action, target, %error, "a write was done and is missing in the audit log");
            let detail = "it was done, but could not be written into the audit log; look, and ask again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unaudited", detail).into_response()
        }
    }
}
