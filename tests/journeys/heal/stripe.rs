//! Stripe as its documentation says: it lists events, newest first, of a time and by whether they were delivered.
//!
//! <https://docs.stripe.com/api/events/list>

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use gatepost_config::Timestamp;
use gatepost_tests::{
    github::{hex, hmac_sha256},
    post::{self, Answer},
};
use http::{HeaderMap, StatusCode};
use tokio::{net::TcpListener, task::JoinHandle};

/// A key that may read events.
pub(super) const KEY: &str = "rk_test_that_nobody_uses";
/// The endpoint's secret.
pub(super) const SECRET: &str = "whsec_stripe_secret_that_nobody_uses";
/// A connected account.
pub(super) const ACCOUNT: &str = "acct_1AcmeAnvils";

/// Items of a page: fewer than asked for, so that there are several pages.
const PAGE: usize = 2;

/// Stripe; gone when it is dropped.
pub(super) struct Stripe {
    pub(super) url: String,
    events: Arc<Mutex<Vec<Event>>>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Event {
    id: String,
    account: Option<&'static str>,
    created: i64,
    is_delivered: bool,
}

impl Stripe {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let router = Router::new().route("/v1/events", get(list)).with_state(events.clone());
        #[expect(clippy::disallowed_methods, reason = "a third party's server, asked by nobody who is slow")]
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, events, server }
    }

    /// An event of the platform or of a connected account, at a time later than the one before.
    pub(super) fn happened(&self, id: &str, account: Option<&'static str>, at: Timestamp, is_delivered: bool) {
        let event = Event { id: id.to_owned(), account, created: at.seconds(), is_delivered };
        self.events.lock().unwrap().push(event);
    }

    /// Posts an event, as an endpoint gets it: the list says the same in other spaces.
    pub(super) async fn posts(&self, id: &str, gateway: &str) -> Answer {
        let event = self.events.lock().unwrap().iter().find(|event| event.id == id).cloned().expect("it happened");
        let body = event.text("  ");
        let now = Timestamp::now().seconds();
        let tag = hex(&hmac_sha256(SECRET.as_bytes(), format!("{now}.{body}").as_bytes()));
        let signature = format!("t={now},v1={tag}");
        let headers = [("content-type", "application/json; charset=utf-8"), ("stripe-signature", signature.as_str())];
        post::post(gateway, "/webhooks/stripe", &headers, Bytes::from(body)).await.expect("an answer")
    }
}

impl Drop for Stripe {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Event {
    fn text(&self, indent: &str) -> String {
        let account = self.account.map(|account| format!("{indent}\"account\": \"{account}\",\n")).unwrap_or_default();
        format!(
            "{{\n{indent}\"id\": \"{}\",\n{indent}\"object\": \"event\",\n{account}{indent}\"created\": {},\n\
             {indent}\"data\": {{ \"object\": {{ \"id\": \"cus_AcmeWile\", \"name\": \"Wile \\u00c9.\" }} }},\n\
             {indent}\"pending_webhooks\": {},\n{indent}\"type\": \"customer.created\"\n}}",
            self.id,
            self.created,
            u8::from(!self.is_delivered),
        )
    }
}

async fn list(
    State(events): State<Arc<Mutex<Vec<Event>>>>,
    headers: HeaderMap,
    Query(ask): Query<HashMap<String, String>>,
) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    if header("authorization") != Some(format!("Bearer {KEY}")) {
        return (StatusCode::UNAUTHORIZED, r#"{"error":{"type":"invalid_request_error"}}"#).into_response();
    }
    assert_eq!((ask["limit"].as_str(), ask["delivery_success"].as_str()), ("100", "false"));
    let time = |name: &str| ask[name].parse::<i64>().expect("seconds");
    let (from, before) = (time("created[gte]"), time("created[lt]"));
    let account = header("stripe-account");
    let all = events.lock().unwrap().clone();
    let wanted = |event: &&Event| {
        !event.is_delivered && (from..before).contains(&event.created) && event.account.map(str::to_owned) == account
    };
    let newest_first: Vec<&Event> = all.iter().rev().filter(wanted).collect();
    let begin = ask
        .get("starting_after")
        .map_or(0, |after| newest_first.iter().position(|event| event.id == *after).expect("an event of the list") + 1);
    let page: Vec<String> = newest_first.iter().skip(begin).take(PAGE).map(|event| event.text("      ")).collect();
    let has_more = newest_first.len() > begin + PAGE;
    let page = page.join(",\n    ");
    let body = format!(
        "{{\n  \"object\": \"list\",\n  \"data\": [\n    {page}\n  ],\n  \"has_more\": {has_more},\n  \"url\": \"/v1/events\"\n}}"
    );
    ([("content-type", "application/json")], body).into_response()
}
