//! Deliveries: how they stand, by the history; dead letters by the store where none is kept.

pub(crate) mod next;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use gatepost_config::{ConnectionId, DestinationId, IntegrationId, TenantId, Timestamp};
use gatepost_event::{Attempt, DeadLetter, DeadReason, DeliveryId, Event, EventId, Meta};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use self::next::Next;
use crate::{
    access::Caller,
    destinations,
    events::Body,
    history::{
        State as Standing,
        query::{self, DeliveryFilter, EventFilter, Scope, WithEvent},
    },
    page::{self, Page},
    past,
    problem::Problem,
    serve::Admin,
};

/// Letters looked at for one page; a page may hold fewer items than asked for, or none, and still have a `next`.
const EXAMINED_MAX: usize = 1000;
/// Letters read at a time; each has its body.
const READ: usize = 32;

/// What is asked of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = DeliveryQuery)]
pub(crate) struct Ask {
    /// Only those of events received at or after this.
    since: Option<Timestamp>,
    /// Only those of events received before this.
    until: Option<Timestamp>,
    /// Only those that stand so.
    status: Option<Status>,
    /// Only of this integration.
    integration: Option<IntegrationId>,
    /// Only of this connection.
    connection: Option<ConnectionId>,
    /// Only of this tenant.
    tenant: Option<TenantId>,
    /// Only to this destination.
    destination: Option<DestinationId>,
    /// Only of this type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only those that died of this.
    reason: Option<DeadReason>,
    /// How many.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// What an earlier answer gave as `next`.
    #[param(pattern = "^dlv_[0-9a-hjkmnp-tv-z]{26}$")]
    cursor: Option<String>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryStatus)]
pub(crate) enum Status {
    /// It is owed.
    Waiting,
    /// A destination answered 2xx.
    Delivered,
    /// A run of the sync that was owed has succeeded.
    Synced,
    /// It ended without success.
    Dead,
}

/// A delivery as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Delivery {
    id: DeliveryId,
    status: Status,
    /// Where it goes; of a sync that is owed, its engine's id.
    destination: Option<String>,
    /// The sync, when one is owed.
    sync: Option<String>,
    route: Option<String>,
    /// Why it died, when it did.
    reason: Option<DeadReason>,
    detail: Option<String>,
    attempts: u64,
    owed_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    synced_at: Option<Timestamp>,
    died_at: Option<Timestamp>,
    replay: Option<String>,
    last_attempt: Option<Attempt>,
    #[serde(flatten)]
    next: Next,
    event: Option<About>,
    #[serde(flatten)]
    body: Body,
}

/// The event in few words.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EventInShort)]
struct About {
    id: EventId,
    #[serde(rename = "type")]
    kind: String,
    integration: IntegrationId,
    connection: Option<ConnectionId>,
    tenant: Option<TenantId>,
    received_at: Timestamp,
    bytes: u64,
}

/// `GET /v1/deliveries`: newest event first; without a history only dead letters, oldest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    if admin.history.is_some() {
        return from_history(&admin, &caller, ask, limit).await;
    }
    if ask.status != Some(Status::Dead) {
        past::history(&admin)?;
    }
    let mut after: u64 = ask.cursor.as_deref().map_or(Ok(0), str::parse).map_err(|_| page::bad_cursor())?;
    let (mut items, mut examined, mut theirs) = (Vec::new(), 0, HashMap::new());
    while examined < EXAMINED_MAX {
        let letters = admin.store.dead_letters(after, READ).await?;
        if letters.is_empty() {
            return Ok(Json(Page::of(items, None)));
        }
        for (position, letter) in letters {
            after = position;
            examined += 1;
            if ask.wants(&letter) && sees(&admin, &caller, &letter, &mut theirs).await? {
                items.push(Delivery::of(letter, false));
            }
            if items.len() == limit {
                return Ok(Json(Page::of(items, Some(after.to_string()))));
            }
        }
    }
    Ok(Json(Page::of(items, Some(after.to_string()))))
}

