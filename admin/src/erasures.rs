//! Erasures: everything that is stored of a connection or tenant is to go. Asked for here, done by a router; nobody is
//! shown any of it from then on.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use gatepost_config::Timestamp;
use gatepost_event::{
    ErasureId,
    erasure::{Counts, Job, Wish},
    registry::{Expect, Put},
    replay::State as ErasureState,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    access::Caller,
    audit::Note,
    jobs,
    page::{self, Page},
    problem::Problem,
    serve::Admin,
};

/// Pause before the registry is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = ErasureQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<ErasureId>,
}

/// An erasure as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct View {
    id: ErasureId,
    /// `done`: everything in the store is overwritten.
    state: ErasureState,
    created_at: Timestamp,
    /// When nothing of it can come any more: what is stored is overwritten from then on.
    settles_at: Option<Timestamp>,
    /// When all was overwritten but refused requests: it is done when a gateway has overwritten those.
    walked_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// How many of its account keys other connections have too: what is parked under those is theirs, and stays.
    shared_accounts: u64,
    /// What was overwritten; on a dry run, what would be.
    progress: Counts,
    /// How the history of the process that answers stands; none when it keeps none, and of a dry run.
    history: Option<HistoryState>,
    wish: Wish,
}

/// How far an erasure is in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryState {
    /// Its file may still hold some of it; no answer shows any.
    Pending,
    /// Its file was overwritten.
    Done,
}

/// `POST /v1/erasures`
pub(crate) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    wish: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Response, Problem> {
    let wish: Wish = jobs::wish(wish)?;
    let whose = wish.whose().ok_or_else(|| Problem::senseless("name integration and connection, or a tenant"))?;
    jobs::check_room::<Job>(&jobs::all(&admin.store).await?)?;
    let declared = admin.config.borrow().clone();
    let job = Job::new(&admin.store, &declared.connections, whose, wish.dry_run, Timestamp::now()).await?;
    match job.write(&admin.store, Expect::Absent).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) => return Err(Problem::new(StatusCode::CONFLICT, "conflict", "the id is taken; ask again")),
        Put::TooLong => {
            let detail = "the tenant has too many connections or account keys for one erasure; erase some of its \
                          connections by themselves first";
            return Err(Problem::senseless(detail));
        }
    }
    // Before the answer, so that nothing that is asked after it shows any.
    admin.erasures.read(&admin.store).await?;
    let id = job.id.to_string();
    tracing::info!(erasure = id, by = caller.who(), dry_run = job.dry_run, "an erasure was asked for");
    let view = View::of(&admin, job);
    caller.note(Note::made(&view));
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    page::place(&mut response, &format!("/v1/erasures/{id}"));
    Ok(response)
}

/// `GET /v1/erasures`: newest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    jobs::list(jobs::all(&admin.store).await?, ask.limit, ask.cursor, |job| View::of(&admin, job))
}

/// `GET /v1/erasures/{erasure}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    id: Result<Path<ErasureId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    Ok(Json(View::of(&admin, jobs::found(&admin.store, id?.0).await?)))
}

/// Keeps what is known of erasures up to date with the registry. Never returns.
pub(crate) async fn follow(admin: Arc<Admin>) {
    loop {
        if let Err(error) = admin.erasures.follow(&admin.store).await {
            tracing::debug!(%error, "erasures can't be followed; trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl View {
    fn of(admin: &Admin, job: Job) -> Self {
        let history = admin.history.as_ref().filter(|_| !job.dry_run);
        let is_over = job.state.is_over();
        let history = history.map(|history| match history.has_erased(job.id, is_over) {
            true => HistoryState::Done,
            false => HistoryState::Pending,
        });
        let wish = job.wish();
        let shared_accounts = job.erasure.shared_accounts;
        let Job { id, state, created_at, settles_at, walked_at, ended_at, erased: progress, .. } = job;
        Self { id, state, created_at, settles_at, walked_at, ended_at, shared_accounts, progress, history, wish }
    }
}
