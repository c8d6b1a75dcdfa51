//! Requests as GitHub makes them.

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::post::{self, Answer};

/// A webhook as GitHub would post it.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `x-github-event`
    pub event: String,
    /// `x-github-delivery`
    pub delivery: String,
    /// The body.
    pub body: Bytes,
    /// `x-hub-signature-256`
    pub signature: String,
}

impl Webhook {
    /// Signed with a secret.
    pub fn signed(secret: &str, event: &str, delivery: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let signature = format!("sha256={}", hex(&hmac_sha256(secret.as_bytes(), &body)));
        Self { event: event.to_owned(), delivery: delivery.to_owned(), body, signature }
    }

    /// Posts it to an integration.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn post(&self, address: &str, integration: &str) -> Result<Answer, String> {
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "GitHub-Hookshot/test"),
            ("x-github-event", self.event.as_str()),
            ("x-github-delivery", self.delivery.as_str()),
            ("x-hub-signature-256", self.signature.as_str()),
        ];
        post::post(address, &format!("/webhooks/{integration}"), &headers, self.body.clone()).await
    }
}

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length is fine");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
