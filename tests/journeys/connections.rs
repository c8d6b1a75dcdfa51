//! Connections made through the API: who may have which account, secrets that are never shown, many at once.

use std::collections::BTreeSet;

use bytes::Bytes;
use gatepost_tests::{github::Webhook, post, wait::eventually};
use http::Method;
use serde_json::{Value, json};

use crate::{
    access::{Api, KEY},
    setup::{Engine, Journey, PATIENCE, SECRET, each_engine},
};

each_engine!(connections_are_made_guarded_changed_and_removed_through_the_api);
each_engine!(many_connections_are_imported_and_every_refused_row_is_told);
each_engine!(rows_of_an_import_that_touch_each_other_are_written_in_their_order);

/// Connection `c1` of tenant `t1` has account 1, by the file.
async fn journey(engine: Engine) -> Journey {
    let journey = Journey::new(engine, "park", &BTreeSet::from([1])).await;
    let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    file += "\n[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n";
    journey.home.write("api", KEY);
    let file = file.replace("id = \"other\"\n", "id = \"other\"\nshared_accounts = \"all\"\n");
    journey.home.write("gatepost.toml", &file);
    journey
}

/// A PUT with headers of its own.
async fn put(address: &str, path: &str, header: (&str, &str), body: &Value) -> post::Answer {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), header];
    post::request(Method::PUT, address, path, &headers, Bytes::from(body.to_string())).await.expect("an answer")
}

