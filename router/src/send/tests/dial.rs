//! What is dialled, and what is not.

use gatepost_event::AttemptError;
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
async fn a_connection_made_with_leave_is_not_used_without() {
    let server = Server::start(polite).await;
    let outside = outside();
    let uri = format!("http://localhost:{}/hook", server.port);
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
