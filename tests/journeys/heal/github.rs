//! GitHub as its documentation says: it lists a webhook's deliveries, and makes one again when asked.
//!
//! <https://docs.github.com/en/rest/apps/webhooks>, <https://docs.github.com/en/rest/repos/webhooks>,
//! <https://docs.github.com/en/rest/orgs/webhooks>

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::Timestamp;
use gatepost_gateway::sign::KeyPair;
use gatepost_tests::{github::Webhook, post::Answer};
use http::{HeaderMap, StatusCode};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::setup::SECRET;

/// The app's private key, which nobody uses.
pub(super) const KEY: &str = include_str!("../../../gateway/tests/gateway/rsa.pem");
/// The app's id.
pub(super) const APP: &str = "90210";
/// The account that installed it.
pub(super) const INSTALLATION: u64 = 1;
/// The token of whoever may write the other webhooks.
pub(super) const TOKEN: &str = "ghp_token-of-a-test";
/// Their numbers.
pub(super) const REPOSITORY_HOOK: u64 = 481_516_234;
pub(super) const ORGANIZATION_HOOK: u64 = 481_516_235;

/// Items of a page: fewer than asked for, so that there are several pages.
const PAGE: usize = 3;

/// GitHub; gone when it is dropped.
pub(super) struct GitHub {
    pub(super) url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// Whose webhook it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    /// The app's.
    App,
    /// That of the repository `acme/anvil`.
    Repository,
    /// That of the organization `acme`.
    Organization,
}

struct Shared {
    hook: Hook,
    /// Under which integration it posts, and maybe which connection.
    integration: &'static str,
    /// Oldest first.
    deliveries: Mutex<Vec<Delivery>>,
    /// What it is asked to deliver again, by the event.
    asked: Mutex<Vec<String>>,
    /// Answers that it takes no requests, before any other.
    limits: Mutex<Vec<u16>>,
    /// Where it posts to, once that is known.
    gateway: Mutex<Option<String>>,
}

#[derive(Clone)]
struct Delivery {
    id: u64,
    guid: String,
    at: Timestamp,
    status: u16,
    redelivery: bool,
}

impl Hook {
    /// Where its deliveries are.
    fn path(self) -> String {
        match self {
            Self::App => "/app/hook/deliveries".to_owned(),
            Self::Repository => format!("/repos/acme/anvil/hooks/{REPOSITORY_HOOK}/deliveries"),
            Self::Organization => format!("/orgs/acme/hooks/{ORGANIZATION_HOOK}/deliveries"),
        }
    }

    /// What it posts for an event. Only an app's is about an installation.
    fn webhook(self, guid: &str) -> Webhook {
        let about = match self {
            Self::App => format!(r#""installation":{{"id":{INSTALLATION}}}"#),
            Self::Repository => r#""repository":{"id":456,"full_name":"acme/anvil"}"#.to_owned(),
            Self::Organization => r#""organization":{"id":789,"login":"acme"}"#.to_owned(),
        };
        Webhook::signed(SECRET, "push", guid, format!(r#"{{"ref":"refs/heads/{guid}",{about}}}"#))
    }
}

impl GitHub {
    /// With an app.
    pub(super) async fn start() -> Self {
        Self::of(Hook::App, "app").await
    }

    /// With a webhook, which posts under an integration.
    pub(super) async fn of(hook: Hook, integration: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let limits = Mutex::new(vec![429, 403]);
        let (deliveries, asked, gateway) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { hook, integration, deliveries, asked, limits, gateway });
        let router = Router::new()
            .route(&hook.path(), get(list))
            .route(&format!("{}/{{delivery}}/attempts", hook.path()), post(again))
            .with_state(shared.clone());
        #[expect(clippy::disallowed_methods, reason = "a third party's server, asked by nobody who is slow")]
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, shared, server }
    }

    /// Where it posts to when it delivers again.
    pub(super) fn posts_to(&self, gateway: String) {
        *self.shared.gateway.lock().unwrap() = Some(gateway);
    }

    /// Something it delivered, or tried to, at a time; each later than the one before.
    pub(super) fn delivered(&self, guid: &str, at: Timestamp, status: u16) {
        self.shared.add(guid, at, status, false);
    }

    /// Posts an event for the first time.
    pub(super) async fn posts(&self, guid: &str, gateway: &str) -> Answer {
        self.shared.hook.webhook(guid).post(gateway, self.shared.integration).await.expect("an answer")
    }

    /// The events that it was asked to deliver again, in that order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn add(&self, guid: &str, at: Timestamp, status: u16, redelivery: bool) {
        let mut deliveries = self.deliveries.lock().unwrap();
        let id = 17_323_000_000 + deliveries.len() as u64;
        deliveries.push(Delivery { id, guid: guid.to_owned(), at, status, redelivery });
    }

