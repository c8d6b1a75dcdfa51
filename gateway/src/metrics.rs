//! What the gateway counts. Labels come from the configuration and from closed sets only.

use std::{sync::Arc, time::Duration};

use gatepost_event::StoreError;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

use crate::{quota::Limit, reason::Reason};

/// The label of requests that name no integration we have.
pub(crate) const NO_INTEGRATION: &str = "unknown";

/// The gateway's metrics. Cheap to clone; clones share the counts.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Counts>);

struct Counts {
    requests: IntCounterVec,
    refusals: IntCounterVec,
    rate_limited: IntCounterVec,
    received_bytes: IntCounterVec,
    duration: Histogram,
    store_errors: IntCounterVec,
    fetches: IntCounterVec,
    quarantined: IntCounterVec,
    quarantine_sampled_out: IntCounterVec,
    quarantine_dropped: IntCounterVec,
    redeliveries: IntCounterVec,
    announcements: IntCounterVec,
    quarantine_held: IntGauge,
    released: IntCounterVec,
    heals: IntCounterVec,
    healed: IntCounterVec,
    lookups: IntCounterVec,
    lookup_reads: IntCounter,
    panics: IntCounter,
    accept_errors: IntCounter,
    inflight: IntGauge,
    connections: IntGauge,
}

