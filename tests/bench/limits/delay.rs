//! A way to a server on which every answer takes longer: bytes from the server are held back for a time, those to it are
//! not. What is under way is not held up by what is behind it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};

use crate::Args;

/// Pieces held back at once on one connection; more wait in the server's socket.
const HELD_MAX: usize = 4_096;

/// `--to` is the server's address, `--ms` the time.
pub(crate) async fn serve(args: &Args) {
    let (to, delay) = (args.text("to").to_owned(), Duration::from_millis(args.number("ms")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let Ok(server) = TcpStream::connect(&to).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::spawn(carry(from_client, to_server, Duration::ZERO));
        tokio::spawn(carry(from_server, to_client, delay));
    }
}

/// Carries one direction to its end.
async fn carry(mut from: OwnedReadHalf, to: OwnedWriteHalf, delay: Duration) {
    let (hold, held) = mpsc::channel(HELD_MAX);
    tokio::spawn(release(held, to));
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        if hold.send((Instant::now() + delay, buffer.split().freeze())).await.is_err() {
            return;
        }
        buffer.reserve(64 * 1024);
    }
}

async fn release(mut held: mpsc::Receiver<(Instant, Bytes)>, mut to: OwnedWriteHalf) {
    while let Some((due, bytes)) = held.recv().await {
        tokio::time::sleep_until(due).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
