//! `[secrets]`

use super::declare::section;
use crate::Secret;

section! {
    /// Keys for secrets at rest.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Secrets {
        /// The first encrypts, all decrypt.
        pub master_keys: Vec<Secret> = optional([{ file = "master.key" }]),
    }
}
