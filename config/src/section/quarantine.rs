//! `[quarantine]`

use super::{declare::section, value};
use crate::ByteSize;

section! {
    /// How many refused requests are kept, so that they can be looked at and, once what was wrong is put right, let in.
    /// They are kept sealed by the first of secrets.master_keys; without one, none is kept. Beyond a limit they are
    /// thinned out, so that no kind of them pushes out the others; the oldest and the newest of each kind stay.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Quarantine {
        /// Requests of one integration.
        pub requests_max: usize = default(10000) by value::count,
        /// Bytes of one integration's.
        pub bytes_max: ByteSize = default("64MiB") by value::size,
        /// Requests in all.
        pub total_requests_max: usize = default(50000) by value::count,
        /// Bytes in all.
        pub total_bytes_max: ByteSize = default("256MiB") by value::size,
    }
}
