//! Refused requests: seen here, let in by a gateway.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::{
    Keyring, Refusal, RefusalKey, ReleaseId, RequestId, SealedRefusal, Store,
    registry::{Entry, Expect, Kind, Put},
    release::{Progress, Release, Wish},
    replay::State as ReleaseState,
    subject::integration_token,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    access::Caller,
    audit::Note,
    events::Body,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Releases that may be under way or waiting.
const OPEN_MAX: usize = 100;
/// Bytes of kept requests that are read for one page, which ends with the one that reaches it.
const PAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest reason that may be asked for.
const REASON_CHARS_MAX: usize = 64;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = QuarantineQuery)]
pub(crate) struct Ask {
    /// Only of this integration.
    integration: Option<IntegrationId>,
    /// Only those refused for this reason, a stable code.
    reason: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<RequestId>,
}

/// What is asked of the list of releases.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = QuarantineReleaseQuery)]
pub(crate) struct AskReleases {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<ReleaseId>,
}

/// A refused request, without what was posted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RefusedRequest)]
pub(crate) struct Item {
    request: RequestId,
    integration: IntegrationId,
    received_at: Timestamp,
    reason: String,
    /// A number made of where it came from.
    source: u8,
    /// Bytes that it takes, sealed.
    bytes: u64,
}

/// A refused request with what was posted, secrets masked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RefusedRequestWhole)]
pub(crate) struct Whole {
    #[serde(flatten)]
    item: Item,
    connection: Option<String>,
    method: String,
    target: String,
    /// Those that decide over it.
    headers: Vec<(String, String)>,
    #[serde(flatten)]
    body: Body,
    /// Whether something of it is masked.
    masked: bool,
}

/// A release as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = QuarantineRelease)]
pub(crate) struct View {
    id: ReleaseId,
    state: ReleaseState,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    progress: Progress,
    wish: Wish,
}

/// `GET /v1/quarantine`: newest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Item>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let integration = ask.integration.as_ref().map(integration_token);
    let wanted = |key: &RefusalKey| {
        ask.cursor.is_none_or(|cursor| key.request < cursor)
            && integration.is_none_or(|integration| integration == key.integration)
            && ask.reason.as_ref().is_none_or(|reason| *reason == key.reason)
    };
    let keys = admin.store.quarantined(None).await?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    let mut keys = keys.into_iter().rev().filter(wanted).peekable();
    let mut last = None;
    while items.len() < limit && bytes < PAGE_BYTES_MAX {
        let Some(key) = keys.next() else { break };
        bytes += key.bytes;
        items.extend(admin.store.refusal(&key).await?.map(|sealed| Item::of(&sealed)));
        last = Some(key.request.to_string());
    }
    let next = last.filter(|_| keys.peek().is_some());
    Ok(Json(Page::of(items, next)))
}

/// `GET /v1/quarantine/{refused}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<RequestId>, PathRejection>,
) -> Result<Json<Whole>, Problem> {
    let Path(id) = id?;
    let keys = admin.store.quarantined(Some(id)).await?;
    let sealed = match keys.first() {
        Some(key) => admin.store.refusal(key).await?,
        None => None,
    };
    let sealed = sealed.ok_or_else(|| Problem::missing(&format!("refused request {id}")))?;
    let config = admin.config.borrow().clone();
    let keyring = Keyring::load(&config).map_err(|error| unopened(&error.to_string()))?;
    let refusal = keyring.open_refusal(&sealed).map_err(|error| unopened(&error.to_string()))?;
    if admin.erasures.reach().takes_refusal(&refusal) {
        return Err(Problem::missing(&format!("refused request {id}")));
    }
    Ok(Json(Whole::of(&sealed, &refusal)))
}

/// `POST /v1/quarantine/release`
pub(crate) async fn release(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    wish: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(wish) = wish?;
    let wish: Wish = serde_json::from_value(Value::Object(wish)).map_err(|error| Problem::bad(error.to_string()))?;
    if wish.reason.as_ref().is_some_and(|reason| reason.is_empty() || reason.len() > REASON_CHARS_MAX) {
        return Err(Problem::senseless("reason must be a code such as signature_mismatch"));
    }
    let open = releases(&admin.store).await?.iter().filter(|release| !release.state.is_over()).count();
    if open >= OPEN_MAX {
        let detail = format!("{open} releases are under way; wait for some to end");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_releases", detail));
    }
    let release = Release::new(wish, Timestamp::now());
    let id = release.id.to_string();
    match admin.store.put(Kind::Release, &id, page::written(&release)?, Expect::Absent).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) => return Err(Problem::new(StatusCode::CONFLICT, "conflict", "the id is taken; ask again")),
        Put::TooLong => return Err(Problem::bad("what is asked for is too long to be kept")),
    }
    tracing::info!(release = id, by = caller.who(), "a release was asked for");
    let view = View::of(release);
    caller.note(Note::made(&view));
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    page::place(&mut response, &format!("/v1/releases/{id}"));
    Ok(response)
}

/// `GET /v1/releases`: newest first.
pub(crate) async fn list_releases(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<AskReleases>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut found = releases(&admin.store).await?;
    found.retain(|release| ask.cursor.is_none_or(|cursor| release.id < cursor));
    found.sort_by_key(|release| std::cmp::Reverse(release.id));
    let items = found.into_iter().map(View::of).collect();
    Ok(Json(Page::cut(items, limit, |view: &View| view.id.to_string())))
}

/// `GET /v1/releases/{release}`
pub(crate) async fn show_release(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<ReleaseId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let Path(id) = id?;
    let entry = admin.store.entry(Kind::Release, &id.to_string()).await?;
    let found = entry.as_ref().and_then(read).ok_or_else(|| Problem::missing(&format!("release {id}")))?;
    Ok(Json(View::of(found)))
}

/// Every release that can be read.
async fn releases(store: &Store) -> Result<Vec<Release>, Problem> {
    Ok(store.entries(Kind::Release).await?.iter().filter_map(read).collect())
}

fn read(entry: &Entry) -> Option<Release> {
    serde_json::from_slice(&entry.value).ok()
}

fn unopened(why: &str) -> Problem {
    let detail = format!("the request can't be opened: {why}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "sealed", detail)
}

impl Item {
    fn of(sealed: &SealedRefusal) -> Self {
        Self {
            request: sealed.request,
            integration: sealed.integration.clone(),
            received_at: sealed.received_at,
            reason: sealed.reason.clone(),
            source: sealed.source,
            bytes: sealed.sealed.len() as u64,
        }
    }
}

impl Whole {
    fn of(sealed: &SealedRefusal, refusal: &Refusal) -> Self {
        let shown = refusal.shown();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self {
            item: Item::of(sealed),
            masked: shown != *refusal,
            connection: shown.connection,
            method: shown.method,
            target: shown.target,
            headers: shown.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            body: Body::of_bytes(&shown.body),
        }
    }
}

impl View {
    fn of(release: Release) -> Self {
        let Release { id, state, created_at, ended_at, progress, wish, .. } = release;
        Self { id, state, created_at, ended_at, progress, wish }
    }
}
