//! Heals: what a provider could not deliver, had from it later. Asked for here, done by a gateway.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::Response,
};
use gatepost_config::{Timestamp, units::format_span};
use gatepost_event::{
    HealId,
    heal::{Heal, Progress, Wish},
    replay::State as HealState,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{access::Caller, jobs, page::Page, problem::Problem, serve::Admin};

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
    let wish: Wish = jobs::wish(wish)?;
    let now = Timestamp::now();
    check(&admin, &wish, now)?;
    jobs::check_room::<Heal>(&jobs::all(&admin.store).await?)?;
    jobs::begin(&admin.store, &caller, Heal::new(wish, false, now), View::of).await
}

/// `GET /v1/heals`: newest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    jobs::list(jobs::all(&admin.store).await?, ask.limit, ask.cursor, View::of)
}

/// `GET /v1/heals/{heal}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<HealId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    Ok(Json(View::of(jobs::found(&admin.store, id?.0).await?)))
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
