//! `[gateway]`

use std::{net::SocketAddr, time::Duration};

use url::Url;

use super::{Rate, declare::section, destination, value};
use crate::{ByteSize, read::Node};

/// Providers rarely wait longer than 3 s, and several not even that.
const ANSWER_DEADLINE_MAX: Duration = Duration::from_millis(2500);

section! {
    /// What the gateway listens on, and its limits.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Gateway {
        /// Address that providers (or the TLS proxy in front) post to.
        pub listen: SocketAddr = default("0.0.0.0:8080"),
        /// What providers call us, for schemes that sign the URL and for printing webhook URLs.
        pub public_url: Option<Url> = optional("https://hooks.example.com") by value::base_url,
        /// Bytes of request bodies held in memory at once, over all requests; at it the answer is 503.
        pub inflight_bytes_max: ByteSize = default("256MiB") by value::size,
        /// Events a second that this process accepts in all, shared fairly among the tenants that offer some: one that offers
        /// less than its share is not refused for what others offer. At it the answer is 429; no such limit when not said.
        pub accept_rate: Option<Rate> = optional("200/s") by quota,
        /// Events a second that this process accepts of any one tenant; at it the answer is 429. No such limit when not said.
        pub tenant_rate: Option<Rate> = optional("50/s") by quota,
        /// Open connections at once; further ones wait in the kernel's backlog.
        pub connections_max: usize = default(4096),
        /// Time for a request's head to arrive, counted from the first read.
        pub head_timeout: Duration = default("5s") by value::span,
        /// Time for a request's body to arrive, counted from the end of its head.
        pub body_timeout: Duration = default("5s") by value::span,
        /// Longest time from the last body byte to the answer; never more than 2500ms.
        pub answer_deadline: Duration = default("2500ms") by answer_deadline,
        /// Connections made at run time, and accounts, that are kept in memory; others are asked of the store.
        pub connections_cached_max: usize = default(200000),
        /// At most so many connections are read at start, before anybody asks; more are read as they are asked for.
        pub connections_preloaded_max: usize = default(10000) by value::count,
        /// How long known connections are taken for what they were while the store can't tell of changes; after it, and for
        /// unknown ones at once, the answer is 503.
        pub connections_stale_max: Duration = default("30s") by value::span,
        /// Time that requests under way get when the process is told to stop.
        pub shutdown_deadline: Duration = default("25s") by value::span,
    }
}

fn quota(node: &Node<'_>) -> Option<Option<Rate>> {
    destination::rate(node, "leave it out for no limit").map(Some)
}

fn answer_deadline(node: &Node<'_>) -> Option<Duration> {
    let span = value::span(node)?;
    if span > ANSWER_DEADLINE_MAX {
        node.error("is longer than providers wait", "give at most 2500ms");
        return None;
    }
    Some(span)
}
