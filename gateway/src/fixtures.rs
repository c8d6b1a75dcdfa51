//! What unit tests share.

use gatepost_config::{Catalogue, Provider};

/// GitHub's entry of the catalogue.
pub(crate) fn github() -> Provider {
    Catalogue::builtin().0["github"].as_ref().clone()
}
