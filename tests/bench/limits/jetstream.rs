//! The limit of the NATS store: the same bytes published to a stream of one subject, each waiting for its acknowledgement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use serde_json::json;

use crate::Args;

pub(crate) async fn measure(args: &Args) {
    let client = async_nats::connect(args.text("url")).await.expect("the server listens");
    let context = jetstream::new(client);
    let config = stream::Config {
        name: "LIMIT".to_owned(),
        subjects: vec!["limit".to_owned()],
        num_replicas: args.count("replicas"),
        ..stream::Config::default()
    };
    context.create_stream(config).await.expect("a stream");
    let payload = Bytes::from(vec![b'b'; args.count("bytes") + args.count("meta")]);
    let until = Instant::now() + args.seconds();
    let done = Arc::new(AtomicU64::new(0));
    let publishers = (0..args.number("waiting")).map(|_| {
        let (context, payload, done) = (context.clone(), payload.clone(), done.clone());
        tokio::spawn(async move {
            while Instant::now() < until {
                let ack = context.publish("limit", payload.clone()).await.expect("published");
                ack.await.expect("acknowledged");
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let began = Instant::now();
    futures::future::join_all(publishers.collect::<Vec<_>>()).await;
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    context.delete_stream("LIMIT").await.expect("deleted");
    println!("{}", json!({ "rate": rate }));
}
