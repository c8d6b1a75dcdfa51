//! Certificates that are good, and certificates that are not.

use std::sync::Arc;

use gatepost_config::{ClientCertificate, Destination};
use gatepost_event::AttemptError;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa};
use rustls::{crypto::ring, sign::CertifiedKey};
use time::Duration;

use super::{
    Outside, attempt,
    https::{Https, Identity, Manner, now, params},
    outside, to,
};

/// Long enough for handshakes on a busy machine.
fn patient(url: &str) -> Destination {
    Destination { timeout: std::time::Duration::from_secs(10), ..to(url) }
}

fn authority() -> CertificateParams {
    let mut authority = params("authority.test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_for_the_host_is_spoken_to() {
    for identity in
        [Identity::self_signed(&params("localhost")), Identity::signed_by(authority(), &params("localhost"))]
    {
        let server = Https::start(&identity, Manner::default()).await;
        let trusting = Outside::with_roots(vec![identity.root.clone()]);
        let sent = attempt(&trusting, &patient(&server.url())).await;
        assert_eq!((sent.status, sent.error, sent.response.as_str()), (Some(200), None, "HTTP/1.1"));
        assert!(sent.phases.tls_us.is_some(), "{:?}", sent.phases);
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_in_any_one_way_is_not_spoken_to() {
    let mut expired = params("localhost");
    (expired.not_before, expired.not_after) = (now() - Duration::days(3), now() - Duration::days(1));
    let mut early = params("localhost");
    (early.not_before, early.not_after) = (now() + Duration::days(1), now() + Duration::days(3));
    let mut for_clients = params("localhost");
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut no_authority = params("localhost");
    no_authority.is_ca = IsCa::ExplicitNoCa;
    let mut nameless = CertificateParams::new(Vec::new()).expect("parameters");
    nameless.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    let stranger = Identity::self_signed(&authority()).root;
    let good = params("localhost");

    for (what, identity, trusted) in [
        ("nobody's", Identity::self_signed(&good), Some(stranger.clone())),
        ("of an authority that nobody trusts", Identity::signed_by(authority(), &good), Some(stranger)),
        ("trusted by nobody at all", Identity::self_signed(&good), None),
        ("expired", Identity::signed_by(authority(), &expired), None),
        ("not valid yet", Identity::signed_by(authority(), &early), None),
        ("another host's", Identity::signed_by(authority(), &params("example.com")), None),
        ("a lookalike's", Identity::signed_by(authority(), &params("localhost.example.com")), None),
        ("a parent's wildcard", Identity::signed_by(authority(), &params("*.localhost")), None),
        ("an address's", Identity::signed_by(authority(), &params("127.0.0.1")), None),
        ("only for clients", Identity::signed_by(authority(), &for_clients), None),
        ("signed by one that is no authority", Identity::signed_through(authority(), no_authority, &good), None),
        ("named only where names don't count", Identity::signed_by(authority(), &nameless), None),
    ] {
        let server = Https::start(&identity, Manner::default()).await;
        let roots = match (what, trusted) {
            ("trusted by nobody at all", _) => vec![],
            (_, Some(other)) => vec![other],
            (_, None) => vec![identity.root.clone()],
        };
        let sent = attempt(&Outside::with_roots(roots), &patient(&server.url())).await;
        assert_eq!((sent.status, sent.error), (None, Some(AttemptError::Tls)), "{what}");
        assert_eq!(server.requests(), 0, "{what}");
    }
    // A server whose certificate is for its name is not spoken to by its address.
    let identity = Identity::signed_by(authority(), &good);
    let server = Https::start(&identity, Manner::default()).await;
    let trusting = Outside::with_roots(vec![identity.root.clone()]);
    let by_address = attempt(&trusting, &patient(&format!("https://127.0.0.1:{}/", server.port))).await;
    assert_eq!((by_address.error, server.requests()), (Some(AttemptError::Tls), 0));
    assert_eq!(attempt(&trusting, &patient(&server.url())).await.error, None, "the control");
}

#[tokio::test]
async fn a_backend_that_asks_for_a_certificate_gets_the_destinations_and_no_other_uses_the_connection() {
    let identity = Identity::signed_by(authority(), &params("localhost"));
    let client = Identity::signed_by(authority(), &params("client.test"));
    let other = Identity::signed_by(authority(), &params("client.test"));
    let manner = Manner { client_root: Some(client.root.clone()), ..Manner::default() };
    let server = Https::start(&identity, manner).await;
    let trusting = Outside::with_roots(vec![identity.root.clone()]);
    let with = |identity: &Identity, fingerprint: u8| {
        let key = CertifiedKey::from_der(identity.chain.clone(), identity.key.clone_key(), &ring::default_provider());
        let certified = Arc::new(key.expect("a key of its certificate"));
        let client_certificate = Some(ClientCertificate { certified, fingerprint: [fingerprint; 32] });
        Destination { client_certificate, ..patient(&server.url()) }
    };
    for _ in 0..2 {
        assert_eq!(attempt(&trusting, &with(&client, 1)).await.error, None);
    }
    assert_eq!((server.requests(), server.connections()), (2, 1), "it is kept");
    let without = attempt(&trusting, &patient(&server.url())).await;
    assert_eq!((without.status, without.error), (None, Some(AttemptError::Tls)));
    let wrong = attempt(&trusting, &with(&other, 2)).await;
    assert_eq!((wrong.status, wrong.error), (None, Some(AttemptError::Tls)));
    assert_eq!(server.requests(), 2, "neither came through");
    assert_eq!(attempt(&trusting, &with(&client, 1)).await.error, None, "the control");
}

#[tokio::test]
async fn a_backend_that_offers_http_2_gets_all_deliveries_on_one_connection() {
    let identity = Identity::signed_by(authority(), &params("localhost"));
    let server = Https::start(&identity, Manner { h2: true, ..Manner::default() }).await;
    let trusting = Outside::with_roots(vec![identity.root.clone()]);
    let first = attempt(&trusting, &patient(&server.url())).await;
    assert_eq!((first.status, first.error, first.response.as_str()), (Some(200), None, "HTTP/2.0"));
    let destination = patient(&server.url());
    let many = (0..20).map(|_| attempt(&trusting, &destination));
    for sent in futures_of(many).await {
        assert_eq!((sent.error, sent.response.as_str()), (None, "HTTP/2.0"));
    }
    assert_eq!((server.requests(), server.connections()), (21, 1));
}

/// All of them at once, in order.
async fn futures_of<F: Future>(many: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = many.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        match pending.iter().all(|(_, output)| output.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_from_an_https_destination() {
    let plain = super::server::Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let sent = attempt(&outside(), &to(&plain.url().replace("http:", "https:"))).await;
    assert!(matches!(sent.error, Some(AttemptError::Tls | AttemptError::Timeout)), "{:?}", sent.error);
    assert_eq!(plain.requests(), 0);
}
