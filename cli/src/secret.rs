//! `gatepost secret new`

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{exit::Exit, style};

/// Bytes of a fresh secret; Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// Prints a fresh signing secret.
#[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
pub(crate) fn new() -> Result<(), Exit> {
    style::line(&fresh());
    Ok(())
}

/// A fresh signing secret in the form Standard Webhooks asks for.
pub(crate) fn fresh() -> String {
    format!("whsec_{}", STANDARD.encode(rand::random::<[u8; SECRET_BYTES]>()))
}
