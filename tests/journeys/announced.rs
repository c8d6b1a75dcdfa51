//! Events that make and end connections: what they may do, and what nobody may do by them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use gatepost_config::Timestamp;
use gatepost_event::EventId;
use gatepost_tests::{
    gatepost::Gatepost,
    github::{Webhook, hex, hmac_sha256},
    nats_server::NatsServer,
    post,
    wait::eventually,
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey, PATIENCE, SECRET},
};

/// The secret of the integration `other`.
const OTHER: &str = "another integration's secret";

/// What nobody else knows of the connections `a` and `b` of the integration `own`.
const OWN: [&str; 2] = ["the secret of connection a", "the secret of connection b"];

/// Connection `c1` has installation 1, by the file; `github` lets new connections wait, `other` and `nango` trust them.
async fn journey(engine: Engine) -> Journey {
    let journey = Journey::new(engine, "park", &BTreeSet::from([1])).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let file = file.replace("unmatched = \"park\"\n", "announced = \"pending\"\nannounced_max = 3\n");
    let trusted = "id = \"other\"\nannounced = \"trusted\"\nannounced_tenant = \"trusted-inc\"\n";
    let more = "\n[[integration]]\nid = \"slack\"\nprovider = \"slack\"\nsecrets = [{ file = \"github\" }]\n\
                announced = \"ended\"\n\
                [[integration]]\nid = \"nango\"\nprovider = \"nango\"\nsecrets = [{ file = \"github\" }]\n\
                announced = \"trusted\"\n\
                [[integration]]\nid = \"own\"\nprovider = \"own\"\nannounced = \"ended\"\n\
                [[provider]]\nname = \"own\"\ntitle = \"Own\"\nsecret_scope = \"connection\"\n\
                [[provider.scheme]]\nid = \"v1\"\nkind = \"hmac\"\nhash = \"sha256\"\n\
                signature = { from = \"header:x-sig\", encoding = \"hex\" }\nsigned = \"{body}\"\n\
                [provider.event]\ntype = \"json:/type\"\nid = \"json:/id\"\naccount = \"json:/account\"\n\
                [provider.announce]\nends = { \"json:/type\" = \"removed\" }\n\
                [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
    journey.home.write("gatepost.toml", &(file.replace("id = \"other\"\n", trusted) + more));
    journey.home.write("api", KEY);
    journey
}

/// A running Gatepost with those who talk to it.
struct Site {
    journey: Journey,
    gatepost: Gatepost,
    gateway: String,
    api: Api,
}

impl Site {
    async fn start(engine: Engine) -> Self {
        let journey = journey(engine).await;
        let gatepost = journey.run().await;
        let (gateway, api) = (gatepost.gateway().await, Api::of(&gatepost).await);
        Self { journey, gatepost, gateway, api }
    }

    /// GitHub says that an installation was made or removed; how it was answered.
    async fn installation(&self, integration: &str, action: &str, account: u64, delivery: &str) -> String {
        let body =
            json!({ "action": action, "installation": { "id": account, "app_id": 7, "account": { "login": "x" } } });
        let secret = if integration == "github" { SECRET } else { OTHER };
        let webhook = Webhook::signed(secret, "installation", delivery, body.to_string());
        webhook.post(&self.gateway, integration).await.expect("an answer").result().to_owned()
    }

    async fn push(&self, integration: &str, account: u64, delivery: &str) -> String {
        let body = json!({ "installation": { "id": account } });
        let secret = if integration == "github" { SECRET } else { OTHER };
        let webhook = Webhook::signed(secret, "push", delivery, body.to_string());
        webhook.post(&self.gateway, integration).await.expect("an answer").result().to_owned()
    }

    /// Posts what the integrations' secret signed by a header that Slack or Nango use.
    async fn told(&self, integration: &str, body: &Value) {
        let (body, at) = (body.to_string(), (Timestamp::now().millis() / 1000).to_string());
        let slack = hex(&hmac_sha256(SECRET.as_bytes(), format!("v0:{at}:{body}").as_bytes()));
        let (slack, nango) = (format!("v0={slack}"), hex(&hmac_sha256(SECRET.as_bytes(), body.as_bytes())));
        let headers = [
            ("content-type", "application/json"),
            ("x-slack-request-timestamp", at.as_str()),
            ("x-slack-signature", slack.as_str()),
            ("x-nango-hmac-sha256", nango.as_str()),
        ];
        let path = format!("/webhooks/{integration}");
        let answer = post::post(&self.gateway, &path, &headers, body.into()).await.expect("an answer");
        assert_eq!(answer.status.as_u16(), 200);
    }

