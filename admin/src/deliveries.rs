//! Deliveries: so far those that are dead letters.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use gatepost_config::{ConnectionId, DestinationId, IntegrationId, RouteId, TenantId, Timestamp};
use gatepost_event::{Attempt, DeadLetter, DeadReason, DeliveryId, Event, EventId};
use serde::{Deserialize, Serialize};

use crate::{
    access::Caller,
    events::Body,
    page::{self, Page},
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
    /// Only dead letters can be listed so far.
    #[expect(dead_code, reason = "there is one")]
    status: Status,
    /// Only of this integration.
    integration: Option<IntegrationId>,
    /// Only of this connection.
    connection: Option<ConnectionId>,
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
    cursor: Option<u64>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryStatus)]
pub(crate) enum Status {
    /// It ended without success.
    Dead,
}

/// A delivery that ended without success.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Delivery {
    id: DeliveryId,
    status: Status,
    destination: Option<DestinationId>,
    route: Option<RouteId>,
    reason: DeadReason,
    detail: Option<String>,
    attempts: u32,
    died_at: Timestamp,
    last_attempt: Option<Attempt>,
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
    bytes: usize,
}

/// `GET /v1/deliveries?status=dead`: dead letters, oldest first.
pub(crate) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let Query(ask) = ask?;
    let limit = page::limit(ask.limit)?;
    let mut after = ask.cursor.unwrap_or(0);
    let (mut items, mut examined) = (Vec::new(), 0);
    while examined < EXAMINED_MAX {
        let letters = admin.store.dead_letters(after, READ).await?;
        if letters.is_empty() {
            return Ok(Json(Page { items, next: None }));
        }
        for (position, letter) in letters {
            after = position;
            examined += 1;
            if ask.wants(&letter) && sees(&admin, &caller, &letter) {
                items.push(Delivery::of(letter, false));
            }
            if items.len() == limit {
                return Ok(Json(Page { items, next: Some(after.to_string()) }));
            }
        }
    }
    Ok(Json(Page { items, next: Some(after.to_string()) }))
}

/// `GET /v1/deliveries/{id}`: a dead letter with its body.
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<DeliveryId>, PathRejection>,
) -> Result<Json<Delivery>, Problem> {
    let Path(id) = id?;
    match admin.store.dead_letter(id).await? {
        Some((_, letter)) if sees(&admin, &caller, &letter) => Ok(Json(Delivery::of(letter, true))),
        _ => Err(Problem::missing(&format!("dead delivery {id}; others can't be shown yet"))),
    }
}

/// A delivery is a tenant's business when its event and its destination are: what the operator's own backend answered is
/// not. Without its event nobody can tell whose it was.
fn sees(admin: &Admin, caller: &Caller, letter: &DeadLetter) -> bool {
    let destination = letter.note.destination.as_ref();
    caller.tenant().is_none()
        || (letter.event.as_ref().is_some_and(|event| caller.sees(event.meta.tenant.as_ref()))
            && destination.is_none_or(|id| caller.sees(admin.tenant_of(id).as_ref())))
}

impl Ask {
    fn wants(&self, letter: &DeadLetter) -> bool {
        let about = |event: &Event| {
            self.integration.as_ref().is_none_or(|integration| *integration == event.meta.integration)
                && (self.connection.is_none() || self.connection == event.meta.connection)
                && self.kind.as_ref().is_none_or(|kind| *kind == event.meta.kind)
        };
        let asks_event = self.integration.is_some() || self.connection.is_some() || self.kind.is_some();
        (self.destination.is_none() || self.destination == letter.note.destination)
            && self.reason.is_none_or(|reason| reason == letter.note.reason)
            && letter.event.as_ref().map_or(!asks_event, about)
    }
}

impl Delivery {
    fn of(letter: DeadLetter, with_body: bool) -> Self {
        let DeadLetter { note, event } = letter;
        Self {
            id: note.delivery,
            status: Status::Dead,
            destination: note.destination,
            route: note.route,
            reason: note.reason,
            detail: note.detail,
            attempts: note.attempts,
            died_at: note.died_at,
            last_attempt: note.last,
            event: event.as_ref().map(About::of),
            body: event.filter(|_| with_body).map(|event| Body::of(&event)).unwrap_or_default(),
        }
    }
}

impl About {
    fn of(event: &Event) -> Self {
        let meta = event.meta.clone();
        Self {
            id: meta.id,
            kind: meta.kind,
            integration: meta.integration,
            connection: meta.connection,
            tenant: meta.tenant,
            received_at: meta.received_at,
            bytes: event.body.len(),
        }
    }
}