async fn connections_are_made_guarded_changed_and_removed_through_the_api(engine: Engine) {
    let journey = journey(engine).await;
    let gatepost = journey.run().await;
    let (api, address) = (Api::of(&gatepost).await, gatepost.address("admin").await);
    let path = "/v1/connections/github/acme";
    let wish = json!({ "tenant": "acme-inc", "accounts": ["77", "078"], "metadata": { "plan": "gold" } });
    let made = api.told(Method::PUT, path, KEY, Some(&wish), 201).await;
    assert_eq!((made["source"].as_str(), &made["accounts"]), (Some("api"), &json!(["77", "078"])));

    // The same again changes nothing; a change needs what was seen.
    let again = api.ask(Method::PUT, path, KEY, Some(&wish)).await;
    let seen = again.header("etag").to_owned();
    assert_eq!((again.status.as_u16(), seen.is_empty()), (200, false));
    let shown = api.ask(Method::GET, path, KEY, None).await;
    assert_eq!(shown.header("etag"), seen);
    let changed = json!({ "tenant": "acme-inc", "accounts": ["77"] });
    assert_eq!(put(&address, path, ("if-match", "\"1\""), &changed).await.status.as_u16(), 412);
    assert_eq!(put(&address, path, ("if-none-match", "*"), &changed).await.status.as_u16(), 412);
    assert_eq!(put(&address, path, ("if-match", &seen), &changed).await.status.as_u16(), 200);
    assert_eq!(put(&address, path, ("if-match", &seen), &wish).await.status.as_u16(), 412, "it was changed since");

    // An account is one tenant's, and one connection's; what the file declares is the file's.
    for (path, wish, code) in [
        ("/v1/connections/github/evil", json!({ "tenant": "evil", "accounts": ["77"] }), "account_taken"),
        ("/v1/connections/github/acme2", json!({ "tenant": "acme-inc", "accounts": ["77"] }), "account_shared"),
        ("/v1/connections/github/evil", json!({ "tenant": "evil", "accounts": ["1"] }), "account_taken"),
        ("/v1/connections/github/acme", json!({ "tenant": "evil", "accounts": ["77"] }), "other_tenant"),
        ("/v1/connections/github/c1", json!({ "tenant": "t1" }), "declared_in_file"),
    ] {
        assert_eq!(api.told(Method::PUT, path, KEY, Some(&wish), 409).await["code"], code, "{path} {wish}");
    }
    assert_eq!(api.told(Method::DELETE, "/v1/connections/github/c1", KEY, None, 409).await["code"], "declared_in_file");
    assert_eq!(api.told(Method::GET, "/v1/connections/github/c1", KEY, None, 200).await["source"], "file");
    api.told(Method::GET, "/v1/connections/github/evil", KEY, None, 404).await;
    let free = json!({ "tenant": "evil", "accounts": ["078", "0077"] });
    api.told(Method::PUT, "/v1/connections/github/evil", KEY, Some(&free), 201).await;
    let moved = "/v1/connections/github/acme2?take_over=true";
    api.told(Method::PUT, moved, KEY, Some(&json!({ "tenant": "acme-inc", "accounts": ["77"] })), 201).await;
    assert_eq!(api.told(Method::GET, path, KEY, None, 200).await["accounts"], json!([]));

    // Where the operator lets a tenant's connections share accounts, they do; another tenant's still don't.
    let shared = json!({ "tenant": "acme-inc", "accounts": ["55"] });
    api.told(Method::PUT, "/v1/connections/other/one", KEY, Some(&shared), 201).await;
    api.told(Method::PUT, "/v1/connections/other/two", KEY, Some(&shared), 201).await;
    let stolen = json!({ "tenant": "evil", "accounts": ["55"] });
    assert_eq!(
        api.told(Method::PUT, "/v1/connections/other/evil", KEY, Some(&stolen), 409).await["code"],
        "account_taken"
    );
    for id in ["one", "two"] {
        api.told(Method::DELETE, &format!("/v1/connections/other/{id}"), KEY, None, 204).await;
    }

    // A tenant's key changes what is its tenant's, but no accounts.
    let (_, theirs) = api.key(&json!({ "name": "acme", "scopes": ["read", "write"], "tenant": "acme-inc" })).await;
    let renamed = json!({ "metadata": { "plan": "lead" } });
    assert_eq!(api.told(Method::PUT, path, &theirs, Some(&renamed), 200).await["metadata"]["plan"], "lead");
    let greedy = json!({ "accounts": ["99"] });
    assert_eq!(api.told(Method::PUT, path, &theirs, Some(&greedy), 403).await["code"], "operator_only");
    api.told(Method::PUT, "/v1/connections/github/evil", &theirs, Some(&renamed), 404).await;
    let listed = api.told(Method::GET, "/v1/connections", &theirs, None, 200).await;
    let ids: BTreeSet<_> = listed["items"].as_array().expect("a list").iter().map(|c| c["id"].to_string()).collect();
    assert_eq!(ids, BTreeSet::from(["\"acme\"".to_owned(), "\"acme2\"".to_owned()]));
    let found = api.told(Method::GET, "/v1/connections?account=77", KEY, None, 200).await;
    assert_eq!((found["items"][0]["id"].as_str(), found["items"].as_array().map(Vec::len)), (Some("acme2"), Some(1)));

    // Secrets are taken and never given.
    let secret = json!({ "secret": "a canary that nobody may see" });
    let secrets = format!("{path}/secrets");
    let given = api.told(Method::POST, &secrets, KEY, Some(&secret), 200).await;
    let id = given["secrets"][0]["id"].as_str().expect("an id").to_owned();
    let same = api.told(Method::POST, &secrets, KEY, Some(&secret), 200).await;
    assert_eq!(same["secrets"].as_array().map(Vec::len), Some(1), "the same again is the same");
    let end = format!("{secrets}/{id}?until=2030-01-01T00:00:00Z");
    api.told(Method::DELETE, &end, KEY, None, 204).await;
    assert_eq!(api.told(Method::GET, path, KEY, None, 200).await["secrets"][0]["until"], "2030-01-01T00:00:00.000Z");
    api.told(Method::DELETE, &format!("{secrets}/{id}"), KEY, None, 204).await;
    api.told(Method::DELETE, &format!("{secrets}/{id}"), KEY, None, 404).await;
    for place in ["/v1/connections", "/v1/audit", path] {
        let all = api.told(Method::GET, place, KEY, None, 200).await.to_string();
        assert!(!all.contains("canary"), "{place}");
    }
    assert!(!gatepost.log().join("\n").contains("canary"));

    let disabled = api.told(Method::POST, &format!("{path}/disable"), &theirs, None, 200).await;
    assert_eq!(disabled["state"], "disabled");
    api.told(Method::POST, &format!("{path}/confirm"), &theirs, None, 403).await;
    let enabled = api.told(Method::POST, &format!("{path}/enable"), &theirs, None, 200).await;
    assert_ne!(enabled["state"], "disabled");
    api.told(Method::DELETE, path, &theirs, None, 204).await;
    api.told(Method::GET, path, KEY, None, 404).await;

    // What nobody claims is seen by the operator.
    let body = r#"{"installation":{"id":4242}}"#;
    let webhook = Webhook::signed(SECRET, "push", "push-1", body);
    webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    let waiting = eventually("the parked event", PATIENCE, async || {
        let page = api.told(Method::GET, "/v1/unmatched?integration=github&account=4242", KEY, None, 200).await;
        page["items"].get(0).cloned()
    })
    .await;
    assert_eq!(waiting["account"], "4242");
    let counts = api.told(Method::GET, "/v1/unmatched/accounts", KEY, None, 200).await;
    assert_eq!((&counts["items"][0]["account"], &counts["items"][0]["events"]), (&json!("4242"), &json!(1)));
    gatepost.stop().await;
}