    /// What it says to whoever is not the app or has no token, or asks too often.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let limit = |status: u16| match status {
            429 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1".to_owned())]).into_response(),
            _ => {
                let reset = (Timestamp::now().seconds() + 1).to_string();
                let used_up = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
                (StatusCode::FORBIDDEN, used_up).into_response()
            }
        };
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let is_genuine = |token: &str| match self.hook {
            Hook::App => is_genuine(token),
            Hook::Repository | Hook::Organization => token == TOKEN,
        };
        match token.is_some_and(is_genuine) {
            true => self.limits.lock().unwrap().pop().map(limit),
            false => Some((StatusCode::UNAUTHORIZED, r#"{"message":"Bad credentials"}"#).into_response()),
        }
    }
}

/// A token of the app's, signed by its key, that holds for at most ten minutes.
fn is_genuine(token: &str) -> bool {
    let (text, signature) = token.rsplit_once('.').expect("a token");
    let public = KeyPair::read(KEY.as_bytes()).expect("a key").public_pem();
    let public: String = public.lines().filter(|line| !line.starts_with("-----")).collect();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, STANDARD.decode(public).expect("base64"));
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).expect("claims")).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    let time = |name: &str| claims[name].as_i64().expect("a time");
    let now = Timestamp::now().seconds();
    let holds = time("iat") <= now && now < time("exp") && time("exp") <= now + 600;
    holds && claims["iss"] == APP && public.verify(text.as_bytes(), &signature).is_ok()
}

#[derive(Deserialize)]
struct Ask {
    per_page: usize,
    cursor: Option<String>,
}

async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap, Query(ask): Query<Ask>) -> Response {
    if let Some(response) = shared.refusal(&headers) {
        return response;
    }
    assert_eq!(ask.per_page, 100);
    let newest_first: Vec<Delivery> = shared.deliveries.lock().unwrap().iter().rev().cloned().collect();
    let begin = ask.cursor.map_or(0, |cursor| {
        let id: u64 = cursor.strip_prefix("v1_").expect("a cursor of ours").parse().expect("a number");
        newest_first.iter().position(|delivery| delivery.id == id).expect("a delivery")
    });
    let page: Vec<Value> =
        newest_first.iter().skip(begin).take(PAGE).map(|delivery| item(shared.hook, delivery)).collect();
    let next = newest_first.get(begin + PAGE).map(|next| {
        // Another host than ours: a client follows the cursor, and takes its token nowhere else.
        let path = shared.hook.path();
        format!(r#"<https://elsewhere.example{path}?per_page=100&cursor=v1_{}>; rel="next""#, next.id)
    });
    (next.map(|link| [("link", link)]), axum::Json(page)).into_response()
}

fn item(hook: Hook, delivery: &Delivery) -> Value {
    let status = if delivery.status == 200 { "OK" } else { "Invalid HTTP Response: 503" };
    json!({
        "id": delivery.id, "guid": delivery.guid, "delivered_at": delivery.at.to_string(),
        "redelivery": delivery.redelivery, "duration": 0.27, "status": status, "status_code": delivery.status,
        "event": "push", "action": null, "installation_id": (hook == Hook::App).then_some(INSTALLATION),
        "repository_id": (hook != Hook::Organization).then_some(456),
        "throttled_at": null,
    })
}

async fn again(State(shared): State<Arc<Shared>>, headers: HeaderMap, Path(delivery): Path<u64>) -> Response {
    if let Some(response) = shared.refusal(&headers) {
        return response;
    }
    let found = shared.deliveries.lock().unwrap().iter().find(|known| known.id == delivery).cloned();
    let Some(found) = found else { return StatusCode::NOT_FOUND.into_response() };
    shared.asked.lock().unwrap().push(found.guid.clone());
    let gateway = shared.gateway.lock().unwrap().clone().expect("it is known where to");
    // It says yes at once, and delivers later.
    tokio::spawn(async move {
        let answer = shared.hook.webhook(&found.guid).post(&gateway, shared.integration).await.expect("an answer");
        shared.add(&found.guid, Timestamp::now(), answer.status.as_u16(), true);
    });
    (StatusCode::ACCEPTED, "{}").into_response()
}
