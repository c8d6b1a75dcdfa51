//! What is dialled, and what is not.

use std::net::IpAddr;

use http::Uri;
use tokio::net::TcpListener;
use tower::Service;

use crate::{Connector, DialError, Resolver, tls};

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