    async fn put(&self, path: &str, wish: &Value) -> Value {
        self.api.told(Method::PUT, &format!("/v1/connections/{path}"), KEY, Some(wish), 201).await
    }

    /// A connection's state; none when there is no such connection.
    async fn state(&self, path: &str) -> Option<String> {
        let answer = self.api.ask(Method::GET, &format!("/v1/connections/{path}"), KEY, None).await;
        let view: Value = serde_json::from_slice(&answer.body).expect("JSON");
        view["state"].as_str().map(str::to_owned)
    }

    /// Returns once a connection is in a state, or gone.
    async fn becomes(&self, path: &str, state: Option<&str>) {
        eventually(&format!("{path} is {state:?}"), PATIENCE, async || {
            (self.state(path).await.as_deref() == state).then_some(())
        })
        .await;
    }

    /// Pushes until it is answered so, which takes until the gateway has heard of a change; the last push's id.
    async fn pushed(&self, integration: &str, account: u64, result: &str) -> String {
        let tries = AtomicUsize::new(0);
        eventually(&format!("a push that is {result}"), PATIENCE, async || {
            let id = format!("p-{account}-{result}-{}", tries.fetch_add(1, Ordering::Relaxed));
            (self.push(integration, account, &id).await == result).then_some(id)
        })
        .await
    }

    /// What arrived of the provider's event, once it has.
    async fn arrived(&self, id: &str) -> Value {
        eventually(&format!("the delivery of {id}"), PATIENCE, async || {
            let got = self.journey.backend.got();
            let mut got = got.iter().map(|delivery| delivery.envelope());
            got.find(|envelope| envelope["provider_event_id"] == id)
        })
        .await
    }
}

