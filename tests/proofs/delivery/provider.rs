//! A provider that posts at a steady rate, whatever the answers take.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepost_tests::github::Webhook;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::setup::SECRET;

/// Connections that it posts over.
const WORKERS: u64 = 32;

/// One event to post.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    /// Its number.
    pub(crate) number: u64,
    /// Whose it is.
    pub(crate) connection: u64,
}

/// What an event was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    /// 200, or 429 for what is over a quota.
    pub(crate) status: StatusCode,
    /// How long it waited for that.
    pub(crate) after: Duration,
}

/// As [`offer_steadily`], of events that must all be accepted.
pub(crate) async fn post_steadily(
    address: &str,
    start: Instant,
    rate: f64,
    count: u64,
    what: impl Fn(u64) -> Post + Clone + Send + 'static,
) -> Vec<Duration> {
    let answered = offer_steadily(address, start, rate, count, what).await;
    assert!(answered.iter().all(|answered| answered.status == 200));
    answered.into_iter().map(|answered| answered.after).collect()
}

/// Posts `count` events at `rate` a second, the n-th being `what(n)`; what each was answered, when all are.
pub(crate) async fn offer_steadily(
    address: &str,
    start: Instant,
    rate: f64,
    count: u64,
    what: impl Fn(u64) -> Post + Clone + Send + 'static,
) -> Vec<Answered> {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (address, what) = (address.to_owned(), what.clone());
        workers.spawn(async move {
            let mut line = Line::open(&address).await;
            let begun = Instant::now();
            let mut answered = Vec::new();
            for n in (worker..count).step_by(WORKERS as usize) {
                let at = begun + Duration::from_secs_f64(n as f64 / rate);
                tokio::time::sleep_until(at.into()).await;
                let posted = Instant::now();
                let status = line.offer(start, what(n)).await;
                answered.push(Answered { status, after: posted.elapsed() });
            }
            answered
        });
    }
    workers.join_all().await.concat()
}

/// A connection to a gateway.
pub(crate) struct Line {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    /// Connects.
    pub(crate) async fn open(address: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("the gateway listens");
        let _ = socket.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
        tokio::spawn(connection);
        Self { address: address.to_owned(), sender }
    }

    /// Posts one event, which must be accepted.
    pub(crate) async fn post(&mut self, start: Instant, post: Post) {
        assert_eq!(self.offer(start, post).await, 200);
    }

    /// Posts one event, which is accepted or over a quota.
    async fn offer(&mut self, start: Instant, post: Post) -> StatusCode {
        let Post { number, connection } = post;
        let posted = start.elapsed().as_micros();
        let body = format!(r#"{{"installation":{{"id":{connection}}},"number":{number},"posted":{posted}}}"#);
        let webhook = Webhook::signed(SECRET, "push", &format!("delivery-{number}"), body);
        let request = Request::post("/webhooks/github")
            .header("host", &self.address)
            .header("content-type", "application/json")
            .header("x-github-event", webhook.event)
            .header("x-github-delivery", webhook.delivery)
            .header("x-hub-signature-256", webhook.signature)
            .body(Full::new(webhook.body))
            .expect("a good request");
        self.sender.ready().await.expect("the connection stays open");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        assert!([200, 429].contains(&status.as_u16()), "{status}");
        answer.into_body().collect().await.expect("a whole answer");
        status
    }
}
