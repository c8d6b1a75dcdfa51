//! A webhook as GitHub signs it, made of a body in a file: the body's signature is the same for every copy, the delivery's
//! id is not.

use bytes::Bytes;
use gatepost_tests::github::Webhook;
use http_body_util::Full;
use hyper::Request;

use crate::Args;

/// What every request of a run shares.
pub(crate) struct Template {
    address: String,
    body: Bytes,
    signature: String,
    run: u32,
}

impl Template {
    pub(crate) fn new(args: &Args) -> Self {
        let body = std::fs::read(args.text("body")).expect("--body names a file");
        let webhook = Webhook::signed(args.text("secret"), "push", "", body);
        let (signature, body) = (webhook.signature, webhook.body);
        Self { address: args.text("address").to_owned(), body, signature, run: rand::random() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The n-th webhook.
    pub(crate) fn request(&self, n: u64) -> Request<Full<Bytes>> {
        Request::post("/webhooks/github")
            .header("host", &self.address)
            .header("content-type", "application/json")
            .header("user-agent", "GitHub-Hookshot/bench")
            .header("x-github-event", "push")
            .header("x-github-delivery", format!("{:08x}-{n}", self.run))
            .header("x-hub-signature-256", &self.signature)
            .body(Full::new(self.body.clone()))
            .expect("a request")
    }

    /// The number of the webhook that a delivered envelope is of, if it is one of this run.
    pub(crate) fn number(&self, envelope: &[u8]) -> Option<u64> {
        let mark = format!("\"provider_event_id\":\"{:08x}-", self.run);
        // It stands in the envelope's head, before the body.
        let head = envelope.get(..envelope.len().min(2_048))?;
        let at = head.windows(mark.len()).position(|window| window == mark.as_bytes())?;
        let digits = head.get(at + mark.len()..)?.split(|byte| *byte == b'"').next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}
