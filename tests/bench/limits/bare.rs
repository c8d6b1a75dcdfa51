//! The limit of HTTP: a bare axum server that reads the body and answers 200.

use axum::{Router, body::Bytes, routing::post};
use tokio::net::TcpListener;

#[expect(clippy::disallowed_methods, reason = "as people write it, without limits on time: that is the limit")]
pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    let router = Router::new().route("/webhooks/github", post(async |body: Bytes| format!("{}", body.len())));
    axum::serve(listener, router).await.expect("it serves");
}
