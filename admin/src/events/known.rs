//! Events as the history knows them: how they stand, and what became of their deliveries.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use gatepost_event::{Attempt, EventId};
use rusqlite::Connection;
use serde::Serialize;

use super::{Ask, At, Item, find};
use crate::{
    access::Caller,
    deliveries::next::{self, Next},
    history::{
        ReadError,
        query::{self, DeliveryItem, EventFilter, Scope},
    },
    page::Page,
    past,
    problem::Problem,
    serve::Admin,
};

/// An event, what it was owed and what became of that.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EventWithDeliveries)]
pub(crate) struct Shown {
    #[serde(flatten)]
    event: Item,
    /// Absent while the history doesn't know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<Traced>>,
    /// Seconds that the history may be behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
}

/// A delivery with its attempts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeliveryWithAttempts)]
struct Traced {
    #[serde(flatten)]
    delivery: DeliveryItem,
    #[serde(flatten)]
    next: Next,
    /// Every attempt, oldest first.
    tries: Vec<Attempt>,
}

/// `GET /v1/events/{id}`: with its deliveries and what became of them.
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    id: Result<Path<EventId>, PathRejection>,
    at: Result<Query<At>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let (Path(id), Query(at)) = (id?, at?);
    if admin.history.is_some() {
        let spot = at.spot()?.map(|spot| (spot.partition, spot.sequence));
        let (shown, lag) = past::ask(&admin, &caller, move |db, scope| Shown::read(db, scope, id, spot)).await?;
        if let Some(shown) = shown {
            let shown = shown.with_next(&admin).await;
            return Ok(Json(Shown { lag_seconds: Some(lag), ..shown }));
        }
    }
    let (at, event) = find(&admin, &caller, id, at).await?;
    Ok(Json(Shown { event: Item::of(&at, event, false), deliveries: None, lag_seconds: None }))
}

/// Newest first.
pub(super) async fn list(admin: &Admin, caller: &Caller, ask: Ask, limit: usize) -> Result<Json<Page<Item>>, Problem> {
    let before = past::before(ask.cursor.as_ref())?;
    let filter = EventFilter {
        integration: ask.integration.map(|id| id.to_string()),
        connection: ask.connection.map(|id| id.to_string()),
        tenant: ask.tenant.map(|id| id.to_string()),
        account: ask.account,
        kind: ask.kind,
        state: ask.state,
        since: ask.since,
        until: ask.until,
    };
    let question = move |db: &Connection, scope: &Scope| query::events(db, scope, &filter, before, limit);
    let (part, lag) = past::ask(admin, caller, question).await?;
    let items = part.items.into_iter().map(Item::of_history).collect();
    Ok(Json(Page { items, next: part.next, lag_seconds: Some(lag) }))
}

impl Shown {
    fn read(db: &Connection, scope: &Scope, id: EventId, at: Option<(u16, u64)>) -> Result<Option<Self>, ReadError> {
        let Some(event) = query::event(db, scope, id, at)? else { return Ok(None) };
        let mut deliveries = Vec::new();
        for delivery in query::deliveries_of(db, scope, &event)? {
            let tries = query::attempts(db, delivery.id)?;
            deliveries.push(Traced { delivery, next: Next::default(), tries });
        }
        Ok(Some(Self { event: Item::of_history(event), deliveries: Some(deliveries), lag_seconds: None }))
    }

    /// With when its deliveries go on, which the store knows.
    async fn with_next(mut self, admin: &Admin) -> Self {
        let about = self.deliveries.iter().flatten().map(|traced| (&traced.delivery, Some(&self.event.meta)));
        let nexts = next::of_all(admin, about).await;
        for (traced, next) in self.deliveries.iter_mut().flatten().zip(nexts) {
            traced.next = next;
        }
        self
    }
}
