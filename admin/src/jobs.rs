//! Jobs: what is asked for here and done by a gateway or a router. Each is an entry of the registry under its id.

use std::fmt::Display;

use axum::{
    Json,
    extract::rejection::JsonRejection,
    response::{IntoResponse, Response},
};
use gatepost_event::{
    ErasureId, HealId, ReleaseId, ReplayId, Store,
    erasure::Job as Erasure,
    heal::Heal,
    registry::{Entry, Expect, Kind, Put},
    release::Release,
    replay::{Job as Replay, State},
};
use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    access::Caller,
    audit::Note,
    page::{self, Page},
    problem::Problem,
};

/// Jobs of a kind that may be under way or waiting.
const OPEN_MAX: usize = 100;

/// A kind of job.
pub(crate) trait Job: Serialize + DeserializeOwned {
    /// Ids sort by time.
    type Id: Copy + Ord + Display;
    /// Where it stands in the registry.
    const KIND: Kind;
    /// One of them in words.
    const WORD: &'static str;
    /// All of them in words, and the API's path.
    const WORDS: &'static str;
    /// Said when there are too many.
    const TOO_MANY: &'static str;

    fn id(&self) -> Self::Id;
    fn state(&self) -> State;
}

impl Job for Erasure {
    type Id = ErasureId;
    const KIND: Kind = Kind::Erasure;
    const WORD: &'static str = "erasure";
    const WORDS: &'static str = "erasures";
    const TOO_MANY: &'static str = "too_many_erasures";

    fn id(&self) -> ErasureId {
        self.id
    }

    fn state(&self) -> State {
        self.state
    }
}

impl Job for Heal {
    type Id = HealId;
    const KIND: Kind = Kind::Heal;
    const WORD: &'static str = "heal";
    const WORDS: &'static str = "heals";
    const TOO_MANY: &'static str = "too_many_heals";

    fn id(&self) -> HealId {
        self.id
    }

    fn state(&self) -> State {
        self.state
    }
}

impl Job for Replay {
    type Id = ReplayId;
    const KIND: Kind = Kind::Replay;
    const WORD: &'static str = "replay";
    const WORDS: &'static str = "replays";
    const TOO_MANY: &'static str = "too_many_replays";

    fn id(&self) -> ReplayId {
        self.id
    }

    fn state(&self) -> State {
        self.state
    }
}

impl Job for Release {
    type Id = ReleaseId;
    const KIND: Kind = Kind::Release;
    const WORD: &'static str = "release";
    const WORDS: &'static str = "releases";
    const TOO_MANY: &'static str = "too_many_releases";

    fn id(&self) -> ReleaseId {
        self.id
    }

    fn state(&self) -> State {
        self.state
    }
}

/// What is asked for, from an object; a list would be read as one too, an empty list as one for everything.
pub(crate) fn wish<W: DeserializeOwned>(body: Result<Json<Map<String, Value>>, JsonRejection>) -> Result<W, Problem> {
    let Json(object) = body?;
    serde_json::from_value(Value::Object(object)).map_err(|error| Problem::bad(error.to_string()))
}

/// Every job of a kind that can be read.
pub(crate) async fn all<J: Job>(store: &Store) -> Result<Vec<J>, Problem> {
    Ok(store.entries(J::KIND).await?.iter().filter_map(read).collect())
}

/// One, with the revision that it was seen in.
pub(crate) async fn find<J: Job>(store: &Store, id: J::Id) -> Result<Option<(J, u64)>, Problem> {
    let entry = store.entry(J::KIND, &id.to_string()).await?;
    Ok(entry.and_then(|entry| Some((read(&entry)?, entry.revision))))
}

/// One, which must be there.
pub(crate) async fn found<J: Job>(store: &Store, id: J::Id) -> Result<J, Problem> {
    let found = find(store, id).await?;
    found.map(|(job, _)| job).ok_or_else(|| Problem::missing(&format!("{} {id}", J::WORD)))
}

/// A page of a list: newest first, behind the cursor.
pub(crate) fn list<J: Job, V>(
    mut jobs: Vec<J>,
    limit: Option<usize>,
    cursor: Option<J::Id>,
    view: impl Fn(J) -> V,
) -> Result<Json<Page<V>>, Problem> {
    let limit = page::limit(limit)?;
    jobs.retain(|job| cursor.is_none_or(|cursor| job.id() < cursor));
    jobs.sort_by_key(|job| std::cmp::Reverse(job.id()));
    let Page { items, next, .. } = Page::cut(jobs, limit, |job: &J| job.id().to_string());
    Ok(Json(Page::of(items.into_iter().map(view).collect(), next)))
}

/// Those of some jobs that have not ended, of which there may be no more than a bound allows.
pub(crate) fn check_room<J: Job>(jobs: &[J]) -> Result<(), Problem> {
    match open(jobs) {
        open if open >= OPEN_MAX => Err(too_many::<J>(open)),
        _ => Ok(()),
    }
}

/// How many of some jobs have not ended.
pub(crate) fn open<'j, J: Job + 'j>(jobs: impl IntoIterator<Item = &'j J>) -> usize {
    jobs.into_iter().filter(|job| !job.state().is_over()).count()
}

/// That another one has to wait.
pub(crate) fn too_many<J: Job>(open: usize) -> Problem {
    let detail = format!("{open} {} are under way; wait for some to end", J::WORDS);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, J::TOO_MANY, detail)
}

/// Asks for a job: it is kept, noted, and answered with its place.
pub(crate) async fn begin<J: Job, V: Serialize>(
    store: &Store,
    caller: &Caller,
    job: J,
    view: impl Fn(J) -> V,
) -> Result<Response, Problem> {
    let id = job.id().to_string();
    match store.put(J::KIND, &id, page::written(&job)?, Expect::Absent).await? {
        Put::Stored(_) => {}
        Put::Conflict(_) => return Err(Problem::new(StatusCode::CONFLICT, "conflict", "the id is taken; ask again")),
        Put::TooLong => return Err(Problem::bad("what is asked for is too long to be kept")),
    }
    tracing::info!(id, by = caller.who(), "a {} was asked for", J::WORD);
    let view = view(job);
    caller.note(Note::made(&view));
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    page::place(&mut response, &format!("/v1/{}/{id}", J::WORDS));
    Ok(response)
}

fn read<J: Job>(entry: &Entry) -> Option<J> {
    serde_json::from_slice(&entry.value).ok()
}
