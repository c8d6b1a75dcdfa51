//! What names an event: a repeat adds nothing where the provider says enough, and nothing is lost where it doesn't.

use gatepost_config::Timestamp;

use crate::{
    client::{Answer, Ask},
    rig::Rig,
};

/// A provider with a scheme, its rules and an integration of it.
fn named(rules: &str) -> String {
    format!(
        "[[provider]]\nname = \"acme\"\ntitle = \"Acme\"\nsecret_scope = \"app\"\n[[provider.scheme]]\nid = \"v1\"\n\
         kind = \"hmac\"\nhash = \"sha256\"\nsignature = {{ from = \"header:x-sig\", encoding = \"hex\" }}\n\
         signed = \"{{body}}\"\n[provider.event]\ntype = [[\"item:/kind\", \"json:/kind\"]]\naccount = \"item:/account\"\n{rules}\n\
         [[integration]]\nid = \"acme\"\nprovider = \"acme\"\nsecrets = [{{ env = \"SECRET\" }}]\n\
         unmatched = \"forward\"\n"
    )
}

const BATCH: &str = "[provider.batch]\nitems = [\"/events\", \"\"]\n";

async fn post(rig: &Rig, body: &str) -> Answer {
    rig.ask(&rig.signed(Ask::post("/webhooks/acme", body), Timestamp::now())).await
}

/// Posts bodies in turn: of each, whether it was news and how many events there are then.
async fn posted(rules: &str, bodies: &[&str]) -> Vec<(String, u64)> {
    let rig = Rig::start(&named(rules)).await;
    let mut seen = Vec::new();
    for body in bodies {
        let result = post(&rig, body).await.result().to_owned();
        seen.push((result, rig.stored().await));
    }
    rig.stop().await;
    seen
}

fn of(seen: &[(String, u64)]) -> Vec<(&str, u64)> {
    seen.iter().map(|(result, stored)| (result.as_str(), *stored)).collect()
}

#[tokio::test]
async fn dated_content_names_items_that_carry_no_id() {
    let rules = format!("id = {{ content_dated_by = [\"item:/at\", \"item:/version\"] }}\n{BATCH}");
    let first = r#"{"events":[{"at":1,"v":"a"},{"at":1,"v":"b"},{"version":7}]}"#;
    let other = r#"{"events":[{"at":1,"v":"a"},{"at":2,"v":"a"},{"at":1, "v":"a"}]}"#;
    let seen = posted(&rules, &[first, first, other, other]).await;
    assert_eq!(of(&seen), [("stored", 3), ("duplicate", 3), ("stored", 5), ("duplicate", 5)]);
}

