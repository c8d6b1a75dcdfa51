//! Customers' backends: many servers, each with its way to answer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// How a backend answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// 204, at once.
    Healthy,
    /// Reads the request and says nothing.
    Hangs,
    /// Refuses connections.
    Refuses,
    /// One byte of a long answer at a time.
    Drips,
    /// With this status.
    Says(u16),
    /// 500 for this many of a hundred, 204 else.
    Fails(u32),
}

/// The ways to be dead, to be taken in turn.
pub(crate) const DEAD: [Mood; 5] = [Mood::Hangs, Mood::Refuses, Mood::Drips, Mood::Says(500), Mood::Says(429)];

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Whose backend.
    pub(crate) customer: usize,
    /// The event's number.
    pub(crate) number: u64,
    /// The event's connection.
    pub(crate) connection: u64,
    /// When it was read.
    pub(crate) at: Instant,
    /// When the event was posted, counted from the provider's start.
    pub(crate) posted: Duration,
    /// Whether it was answered 2xx.
    pub(crate) taken: bool,
}

/// Servers on loopback, one a customer; they stop when this is dropped.
pub(crate) struct Customers {
    addresses: Vec<String>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    _servers: JoinSet<()>,
    /// Ports that nobody listens on, and that nobody else may get.
    _refusing: Vec<TcpSocket>,
}

impl Customers {
    /// Starts one for each mood.
    pub(crate) async fn start(moods: impl IntoIterator<Item = Mood>) -> Self {
        let (mut addresses, arrivals, mut servers) = (Vec::new(), Arc::default(), JoinSet::new());
        let mut refusing = Vec::new();
        for (customer, mood) in moods.into_iter().enumerate() {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
            addresses.push(socket.local_addr().expect("bound").to_string());
            if mood == Mood::Refuses {
                refusing.push(socket);
                continue;
            }
            let listener = socket.listen(1024).expect("it listens");
            servers.spawn(serve(listener, customer, mood, Arc::clone(&arrivals)));
        }
        Self { addresses, arrivals, _servers: servers, _refusing: refusing }
    }

    /// Where a customer's deliveries are posted.
    pub(crate) fn url(&self, customer: usize) -> String {
        format!("http://{}/hook", self.addresses[customer])
    }

    /// What arrived so far.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }

    /// How many arrived so far.
    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().unwrap().len()
    }
}

async fn serve(listener: TcpListener, customer: usize, mood: Mood, arrivals: Arc<Mutex<Vec<Arrival>>>) {
    let mut open = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        if mood == Mood::Drips {
            open.spawn(drip(socket));
            continue;
        }
        let arrivals = arrivals.clone();
        let service = service_fn(move |request| answer(customer, mood, arrivals.clone(), request));
        open.spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
        while open.try_join_next().is_some() {}
    }
}

async fn drip(mut socket: TcpStream) {
    let _ = socket.read(&mut [0; 4096]).await;
    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
    while socket.write_all(b".").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn answer(
    customer: usize,
    mood: Mood,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let at = Instant::now();
    let status = match mood {
        Mood::Says(status) => status,
        Mood::Fails(of_a_hundred) if rand::random_range(0..100) < of_a_hundred => 500,
        Mood::Hangs => std::future::pending().await,
        Mood::Healthy | Mood::Fails(_) | Mood::Refuses | Mood::Drips => 204,
    };
    arrivals.lock().unwrap().push(Arrival {
        customer,
        number: number(&body, "\"number\":"),
        connection: number(&body, "\"installation\":{\"id\":"),
        at,
        posted: Duration::from_micros(number(&body, "\"posted\":")),
        taken: (200..300).contains(&status),
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).expect("a valid status");
    Ok(response)
}

/// The number after a mark, without reading the whole body as JSON: there are a thousand a second.
fn number(body: &[u8], mark: &str) -> u64 {
    let at =
        body.windows(mark.len()).rposition(|window| window == mark.as_bytes()).map_or(body.len(), |at| at + mark.len());
    body[at..].iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'))
}
