//! Refused requests: seen here, let in by a gateway.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::Response,
};
use gatepost_config::{IntegrationId, Timestamp};
use gatepost_event::{
    Keyring, Refusal, RefusalKey, ReleaseId, RequestId, SealedRefusal,
    release::{Progress, Release, Wish},
    replay::State as ReleaseState,
    subject::integration_token,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    access::Caller,
    events::Body,
    jobs,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

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
    /// Only those received at or after this.
    since: Option<Timestamp>,
    /// Only those received before this.
    until: Option<Timestamp>,
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
    // An id begins with the time at which the request did; it was received whole a little later.
    let reading_max = admin.config.borrow().gateway.body_timeout;
    let first = ask.since.map(|since| RequestId::first_at(since.before(reading_max)));
    let end = ask.until.map(RequestId::first_at).into_iter().chain(ask.cursor).min();
    let wanted = |key: &RefusalKey| {
        end.is_none_or(|end| key.request < end)
            && first.is_none_or(|first| key.request >= first)
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
        let refused = admin.store.refusal(&key).await?.filter(|sealed| ask.is_within(sealed.received_at));
        items.extend(refused.map(|sealed| Item::of(&sealed)));
        last = Some(key.request.to_string());
    }
    let next = last.filter(|_| keys.peek().is_some());
    Ok(Json(Page::of(items, next)))
}

impl Ask {
    fn is_within(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
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
    let wish: Wish = jobs::wish(wish)?;
    if wish.reason.as_ref().is_some_and(|reason| reason.is_empty() || reason.len() > REASON_CHARS_MAX) {
        return Err(Problem::senseless("reason must be a code such as signature_mismatch"));
    }
    jobs::check_room::<Release>(&jobs::all(&admin.store).await?)?;
    jobs::begin(&admin.store, &caller, Release::new(wish, Timestamp::now()), View::of).await
}

/// `GET /v1/releases`: newest first.
pub(crate) async fn list_releases(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<AskReleases>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    jobs::list(jobs::all(&admin.store).await?, ask.limit, ask.cursor, View::of)
}

/// `GET /v1/releases/{release}`
pub(crate) async fn show_release(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<ReleaseId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    Ok(Json(View::of(jobs::found(&admin.store, id?.0).await?)))
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
