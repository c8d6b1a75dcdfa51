//! Answers meant to hurt.

use std::time::Instant;

use gatepost_event::{AttemptError, attempt::RESPONSE_BYTES_KEPT};

use super::{SLACK, TIMEOUT, attempt, outside, server::Server, to};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

fn head(more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{more}\r\n").into_bytes()
}

#[tokio::test]
async fn a_whole_answer_is_taken_and_its_first_bytes_kept() {
    let body = "é".repeat(4096);
    let server =
        Server::saying([head(&format!("content-length: {}\r\n", body.len())), body.into_bytes()].concat()).await;
    let sent = attempt(&outside(), &to(&server.url())).await;
    assert_eq!((sent.status, sent.error), (Some(200), None));
    assert_eq!(sent.response.len(), RESPONSE_BYTES_KEPT);
    assert!(sent.response.chars().all(|c| c == 'é'));

    let odd =
        Server::saying([head("content-length: 3\r\ncontent-encoding: gzip\r\n"), vec![0xff, b'a', 0xfe]].concat())
            .await;
    let sent = attempt(&outside(), &to(&odd.url())).await;
    assert_eq!((sent.error, sent.response.as_str()), (None, "\u{fffd}a\u{fffd}"), "as it came, made text");
}

#[tokio::test]
async fn a_huge_or_endless_body_is_read_to_its_bound_and_dropped() {
    static FLOOD: [u8; 65536] = [b'x'; 65536];
    let huge = Server::endless(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", &FLOOD, 0).await;
    let until_close = Server::endless(b"HTTP/1.1 200 OK\r\n\r\n", &FLOOD, 0).await;
    let chunked = Server::endless(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n4\r\nabcd\r\n",
        0,
    )
    .await;
    let outside = outside();
    for server in [huge, until_close, chunked] {
        let began = Instant::now();
        let mut destination = to(&server.url());
        destination.timeout = TIMEOUT * 50;
        let sent = attempt(&outside, &destination).await;
        assert_eq!((sent.status, sent.error), (Some(200), None));
        assert!(sent.response.len() <= RESPONSE_BYTES_KEPT);
        assert!(began.elapsed() < destination.timeout, "not read to the deadline: {:?}", began.elapsed());
        // The connection is not used again.
        let before = server.connections();
        let _ = attempt(&outside, &destination).await;
        assert_eq!(server.connections(), before + 1);
    }
}

#[tokio::test]
async fn whatever_drips_or_hangs_ends_at_the_deadline() {
    let outside = outside();
    for (name, server, status) in [
        ("head drips", Server::endless(OK, b"x", 20).await, None),
        ("headers drip", Server::endless(OK, b"x-a: b\r\n", 20).await, None),
        (
            "100 loop",
            Server::endless(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", 1).await,
            None,
        ),
        ("103 loop", Server::endless(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", 1).await, None),
        ("body drips", Server::endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", 20).await, Some(200)),
        (
            "chunks drip",
            Server::endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 20).await,
            Some(200),
        ),
        (
            "trailers drip",
            Server::endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n", 20).await,
            Some(200),
        ),
        ("nothing", Server::start(|_tcp| std::future::pending()).await, None),
    ] {
        let began = Instant::now();
        let sent = attempt(&outside, &to(&server.url())).await;
        let took = began.elapsed();
        assert!(took <= TIMEOUT + SLACK, "{name} took {took:?}");
        assert_eq!(sent.status, status, "{name}");
        let error = sent.error.expect(name);
        // A parser may also have had enough before the deadline.
        assert!(matches!(error, AttemptError::Timeout | AttemptError::Protocol), "{name}: {error:?}");
        if error == AttemptError::Timeout {
            assert!(took >= TIMEOUT, "{name} took {took:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_a_whole_answer_is_a_failure_at_once() {
    let outside = outside();
    for (name, bytes, status) in [
        ("many headers", head(&"x-a: b\r\n".repeat(5_000)), None),
        ("a huge header", head(&format!("x-a: {}\r\n", "y".repeat(1_000_000))), None),
        ("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), None),
        ("nothing", Vec::new(), None),
        ("half a head", b"HTTP/1.1 200".to_vec(), None),
        ("a short body", [head("content-length: 10\r\n"), b"abc".to_vec()].concat(), Some(200)),
        ("a bad chunk", [head("transfer-encoding: chunked\r\n"), b"zz\r\n".to_vec()].concat(), Some(200)),
        ("two lengths", [head("content-length: 1\r\ncontent-length: 2\r\n"), b"ab".to_vec()].concat(), None),
        ("a switch", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(), None),
    ] {
        let server = Server::saying(bytes).await;
        let began = Instant::now();
        let mut destination = to(&server.url());
        destination.timeout = TIMEOUT * 50;
        let sent = attempt(&outside, &destination).await;
        assert!(began.elapsed() < destination.timeout, "{name}");
        assert!(sent.error.is_some(), "{name}");
        if name != "a switch" {
            assert_eq!((sent.status, sent.error), (status, Some(AttemptError::Protocol)), "{name}");
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url();
        let answer = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::saying(answer).await;
        let sent = attempt(&outside(), &to(&server.url())).await;
        assert_eq!((sent.status, sent.error), (Some(status), Some(AttemptError::Status)));
        assert_eq!(server.requests(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
    // The control: it would have been there.
    assert_eq!(attempt(&outside(), &to(&elsewhere.url())).await.error, None);
    assert_eq!(elsewhere.requests(), 1);
}