async fn from_history(admin: &Admin, caller: &Caller, ask: Ask, limit: usize) -> Result<Json<Page<Delivery>>, Problem> {
    let before = ask.cursor.as_deref().map(str::parse).transpose().map_err(|_| page::bad_cursor())?;
    let filter = DeliveryFilter {
        status: ask.status.map(Status::state),
        destination: ask.destination.map(|id| id.to_string()),
        reason: ask.reason,
        event: EventFilter {
            integration: ask.integration.map(|id| id.to_string()),
            connection: ask.connection.map(|id| id.to_string()),
            tenant: ask.tenant.map(|id| id.to_string()),
            kind: ask.kind,
            since: ask.since,
            until: ask.until,
            ..EventFilter::default()
        },
    };
    let question = move |db: &Connection, scope: &Scope| query::deliveries(db, scope, &filter, before, limit);
    let (part, lag) = past::ask(admin, caller, question).await?;
    let about = part.items.iter().map(|(delivery, event)| (delivery, event.as_ref().map(|event| &event.meta)));
    let nexts = next::of_all(admin, about).await;
    let items = part.items.into_iter().zip(nexts).map(|(known, next)| Delivery::of_history(known, next)).collect();
    Ok(Json(Page { items, next: part.next, lag_seconds: Some(lag) }))
}

/// `GET /v1/deliveries/{id}`: a dead letter with its body, or as the history knows it.
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<DeliveryId>, PathRejection>,
) -> Result<Json<Delivery>, Problem> {
    let Path(id) = id?;
    match admin.store.dead_letter(id).await? {
        Some((_, letter)) => match sees(&admin, &caller, &letter, &mut HashMap::new()).await? {
            true => Ok(Json(Delivery::of(letter, true))),
            false => Err(Problem::missing(&format!("delivery {id}"))),
        },
        None if admin.history.is_none() => {
            Err(Problem::missing(&format!("dead delivery {id}; others are not known without a history")))
        }
        None => {
            let (found, _) = past::ask(&admin, &caller, move |db, scope| query::delivery(db, scope, id)).await?;
            let found = found.ok_or_else(|| Problem::missing(&format!("delivery {id}")))?;
            let next = next::of(&admin, &found.0, found.1.as_ref().map(|event| &event.meta)).await;
            Ok(Json(Delivery::of_history(found, next)))
        }
    }
}

/// `GET /v1/deliveries/{id}/attempts`: oldest first.
pub(crate) async fn attempts(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<DeliveryId>, PathRejection>,
) -> Result<Json<Page<Attempt>>, Problem> {
    let Path(id) = id?;
    let (found, lag) = past::ask(&admin, &caller, move |db, scope| {
        let is_seen = query::delivery(db, scope, id)?.is_some();
        is_seen.then(|| query::attempts(db, id)).transpose()
    })
    .await?;
    let items = found.ok_or_else(|| Problem::missing(&format!("delivery {id}")))?;
    Ok(Json(Page { items, next: None, lag_seconds: Some(lag) }))
}

/// A delivery is a tenant's business when its event and its destination are: what the operator's own backend answered is
/// not. Without its event nobody can tell whose it was.
async fn sees(
    admin: &Admin,
    caller: &Caller,
    letter: &DeadLetter,
    theirs: &mut HashMap<DestinationId, bool>,
) -> Result<bool, Problem> {
    if letter.event.as_ref().is_some_and(|event| !admin.shows(&event.meta)) {
        return Ok(false);
    }
    if caller.tenant().is_none() {
        return Ok(true);
    }
    if !letter.event.as_ref().is_some_and(|event| caller.sees(event.meta.tenant.as_ref())) {
        return Ok(false);
    }
    let Some(id) = &letter.note.destination else { return Ok(true) };
    if let Some(known) = theirs.get(id) {
        return Ok(*known);
    }
    let known = destinations::known(admin, id).await?.is_some_and(|known| caller.sees(known.tenant()));
    theirs.insert(id.clone(), known);
    Ok(known)
}

