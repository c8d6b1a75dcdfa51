//! What is dialled, and what is not.

use std::net::IpAddr;

use http::Uri;
use tokio::net::TcpListener;
use tower::Service;

use crate::{
    Connector, DialError, Resolver,
    guard::tests::{METADATA_HOSTS, PRIVATE_HOSTS},
    tls,
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

/// A listener that must hear nobody but the control.
struct Trap {
    listener: TcpListener,
    port: u16,
}

impl Trap {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Self { listener, port }
    }

    /// Dials with leave, and is the only one whom the listener hears.
    async fn only_hears_the_control(&self, what: &str) {
        let control = dial(Resolver::default(), true, &format!("http://127.0.0.1:{}/", self.port)).await;
        control.unwrap_or_else(|error| panic!("{what}: the control: {error}"));
        self.listener.accept().await.expect(what);
        let more = std::future::poll_fn(|context| std::task::Poll::Ready(self.listener.poll_accept(context))).await;
        assert!(more.is_pending(), "{what}: somebody else came");
    }
}

#[tokio::test]
async fn no_literal_that_leads_inside_is_dialled_however_it_is_written() {
    let trap = Trap::set().await;
    let mut tried = 0;
    for (hosts, private) in [(&PRIVATE_HOSTS[..], false), (&METADATA_HOSTS[..], false), (&METADATA_HOSTS[..], true)] {
        for host in hosts {
            // As a destination's URL is read: odd spellings are addresses by then.
            let url: url::Url = format!("http://{host}:{}/", trap.port).parse().expect(host);
            let dialled = dial(Resolver::default(), private, url.as_str()).await;
            assert!(matches!(dialled, Err(DialError::Refused(_))), "{host}, private = {private}: {dialled:?}");
            trap.only_hears_the_control(host).await;
            tried += 1;
        }
    }
    assert!(PRIVATE_HOSTS.len() >= 60 && METADATA_HOSTS.len() >= 12 && tried >= 84, "{tried}");
}

/// A name, its answers one after the other, and whether each dial connects.
type Flips = (&'static str, Vec<Vec<IpAddr>>, &'static [bool]);

/// Names whose answers change, or hold an address that may not be dialled among those that may: each with the outcomes of
/// dialling it again and again.
#[tokio::test]
async fn what_a_name_says_is_judged_when_it_is_dialled_and_one_bad_address_refuses_all() {
    let trap = Trap::set().await;
    let (good, bad) = (ip("127.0.0.1"), ip("169.254.169.254"));
    let with = |bad: &str| vec![vec![good, ip(bad)]];
    let cases: [Flips; 15] = [
        ("flips.test", vec![vec![good], vec![bad]], &[true, false, false]),
        ("flips-back.test", vec![vec![bad], vec![good], vec![bad]], &[false, true, false]),
        ("flips-to-both.test", vec![vec![good], vec![good, bad], vec![bad, good]], &[true, false, false]),
        ("grows.test", vec![vec![good], vec![good, good], vec![good, good, bad]], &[true, true, false]),
        ("bad-last.test", vec![vec![good, bad]], &[false]),
        ("bad-first.test", vec![vec![bad, good]], &[false]),
        ("many.test", vec![[vec![good; 50], vec![bad]].concat()], &[false]),
        ("mapped.test", with("::ffff:169.254.169.254"), &[false]),
        ("compatible.test", with("::169.254.169.254"), &[false]),
        ("nat64.test", with("64:ff9b::a9fe:a9fe"), &[false]),
        ("six-to-four.test", with("2002:a9fe:a9fe::"), &[false]),
        ("teredo.test", with("2001:0:4136:e378:8000:63bf:5601:5601"), &[false]),
        ("aaaa.test", with("fd00:ec2::254"), &[false]),
        ("link-local.test", with("fe80::1"), &[false]),
        ("nowhere.test", with("0.0.0.0"), &[false]),
    ];
    for (name, answers, outcomes) in cases {
        let resolver = Resolver::made_up([(name, answers)]);
        for (n, connects) in outcomes.iter().enumerate() {
            let dialled = dial(resolver.clone(), true, &format!("http://{name}:{}/", trap.port)).await;
            match connects {
                // Only once is it asked for each dial: what was checked is what was dialled.
                true => {
                    dialled.unwrap_or_else(|error| panic!("{name} {n}: {error}"));
                    trap.listener.accept().await.expect(name);
                }
                false => assert!(matches!(dialled, Err(DialError::Refused(_))), "{name} {n}: {dialled:?}"),
            }
            trap.only_hears_the_control(name).await;
        }
    }
    // Without leave loopback is as bad: the first answer is refused, so that it never comes to a second.
    for answers in [vec![vec![good]], vec![vec![ip("8.8.8.8"), good]], vec![vec![ip("2606:4700::1111"), ip("::1")]]] {
        let resolver = Resolver::made_up([("inside.test", answers)]);
        for scheme in ["http", "https"] {
            let dialled = dial(resolver.clone(), false, &format!("{scheme}://inside.test:{}/", trap.port)).await;
            assert!(matches!(dialled, Err(DialError::Refused(_))), "{dialled:?}");
            trap.only_hears_the_control("inside").await;
        }
    }
}

#[tokio::test]
async fn a_name_of_a_metadata_service_is_refused_whatever_it_resolves_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let resolver = Resolver::made_up([("metadata.google.internal", vec![vec![ip("127.0.0.1")]])]);
    let dialled = dial(resolver, true, &format!("http://metadata.google.internal:{port}/")).await;
    assert!(matches!(dialled, Err(DialError::Refused(_))), "{dialled:?}");
}
