//! The limit of delivery: a bare hyper client that posts the same bytes to a sink.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use crate::Args;

pub(crate) async fn measure(args: &Args) {
    let body = Bytes::from(std::fs::read(args.text("body")).expect("--body names a file"));
    let address = args.text("address").to_owned();
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + args.seconds();
    let clients = (0..args.number("waiting")).map(|_| {
        let (address, body, done) = (address.clone(), body.clone(), done.clone());
        tokio::spawn(async move {
            let socket = TcpStream::connect(&address).await.expect("the sink listens");
            socket.set_nodelay(true).expect("a socket");
            let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
            tokio::spawn(connection);
            while Instant::now() < until {
                let request = Request::post("/webhooks").header("host", &address).body(Full::new(body.clone()));
                let response = sender.send_request(request.expect("a request")).await.expect("an answer");
                response.into_body().collect().await.expect("its body");
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let began = Instant::now();
    futures::future::join_all(clients.collect::<Vec<_>>()).await;
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    println!("{}", json!({ "rate": rate }));
}
