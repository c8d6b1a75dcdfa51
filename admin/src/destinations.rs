//! Destinations: the file's, which win, and those that were made through the API; how they stand, pausing and resuming.

pub(crate) mod answering;
pub(crate) mod make;
pub(crate) mod settings;

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use gatepost_config::{Destination, DestinationId, TenantId, Timestamp};
use gatepost_event::{
    Store,
    made::Made,
    registry::{Entry, Expect, Kind, Put},
    standing::Standing,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::answering::{Answers, Words};
use crate::{
    access::Caller,
    audit::Note,
    connections::Source,
    etag,
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
    tenant: Option<TenantId>,
    url: String,
    /// Where it is declared: what the file declares is changed there.
    source: Source,
    state: Readiness,
    /// Paused in the file, where only the file can resume it.
    paused_in_file: bool,
    /// What was asked for when it was made through the API, secrets by their names.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    #[serde(flatten)]
    standing: Standing,
    #[serde(flatten)]
    answers: Answers,
}

/// Whether its deliveries go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DestinationState)]
enum Readiness {
    /// They do.
    Active,
    /// Somebody paused it.
    Paused,
    /// Its answers disabled it.
    Disabled,
}

/// A destination, wherever it is declared.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// In the file.
    Declared(Box<Destination>),
    /// Through the API, at this revision.
    Made(Box<Made>, u64),
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
    let (words, now) = (Words::all(&admin.store).await?, Timestamp::now());
    let mut items = Vec::new();
    for known in all(&admin).await? {
        let is_theirs = caller.sees(known.tenant());
        if is_theirs && ask.cursor.as_ref().is_none_or(|cursor| known.id() > cursor) {
            let standing = standing(known.id()).transpose()?.unwrap_or_default();
            items.push(View::of(&known, standing, words.of(known.id(), now)));
        }
    }
    items.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(Page::cut(items, limit, |view| view.id.to_string())))
}

/// `GET /v1/destinations/{id}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<DestinationId>, PathRejection>,
) -> Result<Response, Problem> {
    let known = find(&admin, &caller, &id?.0).await?;
    let (standing, _) = standing(&admin.store, known.id()).await?;
    Ok(etag::tagged(known.revision(), Json(View::asked(&admin, &known, standing).await?)))
}

/// `POST /v1/destinations/{id}/pause`: its deliveries wait.
pub(crate) async fn pause(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<DestinationId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let pause = |standing| Standing { paused: true, ..standing };
    change(&admin, &caller, &id?.0, "a destination was paused", pause).await
}

/// `POST /v1/destinations/{id}/resume`: its deliveries go on, also when its answers had disabled it.
pub(crate) async fn resume(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<DestinationId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    change(&admin, &caller, &id?.0, "a destination was resumed", |_| Standing::default()).await
}

async fn change(
    admin: &Admin,
    caller: &Caller,
    id: &DestinationId,
    done: &str,
    to: impl Fn(Standing) -> Standing,
) -> Result<Json<View>, Problem> {
    let known = find(admin, caller, id).await?;
    let standing = stand(admin, caller, known.id(), done, to).await?;
    Ok(Json(View::asked(admin, &known, standing).await?))
}

/// Changes how a destination stands, or a sync engine under its id.
///
/// # Errors
/// When the store can't be asked, or somebody else changes it all the time.
pub(crate) async fn stand(
    admin: &Admin,
    caller: &Caller,
    id: &DestinationId,
    done: &str,
    to: impl Fn(Standing) -> Standing,
) -> Result<Standing, Problem> {
    for _ in 0..TRIES {
        let (before, revision) = standing(&admin.store, id).await?;
        let after = to(before);
        if before == after {
            return Ok(after);
        }
        let expect = revision.map_or(Expect::Absent, Expect::Revision);
        let put = admin.store.put(Kind::Destination, id.as_str(), page::written(&after)?, expect).await?;
        if let Put::Stored(_) = put {
            tracing::info!(%id, by = caller.who(), "{done} by the API");
            caller.note(Note::new(Some(&before), Some(&after)));
            return Ok(after);
        }
    }
    Err(Problem::busy(id.as_str()))
}

