//! A raw HTTP/1 client: sends exactly the bytes it is told to.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Ask {
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), target: target.into(), headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self { method: "GET".into(), ..Self::post(target, "") }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self
    }

    /// The same with one value of a header.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// The request's bytes, with its length, on a connection of its own.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = if self.body.is_empty() && self.method == "GET" {
            String::new()
        } else {
            format!("content-length: {}\r\n", self.body.len())
        };
        [text.as_bytes(), length.as_bytes(), b"\r\n", &self.body].concat()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn result(&self) -> &str {
        self.header("gatepost-result")
    }

    pub(crate) fn request_id(&self) -> &str {
        self.header("gatepost-request-id")
    }
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connect")
}

/// Sends bytes and returns all that comes back until the other side closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = connect(address).await;
    // The gateway may close before it has read everything.
    let _ = socket.write_all(bytes).await;
    read_to_end(&mut socket).await
}

/// Everything until the other side closes or resets.
pub(crate) async fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        match timeout(PATIENCE, socket.read(&mut part)).await.expect("the gateway closes in time") {
            Ok(0) | Err(_) => return all,
            Ok(read) => all.extend_from_slice(&part[..read]),
        }
    }
}

/// Reads one answer with a content length, leaving the connection open.
pub(crate) async fn read_one(socket: &mut TcpStream) -> Answer {
    let mut all = Vec::new();
    loop {
        let byte = timeout(PATIENCE, socket.read_u8()).await.expect("in time").expect("a byte");
        all.push(byte);
        if all.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let mut answer = parse(&all).expect("a head");
    let length = answer.header("content-length").parse().expect("a length");
    let mut body = vec![0; length];
    timeout(PATIENCE, socket.read_exact(&mut body)).await.expect("in time").expect("a body");
    answer.body = String::from_utf8(body).expect("text");
    answer
}

/// The first answer in some bytes.
pub(crate) fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned()));
    Some(Answer { status, headers: headers.collect(), body: body.to_owned() })
}

/// Sends a request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, ask: &Ask) -> Answer {
    let bytes = exchange(address, &ask.bytes()).await;
    parse(&bytes).unwrap_or_else(|| panic!("no answer to {} {}", ask.method, ask.target))
}
