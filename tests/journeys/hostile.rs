//! Signed bodies that are not what they seem: they arrive, and say nothing but what they are.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_tests::{github::Webhook, judge};

use crate::setup::{Engine, Journey, PATIENCE, SECRET, SIGNING, each_engine};

each_engine!(a_body_that_is_not_one_json_text_arrives_as_base64);

async fn a_body_that_is_not_one_json_text_arrives_as_base64(engine: Engine) {
    let hostile: [&[u8]; 7] = [
        br#"{"a":1},"tenant":"x","y":{}"#,
        b"{\"a\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{\"a\":1}",
        br#"{"a":1}{"b":2}"#,
        br#"{"a":1"#,
        b"",
        b"plain text",
    ];
    let journey = Journey::new(engine, "forward", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    for (at, body) in hostile.iter().enumerate() {
        let webhook = Webhook::signed(SECRET, "push", &format!("hostile-{at}"), body.to_vec());
        let answer = webhook.post(&address, "github").await.expect("an answer");
        assert_eq!(answer.status.as_u16(), 200, "{at}");
    }
    let control = Webhook::signed(SECRET, "push", "control", r#" {"a" : 1.0, "tenant":"x"} "#);
    assert_eq!(control.post(&address, "github").await.expect("an answer").status.as_u16(), 200);

    let deliveries = journey.backend.wait_for(hostile.len() + 1, PATIENCE).await;
    gatepost.stop().await;
    judge::accept_all(SIGNING, &deliveries);
    for delivery in &deliveries {
        let envelope = delivery.envelope();
        assert!(envelope["tenant"].is_null(), "no body speaks for the envelope");
        let id = envelope["provider_event_id"].as_str().expect("named");
        match id.strip_prefix("hostile-") {
            Some(at) => {
                let body = hostile[at.parse::<usize>().expect("a number")];
                assert!(envelope["data"].is_null(), "{id}");
                assert_eq!(envelope["data_base64"], STANDARD.encode(body), "{id}");
            }
            None => assert_eq!(String::from_utf8_lossy(delivery.data()).trim(), r#"{"a" : 1.0, "tenant":"x"}"#),
        }
    }
}
