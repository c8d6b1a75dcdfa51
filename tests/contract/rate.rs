//! How many appends a second an engine takes. Not a test: it measures when asked to, and asserts nothing.

use std::time::{Duration, Instant};

use crate::{
    fixture::{Setup, embedded::Folder},
    journey, make,
};

const CALLERS: u64 = 64;
const SPAN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it alone, with --release and --nocapture"]
async fn appends_of_2_kib_by_64_callers() {
    let folder = Folder::fresh().await;
    let store = folder.open(&Setup::default()).await;
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                let body = make::noise(2_024);
                let mut waits = Vec::new();
                while began.elapsed() < SPAN {
                    let event = make::event("acme", &format!("{caller}-{}", waits.len()));
                    let asked = Instant::now();
                    journey::append(&store, make::with_body(event, body.clone())).await;
                    waits.push(asked.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.await.expect("it appends"));
    }
    let took = began.elapsed();
    waits.sort();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    println!(
        "{} appends in {took:?}: {:.0} a second, p50 {:?}, p99 {:?}, slowest {:?}",
        waits.len(),
        waits.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    store.close().await;
}
