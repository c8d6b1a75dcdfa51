//! Requests that others signed: the vendors' own libraries, or an HMAC that is not ours. Verified, and signed alike.

use std::collections::BTreeMap;

use bytes::Bytes;
use gatepost_config::{Provider, Secret, Timestamp, provider::Trust};
use gatepost_gateway::{
    Judge, RawRequest, Reason, as_signed,
    sign::{Unsigned, sign_as},
    verify,
};
use http::{HeaderMap, HeaderName, Method};

use crate::signatures;

const BODY: &str = "{\"type\":\"invoice.paid\",\"text\":\"grün \\u00fc\",\"n\":1.0}";
const AT: Timestamp = Timestamp::from_millis(1_795_367_045_678);
const URL: &str = "https://hooks.example.com/webhooks/pay?a=%2F&b";

/// Who signed, how it is verified, and what came of it.
struct Vector {
    signer: &'static str,
    provider: &'static str,
    secret: &'static str,
    signature: (&'static str, &'static str),
    signed: &'static [(&'static str, &'static str)],
    body: &'static str,
}

const VECTORS: [Vector; 6] = [
    Vector {
        signer: "GitHub's documentation",
        provider: "github",
        secret: "It's a Secret to Everybody",
        signature: ("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        signed: &[],
        body: "Hello, World!",
    },
    Vector {
        signer: "@octokit/webhooks-methods 6",
        provider: "github",
        secret: "It's a Secret to Everybody",
        signature: ("x-hub-signature-256", "sha256=116d6c9bd788182a9b7ddfa3b957eea35d2491b8c3b3eb73807cae5c09da1472"),
        signed: &[],
        body: BODY,
    },
    Vector {
        signer: "stripe 23",
        provider: "stripe",
        secret: "whsec_gateTestSecret1234",
        signature: (
            "stripe-signature",
            "t=1795367045,v1=83fe83e0139886190a24d7559d618c4af6ac69a1edb1d5b6e9e018493b87330f",
        ),
        signed: &[],
        body: BODY,
    },
    Vector {
        signer: "standardwebhooks 1.1, and svix 1.99",
        provider: "standard-webhooks",
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        signature: ("webhook-signature", "v1,x7Kg0YXy2ldL4qc02qTm6nRqZjnb5JLDgvEr7AxPZ5s="),
        signed: &[("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1795367045")],
        body: BODY,
    },
    Vector {
        signer: "node's HMAC over Slack's documented text",
        provider: "slack",
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        signature: ("x-slack-signature", "v0=5e5730d481cfe3b2110b6fec9e54449cdf53bc967093341118a9ce47faf57360"),
        signed: &[("x-slack-request-timestamp", "1795367045")],
        body: BODY,
    },
    Vector {
        signer: "node's HMAC with another hash, alphabet and unit",
        provider: "acme-pay",
        secret: "it's a secret to everybody",
        signature: (
            "x-acme-signature",
            "s5:aY8kS8kWO4wAaxcFbEoVBsYCu05TnSfy_RUh8fWav66VOPFv3WZhFRth0lKTsK80PRaV9-7z-rpcPiZgHSY2Dw",
        ),
        signed: &[("x-acme-time", "1795367045678")],
        body: BODY,
    },
];

impl Vector {
    fn provider(&self) -> Provider {
        signatures::providers().into_iter().find(|p| p.name.as_str() == self.provider).expect("a provider")
    }

    fn judged(&self, body: &[u8]) -> Result<Trust, Reason> {
        let pairs = self.signed.iter().chain([&self.signature]);
        let pairs = pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        let request = RawRequest {
            method: Method::POST,
            target: URL.trim_start_matches("https://hooks.example.com").into(),
            headers: pairs.collect::<HeaderMap>(),
            body: Bytes::copy_from_slice(body),
            connection: None,
        };
        let (provider, secrets) = (self.provider(), [Secret::new(self.secret.into(), "the test")]);
        let (values, base) = (BTreeMap::new(), "https://hooks.example.com/".parse().expect("a URL"));
        let judge = Judge {
            provider: &provider,
            secrets: &secrets,
            values: &values,
            public_url: Some(&base),
            unverified: false,
        };
        verify(&judge, &request, AT).map(|passed| passed.trust)
    }
}

#[test]
fn what_others_signed_is_verified_and_a_changed_byte_of_it_is_not() {
    for vector in VECTORS {
        assert_eq!(vector.judged(vector.body.as_bytes()), Ok(Trust::Verified), "{}", vector.signer);
        for at in 0..vector.body.len() {
            let mut body = vector.body.as_bytes().to_vec();
            body[at] ^= 1;
            assert_eq!(vector.judged(&body), Err(Reason::SignatureMismatch), "{} at {at}", vector.signer);
        }
    }
}

#[test]
fn we_sign_as_others_do() {
    for vector in VECTORS {
        let url = URL.parse().expect("a URL");
        let given: Vec<_> = vector.signed.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let unsigned = Unsigned { method: &Method::POST, url: &url, headers: &given, body: vector.body.as_bytes() };
        let secret = Secret::new(vector.secret.into(), "the test");
        let added = sign_as(&vector.provider(), &secret, &BTreeMap::new(), &unsigned, AT).expect("it signs");
        let (name, value) = vector.signature;
        assert_eq!(added, [(name.to_owned(), value.to_owned())], "{}", vector.signer);
    }
}

#[test]
fn a_time_and_an_id_that_were_not_given_are_made_up() {
    let vector = &VECTORS[3];
    let url = URL.parse().expect("a URL");
    let unsigned = Unsigned { method: &Method::POST, url: &url, headers: &[], body: b"{}" };
    let secret = Secret::new(vector.secret.into(), "the test");
    let added = sign_as(&vector.provider(), &secret, &BTreeMap::new(), &unsigned, AT).expect("it signs");
    let names: Vec<_> = added.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
    assert!(added[0].1.starts_with("msg_") && added[1].1 == "1795367045", "{added:?}");
    let refused = sign_as(&vector.provider(), &Secret::new(b"whsec_!".to_vec(), "X"), &BTreeMap::new(), &unsigned, AT);
    let error = refused.expect_err("no key").to_string();
    assert!(error.contains("the secret from X") && !error.contains("whsec_!"), "{error}");
}

#[test]
fn every_vector_of_the_catalogue_is_verified_and_a_changed_byte_of_it_is_not() {
    let mut proven = 0;
    for (name, provider) in gatepost_config::Catalogue::builtin().0 {
        for vector in &provider.vectors {
            let pairs = vector.headers.iter().map(|(n, v)| (n.parse::<HeaderName>().expect("a name"), v));
            let request = |body: Vec<u8>| RawRequest {
                method: Method::POST,
                target: vector.target.clone(),
                headers: pairs.clone().map(|(name, value)| (name, value.parse().expect("a value"))).collect(),
                body: body.into(),
                connection: None,
            };
            let secrets = [Secret::new(vector.pinned().into(), "the vector")];
            let values = vector.values.iter().map(|(n, v)| (n.clone(), Secret::new(v.clone().into(), "the vector")));
            let values = values.collect();
            let public_url = vector.public_url.as_ref();
            let unverified = provider.trust == Trust::Unverified;
            let judge = Judge { provider: &provider, secrets: &secrets, values: &values, public_url, unverified };
            let genuine = as_signed(&provider, request(vector.body.clone())).expect("a whole body");
            let verdict = verify(&judge, &genuine, vector.at);
            let is_handshake = vector.expect.as_ref().is_some_and(Vec::is_empty);
            if is_handshake && provider.handshakes.iter().any(|handshake| !handshake.verified) {
                continue;
            }
            let trust = verdict.unwrap_or_else(|reason| panic!("{name} {:?}: {reason}", vector.name)).trust;
            let changed = genuine.body.iter().enumerate().map(|(at, byte)| if at == 0 { byte ^ 1 } else { *byte });
            let changed = RawRequest { body: changed.collect(), ..genuine.clone() };
            let refused = verify(&judge, &changed, vector.at).is_err();
            assert!(refused || trust != Trust::Verified || vector.body.is_empty(), "{name} {:?}", vector.name);
            proven += 1;
        }
    }
    assert!(proven > 0, "the catalogue has vectors");
}