async fn a_new_connection_waits_for_its_confirmation_and_takes_nothing_from_anybody(engine: Engine) {
    let site = Site::start(engine).await;
    let api = &site.api;
    // What is the file's, and what a header alone says, makes none.
    site.installation("github", "created", 1, "i-1").await;
    let comment = json!({ "action": "created", "comment": {}, "installation": { "id": 503 } }).to_string();
    let forged = Webhook::signed(SECRET, "installation", "i-503", comment).post(&site.gateway, "github").await;
    assert_eq!(forged.expect("an answer").result(), "unmatched");
    assert_eq!(site.installation("github", "created", 501, "i-501").await, "unmatched");
    assert_eq!(site.installation("github", "created", 501, "i-501").await, "duplicate");
    site.becomes("github/501", Some("pending")).await;
    assert_eq!((site.state("github/1").await, site.state("github/503").await), (None, None));

    // It is nobody's, whatever it is called, and receives nothing, by its URL neither.
    let (_, namesake) = api.key(&json!({ "name": "501", "scopes": ["read", "write"], "tenant": "501" })).await;
    api.told(Method::GET, "/v1/connections/github/501", &namesake, None, 404).await;
    assert_eq!(api.told(Method::GET, "/v1/connections", &namesake, None, 200).await["items"], json!([]));
    assert_eq!(site.push("github", 501, "p-1").await, "unmatched");
    let by_url = Webhook::signed(SECRET, "push", "p-2", json!({ "installation": { "id": 501 } }).to_string());
    let by_url = by_url.post(&site.gateway, "github/501").await.expect("an answer");
    assert_eq!((by_url.status.as_u16(), by_url.result()), (200, "unmatched"));

    // It keeps its account from nobody.
    site.installation("github", "created", 502, "i-502").await;
    site.becomes("github/502", Some("pending")).await;
    site.put("github/taken", &json!({ "tenant": "quick-inc", "accounts": ["502"] })).await;
    let slow = json!({ "tenant": "acme-inc" });
    let refused = api.told(Method::POST, "/v1/connections/github/502/confirm", KEY, Some(&slow), 409).await;
    assert_eq!(refused["code"], "account_taken");
    site.becomes("github/taken", Some("active")).await;
    assert_eq!(site.arrived("i-502").await["tenant"], "quick-inc");

    // A crowd fills no registry.
    for account in 504..509 {
        site.installation("github", "created", account, &format!("i-{account}")).await;
    }
    eventually("those for which there is no room", PATIENCE, async || {
        let full =
            site.gatepost.metric("gatepost_router_announcements_total", "integration=\"github\",result=\"full\"");
        (full.await >= 4.0).then_some(())
    })
    .await;
    assert_eq!((site.state("github/504").await.as_deref(), site.state("github/505").await), (Some("pending"), None));

    // An operator says whose it is, and what waited arrives under the ids it was acknowledged with.
    let path = "/v1/connections/github/501/confirm";
    api.told(Method::POST, path, KEY, Some(&json!({})), 422).await;
    api.told(Method::POST, path, &namesake, Some(&slow), 403).await;
    api.told(Method::POST, path, KEY, Some(&slow), 200).await;
    for (scope, id) in [("account:501", "i-501"), ("account:501", "p-1"), ("501", "p-2")] {
        let got = site.arrived(id).await;
        assert_eq!((&got["tenant"], &got["connection"]), (&json!("acme-inc"), &json!("501")));
        assert_eq!(
            got["id"],
            EventId::of("github", scope, id, None).to_string(),
            "it was acknowledged under another id"
        );
    }
    site.becomes("github/501", Some("active")).await;
    let again = api.told(Method::POST, path, KEY, Some(&slow), 200).await;
    assert_eq!(again["tenant"], "acme-inc");
    let other = api.told(Method::POST, path, KEY, Some(&json!({ "tenant": "evil" })), 409).await;
    assert_eq!(other["code"], "other_tenant");

    let log = api.told(Method::GET, "/v1/audit?limit=500", KEY, None, 200).await;
    let acts = log["items"].as_array().expect("a list").iter();
    let announced = acts.filter(|act| act["action"] == "begins").map(|act| {
        assert!(act["who"].as_str().is_some_and(|who| who.starts_with("announcement req_")), "{act}");
        (act["target"].as_str().expect("a path").to_owned(), act["after"]["state"].clone())
    });
    let expected = ["501", "502", "504"].map(|id| (format!("/v1/connections/github/{id}"), json!("pending")));
    assert_eq!(announced.collect::<BTreeMap<_, _>>(), expected.into());
    site.gatepost.stop().await;
}

