//! Signatures as Nango makes them over what it forwards: of the body alone, by the key's text.
//!
//! <https://nango.dev/docs/guides/webhooks/webhooks-from-nango>

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::set;
use crate::envelope::Envelope;

/// Sets `x-nango-hmac-sha256`, and the header that it took the place of when `legacy`.
pub(super) fn sign(headers: &mut HeaderMap, key: &[u8], body: &Envelope, legacy: bool) {
    // HMAC takes a key of any length, so this can't fail; without the header a delivery verifies nowhere.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        body.pieces().iter().for_each(|piece| mac.update(piece));
        set(headers, "x-nango-hmac-sha256", &hex(&mac.finalize().into_bytes()));
    }
    if legacy {
        let mut sha = Sha256::new();
        sha.update(key);
        body.pieces().iter().for_each(|piece| sha.update(piece));
        set(headers, "x-nango-signature", &hex(&sha.finalize()));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
