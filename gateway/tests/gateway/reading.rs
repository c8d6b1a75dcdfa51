//! Fields of hostile JSON and forms: read with one meaning, or not at all.

use gatepost_config::Timestamp;

use crate::{
    client::Ask,
    rig::{GITHUB, Rig, github},
};

#[tokio::test]
async fn a_key_that_stands_twice_on_the_way_to_the_account_is_never_attributed() {
    let rig = Rig::start(GITHUB).await;
    let ambiguous = [
        r#"{"installation":{"id":12345678},"installation":{"id":87654321}}"#,
        r#"{"installation":{"id":12345678},"install\u0061tion":{"id":87654321}}"#,
        r#"{"installation":{"id":12345678,"id":87654321}}"#,
        r#"{"installation":{"id":12345678,"\u0069d":87654321}}"#,
        r#"{"installation":{"id":12345678,"id":12345678}}"#,
        r#"{"installation":{"id":null,"id":87654321}}"#,
        r#"{"installation":null,"installation":{"id":87654321}}"#,
        r#"{"installation":{"id":12345678},"installation":null}"#,
        r#"{"installation":[],"x":{},"installation":{"id":87654321}}"#,
        r#"{"action":"a","action":"b","installation":{"id":12345678}}"#,
    ];
    for (n, body) in ambiguous.iter().enumerate() {
        let answer = rig.ask(&rig.signed(github(&n.to_string(), body), Timestamp::now())).await;
        assert_eq!(answer.status, 401, "{body}");
    }
    assert_eq!(rig.stored().await, 0);
    assert!(rig.quarantined("github", ambiguous.len()).await.iter().all(|kept| kept.reason == "field_duplicated"));
    let elsewhere =
        r#"{"a":1,"a":2,"x":{"installation":1,"installation":2},"installation":{"id":12345678,"x":1,"x":2}}"#;
    let answer = rig.ask(&rig.signed(github("control", elsewhere), Timestamp::now())).await;
    assert_eq!(answer.result(), "stored", "the positive control: doubled where nothing is read");
    rig.stop().await;
}

#[tokio::test]
async fn nesting_of_any_depth_is_survived() {
    let rig = Rig::start(GITHUB).await;
    for (n, depth) in [1, 127, 128, 129, 100_000].into_iter().enumerate() {
        for (m, (open, close)) in [("[", "]"), (r#"{"a":"#, "}")].into_iter().enumerate() {
            let inner = if open == "[" { "" } else { "1" };
            let deep = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let body = format!(r#"{{"deep":{deep},"installation":{{"id":12345678}}}}"#);
            let answer = rig.ask(&rig.signed(github(&format!("{n}-{m}"), &body), Timestamp::now())).await;
            assert_eq!(answer.result(), "stored", "{depth} {open}");
            let on_the_way = format!(r#"{{"installation":{{"id":{deep}}}}}"#);
            let answer = rig.ask(&rig.signed(github(&format!("{n}-{m}-id"), &on_the_way), Timestamp::now())).await;
            assert_eq!(answer.result(), "unmatched", "{depth} {open}");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_kept_as_it_is_and_attributed_to_nobody() {
    let rig = Rig::start(GITHUB).await;
    let bodies: [&[u8]; 8] = [
        b"",
        b"plain",
        b"\xff\xfe",
        b"\xef\xbb\xbf{\"installation\":{\"id\":12345678}}",
        b"{\"installation\":{\"id\":12345678}} x",
        b"{\"installation\":{\"id\":12345678}",
        b"{\"installation\":{\"id\":\"\\ud800\"}}",
        b"{\"installation\":{\"id\":\"\xff\"}}",
    ];
    for (n, body) in bodies.iter().enumerate() {
        let ask = Ask { body: body.to_vec(), ..github(&n.to_string(), "") };
        assert_eq!(rig.ask(&rig.signed(ask, Timestamp::now())).await.result(), "unmatched", "{n}");
    }
    let parked: Vec<_> = rig.parked().await.into_iter().map(|event| event.body).collect();
    assert_eq!(parked, bodies);
    rig.stop().await;
}

#[tokio::test]
async fn a_declared_form_field_is_unwrapped_to_its_decoded_bytes() {
    let rig = Rig::start(GITHUB).await;
    let form = |delivery: &str, body: &str| {
        let ask = github(delivery, body).with("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        rig.signed(ask, Timestamp::now())
    };
    let encoded = "payload=%7B%22installation%22%3A+%7B%22id%22%3A12345678%7D%2C%22t%22%3A%22a%2Bb+%C3%BC%22%7D&x=1";
    assert_eq!(rig.ask(&form("d-1", encoded)).await.result(), "stored");
    let event = &rig.logged().await[0];
    assert_eq!(event.body, r#"{"installation": {"id":12345678},"t":"a+b ü"}"#.as_bytes());
    assert_eq!(event.meta.content_type.as_deref(), Some("application/x-www-form-urlencoded; charset=utf-8"));

    assert_eq!(rig.ask(&form("d-2", &format!("{encoded}&payload=%7B%7D"))).await.status, 401, "the field twice");
    assert_eq!(rig.ask(&form("d-3", "other=1")).await.result(), "unmatched", "no such field");
    assert_eq!(rig.parked().await[0].body, b"other=1"[..], "the form as it is");
    let mislabelled = rig.signed(github("d-4", encoded), Timestamp::now());
    assert_eq!(rig.ask(&mislabelled).await.result(), "unmatched", "only what says it is a form is one");
    rig.stop().await;
}

#[tokio::test]
async fn slacks_three_shapes_all_find_their_team() {
    let text = r#"
[[integration]]
id = "slack"
provider = "slack"
secrets = [{ env = "SECRET" }]
[[connection]]
integration = "slack"
id = "team"
account = "T1"
"#;
    let rig = Rig::start(text).await;
    let form = "application/x-www-form-urlencoded";
    for (kind, body, expected) in [
        (
            "application/json",
            r#"{"type":"event_callback","team_id":"T1","event":{"type":"message"},"event_id":"E1"}"#,
            "slack.message",
        ),
        (
            form,
            "payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T1%22%7D%7D",
            "slack.block_actions",
        ),
        (form, "team_id=T1&command=%2Fdeploy&text=now", "slack.deploy"),
    ] {
        let ask = rig.signed(Ask::post("/webhooks/slack", body).header("content-type", kind), Timestamp::now());
        assert_eq!(rig.ask(&ask).await.result(), "stored", "{body}");
        let event = rig.logged().await.pop().expect("an event");
        assert_eq!(event.meta.kind, expected, "{body}");
        assert_eq!(event.meta.connection.as_ref().map(|id| id.as_str()), Some("team"), "{body}");
    }
    rig.stop().await;
}