async fn many_connections_are_imported_and_every_refused_row_is_told(engine: Engine) {
    let journey = journey(engine).await;
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    let row = |n: usize| json!({ "integration": "github", "id": format!("i{n}"), "tenant": "many", "accounts": [n.to_string()] });
    let mut rows: Vec<String> = (1000..1600).map(|n| row(n).to_string()).collect();
    rows[3] = "{".to_owned();
    rows[550] = json!({ "integration": "nowhere", "id": "x" }).to_string();
    rows[555] = json!({ "integration": "github", "id": "thief", "tenant": "thief", "accounts": ["1000"] }).to_string();
    journey.home.write("rows.ndjson", &rows.join("\n"));
    let url = format!("http://{}", gatepost.address("admin").await);
    let import = |args: &[&str]| {
        let more = ["--json", "--url", &url, "--api-key", KEY];
        let output = journey.home.command(&[&["connections", "import"], args, &more].concat());
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        (output.status.code(), report)
    };
    let (code, report) = import(&["rows.ndjson"]);
    let told: Vec<_> = report["errors"].as_array().expect("a list").iter().collect();
    let told: Vec<_> = told.iter().map(|error| (error["row"].as_u64(), error["code"].as_str())).collect();
    let refused = [(Some(4), Some("bad_request")), (Some(551), Some("not_found")), (Some(556), Some("account_taken"))];
    assert_eq!(told, refused);
    assert_eq!((code, &report["imported"], &report["created"]), (Some(1), &json!(597), &json!(597)));
    let (_, again) = import(&["rows.ndjson"]);
    assert_eq!((&again["imported"], &again["created"]), (&json!(597), &json!(0)), "a repeat changes nothing");

    let nango = json!({ "connections": [{ "connection_id": "nango-1", "provider_config_key": "github-prod",
        "provider": "github", "end_user": { "id": "user-1" } }] });
    journey.home.write("nango.json", &nango.to_string());
    let (code, report) = import(&["nango.json", "--from-nango", "--rename", "github-prod=github"]);
    assert_eq!((code, &report["imported"]), (Some(0), &json!(1)));
    assert_eq!(api.told(Method::GET, "/v1/connections/github/nango-1", KEY, None, 200).await["tenant"], "user-1");

    let (mut ids, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = api.told(Method::GET, &format!("/v1/connections?limit=200{cursor}"), KEY, None, 200).await;
        let items = page["items"].as_array().expect("a list");
        ids.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids.len(), 597 + 2, "those imported, Nango's and the file's");
    gatepost.stop().await;
}

async fn rows_of_an_import_that_touch_each_other_are_written_in_their_order(engine: Engine) {
    let journey = journey(engine).await;
    let gatepost = journey.run().await;
    let (api, address) = (Api::of(&gatepost).await, gatepost.address("admin").await);
    let row = |id: String, tenant: &str, accounts: &[String]| {
        json!({ "integration": "github", "id": id, "tenant": tenant, "accounts": accounts }).to_string()
    };
    let import = async |rows: Vec<String>| {
        let bearer = format!("Bearer {KEY}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
        let (path, body) = ("/v1/connections/import", Bytes::from(rows.join("\n")));
        let answer = post::request(Method::POST, &address, path, &headers, body).await.expect("an answer");
        serde_json::from_slice::<Value>(&answer.body).expect("JSON")
    };
    let refused = |report: &Value| -> Vec<(u64, String)> {
        let errors = report["errors"].as_array().expect("a list");
        let told = |error: &Value| {
            (error["row"].as_u64().expect("a number"), error["code"].as_str().expect("a word").to_owned())
        };
        errors.iter().map(told).collect()
    };
    // Of each account: made, given up for another, taken by somebody else who then claims the other in vain.
    let sets = 40;
    let (one, two) = (|n: usize| format!("one-{n}"), |n: usize| format!("two-{n}"));
    let rows: Vec<_> = (0..sets)
        .flat_map(|n| {
            let (first, second) = (format!("a{n}"), format!("b{n}"));
            [
                row(first.clone(), "first", &[one(n)]),
                row(first, "first", &[two(n)]),
                row(second.clone(), "second", &[one(n)]),
                row(second, "second", &[one(n), two(n)]),
            ]
        })
        .collect();
    let report = import(rows).await;
    let in_vain: Vec<_> = (1..=sets as u64).map(|n| (4 * n, "account_taken".to_owned())).collect();
    assert_eq!((&report["imported"], &report["created"]), (&json!(3 * sets), &json!(2 * sets)), "{report}");
    assert_eq!(refused(&report), in_vain);
    // What is given up in one row is free in the next, though neither names the other.
    let rows = (0..sets).flat_map(|n| [row(format!("a{n}"), "first", &[]), row(format!("d{n}"), "third", &[two(n)])]);
    let report = import(rows.collect()).await;
    assert_eq!((refused(&report), &report["created"]), (Vec::new(), &json!(sets)), "{report}");
    for (path, accounts) in [("a7", json!([])), ("b7", json!([one(7)])), ("d7", json!([two(7)]))] {
        let path = format!("/v1/connections/github/{path}");
        assert_eq!(api.told(Method::GET, &path, KEY, None, 200).await["accounts"], accounts, "{path}");
    }
    gatepost.stop().await;
}
