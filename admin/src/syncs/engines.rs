//! Sync engines: pausing and resuming them.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use gatepost_config::{DestinationId, SyncEngine, SyncEngineId};
use gatepost_event::{registry::Kind, standing::Standing};
use serde::Serialize;

use crate::{access::Caller, destinations, problem::Problem, serve::Admin};

/// A sync engine, and whether its runs wait.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SyncEngine)]
pub(crate) struct View {
    id: SyncEngineId,
    /// `nango`, `http` or `nats`.
    kind: &'static str,
    /// Its runs wait, here or in the file.
    paused: bool,
    /// Paused in the file, where only the file can resume it.
    paused_in_file: bool,
}

/// The path of one.
type Id = Result<Path<SyncEngineId>, PathRejection>;

/// `GET /v1/syncs/{engine}`
pub(crate) async fn show(State(admin): State<Arc<Admin>>, id: Id) -> Result<Json<View>, Problem> {
    let (engine, id) = find(&admin, &id?.0)?;
    let (standing, _) = destinations::standing(&admin.store, &id).await?;
    Ok(Json(View::of(engine, standing)))
}

/// `POST /v1/syncs/{engine}/pause`: its runs wait, and nothing that is owed one is lost.
pub(crate) async fn pause(State(admin): State<Arc<Admin>>, caller: Caller, id: Id) -> Result<Json<View>, Problem> {
    let (engine, id) = find(&admin, &id?.0)?;
    let pause = |standing| Standing { paused: true, ..standing };
    let standing = destinations::stand(&admin, &caller, &id, "a sync engine was paused", pause).await?;
    Ok(Json(View::of(engine, standing)))
}

/// `POST /v1/syncs/{engine}/resume`: they go on.
pub(crate) async fn resume(State(admin): State<Arc<Admin>>, caller: Caller, id: Id) -> Result<Json<View>, Problem> {
    let (engine, id) = find(&admin, &id?.0)?;
    let standing =
        destinations::stand(&admin, &caller, &id, "a sync engine was resumed", |_| Standing::default()).await?;
    Ok(Json(View::of(engine, standing)))
}

/// The engines whose runs wait.
///
/// # Errors
/// When the store can't be asked.
pub(super) async fn paused(admin: &Admin) -> Result<BTreeSet<SyncEngineId>, Problem> {
    let engines = admin.config.borrow().sync_engines.clone();
    let entries = if engines.is_empty() { Vec::new() } else { admin.store.entries(Kind::Destination).await? };
    let mut paused = BTreeSet::new();
    for engine in engines {
        let entry = entries.iter().find(|entry| entry.id == engine.id.as_str());
        let standing = entry.map(destinations::read).transpose()?.unwrap_or_default();
        if engine.paused || standing.is_shut() {
            paused.insert(engine.id);
        }
    }
    Ok(paused)
}

/// One that is configured, and the id under which it is known how it stands: no destination has the same.
fn find(admin: &Admin, id: &SyncEngineId) -> Result<(SyncEngine, DestinationId), Problem> {
    let found = admin.config.borrow().sync_engines.iter().find(|engine| engine.id == *id).cloned();
    let stands_as = id.as_str().parse().ok();
    found.zip(stands_as).ok_or_else(|| Problem::missing(&format!("sync engine {id}")))
}

impl View {
    fn of(engine: SyncEngine, standing: Standing) -> Self {
        let SyncEngine { id, kind, paused: paused_in_file, .. } = engine;
        Self { id, kind: kind.word(), paused: paused_in_file || standing.is_shut(), paused_in_file }
    }
}
