//! Heals: what a provider could not deliver, had from it later. Asked for here, done by a gateway.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use gatepost_config::{Timestamp, units::format_span};
use gatepost_event::{
    HealId, Store,
    heal::{Heal, Progress, Wish},
    registry::{Entry, Expect, Kind, Put},
    replay::State as HealState,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    access::Caller,
    audit::Note,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Heals that may be under way or waiting.
const OPEN_MAX: usize = 100;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = HealQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<HealId>,
}

/// A heal as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Heal)]
pub(crate) struct View {
    id: HealId,
    state: HealState,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Why it failed, with the remedy.
    error: Option<String>,
    /// The configuration's schedule asked for it.
    scheduled: bool,
    progress: Progress,
    wish: Wish,
}

/// `POST /v1/heals`
pub(crate) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    wish: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(wish) = wish?;
    let wish: Wish = serde_json::from_value(Value::Object(wish)).map_err(|error| Problem::bad(error.to_string()))?;
    let now = Timestamp::now();
    check(&admin, &wish, now)?;
    let open = all(&admin.store).await?.iter().filter(|heal| !heal.state.is_over()).count();
    if open >= OPEN_MAX {
        let detail = format!("{open} heals are under way; wait for some to end");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_heals", detail));
    }
    let heal = Heal::new(wish, false, now);
    let id = heal.id.to_string();
    match admin.store.put(Kind::Heal, &id, page::written(&heal)?, Expect::Absent).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) => return Err(Problem::new(StatusCode::CONFLICT, "conflict", "the id is taken; ask again")),
        Put::TooLong => return Err(Problem::bad("what is asked for is too long to be kept")),
    }
    tracing::info!(heal = id, by = caller.who(), integration = %heal.wish.integration, "a heal was asked for");
    let view = View::of(heal);
    caller.note(Note::made(&view));
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    page::place(&mut response, &format!("/v1/heals/{id}"));
    Ok(response)
}

/// `GET /v1/heals`: newest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut found = all(&admin.store).await?;
    found.retain(|heal| ask.cursor.is_none_or(|cursor| heal.id < cursor));
    found.sort_by_key(|heal| std::cmp::Reverse(heal.id));
    let items = found.into_iter().map(View::of).collect();
    Ok(Json(Page::cut(items, limit, |view: &View| view.id.to_string())))
}

/// `GET /v1/heals/{heal}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<HealId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let Path(id) = id?;
    let entry = admin.store.entry(Kind::Heal, &id.to_string()).await?;
    let found = entry.as_ref().and_then(read).ok_or_else(|| Problem::missing(&format!("heal {id}")))?;
    Ok(Json(View::of(found)))
}

/// Every heal that can be read.
pub(crate) async fn all(store: &Store) -> Result<Vec<Heal>, Problem> {
    Ok(store.entries(Kind::Heal).await?.iter().filter_map(read).collect())
}

fn read(entry: &Entry) -> Option<Heal> {
    serde_json::from_slice(&entry.value).ok()
}

/// What can be known to fail is refused at once.
fn check(admin: &Admin, wish: &Wish, now: Timestamp) -> Result<(), Problem> {
    let config = admin.config.borrow().clone();
    let found = config.integrations.iter().find(|integration| integration.id == wish.integration);
    let integration = found.ok_or_else(|| Problem::missing(&format!("integration {:?}", wish.integration.as_str())))?;
    let Some(settings) = &integration.heal else {
        let detail = match integration.provider.heal {
            Some(_) => "add [integration.heal] to the configuration: what the provider is asked as".to_owned(),
            None => format!("nothing can be had later from {}", integration.provider.title),
        };
        return Err(Problem::new(StatusCode::CONFLICT, "heal_not_configured", detail));
    };
    if wish.until.unwrap_or(now) <= wish.since {
        return Err(Problem::senseless("since must be before until, and before now"));
    }
    let reach = settings.from.by().reach();
    if now.since(wish.since) > reach {
        let (title, reach) = (&integration.provider.title, format_span(reach));
        return Err(Problem::senseless(format!("since is too long ago: {title} tells of the last {reach} only")));
    }
    Ok(())
}

impl View {
    fn of(heal: Heal) -> Self {
        let Heal { id, state, created_at, ended_at, error, scheduled, progress, wish, .. } = heal;
        Self { id, state, created_at, ended_at, error, scheduled, progress, wish }
    }
}