/// Counts one more while it lives.
pub(crate) struct Counted(IntGauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Registers them.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let to = Registrar(registry);
        let buckets = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let duration = HistogramOpts::new(
            "gatepost_gateway_request_duration_seconds",
            "Time from a request's head to its answer, the arrival of its body included",
        );
        Ok(Self(Arc::new(Counts {
            requests: to.counters(
                "gatepost_gateway_requests_total",
                "Requests by integration and what became of them",
                &["integration", "result"],
            )?,
            refusals: to.counters(
                "gatepost_gateway_refusals_total",
                "Refused requests by integration and reason",
                &["integration", "reason"],
            )?,
            rate_limited: to.counters(
                "gatepost_gateway_rate_limited_events_total",
                "Events of requests that were answered 429, by integration and the setting that bounds them (accept_rate, \
                 tenant_rate)",
                &["integration", "limit"],
            )?,
            received_bytes: to.counters(
                "gatepost_gateway_received_bytes_total",
                "Bytes of bodies that were read whole, by integration",
                &["integration"],
            )?,
            duration: to.keep(Histogram::with_opts(duration.buckets(buckets))?)?,
            store_errors: to.counters(
                "gatepost_gateway_store_errors_total",
                "Requests whose events the store did not confirm, by error",
                &["error"],
            )?,
            fetches: to.counters(
                "gatepost_gateway_fetches_total",
                "What was fetched from providers (their keys, URLs of handshakes), by what came of it",
                &["what", "outcome"],
            )?,
            quarantined: to.counters(
                "gatepost_gateway_quarantined_total",
                "Refused requests that were kept, by integration",
                &["integration"],
            )?,
            quarantine_sampled_out: to.counters(
                "gatepost_gateway_quarantine_sampled_out_total",
                "Refused requests that were not kept because enough of their kind are, by integration",
                &["integration"],
            )?,
            quarantine_held: to.keep(IntGauge::new(
                "gatepost_gateway_quarantine_requests",
                "Refused requests that are kept, as the gateway saw that keeps them within bounds (0 at the others)",
            )?)?,
            released: to.counters(
                "gatepost_gateway_released_total",
                "Refused requests that were proven genuine later and let in, by integration",
                &["integration"],
            )?,
            heals: to.counters(
                "gatepost_gateway_heals_total",
                "Heals that have ended, by integration and outcome (done, failed)",
                &["integration", "outcome"],
            )?,
            healed: to.counters(
                "gatepost_gateway_healed_total",
                "Events that a provider could not deliver and that it was asked to deliver again, or that were fetched, by \
                 integration",
                &["integration"],
            )?,
            quarantine_dropped: to.counters(
                "gatepost_gateway_quarantine_dropped_total",
                "Refused requests that could not be kept (too large, too many at once, the store away), by integration",
                &["integration"],
            )?,
            redeliveries: to.counters(
                "gatepost_gateway_redeliveries_total",
                "Events that their providers sent once more, by what became of the note of it",
                &["result"],
            )?,
            announcements: to.counters(
                "gatepost_gateway_announcements_total",
                "Events that say that an account was connected or is no more, by integration and what became of the note of it",
                &["integration", "result"],
            )?,
            lookups: to.counters(
                "gatepost_gateway_connection_lookups_total",
                "Lookups of connections and accounts beside the file's: from memory (hit; stale while the store is away), \
                 by asking the store (loaded), or in vain (failed)",
                &["result"],
            )?,
            lookup_reads: to.keep(IntCounter::new(
                "gatepost_gateway_connection_store_reads_total",
                "Questions to the store by lookups of connections",
            )?)?,
            panics: to.keep(IntCounter::new(
                "gatepost_gateway_panics_total",
                "Requests that met a bug and were answered 503",
            )?)?,
            accept_errors: to.keep(IntCounter::new(
                "gatepost_gateway_accept_errors_total",
                "Connections that could not be accepted",
            )?)?,
            inflight: to.keep(IntGauge::new("gatepost_gateway_inflight_requests", "Requests under way")?)?,
            connections: to.keep(IntGauge::new("gatepost_gateway_open_connections", "Open connections")?)?,
        })))
    }

    /// A request was answered.
    pub(crate) fn answered(&self, integration: &str, result: &str, took: Duration) {
        self.0.requests.with_label_values(&[integration, result]).inc();
        self.0.duration.observe(took.as_secs_f64());
    }

    /// A request was refused.
    pub(crate) fn refused(&self, integration: &str, reason: Reason) {
        self.0.refusals.with_label_values(&[integration, reason.code()]).inc();
    }

    /// So many events were not admitted, together.
    pub(crate) fn rate_limited(&self, integration: &str, limit: Limit, events: u64) {
        self.0.rate_limited.with_label_values(&[integration, limit.word()]).inc_by(events);
    }

    /// A body was read whole.
    pub(crate) fn received(&self, integration: &str, bytes: usize) {
        self.0.received_bytes.with_label_values(&[integration]).inc_by(bytes as u64);
    }

    /// The store said no.
    pub(crate) fn store_error(&self, error: &StoreError) {
        let word = match error {
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Full(_) => "full",
            StoreError::LeaseLost => "lease_lost",
            StoreError::Corrupt(_) => "corrupt",
            StoreError::Closed => "closed",
        };
        self.0.store_errors.with_label_values(&[word]).inc();
    }

    /// The store said nothing in time.
    pub(crate) fn store_deadline(&self) {
        self.0.store_errors.with_label_values(&["deadline"]).inc();
    }

    /// Something was fetched from a provider, or could not be.
    pub(crate) fn fetched(&self, what: &str, outcome: &str) {
        self.0.fetches.with_label_values(&[what, outcome]).inc();
    }

    /// A refused request was not kept.
    pub(crate) fn quarantine_dropped(&self, integration: &str) {
        self.0.quarantine_dropped.with_label_values(&[integration]).inc();
    }

    /// A provider sent an event once more, and what became of the note of it.
    pub(crate) fn redelivered(&self, result: &'static str) {
        self.0.redeliveries.with_label_values(&[result]).inc();
    }

    /// An event announced a connection or its end, and what became of the note of it.
    pub(crate) fn announced(&self, integration: &str, result: &'static str) {
        self.0.announcements.with_label_values(&[integration, result]).inc();
    }

    /// A refused request was kept.
    pub(crate) fn quarantined(&self, integration: &str) {
        self.0.quarantined.with_label_values(&[integration]).inc();
    }

    /// Enough of a refused request's kind are kept.
    pub(crate) fn quarantine_sampled_out(&self, integration: &str) {
        self.0.quarantine_sampled_out.with_label_values(&[integration]).inc();
    }

    /// So many refused requests are kept.
    pub(crate) fn quarantine_holds(&self, requests: usize) {
        self.0.quarantine_held.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    /// A refused request was let in.
    pub(crate) fn released(&self, integration: &str) {
        self.0.released.with_label_values(&[integration]).inc();
    }

    /// A heal has ended.
    pub(crate) fn heal_ended(&self, integration: &str, outcome: &'static str, healed: u64) {
        self.0.heals.with_label_values(&[integration, outcome]).inc();
        self.0.healed.with_label_values(&[integration]).inc_by(healed);
    }

    /// A connection was looked up.
    pub(crate) fn looked_up(&self, result: &'static str) {
        self.0.lookups.with_label_values(&[result]).inc();
    }

    /// A lookup asked the store.
    pub(crate) fn asked_store(&self) {
        self.0.lookup_reads.inc();
    }

    /// A request met a bug.
    pub(crate) fn panicked(&self) {
        self.0.panics.inc();
    }

    /// A connection could not be accepted.
    pub(crate) fn accept_error(&self) {
        self.0.accept_errors.inc();
    }

    /// A request is under way.
    pub(crate) fn request(&self) -> Counted {
        self.0.inflight.inc();
        Counted(self.0.inflight.clone())
    }

    /// A connection is open.
    pub(crate) fn connection(&self) -> Counted {
        self.0.connections.inc();
        Counted(self.0.connections.clone())
    }
}

struct Registrar<'r>(&'r Registry);

impl Registrar<'_> {
    fn keep<M: Collector + Clone + 'static>(&self, metric: M) -> prometheus::Result<M> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }
}
