//! Where the time of one exchange goes, noted by whoever does the work.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

tokio::task_local! {
    static CURRENT: Stopwatch;
}

/// Notes when each step was done. Cheap to clone; all clones note the same exchange.
#[derive(Debug, Clone)]
pub struct Stopwatch(Arc<Marks>);

/// Instants in microseconds since the beginning plus one; zero for steps that were not done.
#[derive(Debug)]
struct Marks {
    began: Instant,
    dialling: AtomicU64,
    resolved: AtomicU64,
    connected: AtomicU64,
    secured: AtomicU64,
    sent: AtomicU64,
    answered: AtomicU64,
    ended: AtomicU64,
}

/// Microseconds of each phase that ended. Those of dialling are absent on a connection that was open already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// The name was looked up and its addresses checked.
    pub dns_us: Option<u64>,
    /// The connection was made.
    pub connect_us: Option<u64>,
    /// The TLS session was made.
    pub tls_us: Option<u64>,
    /// The request was handed to the connection.
    pub send_us: Option<u64>,
    /// The head of the answer came.
    pub first_byte_us: Option<u64>,
    /// The rest of it came.
    pub body_us: Option<u64>,
}

impl Stopwatch {
    /// One that begins now.
    pub fn start() -> Self {
        let zero = AtomicU64::default;
        Self(Arc::new(Marks {
            began: Instant::now(),
            dialling: zero(),
            resolved: zero(),
            connected: zero(),
            secured: zero(),
            sent: zero(),
            answered: zero(),
            ended: zero(),
        }))
    }

    /// Does something whose dialling is noted here.
    pub async fn over<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// The one that is running where this is called, or one that nobody reads.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_else(|_| Self::start())
    }

    pub(crate) fn dialling(&self) {
        self.note(&self.0.dialling);
    }

    pub(crate) fn resolved(&self) {
        self.note(&self.0.resolved);
    }

    pub(crate) fn connected(&self) {
        self.note(&self.0.connected);
    }

    pub(crate) fn secured(&self) {
        self.note(&self.0.secured);
    }

    /// The last byte of the request was handed over.
    pub fn sent(&self) {
        self.note(&self.0.sent);
    }

    /// The head of the answer is here.
    pub fn answered(&self) {
        self.note(&self.0.answered);
    }

    /// The answer was read.
    pub fn ended(&self) {
        self.note(&self.0.ended);
    }

    /// The phases that ended until now.
    pub fn times(&self) -> Times {
        let at = |mark: &AtomicU64| mark.load(Ordering::Relaxed).checked_sub(1);
        let marks = &*self.0;
        let (dialling, resolved, connected) = (at(&marks.dialling), at(&marks.resolved), at(&marks.connected));
        let (secured, sent, answered) = (at(&marks.secured), at(&marks.sent), at(&marks.answered));
        let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        Times {
            dns_us: between(dialling, resolved),
            connect_us: between(resolved, connected),
            tls_us: between(connected, secured),
            send_us: between(secured.or(connected).or(Some(0)), sent),
            first_byte_us: between(sent, answered),
            body_us: between(answered, at(&marks.ended)),
        }
    }

    fn note(&self, mark: &AtomicU64) {
        let micros = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        mark.store(micros.saturating_add(1), Ordering::Relaxed);
    }
}
