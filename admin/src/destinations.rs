//! Destinations: how they stand, and pausing and resuming them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use gatepost_config::{Destination, DestinationId};
use gatepost_event::{
    Store,
    registry::{Entry, Expect, Kind, Put},
    standing::Standing,
};
use serde::{Deserialize, Serialize};

use crate::{
    access::Caller,
    audit::Note,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Tries to write beside a router that learns from an attempt.
const TRIES: usize = 20;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = DestinationQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<DestinationId>,
}

/// A destination as it stands. Its secrets are not shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Destination)]
pub(crate) struct View {
    id: DestinationId,
    tenant: Option<String>,
    url: String,
    /// Where it is declared.
    source: &'static str,
    /// `active`, `paused` or `disabled`.
    state: &'static str,
    /// Paused in the file, where only the file can resume it.
    paused_in_file: bool,
    #[serde(flatten)]
    standing: Standing,
}

/// `GET /v1/destinations`: by id.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let entries = admin.store.entries(Kind::Destination).await?;
    let standing = |id: &DestinationId| entries.iter().find(|entry| entry.id == id.as_str()).map(read);
    let config = admin.config.borrow().clone();
    let mut items = Vec::new();
    for destination in &config.destinations {
        let is_theirs = caller.sees(destination.tenant.as_ref());
        if is_theirs && ask.cursor.as_ref().is_none_or(|cursor| destination.id > *cursor) {
            items.push(View::of(destination, standing(&destination.id).transpose()?.unwrap_or_default()));
        }
    }
    items.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(Page::cut(items, limit, |view| view.id.to_string())))
}

/// `GET /v1/destinations/{id}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let destination = configured(&admin, &caller, &id?.0)?;
    let (standing, _) = standing(&admin.store, &destination.id).await?;
    Ok(Json(View::of(&destination, standing)))
}

/// `POST /v1/destinations/{id}/pause`: its deliveries wait.
pub(crate) async fn pause(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let pause = |standing| Standing { paused: true, ..standing };
    change(&admin, &caller, &id?.0, "paused", pause).await
}

/// `POST /v1/destinations/{id}/resume`: its deliveries go on, also when its answers had disabled it.
pub(crate) async fn resume(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<View>, Problem> {
    change(&admin, &caller, &id?.0, "resumed", |_| Standing::default()).await
}

async fn change(
    admin: &Admin,
    caller: &Caller,
    id: &str,
    done: &str,
    to: impl Fn(Standing) -> Standing,
) -> Result<Json<View>, Problem> {
    let destination = configured(admin, caller, id)?;
    for _ in 0..TRIES {
        let (before, revision) = standing(&admin.store, &destination.id).await?;
        let after = to(before);
        if before == after {
            return Ok(Json(View::of(&destination, after)));
        }
        let value = page::written(&after)?;
        let expect = revision.map_or(Expect::Absent, Expect::Revision);
        if let Put::Stored(_) = admin.store.put(Kind::Destination, id, value, expect).await? {
            tracing::info!(destination = id, by = caller.who(), "a destination was {done} by the API");
            caller.note(Note::new(Some(&before), Some(&after)));
            return Ok(Json(View::of(&destination, after)));
        }
    }
    Err(Problem::busy("the destination"))
}

fn configured(admin: &Admin, caller: &Caller, id: &str) -> Result<Destination, Problem> {
    let config = admin.config.borrow();
    let found = config.destinations.iter().find(|destination| destination.id.as_str() == id);
    caller.own(found.cloned(), |destination| destination.tenant.clone(), || format!("destination {id}"))
}

async fn standing(store: &Store, id: &DestinationId) -> Result<(Standing, Option<u64>), Problem> {
    match store.entry(Kind::Destination, id.as_str()).await? {
        Some(entry) => Ok((read(&entry)?, Some(entry.revision))),
        None => Ok((Standing::default(), None)),
    }
}

fn read(entry: &Entry) -> Result<Standing, Problem> {
    serde_json::from_slice(&entry.value).map_err(|error| Problem::unreadable("standing", &entry.id, &error))
}

impl View {
    fn of(destination: &Destination, standing: Standing) -> Self {
        let state = match () {
            () if standing.disabled.is_some() => "disabled",
            () if standing.paused || destination.paused => "paused",
            () => "active",
        };
        Self {
            id: destination.id.clone(),
            tenant: destination.tenant.as_ref().map(ToString::to_string),
            url: destination.url.to_string(),
            source: "file",
            state,
            paused_in_file: destination.paused,
            standing,
        }
    }
}
