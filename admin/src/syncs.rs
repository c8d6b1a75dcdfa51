//! Syncs: how they stand, and asking for a run.

pub(crate) mod engines;
pub(crate) mod list;
mod routed;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use gatepost_config::{ConnectionId, IntegrationId, SyncEngineId, SyncName, Timestamp};
use gatepost_event::{
    connection,
    registry::{Expect, Kind, Put},
    sync::{SyncKey, SyncState, SyncWish},
};
use http::StatusCode;
use serde::Serialize;

use self::routed::{first_run, is_declared, is_live, routed};
use crate::{access::Caller, audit::Note, page, problem::Problem, serve::Admin};

/// A sync of a connection as it stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Sync)]
pub(crate) struct View {
    #[serde(flatten)]
    state: SyncState,
    /// No run of it was ever asked for, as far as is known.
    never_ran: bool,
    /// Somebody asked for a run that has not ended yet.
    asked_at: Option<Timestamp>,
    /// Its engine is paused: its runs wait.
    paused: bool,
}

/// What names a sync in a path.
type Named = (SyncEngineId, IntegrationId, ConnectionId, SyncName);

/// `GET /v1/syncs/{engine}/{integration}/{connection}/{sync}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    named: Result<Path<Named>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let (key, first) = configured(&admin, named?.0).await?;
    view(&admin, key, first).await.map(Json)
}

/// `POST /v1/syncs/{engine}/{integration}/{connection}/{sync}/trigger`: a run soon, and surely.
pub(crate) async fn trigger(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    named: Result<Path<Named>, PathRejection>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let (key, first) = configured(&admin, named?.0).await?;
    let wish = SyncWish { key, asked_at: Timestamp::now() };
    let id = wish.key.id();
    match admin.store.put(Kind::SyncWish, &id, page::written(&wish)?, Expect::Any).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) | Put::TooLong => return Err(Problem::busy("the sync")),
    }
    tracing::info!(sync = id, by = caller.who(), "a run was asked for by the API");
    caller.note(Note::made(&wish));
    let view = view(&admin, wish.key, first).await?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// How a sync stands. The backstop of one that nothing is known of asks for its first run at `first`.
async fn view(admin: &Admin, key: SyncKey, first: Option<Timestamp>) -> Result<View, Problem> {
    let id = key.id();
    let state = match admin.store.entry(Kind::Sync, &id).await? {
        Some(entry) => SyncState::of(&entry).ok_or_else(|| Problem::unreadable("state", &id, &"it is no state"))?,
        None => SyncState { backstop_at: first, ..SyncState::new(key) },
    };
    let paused = engines::paused(admin).await?.contains(&state.key.engine);
    Ok(View::of(state, asked_at(admin, &id).await?, paused))
}

/// Since when somebody asks for a run.
async fn asked_at(admin: &Admin, id: &str) -> Result<Option<Timestamp>, Problem> {
    let entry = admin.store.entry(Kind::SyncWish, id).await?;
    Ok(entry.and_then(|entry| SyncWish::of(&entry)).map(|wish| wish.asked_at))
}

/// A sync that a route names, of a connection that there is: nothing else is ever triggered. And when its backstop asks for
/// a first run.
async fn configured(admin: &Admin, named: Named) -> Result<(SyncKey, Option<Timestamp>), Problem> {
    let (engine, integration, connection, sync) = named;
    let key = SyncKey { engine, integration, connection, sync };
    let missing = || Problem::missing(&format!("sync {}", key.id()));
    let (backstop, is_declared) = {
        let config = admin.config.borrow();
        let syncs = routed(&config, &key.integration);
        let sync = syncs.into_iter().find(|sync| sync.engine == key.engine && sync.name == key.sync);
        (sync.ok_or_else(missing)?.backstop, is_declared(&config, &key.integration, &key.connection))
    };
    let is_live = match is_declared {
        true => true,
        false => {
            let found = connection::get(&admin.store, &key.integration, &key.connection).await?;
            is_live(&found.ok_or_else(missing)?.linked)
        }
    };
    let first = backstop.filter(|_| is_live).map(|backstop| first_run(&key, backstop, Timestamp::now()));
    Ok((key, first))
}

impl View {
    fn of(state: SyncState, asked_at: Option<Timestamp>, paused: bool) -> Self {
        let never_ran = state.triggered_at.is_none() && state.succeeded_at.is_none();
        Self { state, never_ran, asked_at, paused }
    }
}
