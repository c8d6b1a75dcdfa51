//! Servers that lack what was confirmed: a leader that has just been elected, or one that does not know yet that it no
//! longer is.
//!
//! Such a moment can't be brought about at will, but what a client sees of it can: between it and three real servers stands a
//! proxy that asks for another message than the client did, one that was never stored, so often as the test says. The
//! server's own answer to that is that there is none.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Buf as _, BytesMut};
use gatepost_event::{Event, EventRef, Store, StoreError};
use gatepost_tests::nats_server::NatsCluster;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{
    fixture::{Setup, nats},
    journey::{Logs, append},
    make,
};

/// Questions for one message, to whoever has it and to the leader.
const DIRECT: &str = "$JS.API.DIRECT.GET.";
const OF_LEADER: &str = "$JS.API.STREAM.MSG.GET.";

/// How many further questions about a stream find nothing.
#[derive(Debug, Clone, Default)]
struct Behind(Arc<Lacks>);

#[derive(Debug, Default)]
struct Lacks {
    events: AtomicUsize,
    bodies: AtomicUsize,
}

impl Behind {
    /// A way to a server; its URL.
    async fn before(&self, server: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        let (this, server) = (self.clone(), server.trim_start_matches("nats://").to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                tokio::spawn(this.clone().pass_on(from_client, to_server));
            }
        });
        url
    }

    /// Passes a client's messages on, whole ones.
    async fn pass_on(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
        let mut read = BytesMut::new();
        while from.read_buf(&mut read).await? > 0 {
            while let Some(length) = first_message(&read) {
                let mut message = read.split_to(length);
                self.falsify(&mut message);
                to.write_all_buf(&mut message).await?;
            }
        }
        Ok(())
    }

    /// Makes a question one for something that there is not, if it is its turn. Its length stays.
    fn falsify(&self, message: &mut [u8]) {
        let text = String::from_utf8_lossy(message).into_owned();
        let asks = |stream: &str| {
            [DIRECT, OF_LEADER].iter().any(|question| text.starts_with(&format!("PUB {question}{stream}")))
        };
        let lacks = match () {
            () if asks("GATEPOST_EV_") => &self.0.events,
            () if asks("GATEPOST_BLB") => &self.0.bodies,
            () => return,
        };
        let takes = |left: usize| left.checked_sub(1);
        if lacks.fetch_update(Ordering::AcqRel, Ordering::Acquire, takes).is_err() {
            return;
        }
        // A place, or the number of a chunk: the last digit of either, in the payload or else in the subject.
        let end = match text.find('{') {
            Some(payload) => payload + text[payload..].rfind(|c: char| c.is_ascii_digit()).expect("a number"),
            None => text["PUB ".len()..].find(' ').expect("an inbox") + "PUB ".len() - 1,
        };
        message[end] = b'9';
    }
}

/// The length of the first message that is there as a whole, with what it carries.
fn first_message(read: &[u8]) -> Option<usize> {
    let line = read.windows(2).position(|two| two == b"\r\n")? + 2;
    let mut words = read[..line].split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let carries = match words.next()? {
        b"PUB" | b"HPUB" => {
            let length: usize = std::str::from_utf8(words.next_back()?).ok()?.parse().ok()?;
            length + 2
        }
        _ => 0,
    };
    (read.remaining() >= line + carries).then_some(line + carries)
}

/// A stored event, and where it stands.
async fn stored(store: &Store, logs: &mut Logs, id: &str, bytes: usize) -> (Event, EventRef) {
    let event = Event { body: vec![b'x'; bytes].into(), ..make::event("acme", id) };
    append(store, event.clone()).await;
    let at = logs.take(1).await[0].at;
    assert_eq!(at.id, event.meta.id);
    assert!(at.sequence < 9, "a place of one digit, and not the one that is asked for instead");
    (event, at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_lacks_for_a_moment_is_not_taken_for_gone() {
    let (cluster, behind) = (NatsCluster::start(3).await, Behind::default());
    let store =
        nats::open(nats::settings(vec![behind.before(&cluster.servers[0].url()).await], 3), &Setup::default()).await;
    let mut logs = Logs::open(&store).await;
    let (small, at) = stored(&store, &mut logs, "small", 100).await;
    let (large, large_at) = stored(&store, &mut logs, "large", 600 * 1024).await;
    let (events, bodies) = (&behind.0.events, &behind.0.bodies);

    // Whoever was asked, and the leader.
    events.store(2, Ordering::Release);
    assert_eq!(store.event(&at).await, Ok(Some(small.clone())));
    assert_eq!(events.load(Ordering::Acquire), 0, "nobody was asked");
    // For each of its two chunks.
    bodies.store(4, Ordering::Release);
    assert_eq!(store.event(&large_at).await.map(|event| event.map(|event| event.meta)), Ok(Some(large.meta.clone())));
    assert_eq!(bodies.load(Ordering::Acquire), 0, "nobody was asked");
    // One that the leader's log does not reach may come yet.
    let beyond = EventRef { sequence: at.sequence + 1_000, ..at };
    assert!(matches!(store.event(&beyond).await, Err(StoreError::Unavailable(_))));

    // What stays away is gone.
    events.store(usize::MAX, Ordering::Release);
    assert_eq!(store.event(&at).await, Ok(None));
    events.store(0, Ordering::Release);
    bodies.store(usize::MAX, Ordering::Release);
    assert_eq!(store.event(&large_at).await.map(|event| event.is_some()), Ok(false));
    store.close().await;
}
