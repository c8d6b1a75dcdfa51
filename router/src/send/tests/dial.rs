//! What is dialled, and what is not.

use futures::future::join_all;
use gatepost_config::Destination;
use gatepost_event::AttemptError;
use gatepost_outbound::Stopwatch;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{attempt, outside, server::Server, to};

#[tokio::test]
async fn errors_of_dialling_have_their_words() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let refused = attempt(&outside(), &to(&format!("http://{gone}/"))).await;
    assert_eq!(refused.error, Some(AttemptError::Connect));
    let unknown = attempt(&outside(), &to("http://no-such-name.invalid/")).await;
    assert!(matches!(unknown.error, Some(AttemptError::Dns | AttemptError::Timeout)), "{:?}", unknown.error);
    let inside = attempt(&outside(), &to("http://169.254.169.254/latest/meta-data")).await;
    assert_eq!((inside.error, inside.response.as_str()), (Some(AttemptError::AddressRefused), ""));
}

async fn polite(mut tcp: TcpStream) -> Option<TcpStream> {
    tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok()?;
    Some(tcp)
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::start(polite).await;
    let outside = outside();
    for _ in 0..5 {
        assert_eq!(attempt(&outside, &to(&server.url())).await.error, None);
    }
    assert_eq!((server.requests(), server.connections()), (5, 1));
}

#[tokio::test]
async fn as_many_connections_are_kept_as_attempts_were_made_at_once() {
    const AT_ONCE: usize = 200;
    let server = Server::start(polite).await;
    let (outside, destination) = (outside(), to(&server.url()));
    for _ in 0..8 {
        let attempts = join_all((0..AT_ONCE).map(|_| attempt(&outside, &destination))).await;
        assert!(attempts.iter().all(|attempt| attempt.error.is_none()));
    }
    // One that is on its way back to the pool when the next round begins may be made anew.
    assert_eq!(server.requests(), 8 * AT_ONCE);
    assert!(server.connections() <= 2 * AT_ONCE, "{} for {AT_ONCE} at once", server.connections());
}

#[tokio::test]
async fn a_connection_made_with_leave_is_not_used_without() {
    let server = Server::start(polite).await;
    let outside = outside();
    let uri = format!("http://localhost:{}/hook", server.port);
    assert_eq!(attempt(&outside, &to(&uri)).await.error, None);
    let pool = |private| outside.to(&Destination { private, ..to(&uri) }, None).expect("TLS");
    let request = || {
        let body = super::super::Pieces::new(crate::envelope::Envelope::of_bytes(b"{}"), Stopwatch::start());
        let mut request = http::Request::new(body);
        *request.uri_mut() = uri.parse().expect("a URI");
        request
    };
    assert!(pool(false).request(request()).await.is_err(), "the same name, without leave");
    assert!(pool(true).request(request()).await.is_ok(), "the control");
    assert_eq!(server.connections(), 1);
}

/// URLs that parsers disagree on, or that say more than where to go; each could mean the listener.
#[tokio::test]
async fn urls_that_say_more_than_where_to_go_are_not_dialled() {
    let server = Server::start(polite).await;
    let outside = outside();
    for (n, (url, private)) in [
        ("http://127.0.0.1:{}/", false),
        ("https://127.0.0.1:{}/", false),
        ("http://user@127.0.0.1:{}/", true),
        ("http://user:pass@127.0.0.1:{}/", true),
        ("http://:pass@127.0.0.1:{}/", true),
        ("http://example.com@127.0.0.1:{}/", true),
        ("http://example.com%40127.0.0.1@127.0.0.1:{}/", true),
        ("http://example.com:80@127.0.0.1:{}/", true),
        ("http://example.com%2f@127.0.0.1:{}/", true),
        ("http://127.0.0.1:{}/#", true),
        ("http://127.0.0.1:{}/#@example.com/", true),
        ("http://127.0.0.1:{}/?a#b", true),
        ("http://127.0.0.1:{}\\#example.com", true),
        ("http:\\\\user@127.0.0.1:{}", true),
        ("http:///user@127.0.0.1:{}", true),
        ("http:user@127.0.0.1:{}", true),
        ("ftp://127.0.0.1:{}/", true),
        ("ws://127.0.0.1:{}/", true),
        ("wss://127.0.0.1:{}/", true),
        ("gopher://127.0.0.1:{}/_x", true),
        ("file://127.0.0.1/{}", true),
        ("data:127.0.0.1:{}", true),
        ("unix://127.0.0.1:{}/x.sock", true),
        ("http://127.0.0.1:0/{}", true),
        ("https://example.com:{}/", false),
        ("https://2130706433:{}/", false),
        ("http://0x7f.1:{}/", false),
        ("http://①②⑦.0.0.1:{}/", false),
    ]
    .into_iter()
    .enumerate()
    {
        let url = url.replace("{}", &server.port.to_string());
        let parsed: Result<url::Url, _> = url.parse();
        let destination = Destination { private, url: parsed.expect(&url), ..to(&server.url()) };
        let sent = attempt(&outside, &destination).await;
        assert_eq!((sent.error, sent.status), (Some(AttemptError::AddressRefused), None), "{url}");
        assert_eq!(server.requests(), n, "{url}: nobody came but the controls");
        let control = attempt(&outside, &to(&server.url())).await;
        assert_eq!((control.error, server.requests()), (None, n + 1), "{url}: the control");
    }
}

#[tokio::test]
async fn an_attempts_time_is_told_by_phases() {
    let server = Server::start(polite).await;
    let outside = outside();
    let first = attempt(&outside, &to(&server.url())).await.phases;
    assert!(first.dns_us.is_some() && first.connect_us.is_some() && first.tls_us.is_none(), "{first:?}");
    assert!(first.send_us.is_some() && first.first_byte_us.is_some() && first.body_us.is_some(), "{first:?}");
    let second = attempt(&outside, &to(&server.url())).await.phases;
    assert!(second.dns_us.is_none() && second.connect_us.is_none(), "the connection was open: {second:?}");
    assert!(second.first_byte_us.is_some());

    let silent = Server::start(|_tcp| std::future::pending()).await;
    let sent = attempt(&outside, &to(&silent.url())).await;
    assert!(sent.phases.send_us.is_some() && sent.phases.first_byte_us.is_none(), "{:?}", sent.phases);
    let slow = Server::endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", 20).await;
    let sent = attempt(&outside, &to(&slow.url())).await;
    assert!(sent.phases.first_byte_us.is_some() && sent.phases.body_us.is_none(), "{:?}", sent.phases);
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let sent = attempt(&outside, &to(&format!("http://{gone}/"))).await;
    assert!(sent.phases.dns_us.is_some() && sent.phases.connect_us.is_none(), "{:?}", sent.phases);
}
