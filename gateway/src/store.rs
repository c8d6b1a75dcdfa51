//! Stores a request's events; only after that is it answered 2xx.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepost_event::{
    EventId, StoreError,
    store::{Appended, Item, Place},
};

use crate::{failure::Failure, inbound::Inbound, kept::Kept, quota::Admitted, serve::Gateway};

/// Every event of a request is stored.
pub(crate) struct Stored {
    inbound: Arc<Inbound>,
    outcome: Outcome,
}

/// What an accepted request came to, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At least one event is new in the log, or there was none to store.
    Stored,
    /// No event was new.
    Duplicate,
    /// What is new waits for a connection that claims its account.
    Unmatched,
}

impl Stored {
    /// The request.
    pub(crate) const fn inbound(&self) -> &Arc<Inbound> {
        &self.inbound
    }

    /// What the request came to.
    pub(crate) const fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Outcome {
    /// Its word in `gatepost-result` and metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Unmatched => "unmatched",
        }
    }

    const fn of(place: Place, appended: Appended) -> Self {
        match (appended, place) {
            (Appended::Duplicate(_), _) => Self::Duplicate,
            (Appended::Stored, Place::Log) => Self::Stored,
            (Appended::Stored, Place::Unmatched) => Self::Unmatched,
        }
    }
}

/// Stores the events. A client that hangs up, or the deadline, doesn't cancel it.
pub(crate) async fn append(admitted: Admitted, gateway: &Arc<Gateway>) -> Result<Stored, Failure> {
    let (inbound, items) = admitted.into_parts();
    if items.is_empty() {
        return Ok(Stored { inbound, outcome: Outcome::Stored });
    }
    let deadline = answer_by(&inbound);
    let (request, shared) = (Arc::clone(&inbound), Arc::clone(gateway));
    let appending = Kept::new(&gateway.appends, async move {
        let places: Vec<(EventId, Place)> = items.iter().map(|item: &Item| (item.event.meta.id, item.place)).collect();
        let appended = shared.store.append(items, deadline).await;
        if let Err(error) = &appended {
            shared.metrics.store_error(error);
            report(error, &inbound);
        }
        appended.map(|appended| {
            shared.redeliveries.note(&places, &appended);
            outcome(&inbound, &places, &appended)
        })
    });
    match tokio::time::timeout_at(deadline.into(), appending).await {
        Ok(Ok(outcome)) => Ok(Stored { inbound: request, outcome }),
        Ok(Err(_)) => Err(Failure::StoreAway),
        Err(_) => {
            gateway.metrics.store_deadline();
            Err(Failure::StoreAway)
        }
    }
}

/// The best of what became of a request's events, which are told of one by one.
fn outcome(inbound: &Inbound, places: &[(EventId, Place)], appended: &[Appended]) -> Outcome {
    let mut best = Outcome::Duplicate;
    for ((event, place), appended) in places.iter().zip(appended) {
        let outcome = Outcome::of(*place, *appended);
        tracing::debug!(target: "gatepost::step", step = "stored", request = %inbound.arrival.request,
            event = %event, result = outcome.word());
        best = match (best, outcome) {
            (Outcome::Stored, _) | (_, Outcome::Stored) => Outcome::Stored,
            (Outcome::Unmatched, _) | (_, Outcome::Unmatched) => Outcome::Unmatched,
            (Outcome::Duplicate, Outcome::Duplicate) => Outcome::Duplicate,
        };
    }
    best
}

/// When the answer must be on its way, counted from the last body byte: the operator's limit, or four fifths of the time
/// that the provider waits.
pub(crate) fn answer_by(inbound: &Inbound) -> Instant {
    let settings = inbound.arrival.tables.settings.answer_deadline;
    let provider = inbound.endpoint().provider().deadline.map_or(Duration::MAX, |deadline| deadline.mul_f64(0.8));
    inbound.read_at + settings.min(provider)
}

fn report(error: &StoreError, inbound: &Arc<Inbound>) {
    tracing::warn!(request = %inbound.arrival.request, %error, "could not store a request's events; answered 503");
}
