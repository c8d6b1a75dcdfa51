//! Requests that carry several events: every item is stored once, as it was sent, as whose it is.

use gatepost_config::Timestamp;

use crate::{
    client::{Answer, Ask},
    rig::Rig,
};

const BATCHED: &str = r#"
[[provider]]
name = "crm"
title = "CRM"
secret_scope = "app"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[provider.batch]
items = ""
discriminator = ["item:/sub", "item:/at"]
[provider.event]
type = "item:/kind"
id = "item:/id"
account = "item:/portal"

[[provider]]
name = "feed"
title = "Feed"
secret_scope = "app"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[provider.batch]
items = "/data/events"
[provider.event]
type = ["json:/object", "item:/kind"]
id = "json:/id"

[[integration]]
id = "crm"
provider = "crm"
secrets = [{ env = "SECRET" }]
[[integration]]
id = "feed"
provider = "feed"
secrets = [{ env = "SECRET" }]
unmatched = "forward"

[[connection]]
integration = "crm"
id = "a"
account = "1"
[[connection]]
integration = "crm"
id = "b"
account = "2"
"#;

async fn post(rig: &Rig, integration: &str, body: &str) -> Answer {
    rig.ask(&rig.signed(Ask::post(&format!("/webhooks/{integration}"), body), Timestamp::now())).await
}

#[tokio::test]
async fn items_go_to_their_own_connections_with_their_own_bytes() {
    let rig = Rig::start(BATCHED).await;
    let items = [
        r#"{"id":1,"sub":7,"at":5, "portal":1,"kind":"contact.creation","big":92233720368547758079}"#,
        r#"{ "portal" : "2" ,"id":1,"sub":7,"at":5,"kind":"Deal/Change","esc":"\u00fc","f":1.0}"#,
        r#"{"id":2,"sub":7,"at":5,"portal":3,"kind":"x"}"#,
    ];
    let body = format!("[\n {},{} ,\t{}\n]", items[0], items[1], items[2]);
    let answer = post(&rig, "crm", &body).await;
    assert_eq!((answer.status, answer.result()), (200, "stored"));
    let events = rig.logged().await;
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let connection = event.meta.connection.as_ref().expect("owned").as_str();
            (connection, event.meta.kind.as_str(), std::str::from_utf8(&event.body).expect("text"))
        })
        .collect();
    assert_eq!(seen, [("a", "crm.contact.creation", items[0]), ("b", "crm.deal.change", items[1])]);
    assert_ne!(events[0].meta.id, events[1].meta.id, "the same provider id under two connections");
    let parked = rig.parked().await;
    assert_eq!((parked.len(), parked[0].meta.account.as_deref()), (1, Some("3")));
    assert_eq!(parked[0].body, items[2].as_bytes());

    assert_eq!(post(&rig, "crm", &body).await.result(), "duplicate", "a redelivery converges");
    assert_eq!(rig.stored().await, 3);
    rig.stop().await;
}