impl Ask {
    fn wants(&self, letter: &DeadLetter) -> bool {
        let about = |event: &Event| {
            self.integration.as_ref().is_none_or(|integration| *integration == event.meta.integration)
                && (self.connection.is_none() || self.connection == event.meta.connection)
                && (self.tenant.is_none() || self.tenant == event.meta.tenant)
                && self.kind.as_ref().is_none_or(|kind| *kind == event.meta.kind)
        };
        let asks_event =
            self.integration.is_some() || self.connection.is_some() || self.tenant.is_some() || self.kind.is_some();
        // An id begins with its event's time of receipt.
        self.since.is_none_or(|since| letter.note.delivery >= DeliveryId::first_at(since))
            && self.until.is_none_or(|until| letter.note.delivery < DeliveryId::first_at(until))
            && (self.destination.is_none() || self.destination == letter.note.destination)
            && self.reason.is_none_or(|reason| reason == letter.note.reason)
            && letter.event.as_ref().map_or(!asks_event, about)
    }
}

impl Status {
    const fn state(self) -> Standing {
        match self {
            Self::Waiting => Standing::Waiting,
            Self::Delivered => Standing::Delivered,
            Self::Synced => Standing::Synced,
            Self::Dead => Standing::Dead,
        }
    }

    /// Of a delivery: the other words are events'.
    pub(crate) const fn of(state: Standing) -> Self {
        match state {
            Standing::Delivered => Self::Delivered,
            Standing::Synced => Self::Synced,
            Standing::Dead => Self::Dead,
            Standing::Waiting | Standing::Filtered | Standing::Unrouted | Standing::Unmatched | Standing::Gone => {
                Self::Waiting
            }
        }
    }
}

impl Delivery {
    fn of(letter: DeadLetter, with_body: bool) -> Self {
        let DeadLetter { note, event } = letter;
        Self {
            id: note.delivery,
            status: Status::Dead,
            destination: note.destination.map(|id| id.to_string()),
            sync: note.sync.map(|sync| sync.to_string()),
            route: note.route.map(|id| id.to_string()),
            reason: Some(note.reason),
            detail: note.detail,
            attempts: note.attempts.into(),
            owed_at: None,
            delivered_at: None,
            synced_at: None,
            died_at: Some(note.died_at),
            replay: None,
            last_attempt: note.last,
            next: Next::default(),
            event: event.as_ref().map(About::of),
            body: event.filter(|_| with_body).map(|event| Body::of(&event)).unwrap_or_default(),
        }
    }
}

impl Delivery {
    fn of_history((delivery, event): WithEvent, next: Next) -> Self {
        Self {
            id: delivery.id,
            status: Status::of(delivery.status),
            destination: delivery.destination,
            sync: delivery.sync,
            route: delivery.route,
            reason: delivery.reason,
            detail: delivery.detail,
            attempts: delivery.attempts,
            owed_at: delivery.owed_at,
            delivered_at: delivery.delivered_at,
            synced_at: delivery.synced_at,
            died_at: delivery.died_at,
            replay: delivery.replay,
            last_attempt: delivery.last_attempt,
            next,
            event: event.map(|event| About::new(event.meta, event.bytes)),
            body: Body::default(),
        }
    }
}

impl About {
    fn of(event: &Event) -> Self {
        Self::new(event.meta.clone(), event.body.len() as u64)
    }

    fn new(meta: Meta, bytes: u64) -> Self {
        Self {
            id: meta.id,
            kind: meta.kind,
            integration: meta.integration,
            connection: meta.connection,
            tenant: meta.tenant,
            received_at: meta.received_at,
            bytes,
        }
    }
}
