//! `[router]`

use std::time::Duration;

use super::{declare::section, value};

section! {
    /// How routers work.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Router {
        /// Attempts under way at once, over all destinations.
        pub concurrency: usize = default(256),
        /// Time that attempts under way get when the process is told to stop.
        pub shutdown_deadline: Duration = default("25s") by value::span,
    }
}
