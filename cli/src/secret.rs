//! `gatepost secret new`

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::signing;

use crate::{args::SecretNewArgs, exit::Exit, style};

/// Bytes of a fresh secret; Standard Webhooks asks for 24 to 64, and an Ed25519 seed has as many.
const SECRET_BYTES: usize = 32;

/// Prints a fresh signing secret. The public key that backends verify with, where there is one, is for people and goes to
/// the error output, so that the secret alone can be sent into a file.
pub(crate) fn new(args: &SecretNewArgs) -> Result<(), Exit> {
    if !args.ed25519 {
        style::line(&fresh());
        return Ok(());
    }
    let texts = signing::ed25519_texts(&rand::random::<[u8; SECRET_BYTES]>());
    let (private, public) = texts.ok_or_else(|| Exit::failed("no key could be made"))?;
    style::line(&private);
    style::note(&format!("backends verify with {public}"));
    Ok(())
}

/// A fresh signing secret in the form Standard Webhooks asks for.
pub(crate) fn fresh() -> String {
    format!("{}{}", signing::SYMMETRIC, STANDARD.encode(rand::random::<[u8; SECRET_BYTES]>()))
}
