//! Replays: asked for here, done by a router.

use std::sync::Arc;

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
    ReplayId, Store,
    registry::{Expect, Kind, Put},
    replay::{Job, Progress, State as JobState, Status, Wish},
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

/// Replays that may be under way or waiting, asked for by one tenant's keys.
const TENANT_OPEN_MAX: usize = 10;
/// Most deliveries owed per second that may be asked for.
const RATE_MAX: u32 = 100_000;
/// Tries to write a cancellation beside a router's progress.
const CANCEL_TRIES: usize = 20;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = ReplayQuery)]
pub(crate) struct Ask {
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    cursor: Option<ReplayId>,
}

/// A replay as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Replay)]
pub(crate) struct View {
    id: ReplayId,
    state: JobState,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
    error: Option<String>,
    cancelling: bool,
    progress: Progress,
    wish: Wish,
}

/// `POST /v1/replays`
pub(crate) async fn create(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    wish: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Response, Problem> {
    let mut wish: Wish = jobs::wish(wish)?;
    check(&wish).map_err(Problem::senseless)?;
    if !caller.sees(wish.tenant.as_ref()) {
        match &wish.tenant {
            Some(_) => return Err(Problem::operator_only("a replay of another tenant's events")),
            None => wish.tenant = caller.tenant().cloned(),
        }
    }
    let all: Vec<Job> = jobs::all(&admin.store).await?;
    jobs::check_room(&all)?;
    let theirs = jobs::open(all.iter().filter(|job| caller.sees(job.wish.tenant.as_ref())));
    if caller.tenant().is_some() && theirs >= TENANT_OPEN_MAX {
        return Err(jobs::too_many::<Job>(theirs));
    }
    jobs::begin(&admin.store, &caller, Job::new(wish, Timestamp::now()), View::of).await
}

/// `GET /v1/replays`: newest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<View>>, Problem> {
    let Query(ask) = ask?;
    let mut jobs: Vec<Job> = jobs::all(&admin.store).await?;
    jobs.retain(|job| caller.sees(job.wish.tenant.as_ref()));
    jobs::list(jobs, ask.limit, ask.cursor, View::of)
}

/// `GET /v1/replays/{id}`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<ReplayId>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let (job, _) = job(&admin.store, &caller, id?.0).await?;
    Ok(Json(View::of(job)))
}

/// `POST /v1/replays/{id}/cancel`: no further delivery is owed; what is owed already is delivered.
pub(crate) async fn cancel(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<ReplayId>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    for _ in 0..CANCEL_TRIES {
        let (mut job, revision) = job(&admin.store, &caller, id).await?;
        if job.state.is_over() || job.cancel {
            return Ok(Json(View::of(job)).into_response());
        }
        job.cancel = true;
        let put =
            admin.store.put(Kind::Replay, &id.to_string(), page::written(&job)?, Expect::Revision(revision)).await?;
        if matches!(put, Put::Stored(_)) {
            tracing::info!(replay = %id, by = caller.who(), "a replay is to be cancelled");
            let view = View::of(job);
            caller.note(Note::made(&view));
            return Ok((StatusCode::ACCEPTED, Json(view)).into_response());
        }
        // The router wrote its progress meanwhile.
    }
    Err(Problem::busy("the replay"))
}

fn check(wish: &Wish) -> Result<(), String> {
    let status = wish.status;
    if wish.rate.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        return Err(format!("rate must be 1 to {RATE_MAX} a second"));
    }
    if wish.reroute && (wish.delivery.is_some() || wish.reason.is_some() || status == Some(Status::Dead)) {
        return Err("delivery, reason and status \"dead\" are about dead letters: leave reroute out".to_owned());
    }
    if !wish.reroute && matches!(status, Some(Status::Delivered | Status::Undelivered)) {
        return Err("status \"delivered\" and \"undelivered\" are about stored events: they need reroute".to_owned());
    }
    if let (Some(since), Some(until)) = (wish.since, wish.until)
        && since >= until
    {
        return Err("since must be before until".to_owned());
    }
    if wish.kind.as_deref() == Some("") {
        return Err("type is empty; write a pattern such as github.push or github.*".to_owned());
    }
    Ok(())
}

async fn job(store: &Store, caller: &Caller, id: ReplayId) -> Result<(Job, u64), Problem> {
    let found = jobs::find(store, id).await?;
    caller.own(found, |(job, _): &(Job, u64)| job.wish.tenant.clone(), || format!("replay {id}"))
}

impl View {
    fn of(job: Job) -> Self {
        Self {
            id: job.id,
            state: job.state,
            created_at: job.created_at,
            ended_at: job.ended_at,
            error: job.error,
            cancelling: job.cancel && !job.state.is_over(),
            progress: job.progress,
            wish: job.wish,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(json: &str) -> Result<Wish, String> {
        let object: Map<String, Value> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let wish = jobs::wish(Ok(Json(object))).map_err(|problem| problem.into_parts().1)?;
        check(&wish).map(|()| wish)
    }

    #[test]
    fn a_wish_that_makes_no_sense_is_refused_and_one_that_does_is_not() {
        for good in [
            "{}",
            r#"{"reroute":true,"since":"2026-11-22T17:00:00Z","until":"2026-11-22T18:00:00Z","rate":50,"dry_run":true}"#,
            r#"{"reroute":true,"status":"undelivered","type":"github.*","destination":"backend"}"#,
            r#"{"reason":"exhausted","status":"dead","integration":"github","connection":"acme"}"#,
        ] {
            assert!(wish(good).is_ok(), "{good}: {:?}", wish(good));
        }
        for bad in [
            r#"{"rate":0}"#,
            r#"{"rate":100001}"#,
            r#"{"rout":true}"#,
            r#"{"reroute":true,"reason":"exhausted"}"#,
            r#"{"reroute":true,"delivery":"dlv_vq8dnczpjzyge74bfs6h4xrjaq"}"#,
            r#"{"status":"undelivered"}"#,
            r#"{"since":"2026-11-22T18:00:00Z","until":"2026-11-22T17:00:00Z"}"#,
            r#"{"type":""}"#,
            r#"{"since":"yesterday"}"#,
            "[]",
        ] {
            assert!(wish(bad).is_err(), "{bad}");
        }
    }
}
