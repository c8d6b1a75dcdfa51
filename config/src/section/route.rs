//! `[[route]]`

use super::{declare::section, sync::RouteSync, value};
use crate::{
    DestinationId, IntegrationId, RouteId,
    read::{Node, Read},
};

/// Longest filter; longer ones can exhaust memory when compiled.
const FILTER_BYTES_MAX: usize = 4096;

section! {
    /// A rule: which events go where. All matching routes fire; a destination gets an event once.
    #[derive(Debug, Clone)]
    pub struct Route {
        /// Its id.
        pub id: RouteId = required("all"),
        /// Only events of this integration.
        pub integration: Option<IntegrationId> = optional("github"),
        /// Only events whose type one of these patterns matches; all when empty. `*` inside is one segment, at the end one or
        /// more.
        pub events: Vec<String> = optional(["github.pull_request.*", "github.push"]) by value::patterns,
        /// Only events for which this CEL expression is true; an error in it is a dead letter with its reason.
        pub filter: Option<String> = optional("event.data.repository.private == false") by filter,
        /// Where matching events go: a list of your own destinations, or "tenant" for every destination of the event's
        /// tenant that subscribes to its type. A route has this, or sync, or both.
        pub forward: Option<Forward> = optional(["backend"]) by forward,
        /// What a matching event makes stale: the sync of its connection is run once for all events that come within
        /// coalesce of each other, at most max_wait after the first; and, with a backstop, so that none goes without a run for
        /// that long (of less than a minute not when a router is killed). coalesce = "2s" and max_wait = "30s" when not said.
        pub sync: Option<RouteSync> = optional({ engine = "nango", name = "contacts", backstop = "1h" }) by RouteSync::read,
        /// One connection's events go to a destination one after the other, in stored order: the next is first attempted
        /// when the one before was delivered or is a dead letter.
        pub ordered: bool = default(false),
    }
}

/// `forward = ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// To these destinations.
    To(Vec<DestinationId>),
    /// To every destination of the event's tenant that subscribes to its type.
    Tenant,
}

impl Read for Forward {
    fn read(node: &Node<'_>) -> Option<Self> {
        if !node.is_list() {
            return node.parsed("\"tenant\" or a list such as [\"backend\"]", |text| match text {
                "tenant" => Ok(Self::Tenant),
                text => Err(format!("is {text:?}; write \"tenant\", or a list of destinations such as [{text:?}]")),
            });
        }
        let to = Vec::<DestinationId>::read(node)?;
        if to.is_empty() {
            node.error("is an empty list", "name a destination, or remove the route");
            return None;
        }
        Some(Self::To(to))
    }
}

fn forward(node: &Node<'_>) -> Option<Option<Forward>> {
    Forward::read(node).map(Some)
}

fn filter(node: &Node<'_>) -> Option<Option<String>> {
    expression(node, "event")
}

/// A CEL expression over a variable.
pub(super) fn expression(node: &Node<'_>, variable: &str) -> Option<Option<String>> {
    let filter = String::read(node)?;
    match filter.len() {
        0 => node.error("is empty", "write a CEL expression, or leave it out"),
        n if n > FILTER_BYTES_MAX => node.error(format!("has {n} bytes"), "shorten it to at most 4 KiB"),
        _ => match node.spot.sheet.refuses_expression(&filter, variable) {
            Some(why) => node.error(why, "see https://cel.dev for how it is written"),
            None => return Some(Some(filter)),
        },
    }
    None
}
