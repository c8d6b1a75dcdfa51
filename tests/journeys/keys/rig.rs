//! A running Gatepost whose provider publishes its keys at a server of the test's own.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use gatepost_tests::{
    gatepost::{Gatepost, Home},
    post::{self, Answer},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use super::server::KeyServer;
use crate::setup::{Engine, open};

/// Where the keys are at the server.
pub(crate) const KEYS: &str = "/.well-known/jwks.json";

const PROVIDER: &str = r#"
[[provider]]
name = "idp"
title = "An identity provider of our own"
[[provider.scheme]]
id = "jws"
kind = "jwt"
algorithms = ["ES256"]
signature = { from = "header:x-jws" }
required = []
detached = true
[provider.keys]
url = "{value:jwks_url}"
[provider.values]
jwks_url = "where its keys are"
[provider.event]
type = "json:/type"
id = "json:/id"
"#;

/// A private key with its id.
pub(crate) struct Signer {
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        let (rng, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &rng).expect("a key");
        Self { id: id.to_owned(), pair }
    }

    /// Its public half, as a JWK.
    pub(crate) fn jwk(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        format!(r#"{{"kty":"EC","crv":"P-256","use":"sig","kid":"{}","x":"{x}","y":"{y}"}}"#, self.id)
    }

    /// A token over a body that is not in it, which says that it is by the key of this id.
    pub(crate) fn jws(&self, body: &str, id: &str) -> String {
        let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"{id}"}}"#));
        let text = format!("{head}.{}", URL_SAFE_NO_PAD.encode(body));
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
        format!("{head}..{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A set of keys.
pub(crate) fn jwks(signers: &[&Signer]) -> String {
    format!(r#"{{"keys":[{}]}}"#, signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>().join(","))
}

/// A signature in DER by a key in PKCS #8.
pub(crate) fn signed_by(pkcs8: &[u8], text: &str) -> Vec<u8> {
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &rng).expect("a key");
    pair.sign(&rng, text.as_bytes()).expect("signed").as_ref().to_vec()
}

pub(crate) struct Rig {
    pub(crate) home: Home,
    pub(crate) gatepost: Gatepost,
    address: String,
}

impl Rig {
    /// Starts it with the server's keys; `more` goes into the integration.
    pub(crate) async fn start(server: &KeyServer, more: &str) -> Self {
        let integration = format!(
            "[[integration]]\nid = \"idp\"\nprovider = \"idp\"\nunmatched = \"forward\"\n{more}\n\
             values = {{ jwks_url = {{ file = \"jwks-url\" }} }}\n{PROVIDER}"
        );
        Self::of(&integration, &[("jwks-url", &server.url(KEYS))]).await
    }

    /// Starts it with an integration as written.
    pub(crate) async fn of(integration: &str, files: &[(&str, &str)]) -> Self {
        let text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n[store]\n{}\n\n{integration}",
            Engine::Embedded.section()
        );
        let home = Home::new(&text, files);
        let gatepost = home.run(&["gateway"]).await;
        let address = gatepost.gateway().await;
        Self { home, gatepost, address }
    }

    /// Posts an event that a key signed.
    pub(crate) async fn event(&self, signer: &Signer, id: &str) -> Answer {
        self.signed(&format!(r#"{{"type":"user.created","id":"{id}"}}"#), signer, &signer.id).await
    }

    /// Posts a body that a key signed, which says that the key has this id.
    pub(crate) async fn signed(&self, body: &str, signer: &Signer, key: &str) -> Answer {
        self.post("idp", &[("content-type", "application/json"), ("x-jws", &signer.jws(body, key))], body).await
    }

    pub(crate) async fn post(&self, integration: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let path = format!("/webhooks/{integration}");
        post::post(&self.address, &path, headers, Bytes::from(body.to_owned())).await.expect("an answer")
    }

    /// How often something was fetched, by outcome.
    pub(crate) async fn fetches(&self, outcome: &str) -> f64 {
        self.gatepost.metric("gatepost_gateway_fetches_total", &format!("outcome=\"{outcome}\"")).await
    }

    /// Ends it: how many events were stored.
    pub(crate) async fn stop(self) -> u64 {
        self.gatepost.stop().await;
        let store = open(&self.home).await;
        let census = store.census().await.expect("a census");
        let stored = census.waiting() + census.unmatched;
        store.close().await;
        stored
    }
}