/// All that there are; one of the file hides one of the same id that was made.
///
/// # Errors
/// When the store can't be asked.
pub(crate) async fn all(admin: &Admin) -> Result<Vec<Known>, Problem> {
    let entries = admin.store.entries(Kind::MadeDestination).await?;
    let config = admin.config.borrow().clone();
    let declared = config.destinations.iter().map(|declared| Known::Declared(Box::new(declared.clone())));
    let mut all: Vec<Known> = declared.collect();
    for entry in &entries {
        if config.destinations.iter().all(|declared| declared.id.as_str() != entry.id) {
            all.push(made(entry)?);
        }
    }
    Ok(all)
}

/// One, if it is the caller's business.
///
/// # Errors
/// 404 otherwise.
pub(crate) async fn find(admin: &Admin, caller: &Caller, id: &DestinationId) -> Result<Known, Problem> {
    let found = known(admin, id).await?;
    caller.own(found, |known| known.tenant().cloned(), || format!("destination {id}"))
}

/// One, whosever it is.
///
/// # Errors
/// When the store can't be asked.
pub(crate) async fn known(admin: &Admin, id: &DestinationId) -> Result<Option<Known>, Problem> {
    let declared = admin.config.borrow().destinations.iter().find(|declared| declared.id == *id).cloned();
    if let Some(declared) = declared {
        return Ok(Some(Known::Declared(Box::new(declared))));
    }
    let entry = admin.store.entry(Kind::MadeDestination, id.as_str()).await?;
    entry.as_ref().map(made).transpose()
}

fn made(entry: &Entry) -> Result<Known, Problem> {
    let read = Made::read(entry).map_err(|error| Problem::unreadable("destination", &entry.id, &error))?;
    Ok(Known::Made(Box::new(read), entry.revision))
}

/// How a destination stands, or a sync engine under its id; with the revision of what says so.
///
/// # Errors
/// When the store can't be asked, or what says so can't be read.
pub(crate) async fn standing(store: &Store, id: &DestinationId) -> Result<(Standing, Option<u64>), Problem> {
    match store.entry(Kind::Destination, id.as_str()).await? {
        Some(entry) => Ok((read(&entry)?, Some(entry.revision))),
        None => Ok((Standing::default(), None)),
    }
}

/// What an entry says.
///
/// # Errors
/// When it can't be read.
pub(crate) fn read(entry: &Entry) -> Result<Standing, Problem> {
    serde_json::from_slice(&entry.value).map_err(|error| Problem::unreadable("standing", &entry.id, &error))
}

impl Known {
    /// Its id.
    pub(crate) fn id(&self) -> &DestinationId {
        match self {
            Self::Declared(declared) => &declared.id,
            Self::Made(made, _) => &made.id,
        }
    }

    /// Whose it is; the operator's own when nobody's.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Declared(declared) => declared.tenant.as_ref(),
            Self::Made(made, _) => made.tenant.as_ref(),
        }
    }

    fn revision(&self) -> Option<u64> {
        match self {
            Self::Declared(_) => None,
            Self::Made(_, revision) => Some(*revision),
        }
    }
}

impl View {
    /// With whether it answers, which the store is asked for.
    async fn asked(admin: &Admin, known: &Known, standing: Standing) -> Result<Self, Problem> {
        let words = Words::about(&admin.store, known.id()).await?;
        Ok(Self::of(known, standing, words.of(known.id(), Timestamp::now())))
    }

    fn of(known: &Known, standing: Standing, answers: Answers) -> Self {
        let (url, source, paused_in_file, settings) = match known {
            Known::Declared(declared) => (declared.url.to_string(), Source::File, declared.paused, None),
            Known::Made(made, _) => {
                let url = made.settings.get("url").and_then(Value::as_str).unwrap_or_default();
                (url.to_owned(), Source::Api, false, Some(made.settings.clone()))
            }
        };
        let asks_pause = settings.as_ref().and_then(|settings| settings.get("paused")) == Some(&Value::Bool(true));
        let state = match () {
            () if standing.disabled.is_some() => Readiness::Disabled,
            () if standing.paused || paused_in_file || asks_pause => Readiness::Paused,
            () => Readiness::Active,
        };
        let (id, tenant) = (known.id().clone(), known.tenant().cloned());
        Self { id, tenant, url, source, state, paused_in_file, settings, standing, answers }
    }
}