#[tokio::test]
async fn items_that_could_be_taken_for_each_other_are_all_kept() {
    let rig = Rig::start(BATCHED).await;
    let (first, other) = (r#"{"id":1,"sub":7,"at":5,"portal":1,"v":1}"#, r#"{"id":1,"sub":7,"at":5,"portal":1,"v":2}"#);
    let body = format!("[{first},{other},{first}]");
    assert_eq!(post(&rig, "crm", &body).await.result(), "stored");
    let bodies: Vec<_> = rig.logged().await.into_iter().map(|event| event.body).collect();
    assert_eq!(bodies, [first, other], "other bytes are another event; the same bytes are the same");
    assert_eq!(post(&rig, "crm", &body).await.result(), "duplicate", "a redelivery converges");
    let apart = r#"[{"id":1,"sub":75,"portal":1},{"id":1,"sub":7,"at":5,"portal":1,"v":3}]"#;
    assert_eq!(post(&rig, "crm", apart).await.result(), "stored", "parts don't run into each other");
    rig.stop().await;
}

#[tokio::test]
async fn items_without_a_discriminator_get_fresh_ids() {
    let rig = Rig::start(BATCHED).await;
    let body = r#"{"id":"same","object":"page","data":{"events":[{"kind":"a"},{"kind":"a"},7,"text",null]}}"#;
    for round in 1..=2 {
        assert_eq!(post(&rig, "feed", body).await.result(), "stored", "too coarse an id would lose data");
        let events = rig.logged().await;
        assert_eq!(events.len(), 5 * round);
    }
    let events = rig.logged().await;
    let bodies: Vec<_> = events.iter().take(5).map(|event| std::str::from_utf8(&event.body).expect("text")).collect();
    assert_eq!(bodies, [r#"{"kind":"a"}"#, r#"{"kind":"a"}"#, "7", "\"text\"", "null"]);
    assert_eq!((events[0].meta.kind.as_str(), events[2].meta.kind.as_str()), ("feed.page.a", "feed.page"));
    rig.stop().await;
}

#[tokio::test]
async fn an_empty_batch_is_accepted_and_what_is_no_batch_is_one_event() {
    let rig = Rig::start(BATCHED).await;
    for empty in ["[]", " [ ] "] {
        let answer = post(&rig, "crm", empty).await;
        assert_eq!((answer.status, answer.result()), (200, "stored"));
    }
    assert_eq!(rig.stored().await, 0);
    for (n, (integration, whole)) in [
        ("crm", r#"{"id":1,"portal":1,"kind":"lone"}"#),
        ("crm", "[1,"),
        ("crm", ""),
        ("feed", r#"{"object":"page"}"#),
        ("feed", r#"{"data":{"events":{}}}"#),
        ("feed", r#"[]"#),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(post(&rig, integration, whole).await.status, 200, "{whole}");
        assert_eq!(rig.stored().await, n as u64 + 1, "{whole}");
    }
    let lone = &rig.logged().await[0];
    assert_eq!(
        (lone.meta.kind.as_str(), lone.body.as_ref()),
        ("crm.lone", &br#"{"id":1,"portal":1,"kind":"lone"}"#[..])
    );
    rig.stop().await;
}

#[tokio::test]
async fn one_ambiguous_item_refuses_the_whole_and_too_many_do_too() {
    let rig = Rig::start(BATCHED).await;
    let good = r#"{"id":1,"sub":1,"portal":1}"#;
    let bad = r#"{"id":2,"sub":1,"portal":1,"portal":2}"#;
    assert_eq!(post(&rig, "crm", &format!("[{good},{bad}]")).await.status, 401);
    let many = format!("[{}1]", "1,".repeat(10_000));
    assert_eq!(post(&rig, "crm", &many).await.status, 401);
    assert_eq!(rig.stored().await, 0);
    let reasons: Vec<_> = rig.quarantined("crm", 2).await.into_iter().map(|kept| kept.reason).collect();
    assert!(reasons.contains(&"field_duplicated".into()) && reasons.contains(&"batch_too_large".into()));
    assert_eq!(post(&rig, "crm", &format!("[{good}]")).await.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn an_item_cannot_claim_a_connection_that_has_a_secret_of_its_own() {
    let text = r#"
[[provider]]
name = "per-item"
title = "Per Item"
secret_scope = "connection"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[provider.batch]
items = ""
[provider.event]
type = "item:/kind"
account = "item:/account"
[[integration]]
id = "items"
provider = "per-item"
secrets = [{ env = "SECRET" }]
[[connection]]
integration = "items"
id = "own"
account = "O"
secrets = [{ env = "SECRET_OF_OWN" }]
[[connection]]
integration = "items"
id = "plain"
account = "P"
"#;
    let rig = Rig::start(text).await;
    for body in [r#"[{"account":"O"}]"#, r#"[{"account":"P"},{"account":"O"}]"#] {
        assert_eq!(post(&rig, "items", body).await.status, 401, "{body}");
    }
    assert_eq!(rig.stored().await, 0);
    assert!(rig.quarantined("items", 2).await.iter().all(|kept| kept.reason == "account_unproven"));
    assert_eq!(post(&rig, "items", r#"[{"account":"P"}]"#).await.result(), "stored", "the positive control");

    let own = gatepost_config::Secret::new(b"the value of SECRET_OF_OWN".to_vec(), "the test");
    let ask = Ask::post("/webhooks/items/own", r#"[{"account":"O"},{"account":"P"}]"#);
    let ask = crate::rig::sign(&rig.config.integrations[0].provider, &own, ask, Timestamp::now());
    assert_eq!(rig.ask(&ask).await.result(), "stored");
    let owners: Vec<_> = rig.logged().await.into_iter().filter_map(|event| event.meta.connection).collect();
    let owners: Vec<_> = owners.iter().map(|id| id.as_str()).collect();
    assert_eq!(owners, ["plain", "own", "own"], "its own secret proves its own connection and no other");
    rig.stop().await;
}
