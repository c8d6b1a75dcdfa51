//! Stored events: as the history knows them, or as the log holds them.

mod known;

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{ConnectionId, IntegrationId, TenantId, Timestamp};
use gatepost_event::{Event, EventId, EventRef, Meta, Store};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

pub(crate) use self::known::{Shown, show};
use crate::{
    access::Caller,
    history::{
        State as Standing,
        query::{self, EventItem},
    },
    page::{self, Page},
    past,
    problem::Problem,
    serve::Admin,
};

/// Events looked at for one page; a page may hold fewer items than asked for, or none, and still have a `next`.
const EXAMINED_MAX: usize = 2000;
/// Events read at a time; each has its body.
const READ: usize = 64;
/// Bytes of bodies in one page.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long an event is looked for of which only the id is known.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = EventQuery)]
pub(crate) struct Ask {
    /// Only those received at or after this.
    since: Option<Timestamp>,
    /// Only those received before this.
    until: Option<Timestamp>,
    /// Only of this integration.
    integration: Option<IntegrationId>,
    /// Only of this connection.
    connection: Option<ConnectionId>,
    /// Only of this type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only of this tenant.
    tenant: Option<TenantId>,
    /// Only of this account.
    account: Option<String>,
    /// Only those that stand so.
    state: Option<Standing>,
    /// What to show beside what is known of them.
    include: Option<Include>,
    /// Which come first; the newest when not said.
    order: Option<Order>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(pattern = "^[0-9]{1,18}$|^[0-9]{1,4}\\.[0-9]{1,18}$")]
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Include {
    Body,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventOrder)]
enum Order {
    /// The newest, by the history.
    Newest,
    /// As they are stored: partition by partition, each in its order, read from the log itself.
    Stored,
}

/// Where an event is, for those who know.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = EventPlace)]
pub(crate) struct At {
    /// Its place, as the list gives it: finds it at once.
    #[param(pattern = "^[0-9]{1,4}\\.[0-9]{1,18}$")]
    at: Option<String>,
}

/// A place in the log: partition and sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    partition: u16,
    sequence: u64,
}

/// An event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Event)]
pub(crate) struct Item {
    /// Its place in the log, when it has one.
    at: Option<String>,
    /// How it stands, as far as the history knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Standing>,
    #[serde(flatten)]
    meta: Meta,
    /// How long its body is.
    bytes: usize,
    #[serde(flatten)]
    body: Body,
}

/// A body, where it is asked for: as text, or when it isn't UTF-8 in base64.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Body {
    /// As it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// In base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// `GET /v1/events`: newest first, by the history; the log where that is asked for, bodies are, or no history is kept.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Item>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let is_logs = |cursor: &String| cursor.contains('.');
    let wants_log = ask.order == Some(Order::Stored)
        || ask.include == Some(Include::Body)
        || ask.cursor.as_ref().is_some_and(is_logs);
    match !wants_log && admin.history.is_some() {
        true => known::list(&admin, &caller, ask, limit).await,
        false => from_log(&admin, &caller, &ask, limit).await,
    }
}

async fn from_log(admin: &Admin, caller: &Caller, ask: &Ask, limit: usize) -> Result<Json<Page<Item>>, Problem> {
    if ask.state.is_some() {
        past::history(admin)?;
        let detail = "the log doesn't know how an event stands: leave order=stored and include=body out";
        return Err(Problem::new(StatusCode::CONFLICT, "state_unknown", detail));
    }
    let store = &admin.store;
    let mut spot = match &ask.cursor {
        Some(cursor) => cursor.parse().map_err(|()| page::bad_cursor())?,
        None => Spot { partition: 0, sequence: store.span(0, ask.since).await?.after },
    };
    let (mut items, mut examined, mut bytes) = (Vec::new(), 0, 0);
    while examined < EXAMINED_MAX && items.len() < limit && bytes < PAGE_BYTES_MAX {
        if spot.partition >= store.partitions() {
            return Ok(Json(Page::of(items, None)));
        }
        let events = store.events(spot.partition, spot.sequence, READ).await?;
        if events.is_empty() {
            let partition = spot.partition + 1;
            let is_there = partition < store.partitions();
            let sequence = if is_there { store.span(partition, ask.since).await?.after } else { 0 };
            spot = Spot { partition, sequence };
        }
        for stored in events {
            spot.sequence = stored.at.sequence;
            examined += 1;
            let Ok(event) = stored.event else { continue };
            if ask.wants(&event) && caller.sees(event.meta.tenant.as_ref()) && admin.shows(&event.meta) {
                let with_body = ask.include == Some(Include::Body);
                bytes += if with_body { event.body.len() } else { 0 };
                items.push(Item::of(&stored.at, event, with_body));
            }
            if items.len() >= limit || bytes >= PAGE_BYTES_MAX {
                break;
            }
        }
    }
    Ok(Json(Page::of(items, Some(spot.to_string()))))
}

