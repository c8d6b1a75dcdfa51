//! The HTTP edge, byte by byte: slow, broken, oversized and ambiguous requests.

use std::time::{Duration, Instant};

use gatepost_config::Timestamp;
use tokio::io::AsyncWriteExt;

use crate::{
    client::{self, Ask, PATIENCE},
    rig::{GITHUB, Rig, config, github},
};

const BODY: &str = r#"{"installation":{"id":12345678}}"#;

/// A rig that loses patience quickly.
async fn hasty() -> Rig {
    let mut settings = config(GITHUB);
    settings.gateway.head_timeout = Duration::from_millis(300);
    settings.gateway.body_timeout = Duration::from_millis(300);
    Rig::start_with(settings).await
}

fn genuine(rig: &Rig, delivery: &str) -> Ask {
    rig.signed(github(delivery, BODY), Timestamp::now())
}

/// A genuine request whose head is what `change` makes of it.
fn altered(rig: &Rig, delivery: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8(genuine(rig, delivery).bytes()).expect("text");
    change(&text).into_bytes()
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_closes_the_connection() {
    let rig = hasty().await;
    let began = Instant::now();
    for sent in ["", "P", "POST /webhooks/github HTTP/1.1\r\nhost: x\r\n"] {
        let got = client::exchange(rig.address, sent.as_bytes()).await;
        assert!(got.is_empty() || got.starts_with(b"HTTP/1.1 408"), "{sent:?}");
    }
    let mut trickle = client::connect(rig.address).await;
    for byte in b"POST /webhooks/github HTTP/1.1\r\nhost: x\r\nx-slow: 123456789012345678901234567890" {
        if trickle.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client::read_to_end(&mut trickle).await;
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(rig.ask(&genuine(&rig, "d-1")).await.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_answered_408_and_frees_its_bytes() {
    let rig = hasty().await;
    let bytes = genuine(&rig, "d-1").bytes();
    let mut socket = client::connect(rig.address).await;
    socket.write_all(&bytes[..bytes.len() - 1]).await.expect("sent");
    let answer = client::parse(&client::read_to_end(&mut socket).await).expect("an answer");
    assert_eq!(answer.status, 408);
    assert!(answer.body.contains(r#""error":"body_timeout""#));
    assert_eq!(rig.stored().await, 0);
    assert_eq!(rig.ask(&genuine(&rig, "d-1")).await.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_without_being_read() {
    let mut settings = config(GITHUB);
    let mut provider = settings.integrations[0].provider.as_ref().clone();
    provider.body_max = gatepost_config::ByteSize(1_000);
    settings.integrations[0].provider = provider.into();
    let rig = Rig::start_with(settings).await;

    let announced = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n";
    let answer = client::parse(&client::exchange(rig.address, announced.as_bytes()).await).expect("an answer");
    assert_eq!(answer.status, 413, "before a byte of the body");

    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = client::exchange(rig.address, format!("{head}{chunk}{chunk}{chunk}").as_bytes()).await;
    assert_eq!(client::parse(&answer).expect("an answer").status, 413, "no length was announced");

    let small = client::exchange(rig.address, format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert_eq!(client::parse(&small).expect("an answer").status, 401, "the positive control: read, then judged");
    rig.stop().await;
}

#[tokio::test]
async fn what_could_be_read_as_two_requests_is_read_as_none_or_one() {
    let rig = Rig::start(GITHUB).await;
    let smuggled = String::from_utf8(genuine(&rig, "smuggled").bytes()).expect("text");
    let length = format!("content-length: {}\r\n", BODY.len());
    let with = |header: &str| {
        let changed = altered(&rig, "outer", |text| text.replace(&length, header).replace("connection: close\r\n", ""));
        [changed, smuggled.clone().into_bytes()].concat()
    };
    for (what, header) in [
        ("two lengths", format!("content-length: 0\r\n{length}")),
        ("a signed length", format!("content-length: +{}\r\n", BODY.len())),
        ("a length in hex", "content-length: 0x20\r\n".to_owned()),
        ("a negative length", "content-length: -1\r\n".to_owned()),
        ("a list of lengths", "content-length: 32, 0\r\n".to_owned()),
        ("an unknown coding", "transfer-encoding: x\r\n".to_owned()),
        ("chunked not last", "transfer-encoding: chunked, x\r\n".to_owned()),
        ("a folded header", format!("x-a: b\r\n c\r\n{length}")),
        ("a space before the colon", format!("content-length : 0\r\n{length}")),
        ("length, then chunked", format!("{length}transfer-encoding: chunked\r\n")),
        ("chunked, then length", format!("transfer-encoding: chunked\r\n{length}")),
    ] {
        let got = client::exchange(rig.address, &with(&header)).await;
        let text = String::from_utf8_lossy(&got);
        let answers = text.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{what}: {text}");
        assert!(!text.contains("HTTP/1.1 2"), "{what}: {text}");
    }
    assert_eq!(rig.stored().await, 0);
    assert_eq!(rig.ask(&genuine(&rig, "control")).await.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn a_chunked_request_is_the_last_of_its_connection() {
    let rig = Rig::start(GITHUB).await;
    let length = format!("content-length: {}\r\n", BODY.len());
    let chunked = altered(&rig, "d-1", |text| {
        let text = text.replace(&length, "transfer-encoding: chunked\r\n").replace("connection: close\r\n", "");
        text.replace(BODY, &format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len()))
    });
    let both = [chunked, genuine(&rig, "d-2").bytes()].concat();
    let got = String::from_utf8(client::exchange(rig.address, &both).await).expect("text");
    assert_eq!(got.matches("HTTP/1.1 200").count(), 1, "{got}");
    assert_eq!(rig.stored().await, 1, "what follows it is not read as a request");
    rig.stop().await;
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let rig = Rig::start(GITHUB).await;
    let flooded = |extra: &str| altered(&rig, "d-1", |text| text.replacen("host:", &format!("{extra}host:"), 1));
    let many = |count: u32| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    for bad in [many(101), many(80), format!("x-large: {}\r\n", "a".repeat(100_000))] {
        let answer = client::parse(&client::exchange(rig.address, &flooded(&bad)).await);
        let status = answer.map(|answer| answer.status);
        assert!(matches!(status, None | Some(400 | 431)), "{status:?} to {} bytes", bad.len());
    }
    assert_eq!(rig.stored().await, 0);
    let answer = client::parse(&client::exchange(rig.address, &flooded(&many(50))).await).expect("an answer");
    assert_eq!(answer.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn an_old_client_and_a_patient_one_are_both_served() {
    let rig = Rig::start(GITHUB).await;
    let old = altered(&rig, "d-1", |text| text.replace("HTTP/1.1", "HTTP/1.0").replace("connection: close\r\n", ""));
    let answer = client::parse(&client::exchange(rig.address, &old).await).expect("an answer");
    assert_eq!((answer.status, answer.result()), (200, "stored"), "HTTP/1.0");

    let mut socket = client::connect(rig.address).await;
    for delivery in ["d-2", "d-3"] {
        let kept = altered(&rig, delivery, |text| text.replace("connection: close\r\n", ""));
        socket.write_all(&kept).await.expect("sent");
        assert_eq!(client::read_one(&mut socket).await.result(), "stored", "keep-alive");
    }
    let pipelined: Vec<u8> = ["d-4", "d-5"]
        .iter()
        .flat_map(|delivery| altered(&rig, delivery, |text| text.replace("connection: close\r\n", "")))
        .collect();
    socket.write_all(&pipelined).await.expect("sent");
    for _ in 0..2 {
        assert_eq!(client::read_one(&mut socket).await.result(), "stored", "pipelined");
    }
    let expecting = altered(&rig, "d-6", |text| text.replace("host:", "expect: 100-continue\r\nhost:"));
    let got = String::from_utf8(client::exchange(rig.address, &expecting).await).expect("text");
    assert!(got.starts_with("HTTP/1.1 100 Continue") && got.contains("gatepost-result: stored"), "{got}");
    assert_eq!(rig.logged().await.len(), 6);
    rig.stop().await;
}

#[tokio::test]
async fn hosts_and_forwarded_headers_change_nothing_of_the_signed_url() {
    let text = r#"
[gateway]
public_url = "https://hooks.example.com"
[[provider]]
name = "url-signer"
title = "URL Signer"
secret_scope = "app"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{method}{url}{body}"
[provider.event]
type = "json:/type"
id = "query:n"
[[integration]]
id = "u"
provider = "url-signer"
secrets = [{ env = "SECRET" }]
"#;
    let rig = Rig::start(text).await;
    let mut n = 0;
    for header in ["x-forwarded-host", "x-forwarded-proto", "forwarded", "x-original-url", "x-forwarded-port"] {
        for query in ["a=%2F&b=1", "b=1&a=%2F", "a=//&", "%C3%A9", "x="] {
            n += 1;
            let target = format!("/webhooks/u?n={n}&{query}");
            let ask = rig.signed(Ask::post(&target, "{}"), Timestamp::now()).header(header, "evil.example");
            assert_eq!(rig.ask(&ask).await.result(), "unmatched", "{target}");
            let other = Ask { target: format!("{target}&"), ..ask };
            assert_eq!(rig.ask(&other).await.status, 401, "{target}&");
        }
    }
    assert_eq!(rig.stored().await, n);
    let ask = rig.signed(Ask::post("/webhooks/u?n=last", "{}"), Timestamp::now());
    let mut without = rig.config.clone();
    without.gateway.public_url = None;
    rig.stop().await;
    let rig = Rig::start_with(without).await;
    assert_eq!(rig.ask(&ask).await.status, 401, "nobody said what providers call us");
    assert_eq!(rig.quarantined("u", 1).await[0].reason, "public_url_absent");
    rig.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end_up_and_requests_under_way_are_answered() {
    let rig = Rig::start(GITHUB).await;
    let idle = client::connect(rig.address).await;
    let mut half = client::connect(rig.address).await;
    half.write_all(b"POST /webhooks/github HTTP/1.1\r\n").await.expect("sent");
    let bytes = genuine(&rig, "d-1").bytes();
    let mut under_way = client::connect(rig.address).await;
    under_way.write_all(&bytes[..bytes.len() - 1]).await.expect("sent");
    while rig.counted("gatepost_gateway_inflight_requests", &[]) == 0 {
        tokio::task::yield_now().await;
    }
    rig.stop.cancel();
    let began = Instant::now();
    while tokio::net::TcpStream::connect(rig.address).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "it stops listening");
        tokio::task::yield_now().await;
    }
    under_way.write_all(&bytes[bytes.len() - 1..]).await.expect("sent");
    let answer = client::parse(&client::read_to_end(&mut under_way).await).expect("an answer");
    assert_eq!(answer.result(), "stored");
    assert_eq!(rig.stored().await, 1);
    rig.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop((idle, half));
}

#[tokio::test]
async fn connections_over_the_limit_wait_and_are_served_when_others_close() {
    let mut settings = config(GITHUB);
    settings.gateway.connections_max = 2;
    let rig = Rig::start_with(settings).await;
    let (first, second) = (client::connect(rig.address).await, client::connect(rig.address).await);
    let ask = genuine(&rig, "d-1");
    let waiting = tokio::spawn({
        let address = rig.address;
        async move { client::ask(address, &ask).await }
    });
    while rig.counted("gatepost_gateway_open_connections", &[]) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.stored().await, 0);
    drop((first, second));
    assert_eq!(waiting.await.expect("an answer").result(), "stored");
    rig.stop().await;
}
