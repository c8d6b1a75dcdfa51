//! What is dialled, and what is not.

use std::{net::IpAddr, sync::Arc};

use gatepost_event::AttemptError;
use http::Uri;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tower::Service;

use super::{
    super::{
        Outside, client,
        connect::{Connector, DialError},
        resolve::Resolver,
        tls,
    },
    attempt, outside,
    server::Server,
    to,
};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

async fn dial(resolver: Resolver, private: bool, url: &str) -> Result<(), DialError> {
    let tls = tls::config(vec![]).expect("TLS");
    let uri: Uri = url.parse().expect("a URI");
    Connector::new(resolver, tls, private).call(uri).await.map(drop)
}

#[tokio::test]
async fn no_connection_is_made_to_an_address_that_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]", "127.0.0.2"] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            let dialled = dial(Resolver::default(), false, &url).await;
            assert!(matches!(dialled, Err(DialError::Refused(_))), "{url}: {dialled:?}");
        }
    }
    let heard = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(heard.is_err(), "nobody came");
    // The control: the same address with leave.
    dial(Resolver::default(), true, &format!("http://127.0.0.1:{port}/")).await.expect("a connection");
    assert!(listener.accept().await.is_ok());
}

#[tokio::test]
async fn one_refused_address_refuses_the_whole_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (good, bad) = (ip("127.0.0.1"), ip("169.254.169.254"));
    let resolver = Resolver::made_up([
        ("good.test", vec![good]),
        ("bad-last.test", vec![good, bad]),
        ("bad-first.test", vec![bad, good]),
        ("mapped.test", vec![good, ip("::ffff:169.254.169.254")]),
        ("nat64.test", vec![good, ip("64:ff9b::a9fe:a9fe")]),
        ("v6.test", vec![good, ip("fd00:ec2::254")]),
        ("nowhere.test", vec![good, ip("0.0.0.0")]),
        ("many.test", [vec![good; 50], vec![bad]].concat()),
    ]);
    let names = ["bad-last", "bad-first", "mapped", "nat64", "v6", "nowhere", "many"];
    for name in names {
        let dialled = dial(resolver.clone(), true, &format!("http://{name}.test:{port}/")).await;
        assert!(matches!(dialled, Err(DialError::Refused(_))), "{name}: {dialled:?}");
    }
    for name in ["good", "bad-last"] {
        let dialled = dial(resolver.clone(), false, &format!("http://{name}.test:{port}/")).await;
        assert!(matches!(dialled, Err(DialError::Refused(_))), "{name} without leave: {dialled:?}");
    }
    let heard = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(heard.is_err(), "nobody came");
    dial(resolver, true, &format!("http://good.test:{port}/")).await.expect("a connection");
    assert!(listener.accept().await.is_ok());
}

#[tokio::test]
async fn a_name_of_a_metadata_service_is_refused_whatever_it_resolves_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let resolver = Resolver::made_up([("metadata.google.internal", vec![ip("127.0.0.1")])]);
    let dialled = dial(resolver, true, &format!("http://metadata.google.internal:{port}/")).await;
    assert!(matches!(dialled, Err(DialError::Refused(_))), "{dialled:?}");
}

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
async fn a_connection_made_with_leave_is_not_used_without() {
    let server = Server::start(polite).await;
    let resolver = Resolver::made_up([("inside.test", vec![ip("127.0.0.1")])]);
    let tls = tls::config(vec![]).expect("TLS");
    let outside = Outside {
        public: client(Connector::new(resolver.clone(), Arc::clone(&tls), false)),
        private: client(Connector::new(resolver, tls, true)),
    };
    let uri = format!("http://inside.test:{}/hook", server.port);
    assert_eq!(attempt(&outside, &to(&uri)).await.error, None);
    let request = |uri: &str| {
        let mut request = http::Request::new(super::super::Pieces::new(crate::envelope::Envelope::of_bytes(b"{}")));
        *request.uri_mut() = uri.parse().expect("a URI");
        request
    };
    assert!(outside.public.request(request(&uri)).await.is_err(), "the same name, without leave");
    assert!(outside.private.request(request(&uri)).await.is_ok(), "the control");
    assert_eq!(server.connections(), 1);
}
