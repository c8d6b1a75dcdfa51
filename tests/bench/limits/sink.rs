//! A backend that takes everything and answers 204.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Serves on a port and tells each body.
pub(crate) async fn serve(listener: TcpListener, tell: Arc<dyn Fn(Bytes) + Send + Sync>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let tell = tell.clone();
        tokio::spawn(async move {
            let take = service_fn(move |request: Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    if let Ok(body) = request.into_body().collect().await {
                        tell(body.to_bytes());
                    }
                    let response = Response::builder().status(204).body(Empty::<Bytes>::new());
                    Ok::<_, Infallible>(response.expect("a response"))
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), take).await;
        });
    }
}

/// A sink in a process of its own.
pub(crate) async fn serve_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    serve(listener, Arc::new(drop)).await;
}
