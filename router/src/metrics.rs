//! What a router counts. Label values are words of closed sets, and ids from the configuration.

mod sync;

use std::collections::HashMap;

use gatepost_config::{DestinationId, Timestamp};
use gatepost_event::{DeadReason, store::LeaseKey};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

pub(crate) use sync::SyncMetrics;

use crate::{redelivery::Rearmed, send::Sent, settle::End};

/// Bounds of an attempt's duration, in seconds.
const ATTEMPT_BUCKETS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The router's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    deliveries: IntCounterVec,
    attempts: HistogramVec,
    signatures: IntCounterVec,
    waiting: IntGaugeVec,
    waiting_unknown: IntGauge,
    attempts_under_way: IntGauge,
    bytes_under_way: IntGauge,
    breakers_open: IntGaugeVec,
    leases: IntGaugeVec,
    events: IntCounterVec,
    lag: GaugeVec,
    redeliveries: IntCounter,
    rearmed: IntCounterVec,
    released: IntCounter,
    /// Of syncs.
    pub(crate) syncs: SyncMetrics,
    announcements: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When the registry has a metric of the same name already.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            syncs: SyncMetrics::register(registry)?,
            deliveries: IntCounterVec::new(
                Opts::new("gatepost_router_deliveries_total", "What attempts of deliveries came to"),
                &["destination", "outcome"],
            )?,
            attempts: HistogramVec::new(
                HistogramOpts::new(
                    "gatepost_router_attempt_duration_seconds",
                    "Time an attempt took, to its last byte",
                )
                .buckets(ATTEMPT_BUCKETS.to_vec()),
                &["result"],
            )?,
            signatures: IntCounterVec::new(
                Opts::new(
                    "gatepost_router_signatures_total",
                    "Attempts signed, by the key's id; `gatepost check` names them",
                ),
                &["destination", "key"],
            )?,
            waiting: IntGaugeVec::new(
                Opts::new("gatepost_router_waiting_deliveries", "Deliveries in the lanes that this router owns"),
                &["destination"],
            )?,
            waiting_unknown: IntGauge::new(
                "gatepost_router_waiting_unknown_deliveries",
                "Deliveries that wait for destinations that are not configured",
            )?,
            attempts_under_way: IntGauge::new("gatepost_router_attempts", "Attempts under way")?,
            bytes_under_way: IntGauge::new(
                "gatepost_router_attempts_bytes",
                "Bytes of events' bodies in attempts under way",
            )?,
            breakers_open: IntGaugeVec::new(
                Opts::new("gatepost_router_breaker_open", "1 while a destination's deliveries wait until it answers"),
                &["destination"],
            )?,
            leases: IntGaugeVec::new(
                Opts::new(
                    "gatepost_router_leases",
                    "Partitions and shards that this router works on, and whether it works on replays and on connections",
                ),
                &["kind"],
            )?,
            events: IntCounterVec::new(
                Opts::new("gatepost_router_events_routed_total", "Events routed, by what they are owed"),
                &["result"],
            )?,
            released: IntCounter::new(
                "gatepost_router_released_events_total",
                "Parked events that were released to a connection",
            )?,
            announcements: IntCounterVec::new(
                Opts::new(
                    "gatepost_router_announcements_total",
                    "Events that say that an account was connected or is no more, by integration and what came of it",
                ),
                &["integration", "result"],
            )?,
            lag: GaugeVec::new(
                Opts::new(
                    "gatepost_router_routing_lag_seconds",
                    "Age of a partition's last routed event when it was routed",
                ),
                &["partition"],
            )?,
            redeliveries: IntCounter::new(
                "gatepost_router_redeliveries_total",
                "Events sent once more by their provider that were dealt with",
            )?,
            rearmed: IntCounterVec::new(
                Opts::new(
                    "gatepost_router_rearmed_total",
                    "Deliveries that go at once because the provider sent their event once more, by what they were",
                ),
                &["what"],
            )?,
        };
        registry.register(Box::new(metrics.deliveries.clone()))?;
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.signatures.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.waiting_unknown.clone()))?;
        registry.register(Box::new(metrics.attempts_under_way.clone()))?;
        registry.register(Box::new(metrics.bytes_under_way.clone()))?;
        registry.register(Box::new(metrics.breakers_open.clone()))?;
        registry.register(Box::new(metrics.leases.clone()))?;
        registry.register(Box::new(metrics.events.clone()))?;
        // As in `waiting`: there before the first.
        metrics.events.with_label_values(&["dead"]);
        registry.register(Box::new(metrics.lag.clone()))?;
        registry.register(Box::new(metrics.redeliveries.clone()))?;
        registry.register(Box::new(metrics.rearmed.clone()))?;
        registry.register(Box::new(metrics.released.clone()))?;
        registry.register(Box::new(metrics.announcements.clone()))?;
        Ok(metrics)
    }

    /// An event was routed.
    pub(crate) fn routed(&self, result: &'static str) {
        self.events.with_label_values(&[result]).inc();
    }

    /// Parked events were released to a connection.
    pub(crate) fn released(&self, events: u64) {
        self.released.inc_by(events);
    }

    /// An announcement was dealt with.
    pub(crate) fn announced(&self, integration: &str, result: &'static str) {
        self.announcements.with_label_values(&[integration, result]).inc();
    }

    /// What was decided is stored.
    pub(crate) fn routed_through(&self, partition: u16, newest: Timestamp, now: Timestamp) {
        self.lag.with_label_values(&[&partition.to_string()]).set(now.since(newest).as_secs_f64());
    }

    /// An attempt was made, signed with these keys.
    pub(crate) fn attempted(&self, destination: &DestinationId, sent: &Sent, key_ids: &[String]) {
        for key in key_ids {
            self.signatures.with_label_values(&[destination.as_str(), key]).inc();
        }
        let result = sent.error.map_or("ok", |error| error.word());
        self.attempts.with_label_values(&[result]).observe(sent.took.as_secs_f64());
    }

    /// An attempt's end is stored.
    pub(crate) fn ended(&self, destination: &DestinationId, end: &End) {
        let outcome = match end {
            End::Done(_) => "delivered",
            End::Retry { .. } => "retried",
            End::Dead(letter) if letter.note.reason == DeadReason::Expired => "expired",
            End::Dead(_) => "dead",
            End::Erased => "erased",
        };
        self.deliveries.with_label_values(&[destination.as_str(), outcome]).inc();
    }

    /// What waits in lanes.
    pub(crate) fn waiting(&self, known: HashMap<&DestinationId, u64>, unknown: u64) {
        for (destination, waiting) in known {
            self.waiting.with_label_values(&[destination.as_str()]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
            // There before the first one dies: an increase from nothing to one is none to who watches.
            self.deliveries.with_label_values(&[destination.as_str(), "dead"]);
        }
        self.waiting_unknown.set(i64::try_from(unknown).unwrap_or(i64::MAX));
    }

    /// Slots in use, and bytes of bodies in them.
    pub(crate) fn slots(&self, used: usize, bytes: u64) {
        self.attempts_under_way.set(i64::try_from(used).unwrap_or(i64::MAX));
        self.bytes_under_way.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Destinations that are known not to answer.
    pub(crate) fn unanswering<'a>(&self, destinations: impl Iterator<Item = &'a DestinationId>) {
        self.breakers_open.reset();
        for destination in destinations {
            self.breakers_open.with_label_values(&[destination.as_str()]).set(1);
        }
    }

    /// A provider's redelivery was dealt with.
    pub(crate) fn redelivered(&self, rearmed: Rearmed) {
        self.redeliveries.inc();
        self.rearmed.with_label_values(&["retry"]).inc_by(rearmed.retries);
        self.rearmed.with_label_values(&["dead_letter"]).inc_by(rearmed.dead_letters);
    }

    /// What this router works on.
    pub(crate) fn leases<'a>(&self, keys: impl Iterator<Item = &'a LeaseKey>) {
        let (mut partitions, mut shards, mut replays, mut bindings) = (0, 0, 0, 0);
        for key in keys {
            match key {
                LeaseKey::Partition(_) => partitions += 1,
                LeaseKey::Shard(_) => shards += 1,
                LeaseKey::Replays => replays += 1,
                // A gateway's.
                LeaseKey::Quarantine | LeaseKey::Heals => {}
                LeaseKey::Bindings => bindings += 1,
            }
        }
        self.leases.with_label_values(&["partition"]).set(partitions);
        self.leases.with_label_values(&["shard"]).set(shards);
        self.leases.with_label_values(&["replays"]).set(replays);
        self.leases.with_label_values(&["bindings"]).set(bindings);
    }
}
