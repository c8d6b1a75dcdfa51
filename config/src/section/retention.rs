//! `[retention]`

use std::time::Duration;

use super::{declare::section, value};

section! {
    /// How long what is finished is kept.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Retention {
        /// Events, from when they were received.
        pub events: Duration = default("14d") by value::span,
        /// Dead letters, from when they died.
        pub dead_letters: Duration = default("30d") by value::span,
        /// Parked events, from when they were received.
        pub unmatched: Duration = default("7d") by value::span,
        /// Refused requests.
        pub quarantine: Duration = default("3d") by value::span,
        /// What was changed through the API, by whom.
        pub audit: Duration = default("90d") by value::span,
    }
}
