//! Syncs: how they stand, and asking for a run.

pub(crate) mod engines;

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use gatepost_config::{ConnectionId, IntegrationId, SyncEngineId, SyncName, Timestamp};
use gatepost_event::{
    connection,
    registry::{Expect, Kind, Put},
    sync::{SyncKey, SyncState, SyncWish},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    access::Caller,
    audit::Note,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Syncs looked at for one page; a page may hold fewer items than asked for, or none, and still have a `next`.
const EXAMINED_MAX: usize = 10_000;
/// Syncs read at a time.
const READ: usize = 256;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = SyncQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(minimum = 0)]
    cursor: Option<i64>,
    /// Only those of an engine.
    engine: Option<SyncEngineId>,
    /// Only those of a connection.
    connection: Option<ConnectionId>,
}

/// A sync of a connection as it stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Sync)]
pub(crate) struct View {
    #[serde(flatten)]
    state: SyncState,
    /// Somebody asked for a run that has not ended yet.
    asked_at: Option<Timestamp>,
    /// Its engine is paused: its runs wait.
    paused: bool,
}

/// What names a sync in a path.
type Named = (SyncEngineId, IntegrationId, ConnectionId, SyncName);

/// `GET /v1/syncs`: those that have been run, in the order of their last changes.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut after = page::number(ask.cursor)?.unwrap_or(0);
    let paused = engines::paused(&admin).await?;
    let (mut items, mut examined) = (Vec::new(), 0);
    while examined < EXAMINED_MAX {
        let entries = admin.store.entries_after(Kind::Sync, after, READ).await?;
        let is_end = entries.len() < READ;
        for entry in entries {
            if items.len() == limit {
                return Ok(Json(Page::of(items, Some(after.to_string()))));
            }
            after = entry.revision;
            examined += 1;
            let is_shown =
                |key: &SyncKey| ask.wants(key) && !admin.erasures.is_erasing(&key.integration, &key.connection);
            if let Some(state) = SyncState::of(&entry).filter(|state| is_shown(&state.key)) {
                let paused = paused.contains(&state.key.engine);
                items.push(View { asked_at: asked_at(&admin, &entry.id).await?, paused, state });
            }
        }
        if is_end {
            return Ok(Json(Page::of(items, None)));
        }
    }
    Ok(Json(Page::of(items, Some(after.to_string()))))
}

/// `GET /v1/syncs/{engine}/{integration}/{connection}/{sync}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let key = configured(&admin, named?.0).await?;
    view(&admin, key).await.map(Json)
}

/// `POST /v1/syncs/{engine}/{integration}/{connection}/{sync}/trigger`: a run soon, and surely.
pub(crate) async fn trigger(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    named: Result<Path<Named>, PathRejection>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let key = configured(&admin, named?.0).await?;
    let wish = SyncWish { key, asked_at: Timestamp::now() };
    let id = wish.key.id();
    match admin.store.put(Kind::SyncWish, &id, page::written(&wish)?, Expect::Any).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) | Put::TooLong => return Err(Problem::busy("the sync")),
    }
    tracing::info!(sync = id, by = caller.who(), "a run was asked for by the API");
    caller.note(Note::made(&wish));
    let view = view(&admin, wish.key).await?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

async fn view(admin: &Admin, key: SyncKey) -> Result<View, Problem> {
    let id = key.id();
    let state = match admin.store.entry(Kind::Sync, &id).await? {
        Some(entry) => SyncState::of(&entry).ok_or_else(|| Problem::unreadable("state", &id, &"it is no state"))?,
        None => SyncState::new(key),
    };
    let paused = engines::paused(admin).await?.contains(&state.key.engine);
    Ok(View { asked_at: asked_at(admin, &id).await?, paused, state })
}

/// Since when somebody asks for a run.
async fn asked_at(admin: &Admin, id: &str) -> Result<Option<Timestamp>, Problem> {
    let entry = admin.store.entry(Kind::SyncWish, id).await?;
    Ok(entry.and_then(|entry| SyncWish::of(&entry)).map(|wish| wish.asked_at))
}

/// A sync that a route names, of a connection that there is: nothing else is ever triggered.
async fn configured(admin: &Admin, (engine, integration, connection, sync): Named) -> Result<SyncKey, Problem> {
    let key = SyncKey { engine, integration, connection, sync };
    let (is_routed, is_declared) = {
        let config = admin.config.borrow();
        let is_about = |about: &Option<IntegrationId>| about.as_ref().is_none_or(|about| *about == key.integration);
        let is_routed = config.routes.iter().any(|route| {
            let sync = route.sync.as_ref().filter(|_| is_about(&route.integration));
            sync.is_some_and(|sync| sync.engine == key.engine && sync.name == key.sync)
        });
        let is_this = |declared: &gatepost_config::Connection| {
            declared.integration == key.integration && declared.id == key.connection
        };
        (is_routed, config.connections.iter().any(is_this))
    };
    let is_there =
        is_routed && (is_declared || connection::get(&admin.store, &key.integration, &key.connection).await?.is_some());
    if is_there { Ok(key) } else { Err(Problem::missing(&format!("sync {}", key.id()))) }
}

impl Ask {
    fn wants(&self, key: &SyncKey) -> bool {
        self.engine.as_ref().is_none_or(|engine| *engine == key.engine)
            && self.connection.as_ref().is_none_or(|connection| *connection == key.connection)
    }
}
