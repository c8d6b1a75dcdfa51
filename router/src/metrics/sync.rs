//! What a router counts of syncs.

use gatepost_config::{SyncEngineId, Timestamp};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::sync::board::{Ended, Go, Why};

/// Bounds of events per run.
const EVENT_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 100.0, 500.0, 2_500.0, 10_000.0];

/// Bounds of the time from an event to its run, in seconds.
const DELAY_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

/// The metrics.
#[derive(Debug)]
pub(crate) struct SyncMetrics {
    events: HistogramVec,
    delay: HistogramVec,
    runs: IntCounterVec,
    again: IntCounterVec,
    backstops: IntCounterVec,
    waiting: IntGaugeVec,
    running: IntGaugeVec,
    paused: IntGaugeVec,
}

impl SyncMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let engine = &["engine"];
        let counter = |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), engine);
        let metrics = Self {
            events: HistogramVec::new(
                HistogramOpts::new("gatepost_router_sync_run_events", "Events that a run of a sync was for")
                    .buckets(EVENT_BUCKETS.to_vec()),
                engine,
            )?,
            delay: HistogramVec::new(
                HistogramOpts::new(
                    "gatepost_router_sync_delay_seconds",
                    "Time from the first event that a run was for until it was asked for",
                )
                .buckets(DELAY_BUCKETS.to_vec()),
                engine,
            )?,
            runs: counter(
                "gatepost_router_sync_runs_total",
                "Runs that were asked for, by how they ended; given_up: the last of them had failed, and what it was for is dead letters",
                &["engine", "outcome"],
            )?,
            again: counter(
                "gatepost_router_sync_reruns_total",
                "Runs that were owed because events came while one was under way",
                engine,
            )?,
            backstops: counter(
                "gatepost_router_sync_backstops_total",
                "Runs that were asked for because there was none for too long",
                engine,
            )?,
            waiting: gauge(
                "gatepost_router_sync_waiting_syncs",
                "Syncs that wait for more events, a place or a retry",
            )?,
            running: gauge("gatepost_router_sync_running_syncs", "Runs under way")?,
            paused: gauge(
                "gatepost_router_sync_paused_engines",
                "1 for an engine of this router that is paused, in the file or by somebody",
            )?,
        };
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.delay.clone()))?;
        registry.register(Box::new(metrics.runs.clone()))?;
        registry.register(Box::new(metrics.again.clone()))?;
        registry.register(Box::new(metrics.backstops.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.running.clone()))?;
        registry.register(Box::new(metrics.paused.clone()))?;
        Ok(metrics)
    }

    /// A run is asked for.
    pub(crate) fn begun(&self, go: &Go, now: Timestamp) {
        let engine = &[go.key.engine.as_str()];
        if go.why == Why::Backstop {
            self.backstops.with_label_values(engine).inc();
        }
        if let Some(first_at) = go.first_at {
            self.delay.with_label_values(engine).observe(now.since(first_at).as_secs_f64());
        }
    }

    /// It has ended, with so many events.
    pub(crate) fn ended(&self, go: &Go, ended: &Ended, synced: u64) {
        let engine = go.key.engine.as_str();
        let outcome = match ended {
            Ended::Succeeded => "succeeded",
            Ended::Again => "again",
            Ended::Failed { .. } => "failed",
            Ended::GivenUp => "given_up",
        };
        self.runs.with_label_values(&[engine, outcome]).inc();
        if synced > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a count of events in a histogram")]
            self.events.with_label_values(&[engine]).observe(synced as f64);
        }
    }

    /// One more follows.
    pub(crate) fn again(&self, go: &Go) {
        self.again.with_label_values(&[go.key.engine.as_str()]).inc();
    }

    /// What waits and runs.
    pub(crate) fn standing(&self, engine: &SyncEngineId, waiting: usize, running: usize) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.with_label_values(&[engine.as_str()]).set(number(waiting));
        self.running.with_label_values(&[engine.as_str()]).set(number(running));
    }
    /// Another router has it now, or nobody.
    pub(crate) fn gone(&self, engine: &SyncEngineId) {
        self.standing(engine, 0, 0);
        self.paused(engine, false);
    }

    /// Whether this router would run the engine's syncs and may not.
    pub(crate) fn paused(&self, engine: &SyncEngineId, paused: bool) {
        self.paused.with_label_values(&[engine.as_str()]).set(paused.into());
    }
}
