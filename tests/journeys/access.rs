//! Who may use the API: every route of the document, asked with every kind of key.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_tests::{
    backend::Backend,
    gatepost::Gatepost,
    github::Webhook,
    post::{self, Answer},
    wait::eventually,
};
use http::Method;
use serde_json::{Value, json};

use crate::setup::{Engine, Journey, PATIENCE, SECRET, each_engine};

/// The file's key.
pub(crate) const KEY: &str = "a key of the test's own";

each_engine!(a_key_works_from_its_making_to_its_end_and_every_write_is_in_the_audit_log);

/// Installations 1 and 2 are of tenants `t1` and `t2`; `t1` has a destination that refuses everything.
async fn journey(engine: Engine, theirs: &Backend) -> Journey {
    let journey = Journey::new(engine, "park", &BTreeSet::from([1, 2])).await;
    let mut file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    file += &format!(
        "\n[[destination]]\nid = \"theirs\"\ntenant = \"t1\"\nurl = \"{0}\"\nprivate = true\nfinal_statuses = [404]\n\
         secrets = [{{ file = \"signing\" }}]\n\n[[route]]\nid = \"tenants\"\nforward = \"tenant\"\n\n\
         [[sync_engine]]\nid = \"own\"\nkind = \"http\"\nurl = \"{0}\"\nprivate = true\n\
         secrets = [{{ file = \"signing\" }}]\n\n[[route]]\nid = \"syncs\"\nevents = [\"github.never\"]\n\
         sync = {{ engine = \"own\", name = \"contacts\" }}\n\n\
         [[integration]]\nid = \"shop\"\nprovider = \"stripe\"\nsecrets = [{{ file = \"other\" }}]\n\
         [integration.heal]\napi_key = {{ file = \"signing\" }}\nurl = \"{0}\"\nprivate = true\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\nwrong_keys_a_minute = 1000000\n",
        theirs.url()
    );
    journey.home.write("api", KEY);
    journey.home.write("gatepost.toml", &file);
    journey
}

pub(crate) struct Api {
    address: String,
}

impl Api {
    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn of(gatepost: &Gatepost) -> Self {
        Self { address: gatepost.address("admin").await }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![];
        if !key.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        post::request(method, &self.address, path, &headers, body).await.expect("an answer")
    }