#[tokio::test]
async fn of_equal_items_in_one_request_each_counts_and_a_retry_still_adds_nothing() {
    let rules = format!("id = {{ content_dated_by = \"item:/at\" }}\n{BATCH}");
    let body = r#"[{"at":1},{"at":1},{"at":1}]"#;
    let seen = posted(&rules, &[body, body, r#"[{"at":1}]"#, r#"[{"at":1},{"at":1},{"at":1},{"at":1}]"#]).await;
    assert_eq!(of(&seen), [("stored", 3), ("duplicate", 3), ("duplicate", 3), ("stored", 4)]);
}

#[tokio::test]
async fn content_that_nothing_dates_is_a_new_event_each_time() {
    let rules = format!("id = {{ content_dated_by = \"item:/at\" }}\n{BATCH}");
    for body in [r#"[{"account":"a"}]"#, r#"[{"account":"a","at":null}]"#, r#"[{"account":"a","at":""}]"#, r#"["a"]"#] {
        let seen = posted(&rules, &[body, body]).await;
        assert_eq!(of(&seen), [("stored", 1), ("stored", 2)], "{body}: the second may be another occurrence");
    }
}

#[tokio::test]
async fn equal_bytes_of_another_type_account_or_date_are_another_event() {
    let rules =
        format!("id = {{ content_dated_by = \"json:/at\" }}\n{BATCH}").replace("item:/account", "json:/account");
    let bodies = [
        r#"{"at":1,"kind":"page","events":[{"n":1}]}"#,
        r#"{"at":2,"kind":"page","events":[{"n":1}]}"#,
        r#"{"at":1,"kind":"user","events":[{"n":1}]}"#,
        r#"{"at":1,"kind":"page","events":[{"n":1}],"resent":true}"#,
    ];
    let seen = posted(&rules, &bodies).await;
    assert_eq!(of(&seen), [("stored", 1), ("stored", 2), ("stored", 3), ("duplicate", 3)]);
}

#[tokio::test]
async fn places_that_name_an_event_together_must_all_be_there() {
    let rules = "id = [{ all = [\"json:/id\", \"json:/state\"] }, \"json:/only\"]";
    let bodies = [
        r#"{"id":"1","state":"new"}"#,
        r#"{"id":"1","state":"new","resent":true}"#,
        r#"{"id":"1","state":"done"}"#,
        r#"{"id":"1:new","state":""}"#,
        r#"{"id":"1"}"#,
        r#"{"id":"1"}"#,
        r#"{"id":"1","only":"x"}"#,
        r#"{"id":"2","only":"x"}"#,
    ];
    let rules = rules.to_owned();
    let text = named(&rules).replace("item:", "json:");
    let rig = Rig::start(&text).await;
    let mut seen = Vec::new();
    for body in bodies {
        seen.push((post(&rig, body).await.result().to_owned(), rig.stored().await));
    }
    let wanted = [("stored", 1), ("duplicate", 1), ("stored", 2), ("stored", 3), ("stored", 4), ("stored", 5)];
    assert_eq!(of(&seen[..6]), wanted);
    assert_eq!(of(&seen[6..]), [("stored", 6), ("duplicate", 6)]);
    let ids: Vec<_> = rig.logged().await.into_iter().map(|event| event.meta.provider_event_id).collect();
    let wanted = [Some("1:new"), Some("1:done"), None, None, None, Some("x")];
    assert_eq!(ids, wanted.map(|id| id.map(str::to_owned)));
    rig.stop().await;
}

#[tokio::test]
async fn parts_of_an_id_do_not_run_into_each_other() {
    let text = named("id = { all = [\"json:/a\", \"json:/b\"] }").replace("item:", "json:");
    let rig = Rig::start(&text).await;
    for body in [r#"{"a":"x:y","b":"z"}"#, r#"{"a":"x","b":"y:z"}"#] {
        assert_eq!(post(&rig, body).await.result(), "stored", "{body}");
    }
    assert_eq!(rig.stored().await, 2);
    rig.stop().await;
}

#[tokio::test]
async fn what_tells_items_apart_may_be_of_any_length() {
    let rules = format!("id = \"item:/id\"\n{BATCH}discriminator = [\"item:/long\"]\n");
    let long = "x".repeat(4_000);
    let body = format!(r#"[{{"id":1,"long":"{long}a"}},{{"id":1,"long":"{long}b"}}]"#);
    let seen = posted(&rules, &[&body, &body]).await;
    assert_eq!(of(&seen), [("stored", 2), ("duplicate", 2)]);
    let dated = format!("id = {{ content_dated_by = \"item:/long\" }}\n{BATCH}");
    let seen = posted(&dated, &[&body, &body]).await;
    assert_eq!(of(&seen), [("stored", 2), ("duplicate", 2)]);
}

#[tokio::test]
async fn a_batch_stands_at_the_first_of_its_places_that_has_a_list() {
    let rules = format!("id = {{ content_dated_by = \"item:/at\" }}\n{BATCH}");
    let seen = posted(&rules, &[r#"{"events":[{"at":1},{"at":2}]}"#, r#"[{"at":3},{"at":4},{"at":5}]"#]).await;
    assert_eq!(of(&seen), [("stored", 2), ("stored", 5)]);
}
