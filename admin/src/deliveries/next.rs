//! When a delivery that waits is attempted again, by the store: the history hears of attempts that were made.

use futures::{StreamExt as _, stream};
use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{DeliveryId, Lane, Meta};
use serde::Serialize;

use crate::{
    history::{State, query::DeliveryItem},
    serve::Admin,
};

/// Deliveries asked for at once.
const AT_ONCE: usize = 16;

/// The attempt that a delivery waits for the time of. All of it is `null` when it waits for none: it is in its lane and goes
/// as soon as its destination may have one more, or it has ended. So it is while the store can't be asked.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Next {
    /// When its next attempt is due.
    next_attempt_at: Option<Timestamp>,
    /// Which attempt that is, from 1.
    next_attempt: Option<u32>,
    /// The one that it waits behind in its ordered lane, while that one waits for a time.
    waits_behind: Option<Head>,
}

/// The first delivery of an ordered lane.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LaneHead)]
struct Head {
    delivery: DeliveryId,
    /// When its next attempt is due.
    next_attempt_at: Timestamp,
    /// Which attempt that is, from 1.
    next_attempt: u32,
}

/// Of each delivery with its event, in their order.
pub(crate) async fn of_all<'a>(
    admin: &Admin,
    deliveries: impl Iterator<Item = (&'a DeliveryItem, Option<&'a Meta>)>,
) -> Vec<Next> {
    let asked: Vec<_> = deliveries.map(|(delivery, event)| of(admin, delivery, event)).collect();
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// Of one delivery.
pub(crate) async fn of(admin: &Admin, delivery: &DeliveryItem, event: Option<&Meta>) -> Next {
    // A sync's run has no such time.
    let waits = delivery.status == State::Waiting && delivery.sync.is_none();
    let destination = delivery.destination.as_ref().and_then(|id| id.parse::<DestinationId>().ok());
    let (true, Some(destination), Some(event)) = (waits, destination, event) else { return Next::default() };
    let lane = Lane::ordered(&destination, event);
    match admin.store.next_attempt(delivery.id, &lane, Timestamp::now()).await {
        Ok(Some(next)) if next.delivery == delivery.id => {
            Next { next_attempt_at: Some(next.due), next_attempt: Some(next.number), waits_behind: None }
        }
        Ok(Some(head)) if is_ordered(admin, delivery) => {
            let head = Head { delivery: head.delivery, next_attempt_at: head.due, next_attempt: head.number };
            Next { waits_behind: Some(head), ..Next::default() }
        }
        Ok(_) => Next::default(),
        Err(error) => {
            tracing::debug!(delivery = %delivery.id, %error, "the store could not say when a delivery is due");
            Next::default()
        }
    }
}

/// Whether its route is, as far as is configured now.
fn is_ordered(admin: &Admin, delivery: &DeliveryItem) -> bool {
    let route = delivery.route.as_deref();
    admin.config.borrow().routes.iter().any(|known| known.ordered && Some(known.id.as_str()) == route)
}
