//! A 2xx means stored; what can't be stored in time is answered 503.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use gatepost_config::Timestamp;
use tokio::io::AsyncWriteExt;

use crate::{
    client::{self, PATIENCE},
    rig::{GITHUB, Rig, github},
};

const BODY: &str = r#"{"installation":{"id":12345678}}"#;

#[tokio::test]
async fn a_client_that_hangs_up_after_the_body_does_not_stop_the_store() {
    let rig = Rig::start(GITHUB).await;
    for n in 0..20 {
        let bytes = rig.signed(github(&n.to_string(), BODY), Timestamp::now()).bytes();
        let mut socket = client::connect(rig.address).await;
        socket.write_all(&bytes).await.expect("sent");
        // Not even a close handshake: the connection is reset.
        socket.set_zero_linger().expect("linger");
        drop(socket);
    }
    // A reset may overtake the body; what was read whole is stored.
    let read = || {
        let labels = [("integration", "github")];
        rig.counted("gatepost_gateway_received_bytes_total", &labels) / BODY.len() as u64
    };
    // One whose connection was not taken yet may come later.
    let began = Instant::now();
    loop {
        let (stored, logged) = (rig.stored().await, rig.logged().await.len() as u64);
        let is_idle = rig.counted("gatepost_gateway_inflight_requests", &[]) == 0;
        if stored > 0 && stored == read() && stored == logged && is_idle {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{stored} of {} stored, {logged} in the log", read());
        tokio::task::yield_now().await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_answered_503_inside_the_deadline() {
    let rig = Rig::start(GITHUB).await;
    let genuine = |delivery: &str| rig.signed(github(delivery, BODY), Timestamp::now());
    assert_eq!(rig.ask(&genuine("d-1")).await.result(), "stored", "the positive control");
    rig.store.close().await;
    let began = Instant::now();
    let answer = rig.ask(&genuine("d-2")).await;
    assert_eq!((answer.status, answer.header("retry-after"), answer.result()), (503, "5", ""));
    assert!(answer.body.contains(r#""error":"unavailable""#));
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(rig.counted("gatepost_gateway_requests_total", &[("result", "unavailable")]), 1);
    let forged = rig.ask(&genuine("d-3").with("x-hub-signature-256", "sha256=00")).await;
    assert_eq!(forged.status, 401, "what is not genuine is refused all the same");
    let dropped = || rig.counted("gatepost_gateway_quarantine_dropped_total", &[("integration", "github")]);
    let told = async {
        while dropped() != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it is counted");
    rig.stop.cancel();
    tokio::time::timeout(PATIENCE, rig.running).await.expect("it stops in time").expect("without a panic");
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_answered_503() {
    let mut settings = crate::rig::config(GITHUB);
    settings.gateway.answer_deadline = Duration::ZERO;
    let rig = Rig::start_with(settings).await;
    let answer = rig.ask(&rig.signed(github("d-1", BODY), Timestamp::now())).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    rig.stop().await;
}

#[tokio::test]
async fn the_port_is_closed_when_the_gateway_has_stopped() {
    let rig = Rig::start(GITHUB).await;
    let address = rig.address;
    rig.stop().await;
    let refused = tokio::net::TcpStream::connect(address).await.expect_err("closed");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
