//! `[router]`

use std::time::Duration;

use super::{declare::section, egress, egress::EgressProxy, value};
use crate::ByteSize;

section! {
    /// How routers work.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Router {
        /// Attempts under way at once, over all destinations.
        pub concurrency: usize = default(1024),
        /// Bytes of events' bodies in attempts under way.
        pub inflight_bytes_max: ByteSize = default("256MiB") by value::size,
        /// Time that attempts under way get when the process is told to stop.
        pub shutdown_deadline: Duration = default("25s") by value::span,
        /// A tenant's destination of which nothing but failures came for so long is disabled until it is resumed.
        pub disable_after: Duration = default("5d") by value::span,
        /// Events that waited longer than this for a connection are not released when it appears; they stay parked until
        /// somebody asks for them.
        pub release_max_age: Duration = default("24h") by value::span,
        /// A proxy that deliveries to public destinations go through, by CONNECT (those with private = true are dialled
        /// directly). Proxies named by the environment are never used.
        pub egress_proxy: Option<EgressProxy> = optional("http://egress.example:3128") by egress::proxy,
    }
}