async fn an_end_is_heeded_once_and_for_its_own_account_alone(engine: Engine) {
    let site = Site::start(engine).await;
    // One that is trusted receives at once, and is the tenant's that the operator or the event names.
    assert_eq!(site.installation("other", "created", 601, "i-601").await, "unmatched");
    site.installation("other", "created", 602, "i-602").await;
    site.becomes("other/601", Some("active")).await;
    site.becomes("other/602", Some("active")).await;
    assert_eq!(site.arrived("i-601").await["tenant"], "trusted-inc");
    let made = json!({ "from": "nango", "type": "auth", "operation": "creation", "success": true, "connectionId": "n-1",
        "endUser": { "endUserId": "u-1", "organizationId": "acme-inc" } });
    site.told("nango", &made).await;
    site.becomes("nango/n-1", Some("active")).await;
    let shown = site.api.told(Method::GET, "/v1/connections/nango/n-1", KEY, None, 200).await;
    assert_eq!((&shown["tenant"], &shown["accounts"]), (&json!("acme-inc"), &json!(["n-1"])));

    // The last event is delivered, what comes later waits; sent once more, it ends nothing that was enabled since.
    site.pushed("other", 601, "stored").await;
    assert_eq!(site.installation("other", "deleted", 601, "d-601").await, "stored");
    site.becomes("other/601", Some("disabled")).await;
    assert_eq!(site.arrived("d-601").await["type"], "github.installation.deleted");
    let waits = site.pushed("other", 601, "unmatched").await;
    site.api.told(Method::POST, "/v1/connections/other/601/enable", KEY, None, 200).await;
    site.arrived(&waits).await;
    site.becomes("other/601", Some("active")).await;
    site.installation("other", "deleted", 601, "d-601").await;
    site.installation("other", "deleted", 602, "d-602").await;
    site.becomes("other/602", Some("disabled")).await;
    assert_eq!(site.state("other/601").await.as_deref(), Some("active"));

    // Slack's: a user's tokens are not the app's.
    for (id, account) in [("one", "T1"), ("two", "T2")] {
        site.put(&format!("slack/{id}"), &json!({ "tenant": "acme-inc", "accounts": [account] })).await;
    }
    let said = |account: &str, event: Value| json!({ "type": "event_callback", "team_id": account, "event_id": format!("Ev{account}"), "event": event });
    let user = json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U1"], "bot": [] } });
    site.told("slack", &said("T1", user)).await;
    site.told("slack", &said("T2", json!({ "type": "app_uninstalled" }))).await;
    site.becomes("slack/two", Some("disabled")).await;
    assert_ne!(site.state("slack/one").await.as_deref(), Some("disabled"));
    site.told(
        "slack",
        &json!({ "type": "event_callback", "team_id": "T1", "event_id": "Ev3", "event":
        { "type": "tokens_revoked", "tokens": { "bot": ["B1"] } } }),
    )
    .await;
    site.becomes("slack/one", Some("disabled")).await;

    // Who has a connection's own secret speaks for no account at all.
    for (id, secret) in ["a", "b"].into_iter().zip(OWN) {
        let wish = json!({ "tenant": id, "accounts": [id], "secrets": [{ "secret": secret }] });
        site.put(&format!("own/{id}"), &wish).await;
        site.becomes(&format!("own/{id}"), Some("active")).await;
    }
    let body = json!({ "type": "removed", "id": "1", "account": "b" }).to_string();
    let signature = hex(&hmac_sha256(OWN[0].as_bytes(), body.as_bytes()));
    let headers = [("content-type", "application/json"), ("x-sig", signature.as_str())];
    let answer = post::post(&site.gateway, "/webhooks/own/a", &headers, body.into()).await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 200);
    site.installation("other", "created", 603, "i-603").await;
    site.becomes("other/603", Some("active")).await;
    for id in ["a", "b"] {
        assert_eq!(site.state(&format!("own/{id}")).await.as_deref(), Some("active"));
    }

    // One that nobody has confirmed goes.
    site.installation("github", "created", 701, "i-701").await;
    site.becomes("github/701", Some("pending")).await;
    site.installation("github", "deleted", 701, "d-701").await;
    site.becomes("github/701", None).await;
    // Each is written down, which happens after it was done.
    let paths = ["other/601", "other/602", "slack/one", "slack/two", "github/701"];
    let all: BTreeSet<_> = paths.map(|path| format!("/v1/connections/{path}")).into();
    eventually("every end is in the audit log", PATIENCE, async || {
        let log = site.api.told(Method::GET, "/v1/audit?limit=500", KEY, None, 200).await;
        let acts = log["items"].as_array().expect("a list").iter().filter(|act| act["action"] == "ends");
        let ended: BTreeSet<_> = acts.map(|act| act["target"].as_str().expect("a path").to_owned()).collect();
        (ended == all).then_some(())
    })
    .await;
    site.gatepost.stop().await;
}

mod embedded {
    use crate::setup::Engine;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_connection_waits_for_its_confirmation_and_takes_nothing_from_anybody() {
        super::a_new_connection_waits_for_its_confirmation_and_takes_nothing_from_anybody(Engine::Embedded).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_end_is_heeded_once_and_for_its_own_account_alone() {
        super::an_end_is_heeded_once_and_for_its_own_account_alone(Engine::Embedded).await;
    }
}

mod nats {
    use super::NatsServer;
    use crate::setup::Engine;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_connection_waits_for_its_confirmation_and_takes_nothing_from_anybody() {
        let engine = Engine::Nats(NatsServer::start().await);
        super::a_new_connection_waits_for_its_confirmation_and_takes_nothing_from_anybody(engine).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_end_is_heeded_once_and_for_its_own_account_alone() {
        let engine = Engine::Nats(NatsServer::start().await);
        super::an_end_is_heeded_once_and_for_its_own_account_alone(engine).await;
    }
}
