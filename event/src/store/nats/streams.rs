//! What the streams must be like, and how they may differ.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};
use gatepost_config::{NatsStore, Retention, Store as Settings};

use super::names::Names;
use crate::{
    audit::{ACT_BYTES_MAX, ACTS_MAX},
    redelivery,
};

/// The largest message of the quarantine: what a server takes by default.
const QUARANTINE_BYTES_MAX: i32 = 1024 * 1024;
/// The largest message of the registry: the longest value and id, and what headers add.
const REGISTRY_BYTES_MAX: i32 = 260 * 1024;
/// How much longer the chunks of a large body are kept than the event that refers to them.
const BODY_MARGIN: Duration = Duration::from_secs(24 * 3600);
/// Where a stream says how many partitions and shards it was made for.
const PARTITIONS: &str = "gatepost_partitions";
const SHARDS: &str = "gatepost_shards";

/// Every stream of the installation, as it must be.
pub(super) fn wanted(
    names: &Names,
    settings: &NatsStore,
    dedupe_window: Option<Duration>,
    keep: &Retention,
) -> Vec<Config> {
    let window = dedupe_window.unwrap_or(Settings::WINDOW_NATS);
    let base = |name: String, subjects: Vec<String>, max_age: Duration| Config {
        name,
        subjects,
        max_age,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: settings.replicas.max(1),
        duplicate_window: if max_age.is_zero() { window } else { window.min(max_age) },
        allow_direct: true,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        metadata: [(PARTITIONS, names.partitions), (SHARDS, names.shards)]
            .map(|(key, number)| (key.to_owned(), number.to_string()))
            .into(),
        ..Config::default()
    };
    // An integration may keep what is its own for less time than these last. The audit log and secrets must not allow
    // that: nobody who may only publish can let one vanish.
    let brief = |stream: Config| Config { allow_message_ttl: true, ..stream };
    let event_age = with_margin(keep.events);
    let body_age = event_age.max(keep.unmatched) + BODY_MARGIN;
    let mut streams = Vec::new();
    let events = |p| brief(base(names.events(p), vec![names.event_filter(p)], event_age));
    streams.extend((0..names.partitions).map(events));
    streams.extend((0..names.shards).map(|shard| Config {
        // A schedule that meets "new" would be stuck; without limits "old" never discards.
        discard: DiscardPolicy::Old,
        allow_message_schedules: true,
        allow_message_ttl: true,
        ..base(
            names.deliveries(shard),
            vec![names.lane_filter(shard), names.schedule_filter(shard), names.hold_filter(shard)],
            Duration::ZERO,
        )
    }));
    // One chunk a subject, the newest wins; "new" then refuses only at a size limit that the operator set.
    let bodies = brief(base(names.bodies(), vec![names.body_filter()], body_age));
    streams.push(Config { max_messages_per_subject: 1, ..bodies });
    let letters = vec![names.letter_filter(), names.letter_body_filter(), names.copy_filter()];
    streams.push(brief(base(names.dead(), letters, keep.dead_letters)));
    streams.push(brief(base(names.parked(), vec![names.parked_filter(None, None)], keep.unmatched)));
    // Finished history gives way first: at a size limit that the operator set, its oldest part goes.
    streams.push(Config {
        discard: DiscardPolicy::Old,
        ..brief(base(names.attempts(), vec![names.attempt_filter(), names.end_filter()], keep.events))
    });
    streams.push(Config {
        discard: DiscardPolicy::Old,
        max_message_size: QUARANTINE_BYTES_MAX,
        ..brief(base(names.quarantine(), vec![names.quarantine_filter(None)], keep.quarantine))
    });
    streams.push(Config {
        discard: DiscardPolicy::Old,
        max_messages: ACTS_MAX as i64,
        max_message_size: ACT_BYTES_MAX as i32 + 1024,
        deny_delete: true,
        deny_purge: true,
        ..base(names.acts(), vec![names.act_subject()], keep.audit)
    });
    // One of each name, and the server refuses any other: no credential that may only publish can replace one.
    streams.push(Config {
        max_messages_per_subject: 1,
        discard_new_per_subject: true,
        ..base(names.secrets(), vec![names.secret_filter()], Duration::ZERO)
    });
    // So many of an event, and the server refuses any other: no credential that may only publish can ask for more.
    let redelivered = base(names.redelivered(), vec![names.redelivered_filter()], window + redelivery::KEPT_BEYOND);
    streams.push(Config {
        max_messages_per_subject: i64::try_from(redelivery::PER_EVENT_MAX).unwrap_or(i64::MAX),
        discard_new_per_subject: true,
        max_messages: redelivery::KEPT_MAX.into(),
        duplicate_window: redelivered.duplicate_window.max(redelivery::SPACING),
        ..redelivered
    });
    streams.push(Config {
        max_messages_per_subject: 1,
        max_message_size: REGISTRY_BYTES_MAX,
        allow_rollup: true,
        deny_delete: true,
        allow_message_ttl: true,
        ..base(names.registry(), vec![names.registry_filter()], Duration::ZERO)
    });
    streams.push(Config {
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        allow_message_ttl: true,
        ..base(names.state(), vec![names.state_filter()], Duration::ZERO)
    });
    streams
}

/// How much longer an event's bytes are kept than its retention: time to bury what is still owed with them.
pub(super) fn expiry_margin(retention: Duration) -> Duration {
    (retention / 10).clamp(Duration::from_secs(3), Duration::from_secs(24 * 3600))
}