/// `GET /v1/events/{id}/body`: the provider's exact bytes.
pub(crate) async fn body(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<EventId>, PathRejection>,
    at: Result<Query<At>, QueryRejection>,
) -> Result<Response, Problem> {
    let (Path(id), Query(mut at)) = (id?, at?);
    if at.at.is_none() && admin.history.is_some() {
        let (known, _) = past::ask(&admin, &caller, move |db, scope| query::event(db, scope, id, None)).await?;
        at.at = known.and_then(|known| known.at);
    }
    let (_, event) = find(&admin, &caller, id, at).await?;
    let mut response = event.body.into_response();
    // Whatever the provider says it is, nobody's browser is to run it.
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// An event that the caller may see.
async fn find(admin: &Admin, caller: &Caller, id: EventId, at: At) -> Result<(EventRef, Event), Problem> {
    let found = Some(look(&admin.store, id, at).await?).filter(|(_, event)| admin.shows(&event.meta));
    caller.own(found, |(_, event)| event.meta.tenant.clone(), || format!("event {id}"))
}

async fn look(store: &Store, id: EventId, at: At) -> Result<(EventRef, Event), Problem> {
    if let Some(spot) = at.spot()? {
        let found = match spot.partition < store.partitions() && spot.sequence > 0 {
            true => store.events(spot.partition, spot.sequence - 1, 1).await?.pop(),
            false => None,
        };
        let found = found.filter(|found| found.at.sequence == spot.sequence && found.at.id == id);
        let event = found.and_then(|found| found.event.ok().map(|event| (found.at, event)));
        return event.ok_or_else(|| Problem::missing(&format!("event {id}")));
    }
    let until = Instant::now() + LOOK_MAX;
    let mut examined = 0;
    for partition in 0..store.partitions() {
        let mut after = store.span(partition, None).await?.after;
        loop {
            let events = store.events(partition, after, READ).await?;
            let Some(last) = events.last() else { break };
            after = last.at.sequence;
            examined += events.len();
            if let Some(found) = events.into_iter().find(|stored| stored.at.id == id) {
                let unreadable = |_| Problem::missing(&format!("readable event {id}"));
                return found.event.map(|event| (found.at, event)).map_err(unreadable);
            }
            if Instant::now() > until {
                let what = format!("event {id} among the first {examined}; name its place with ?at=");
                return Err(Problem::missing(&what));
            }
        }
    }
    Err(Problem::missing(&format!("event {id}")))
}

impl At {
    fn spot(&self) -> Result<Option<Spot>, Problem> {
        let spot = self.at.as_ref().map(|at| at.parse()).transpose();
        spot.map_err(|()| Problem::bad("at is not a place that the list gave"))
    }
}

impl Ask {
    fn wants(&self, event: &Event) -> bool {
        let meta = &event.meta;
        self.since.is_none_or(|since| meta.received_at >= since)
            && self.until.is_none_or(|until| meta.received_at < until)
            && self.integration.as_ref().is_none_or(|integration| *integration == meta.integration)
            && (self.connection.is_none() || self.connection == meta.connection)
            && (self.tenant.is_none() || self.tenant == meta.tenant)
            && (self.account.is_none() || self.account == meta.account)
            && self.kind.as_ref().is_none_or(|kind| *kind == meta.kind)
    }
}

impl Item {
    fn of(at: &EventRef, event: Event, with_body: bool) -> Self {
        let spot = Spot { partition: at.partition, sequence: at.sequence };
        let body = if with_body { Body::of(&event) } else { Body::default() };
        Self { at: Some(spot.to_string()), state: None, bytes: event.body.len(), meta: event.meta, body }
    }

    /// As the history knows it.
    fn of_history(event: EventItem) -> Self {
        let bytes = usize::try_from(event.bytes).unwrap_or(usize::MAX);
        Self { at: event.at, state: Some(event.state), meta: event.meta, bytes, body: Body::default() }
    }
}

impl Body {
    /// An event's.
    pub(crate) fn of(event: &Event) -> Self {
        Self::of_bytes(&event.body)
    }

    /// Of these bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { body: Some(text.to_owned()), body_base64: None },
            Err(_) => Self { body: None, body_base64: Some(STANDARD.encode(bytes)) },
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.partition, self.sequence)
    }
}

impl FromStr for Spot {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // Without a partition: of the first.
        let (partition, sequence) = text.split_once('.').unwrap_or(("0", text));
        Ok(Self { partition: partition.parse().map_err(drop)?, sequence: sequence.parse().map_err(drop)? })
    }
}
