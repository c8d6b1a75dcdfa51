//! Which of a provider's schemes counts, and what it is worth.

use bytes::Bytes;
use gatepost_config::{Provider, Timestamp, provider::Trust};
use gatepost_gateway::{Judge, RawRequest, Reason, verify};
use http::{HeaderMap, Method};

use crate::rig::{self, SECRET};

const NOW: Timestamp = Timestamp::from_millis(1_795_367_045_678);

#[test]
fn a_stronger_scheme_that_is_there_is_the_one_that_counts() {
    let text = r#"
[[provider]]
name = "two-ways"
title = "Two Ways"
trust = "authenticated"
[[provider.scheme]]
id = "strong"
when = "header:x-strong"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-strong", encoding = "hex" }
signed = "{body}"
[[provider.scheme]]
id = "weak"
kind = "token"
signature = { from = "header:x-token" }
[provider.event]
type = "json:/type"
[[integration]]
id = "two"
provider = "two-ways"
secrets = [{ env = "SECRET" }]
"#;
    let integration = rig::config(text).integrations.remove(0);
    // Checking refuses such a promise; verifying doesn't keep it either.
    let provider = Provider { trust: Trust::Verified, ..integration.provider.as_ref().clone() };
    let judged = |headers: &[(&'static str, &str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let request = RawRequest {
            method: Method::POST,
            target: "/".into(),
            headers: map,
            body: Bytes::from_static(b"{}"),
            connection: None,
        };
        let judge = Judge {
            provider: &provider,
            secrets: &integration.secrets,
            values: &integration.values,
            public_url: None,
            unverified: false,
        };
        verify(&judge, &request, NOW).map(|passed| (passed.scheme, passed.trust))
    };
    assert_eq!(judged(&[("x-token", SECRET)]), Ok(("weak".into(), Trust::Authenticated)));
    assert_eq!(judged(&[("x-token", "wrong")]), Err(Reason::TokenMismatch));
    assert_eq!(judged(&[("x-token", "it's a secret to everybod")]), Err(Reason::TokenMismatch));
    assert_eq!(judged(&[]), Err(Reason::SignatureMissing));
    for strong in ["", "00", &"0".repeat(64)] {
        assert!(judged(&[("x-token", SECRET), ("x-strong", strong)]).is_err(), "no downgrade with {strong:?}");
    }
    assert!(judged(&[("x-token", SECRET), ("x-strong", "a"), ("x-strong", "b")]).is_err(), "no downgrade when doubled");
}