/// A retention of events with its margin.
pub(super) fn with_margin(retention: Duration) -> Duration {
    retention + expiry_margin(retention)
}

/// A stream's settings with ours put right; what isn't ours (limits on bytes, placement, description) stays.
pub(super) fn put_right(actual: &Config, wanted: &Config) -> Config {
    let mut metadata = actual.metadata.clone();
    metadata.extend(wanted.metadata.clone());
    let limits_are_ours = wanted.allow_message_schedules;
    Config {
        subjects: wanted.subjects.clone(),
        discard: wanted.discard,
        discard_new_per_subject: wanted.discard_new_per_subject,
        max_age: wanted.max_age,
        num_replicas: wanted.num_replicas,
        duplicate_window: wanted.duplicate_window,
        allow_direct: true,
        // The server turns it on for schedules.
        allow_rollup: wanted.allow_rollup || actual.allow_rollup,
        max_messages: if limits_are_ours { wanted.max_messages } else { actual.max_messages },
        max_bytes: if limits_are_ours { wanted.max_bytes } else { actual.max_bytes },
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_message_size: wanted.max_message_size,
        allow_message_schedules: wanted.allow_message_schedules,
        allow_message_ttl: wanted.allow_message_ttl,
        metadata,
        ..actual.clone()
    }
}

/// How a stream differs from what the contract needs, each with its field's name.
pub(super) fn differences(actual: &Config, wanted: &Config) -> Vec<String> {
    let mut found = fixed_differences(actual, wanted);
    let name = &wanted.name;
    let mut differs = |field: &str, is: String, needs: String| {
        found.push(format!("stream {name}: {field} is {is}, needs {needs}"));
    };
    if actual.subjects != wanted.subjects {
        differs("subjects", format!("{:?}", actual.subjects), format!("{:?}", wanted.subjects));
    }
    if actual.discard != wanted.discard {
        differs("discard", discard(actual.discard).into(), discard(wanted.discard).into());
    }
    if actual.num_replicas < wanted.num_replicas {
        differs("replicas", actual.num_replicas.to_string(), wanted.num_replicas.to_string());
    }
    let too_short = |is: Duration, needs: Duration| !is.is_zero() && (needs.is_zero() || is < needs);
    if too_short(actual.max_age, wanted.max_age) {
        differs("max_age", span(actual.max_age), span(wanted.max_age));
    }
    if actual.duplicate_window < wanted.duplicate_window {
        differs("duplicate_window", span(actual.duplicate_window), span(wanted.duplicate_window));
    }
    let limit = |limit: i64| if limit <= 0 { "unlimited".to_owned() } else { limit.to_string() };
    let same_limit = |is: i64, needs: i64| is.max(0) == needs.max(0);
    if !same_limit(actual.max_messages_per_subject, wanted.max_messages_per_subject) {
        let (is, needs) = (actual.max_messages_per_subject, wanted.max_messages_per_subject);
        differs("max_msgs_per_subject", limit(is), limit(needs));
    }
    if wanted.allow_message_schedules {
        // With "old", which schedules need, a limit would evict silently what is still owed.
        for (field, is) in [("max_msgs", actual.max_messages), ("max_bytes", actual.max_bytes)] {
            if is > 0 {
                differs(field, limit(is), limit(-1));
            }
        }
    }
    if actual.max_message_size > 0 && !same_limit(actual.max_message_size.into(), wanted.max_message_size.into()) {
        differs("max_msg_size", limit(actual.max_message_size.into()), limit(wanted.max_message_size.into()));
    }
    for (field, is, needs) in [
        ("allow_direct", actual.allow_direct, wanted.allow_direct),
        ("allow_msg_schedules", actual.allow_message_schedules, wanted.allow_message_schedules),
        ("allow_msg_ttl", actual.allow_message_ttl, wanted.allow_message_ttl),
        ("discard_new_per_subject", actual.discard_new_per_subject, wanted.discard_new_per_subject),
        ("allow_rollup_hdrs", actual.allow_rollup, wanted.allow_rollup),
    ] {
        if needs && !is {
            differs(field, is.to_string(), needs.to_string());
        }
    }
    found
}

/// The differences that no update can put right.
pub(super) fn fixed_differences(actual: &Config, wanted: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let name = &wanted.name;
    if actual.retention != wanted.retention {
        found.push(format!("stream {name}: retention is {:?}, needs Limits", actual.retention));
    }
    if actual.storage != wanted.storage {
        found.push(format!("stream {name}: storage is {:?}, needs File", actual.storage));
    }
    if actual.persist_mode == Some(PersistenceMode::Async) {
        found.push(format!("stream {name}: persist_mode is async, which confirms before it writes; needs default"));
    }
    if actual.sealed {
        found.push(format!("stream {name}: is sealed"));
    }
    if actual.deny_delete && !wanted.deny_delete {
        found.push(format!("stream {name}: deny_delete is true, needs false"));
    }
    for (key, word) in [(PARTITIONS, "partitions"), (SHARDS, "shards")] {
        if let (Some(is), Some(needs)) = (actual.metadata.get(key), wanted.metadata.get(key))
            && is != needs
        {
            found.push(format!(
                "stream {name}: was made for {is} {word}, the configuration says {needs}; that number can't change"
            ));
        }
    }
    found
}

const fn discard(policy: DiscardPolicy) -> &'static str {
    match policy {
        DiscardPolicy::Old => "old",
        DiscardPolicy::New => "new",
    }
}

fn span(span: Duration) -> String {
    if span.is_zero() { "unlimited".to_owned() } else { gatepost_config::units::format_span(span) }
}