    /// An answer with this status, as JSON.
    pub(crate) async fn told(&self, method: Method, path: &str, key: &str, body: Option<&Value>, status: u16) -> Value {
        let answer = self.ask(method.clone(), path, key, body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Makes a key; its id and itself.
    pub(crate) async fn key(&self, wish: &Value) -> (String, String) {
        let made = self.told(Method::POST, "/v1/keys", KEY, Some(wish), 201).await;
        (made["id"].as_str().expect("an id").to_owned(), made["key"].as_str().expect("a key").to_owned())
    }
}

async fn push(gatepost: &Gatepost, installation: u64) {
    let body = format!(r#"{{"installation":{{"id":{installation}}}}}"#);
    let webhook = Webhook::signed(SECRET, "push", &format!("push-{installation}"), body);
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    assert_eq!(answer.result(), "stored");
}

fn ids(page: &Value) -> BTreeSet<String> {
    let items = page["items"].as_array().expect("a list");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

async fn a_key_works_from_its_making_to_its_end_and_every_write_is_in_the_audit_log(engine: Engine) {
    let theirs = Backend::start().await;
    let journey = journey(engine, &theirs).await;
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    let (id, key) = api.key(&json!({ "name": "ci", "scopes": ["read", "write"] })).await;
    assert_eq!(api.told(Method::GET, "/v1/destinations", &key, None, 200).await["items"][0]["id"], "backend");
    let listed = api.told(Method::GET, "/v1/keys", KEY, None, 200).await;
    assert_eq!(ids(&listed), BTreeSet::from([id.clone()]));
    assert!(!listed.to_string().contains(key.split_once('.').expect("two parts").1), "it is shown once");
    api.told(Method::POST, "/v1/destinations/backend/pause", &key, None, 200).await;
    let soon = gatepost_config::Timestamp::now().after(std::time::Duration::from_secs(2)).to_string();
    let (_, brief) = api.key(&json!({ "name": "brief", "scopes": ["read"], "expires_at": soon })).await;
    let first = api.ask(Method::GET, "/v1/events", &brief, None).await.status.as_u16();
    assert!(first == 200 || gatepost_config::Timestamp::now().to_string() >= soon, "{first}");
    eventually("the key's end", PATIENCE, async || {
        (api.ask(Method::GET, "/v1/events", &brief, None).await.status.as_u16() == 401).then_some(())
    })
    .await;
    assert!(gatepost_config::Timestamp::now().to_string() >= soon, "it ended too early");

    // A restart keeps it; revoking ends it at once.
    gatepost.stop().await;
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    api.told(Method::GET, "/v1/events", &key, None, 200).await;
    api.told(Method::DELETE, &format!("/v1/keys/{id}"), KEY, None, 204).await;
    api.told(Method::GET, "/v1/events", &key, None, 401).await;
    api.told(Method::DELETE, &format!("/v1/keys/{id}"), KEY, None, 404).await;

    let log = api.told(Method::GET, "/v1/audit", KEY, None, 200).await;
    let acts = log["items"].as_array().expect("a list").iter();
    let acts: Vec<_> = acts.map(|act| (act["action"].as_str().expect("an action"), act)).collect();
    let actions: Vec<_> = acts.iter().map(|(action, _)| *action).collect();
    assert_eq!(
        actions,
        ["DELETE /v1/keys/{key}", "POST /v1/keys", "POST /v1/destinations/{destination}/pause", "POST /v1/keys"]
    );
    let pause = acts[2].1;
    assert_eq!((&pause["before"]["paused"], &pause["after"]["paused"]), (&json!(false), &json!(true)));
    assert_eq!(pause["target"], "/v1/destinations/backend/pause");
    assert_eq!(pause["who"], format!("{id} (ci)"));
    assert!(acts[0].1["who"].as_str().expect("who").starts_with("admin.api_keys (file api)"));
    assert_eq!((&acts[0].1["before"]["id"], &acts[0].1["after"]), (&json!(id), &Value::Null));
    assert!(!log.to_string().contains(key.split_once('.').expect("two parts").1), "no secret is in it");
    let second = api.told(Method::GET, "/v1/audit?limit=2", KEY, None, 200).await["next"].clone();
    let rest = format!("/v1/audit?cursor={}", second.as_str().expect("more"));
    let rest = api.told(Method::GET, &rest, KEY, None, 200).await;
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(2));
    gatepost.stop().await;
}

/// A route of the document.
struct Route {
    method: Method,
    path: String,
    scope: Option<String>,
    operator_only: bool,
}

async fn routes(api: &Api) -> Vec<Route> {
    let document = api.told(Method::GET, "/v1/openapi.json", "", None, 200).await;
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, route) in methods.as_object().expect("methods") {
            routes.push(Route {
                method: method.to_ascii_uppercase().parse().expect("a method"),
                path: path.clone(),
                scope: route["x-scope"].as_str().map(str::to_owned),
                operator_only: route["x-operator-only"] == true,
            });
        }
    }
    routes
}

/// What a write is asked with, so that it would be done.
fn body(route: &Route) -> Option<Value> {
    match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/v1/keys") => Some(json!({ "name": "another", "scopes": ["read"] })),
        ("POST", "/v1/replays") => Some(json!({ "dry_run": true })),
        ("POST", "/v1/erasures") => Some(json!({ "tenant": "nobody", "dry_run": true })),
        ("POST", "/v1/heals") => Some(json!({ "integration": "shop", "since": an_hour_ago(), "dry_run": true })),
        ("POST", "/v1/connections/import") => Some(json!({ "integration": "github", "id": "imported" })),
        ("PUT", "/v1/connections/{integration}/{connection}") => Some(json!({ "tenant": "t1" })),
        ("POST", path) if path.ends_with("/confirm") => Some(json!({ "tenant": "t1" })),
        ("POST", path) if path.ends_with("/secrets") => Some(json!({ "secret": "another of its own" })),
        ("PUT", "/v1/destinations/{destination}") => {
            Some(json!({ "tenant": "t1", "url": "https://example.com/", "paused": true }))
        }
        ("POST", "/v1/destinations/{destination}/rotate") => Some(json!({})),
        ("PUT", "/v1/tenants/{tenant}") => Some(json!({})),
        ("POST", "/v1/unmatched/release") => Some(json!({ "integration": "github", "connection": "c1" })),
        ("POST", "/v1/quarantine/release") => Some(json!({ "integration": "nobody" })),
        _ => None,
    }
}

