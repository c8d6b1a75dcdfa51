//! What a configuration's routes would make of events, without a store: for `gatepost routes diff`.

use std::{collections::BTreeSet, sync::Arc};

use gatepost_config::{Config, DestinationId, Timestamp};
use gatepost_event::{Event, EventRef, store::StoredEvent};

use crate::{filter, own, plan::Plan, route};

/// A configuration's routes, compiled.
#[derive(Debug, Clone)]
pub struct Routes(Arc<Plan>);

/// What an event would be owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where it would go.
    pub destinations: BTreeSet<DestinationId>,
    /// How many routes would make a dead letter of it, because their filter fails on it.
    pub failed: usize,
}

impl Routes {
    /// Compiles them.
    ///
    /// # Errors
    /// One text for each route whose filter is not an expression.
    pub fn compile(config: Arc<Config>) -> Result<Self, Vec<String>> {
        Plan::compile(config, &[]).map(|plan| Self(Arc::new(plan)))
    }

    /// What each event would be owed, in their order.
    ///
    /// # Errors
    /// When no thread with a stack for filters can be had.
    pub async fn judge(&self, events: Vec<Event>) -> Result<Vec<Verdict>, String> {
        let plan = self.0.clone();
        filter::on_big_stack(move || events.into_iter().map(|event| judge(&plan, event)).collect()).await
    }
}

fn judge(plan: &Plan, mut event: Event) -> Verdict {
    own::declared(plan, &mut event);
    let received_at = event.meta.received_at;
    let at = EventRef { id: event.meta.id, partition: 0, sequence: 0, received_at };
    let decision = route::route(plan, &StoredEvent { at, event: Ok(event) }, Timestamp::now());
    let failed = decision.failed();
    Verdict { destinations: decision.into_tasks().into_iter().map(|task| task.destination).collect(), failed }
}
