//! Backends whose answers are meant to hurt: every attempt ends within its deadline, and memory stays flat.

use std::{sync::Arc, time::Duration};

use gatepost_config::{Options, load, std_env};
use gatepost_event::{Attempt, AttemptError, Store};
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    github::Webhook,
    process::rss_kib,
    wait::eventually,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{rounds, setup::SECRET};

/// The deadline of an attempt here.
const TIMEOUT: Duration = Duration::from_secs(4);
/// By how much it may be overrun; in the short form, which runs beside others, by more.
fn slack() -> Duration {
    Duration::from_millis(rounds(5_000, 500) as u64)
}
/// How much memory may grow, whatever is answered.
const GROWTH_MAX_KIB: u64 = 48 * 1024;
const PATIENCE: Duration = Duration::from_secs(200);

/// What a backend says once, what it says again and again, and the pause before each.
struct Bomb {
    name: &'static str,
    first: &'static [u8],
    again: Again,
    pause: Duration,
}

enum Again {
    Nothing,
    Bytes(&'static [u8]),
    /// Of zeros: what a compressed body of them is made of mostly.
    Zeros,
}

const QUICK: Duration = Duration::ZERO;
const SLOW: Duration = Duration::from_millis(100);

const BOMBS: [Bomb; 8] = [
    Bomb {
        name: "huge",
        first: b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        again: Again::Zeros,
        pause: QUICK,
    },
    Bomb {
        name: "endless",
        first: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        again: Again::Bytes(b"10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n"),
        pause: QUICK,
    },
    Bomb {
        name: "gzip",
        first: b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xec\xc1\x01",
        again: Again::Zeros,
        pause: QUICK,
    },
    Bomb {
        name: "drip",
        first: b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
        again: Again::Bytes(b"x"),
        pause: SLOW,
    },
    Bomb {
        name: "continue",
        first: b"",
        again: Again::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n"),
        pause: Duration::from_millis(1),
    },
    Bomb {
        name: "headers",
        first: b"HTTP/1.1 200 OK\r\n",
        again: Again::Bytes(b"x-a: bbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
        pause: QUICK,
    },
    Bomb {
        name: "head",
        first: b"HTTP/1.1 200 ",
        again: Again::Bytes(b"OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOO"),
        pause: QUICK,
    },
    Bomb { name: "hang", first: b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", again: Again::Nothing, pause: QUICK },
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_meant_to_hurt_end_at_the_deadline_and_memory_stays_flat() {
    let events = rounds(16, 500);
    let good = Backend::start().await;
    let (addresses, _servers) = start().await;
    let home = Home::new(&config(&good, &addresses), &[("github", SECRET), ("signing", SIGNING)]);
    let gatepost = home.run(&[]).await;
    let gateway = gatepost.gateway().await;

    let mut before = 0;
    for n in 0..events {
        let body = format!("{{\"n\":{n},\"installation\":{{\"id\":1}}}}");
        let webhook = Webhook::signed(SECRET, "push", &format!("delivery-{n}"), body);
        assert_eq!(webhook.post(&gateway, "github").await.expect("an answer").status.as_u16(), 200);
        if n == 0 {
            // Everything has been used once.
            ended(&gatepost, 1).await;
            before = rss_kib(gatepost.pid());
        }
    }
    let peak = tokio::select! {
        () = ended(&gatepost, events) => rss_kib(gatepost.pid()),
        peak = watch(gatepost.pid(), before + GROWTH_MAX_KIB) => peak,
    };
    assert!(peak <= before + GROWTH_MAX_KIB, "memory grew from {before} KiB to {peak} KiB");
    assert_eq!(good.counts().len(), events, "the control");
    gatepost.stop().await;

    let attempts = attempts(&home).await;
    assert_eq!(attempts.len(), events * (BOMBS.len() + 1));
    let slowest = attempts.iter().map(|attempt| attempt.duration_ms).max().expect("some");
    let late: Vec<_> =
        attempts.iter().filter(|attempt| u128::from(attempt.duration_ms) > (TIMEOUT + slack()).as_millis()).collect();
    assert!(late.is_empty(), "{} late: {:?}", late.len(), late.first());
    for attempt in &attempts {
        let expected = match attempt.destination.as_str() {
            // Read to the most that is read, and dropped: an answer like any other.
            "good" | "huge" | "endless" | "gzip" => attempt.error.is_none(),
            "headers" | "head" => attempt.error == Some(AttemptError::Protocol),
            "continue" => matches!(attempt.error, Some(AttemptError::Timeout | AttemptError::Protocol)),
            _ => attempt.error == Some(AttemptError::Timeout),
        };
        assert!(expected, "{attempt:?}");
        assert!(attempt.response.len() <= 4096 * 3, "{}", attempt.response.len());
    }
    println!("{} attempts, slowest {slowest} ms, memory {before} to {peak} KiB", attempts.len());
}

const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmuf8Yd4zsY4=";

fn config(good: &Backend, addresses: &[String]) -> String {
    let destination = |name: &str, url: &str| {
        format!(
            "[[destination]]\nid = \"{name}\"\nurl = \"{url}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
             timeout = \"{}s\"\nschedule = [\"0s\"]\nbreaker_failures = 0\n\n",
            TIMEOUT.as_secs()
        )
    };
    let bombs: String = BOMBS.iter().zip(addresses).map(|(bomb, url)| destination(bomb.name, url)).collect();
    let names: Vec<&str> = BOMBS.iter().map(|bomb| bomb.name).chain(["good"]).collect();
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
         [store]\nengine = \"embedded\"\npath = \"data\"\n\n\
         [[integration]]\nid = \"github\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\n\
         [[connection]]\nintegration = \"github\"\nid = \"acme\"\naccount = \"1\"\n\n{bombs}{}\
         [[route]]\nid = \"all\"\nforward = {}\n",
        destination("good", &good.url()),
        serde_json::json!(names)
    )
}

/// Waits until every delivery of so many events has ended.
async fn ended(gatepost: &Gatepost, events: usize) {
    let all = (events * (BOMBS.len() + 1)) as f64;
    eventually("every delivery ends", PATIENCE, async || {
        (gatepost.metric("gatepost_router_deliveries_total", "").await >= all).then_some(())
    })
    .await;
}

/// Ends when the process has more memory than this.
async fn watch(pid: u32, limit_kib: u64) -> u64 {
    eventually("too much memory", PATIENCE, async || Some(rss_kib(pid)).filter(|rss| *rss > limit_kib)).await
}

async fn attempts(home: &Home) -> Vec<Attempt> {
    let loaded = load(&home.path("gatepost.toml"), &std_env, Options::default()).expect("a good configuration");
    let store = Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens");
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = store.attempts(after, 1000).await.expect("they are read");
        let Some((last, _)) = page.last() else { break };
        after = *last;
        all.extend(page.into_iter().map(|(_, attempt)| attempt));
    }
    store.close().await;
    all
}

/// Starts every server; they stop when the set is dropped.
async fn start() -> (Vec<String>, JoinSet<()>) {
    let (mut urls, mut servers) = (Vec::new(), JoinSet::new());
    for bomb in &BOMBS {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        urls.push(format!("http://{}/hook", listener.local_addr().expect("bound")));
        servers.spawn(serve(listener, bomb));
    }
    (urls, servers)
}

async fn serve(listener: TcpListener, bomb: &'static Bomb) {
    let mut speaking = JoinSet::new();
    let zeros: Arc<[u8]> = vec![0; 64 * 1024].into();
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let zeros = zeros.clone();
        speaking.spawn(async move { speak(socket, bomb, &zeros).await });
    }
}

async fn speak(mut socket: TcpStream, bomb: &Bomb, zeros: &[u8]) -> Option<()> {
    // A request of ours fits in one read; what is left of it doesn't matter.
    let _: usize = socket.read(&mut [0; 16 * 1024]).await.ok()?;
    socket.write_all(bomb.first).await.ok()?;
    loop {
        match bomb.again {
            // Until the other side goes.
            Again::Nothing => return socket.read(&mut [0; 16]).await.ok().map(drop),
            Again::Bytes(bytes) => socket.write_all(bytes).await.ok()?,
            Again::Zeros => socket.write_all(zeros).await.ok()?,
        }
        if !bomb.pause.is_zero() {
            tokio::time::sleep(bomb.pause).await;
        }
    }
}