fn an_hour_ago() -> Timestamp {
    Timestamp::now().before(Duration::from_secs(3600))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_who_has_no_key_a_wrong_one_too_little_scope_or_another_tenant() {
    let theirs = Backend::start().await;
    theirs.answer(404);
    let journey = journey(Engine::Embedded, &theirs).await;
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    push(&gatepost, 1).await;
    push(&gatepost, 2).await;
    let letter = eventually("the dead letter", PATIENCE, async || {
        api.told(Method::GET, "/v1/deliveries?status=dead", KEY, None, 200).await["items"].get(0).cloned()
    })
    .await;
    let (own_id, own) = api.key(&json!({ "name": "own", "scopes": ["read", "write", "replay"], "tenant": "t1" })).await;
    let (_, other) = api.key(&json!({ "name": "other", "scopes": ["read", "write", "replay"], "tenant": "t2" })).await;
    let replay = api.told(Method::POST, "/v1/replays", &own, Some(&json!({ "dry_run": true })), 202).await;
    let forged = Webhook::signed("another secret", "push", "forged", "{}");
    assert_eq!(forged.post(&gatepost.gateway().await, "github").await.expect("an answer").status.as_u16(), 401);
    let refused = eventually("the refused request", PATIENCE, async || {
        api.told(Method::GET, "/v1/quarantine", KEY, None, 200).await["items"].get(0).cloned()
    })
    .await;
    let nothing = json!({ "integration": "nobody" });
    let release = api.told(Method::POST, "/v1/quarantine/release", KEY, Some(&nothing), 202).await;
    let wish = json!({ "integration": "shop", "since": an_hour_ago(), "dry_run": true });
    let heal = api.told(Method::POST, "/v1/heals", KEY, Some(&wish), 202).await;
    let wish = json!({ "tenant": "nobody", "dry_run": true });
    let erasure = api.told(Method::POST, "/v1/erasures", KEY, Some(&wish), 202).await;
    let mut scoped = BTreeMap::new();
    for scope in ["read", "write", "replay", "admin"] {
        scoped.insert(scope, api.key(&json!({ "name": scope, "scopes": [scope] })).await.1);
    }
    let (revoked_id, revoked) = api.key(&json!({ "name": "revoked", "scopes": ["admin"] })).await;
    api.told(Method::DELETE, &format!("/v1/keys/{revoked_id}"), KEY, None, 204).await;
    let secret = json!({ "tenant": "t1", "secrets": [{ "secret": "a secret of its own" }] });
    let linked = api.told(Method::PUT, "/v1/connections/github/linked", KEY, Some(&secret), 201).await;
    api.told(Method::PUT, "/v1/tenants/t1", KEY, Some(&json!({ "name": "The first" })), 201).await;
    let made =
        json!({ "tenant": "t1", "url": "https://example.com/", "secrets": [crate::setup::SIGNING], "paused": true });
    api.told(Method::PUT, "/v1/destinations/made", KEY, Some(&made), 201).await;
    let event = format!("/v1/events/{}", letter["event"]["id"].as_str().expect("an id"));
    let request = api.told(Method::GET, &event, KEY, None, 200).await["request"].clone();
    let things = [
        ("{request}", request.as_str().expect("an id").to_owned()),
        ("{integration}", "github".to_owned()),
        ("{connection}", "linked".to_owned()),
        ("{own_secret}", linked["secrets"][0]["id"].as_str().expect("an id").to_owned()),
        ("{tenant}", "t1".to_owned()),
        ("{delivery}", letter["id"].as_str().expect("an id").to_owned()),
        ("{event}", letter["event"]["id"].as_str().expect("an id").to_owned()),
        ("{destination}", "made".to_owned()),
        ("{replay}", replay["id"].as_str().expect("an id").to_owned()),
        ("{key}", own_id.clone()),
        ("{refused}", refused["request"].as_str().expect("an id").to_owned()),
        ("{erasure}", erasure["id"].as_str().expect("an id").to_owned()),
        ("{heal}", heal["id"].as_str().expect("an id").to_owned()),
        ("{engine}", "own".to_owned()),
        ("{sync}", "contacts".to_owned()),
        ("{release}", release["id"].as_str().expect("an id").to_owned()),
    ];

    let mut routes = routes(&api).await;
    // What a route removes, the others need: the parts of a thing before the thing.
    routes.sort_by_key(|route| (route.method == Method::DELETE, std::cmp::Reverse(route.path.len())));
    assert!(routes.len() >= 40, "{}", routes.len());
    let mut open = Vec::new();
    for route in &routes {
        let path = things.iter().fold(route.path.clone(), |path, (name, id)| path.replace(name, id));
        assert!(!path.contains('{'), "{path}: the test knows no such thing");
        let path = match path.as_str() {
            "/v1/search" => "/v1/search?q=push".to_owned(),
            "/v1/incidents" => format!("/v1/incidents?from={}&to={}", an_hour_ago(), Timestamp::now()),
            _ => path,
        };
        let body = body(route);
        let ask = async |key: &str| {
            let answer = api.ask(route.method.clone(), &path, key, body.as_ref()).await;
            assert!(answer.status.as_u16() < 400 || answer.header("content-type") == "application/problem+json");
            answer.status.as_u16()
        };
        let what = format!("{} {path}", route.method);
        let Some(scope) = route.scope.as_deref() else {
            open.push(what);
            assert_eq!(ask("").await, 200);
            continue;
        };
        let foreign = format!("{own_id}.{}", other.split_once('.').expect("two parts").1);
        for wrong in ["", "wrong", &KEY[..10], &foreign, &own[..own.len() - 1], &revoked] {
            assert_eq!(ask(wrong).await, 401, "{what} with {wrong:?}");
        }
        for (has, key) in &scoped {
            if *has != scope && *has != "admin" {
                assert_eq!(ask(key).await, 403, "{what} with scope {has}");
            }
        }
        let is_list = !route.path.contains('{');
        match ask(&other).await {
            403 if route.operator_only => assert_eq!(ask(&own).await, 403, "{what} is the operator's"),
            404 if !is_list => {}
            200 | 202 if is_list && !route.operator_only => {}
            status => panic!("{what} answered {status} to another tenant"),
        }
        // The controls: who may, is let in. What deletes comes last, and the file's key is never gone.
        if !route.operator_only {
            let status = ask(&own).await;
            assert!((200..300).contains(&status), "{what} with its own tenant's key: {status}");
        }
        if route.method != Method::DELETE {
            for key in [scoped[scope].as_str(), scoped["admin"].as_str(), KEY] {
                let status = ask(key).await;
                assert!((200..300).contains(&status), "{what} with a key that may: {status}");
            }
        }
    }
    open.sort();
    assert_eq!(open, ["GET /docs", "GET /v1/openapi.json"]);
    for path in ["/", "/v1", "/v1/keys/", "/v2/events", "/v1/eventsx"] {
        assert_eq!(api.ask(Method::GET, path, "", None).await.status.as_u16(), 401, "{path}");
        assert_eq!(api.ask(Method::GET, path, KEY, None).await.status.as_u16(), 404, "{path}");
    }
    assert_eq!(api.ask(Method::PUT, "/v1/events", "", None).await.status.as_u16(), 401);
    assert_eq!(api.ask(Method::PUT, "/v1/events", KEY, None).await.status.as_u16(), 405);
    assert_eq!(api.ask(Method::POST, "/docs", "", None).await.status.as_u16(), 405);

    // Four of the events are tests of the first tenant's destination. Lists: each tenant's key is shown what is its tenant's, the operator's everything.
    for (list, all, own_count, other_count) in [
        ("/v1/events", 6, 5, 1),
        ("/v1/search?q=push", 2, 1, 1),
        ("/v1/deliveries?status=dead", 1, 1, 0),
        ("/v1/destinations", 2, 1, 0),
        ("/v1/connections", 3, 1, 1),
        ("/v1/tenants", 1, 1, 0),
    ] {
        let count = async |key: &str| ids(&api.told(Method::GET, list, key, None, 200).await).len();
        assert_eq!((count(KEY).await, count(&own).await, count(&other).await), (all, own_count, other_count), "{list}");
    }
    let replays = api.told(Method::GET, "/v1/replays?limit=500", &other, None, 200).await;
    let tenants: BTreeSet<_> = replays["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|job| job["wish"]["tenant"].clone().to_string())
        .collect();
    assert_eq!(tenants, BTreeSet::from(["\"t2\"".to_owned()]));
    let foreign = json!({ "dry_run": true, "tenant": "t1" });
    api.told(Method::POST, "/v1/replays", &other, Some(&foreign), 403).await;
    gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_slowed_down_and_shut_nobody_out_who_has_a_right_one() {
    let journey = journey(Engine::Embedded, &Backend::start().await).await;
    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    journey.home.write("gatepost.toml", &file.replace("wrong_keys_a_minute = 1000000", "wrong_keys_a_minute = 5"));
    let gatepost = journey.run().await;
    let api = Api::of(&gatepost).await;
    let (_, key) = api.key(&json!({ "name": "ci", "scopes": ["read"] })).await;
    api.told(Method::GET, "/v1/events", &key, None, 200).await;
    assert_eq!(api.ask(Method::GET, "/v1/events", "wrong", None).await.status.as_u16(), 401);
    let slowed = eventually("no more wrong keys are looked at", PATIENCE, async || {
        let answer = api.ask(Method::GET, "/v1/events", "wrong", None).await;
        (answer.status.as_u16() == 429).then_some(answer)
    })
    .await;
    let seconds: u64 = slowed.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    for right in [KEY, &key] {
        api.told(Method::GET, "/v1/events", right, None, 200).await;
    }
    gatepost.stop().await;
}
