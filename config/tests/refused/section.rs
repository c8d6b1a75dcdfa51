//! Values that a section can't have.

use super::{Case, refused};

#[test]
fn a_value_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "an address without a port",
        changes: &[(r#"listen = "127.0.0.1:8080""#, r#"listen = "127.0.0.1""#)],
        said: r#"4:10: error: gateway.listen is "127.0.0.1", which is no address with a port; write an address and port such as "127.0.0.1:8080" or "[::]:8080""#,
    },
    Case {
        what: "an address that is a number",
        changes: &[(r#"listen = "127.0.0.1:8080""#, "listen = 8080")],
        said: r#"4:10: error: gateway.listen is an integer but should be a text; write an address and port such as "127.0.0.1:8080" or "[::]:8080""#,
    },
    Case {
        what: "two listeners on one address",
        changes: &[(r#"listen = "127.0.0.1:9090""#, r#"listen = "0.0.0.0:8080""#)],
        said: "14:10: error: ops.listen is 0.0.0.0:8080, which gateway.listen takes already; choose another port",
    },
    Case {
        what: "a public URL that is no URL",
        changes: &[(r#""https://hooks.example.com""#, r#""hooks.example.com""#)],
        said: r#"5:14: error: gateway.public_url is no URL (relative URL without a base); write a whole URL such as "https://hooks.example.com""#,
    },
    Case {
        what: "a public URL of another scheme",
        changes: &[(r#""https://hooks.example.com""#, r#""ftp://hooks.example.com""#)],
        said: "5:14: error: gateway.public_url is neither http nor https; start it with https://",
    },
    Case {
        what: "a public URL with a query",
        changes: &[(r#""https://hooks.example.com""#, r#""https://hooks.example.com/?a=b""#)],
        said: "5:14: error: gateway.public_url has a ? or # part; end it before the ? or #",
    },
    Case {
        what: "a public URL with a password",
        changes: &[(r#""https://hooks.example.com""#, r#""https://me:canary@hooks.example.com""#)],
        said: "5:14: error: gateway.public_url has a user name or password; leave out everything before the @",
    },
    Case {
        what: "a size without a unit we know",
        changes: &[(r#"inflight_bytes_max = "256MiB""#, r#"inflight_bytes_max = "256MB""#)],
        said: r#"6:22: error: gateway.inflight_bytes_max is "256MB", which is no size; write a size such as "512KiB" or "25MiB""#,
    },
    Case {
        what: "a size of zero",
        changes: &[(r#"inflight_bytes_max = "256MiB""#, r#"inflight_bytes_max = "0B""#)],
        said: "6:22: error: gateway.inflight_bytes_max is zero; give a size above zero",
    },
    Case {
        what: "room for less than one body",
        changes: &[(r#"inflight_bytes_max = "256MiB""#, r#"inflight_bytes_max = "24MiB""#)],
        said: "6:22: error: gateway.inflight_bytes_max is 24MiB, less than one body of GitHub may have (25MiB); give at least 25MiB",
    },
    Case {
        what: "a size that is a number",
        changes: &[(r#"inflight_bytes_max = "256MiB""#, "inflight_bytes_max = 256")],
        said: r#"6:22: error: gateway.inflight_bytes_max is an integer but should be a text; write a size such as "512KiB" or "25MiB""#,
    },
    Case {
        what: "no connections",
        changes: &[(
            "[router]",
            r"connections_max = 0
[router]",
        )],
        said: "8:19: error: gateway.connections_max is 0, which is out of range; write a whole number from 1 to 4294967295",
    },
    Case {
        what: "a quota of nothing",
        changes: &[(
            "[router]",
            r#"accept_rate = "0/s"
[router]"#,
        )],
        said: "8:15: error: gateway.accept_rate is zero; leave it out for no limit",
    },
    Case {
        what: "a quota without its time",
        changes: &[(
            "[router]",
            r#"tenant_rate = "50"
[router]"#,
        )],
        said: r#"8:15: error: gateway.tenant_rate is "50", which has no /; write a rate such as "100/s", "30/m" or "500/h""#,
    },
    Case {
        what: "a negative number",
        changes: &[(
            "[router]",
            r"[router]
concurrency = -1",
        )],
        said: "9:15: error: router.concurrency is -1, which is out of range; write a whole number from 1 to 4294967295",
    },
    Case {
        what: "a number in quotes",
        changes: &[(
            "[router]",
            r#"[router]
concurrency = "256""#,
        )],
        said: "9:15: error: router.concurrency is a text but should be an integer; write a whole number from 1 to 4294967295",
    },
    Case {
        what: "a span that is a number",
        changes: &[(
            "[router]",
            r"[router]
shutdown_deadline = 25",
        )],
        said: r#"9:21: error: router.shutdown_deadline is an integer but should be a text; write a span such as "500ms", "2s", "5m", "10h" or "14d""#,
    },
    Case {
        what: "a span without a unit we know",
        changes: &[(
            "[router]",
            r#"[router]
shutdown_deadline = "25 seconds""#,
        )],
        said: r#"9:21: error: router.shutdown_deadline is "25 seconds", which is no span; write a span such as "500ms", "2s", "5m", "10h" or "14d""#,
    },
    Case {
        what: "a span of zero",
        changes: &[(
            "[router]",
            r#"[router]
shutdown_deadline = "0s""#,
        )],
        said: "9:21: error: router.shutdown_deadline is zero; give a span above zero",
    },
    Case {
        what: "an answer later than providers wait",
        changes: &[(
            "[router]",
            r#"answer_deadline = "2501ms"
[router]"#,
        )],
        said: "8:19: error: gateway.answer_deadline is longer than providers wait; give at most 2500ms",
    },
    Case {
        what: "a retention of zero",
        changes: &[(
            "[ops]",
            r#"[retention]
events = "0d"

[ops]"#,
        )],
        said: "14:10: error: retention.events is zero; give a span above zero",
    },
    Case {
        what: "what no integration can keep for a time of its own",
        changes: &[(
            r#"default_connection = "acme""#,
            r#"retention = { events = "2d", quarantine = "0s", attempts = "1d" }"#,
        )],
        said: "44:43: error: integration[0].retention.quarantine is zero; give a span above zero
44:49: error: integration[0].retention.attempts is no known setting; use one of events, dead_letters, unmatched, quarantine",
    },
    Case {
        what: "integrations that keep what is their own for longer than all, or for too short a time",
        changes: &[(
            r#"default_connection = "acme""#,
            r#"retention = { events = "10h", dead_letters = "31d" }"#,
        )],
        said: r#"44:24: error: integration[0].retention.events is 10h, less than the 1d in which an event's id is stored once; give at least "1d", or write store.dedupe_window = "10h"
44:46: error: integration[0].retention.dead_letters is 31d, longer than the 30d of retention.dead_letters; give at most "30d", or raise retention.dead_letters"#,
    },
    Case {
        what: "an unknown engine",
        changes: &[(r#"engine = "embedded""#, r#"engine = "sqlite""#)],
        said: r#"11:10: error: store.engine is "sqlite"; use one of embedded, nats"#,
    },
    Case {
        what: "a setting of the other engine",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "embedded"
replicas = 3"#,
        )],
        said: r#"12:12: error: store.replicas belongs to the engine "nats"; remove it, or write engine = "nats""#,
    },
    Case {
        what: "an empty path",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "embedded"
path = """#,
        )],
        said: "12:8: error: store.path is empty; name a folder",
    },
    Case {
        what: "NATS without server and durability",
        changes: &[(r#"engine = "embedded""#, r#"engine = "nats""#)],
        said: r#"10:1: error: store.url is missing; add for example url = ["nats://127.0.0.1:4222"]
10:1: error: store.durability is missing; add for example durability = "fsync""#,
    },
    Case {
        what: "NATS with a folder",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync"
path = "data""#,
        )],
        said: r#"14:8: error: store.path belongs to the engine "embedded"; remove it, or write engine = "embedded""#,
    },
    Case {
        what: "two copies",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync"
replicas = 2"#,
        )],
        said: "14:12: error: store.replicas is 2, which makes no good quorum; write 1, 3 or 5",
    },
    Case {
        what: "a prefix that a subject can't have",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync"
prefix = "gate.post""#,
        )],
        said: r#"14:10: error: store.prefix is "gate.post", which can't start a subject; write 1 to 32 characters of A-Z a-z 0-9 _ -"#,
    },
    Case {
        what: "a prefix that is too long",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync"
prefix = "ggggggggggggggggggggggggggggggggg""#,
        )],
        said: r#"14:10: error: store.prefix is "ggggggggggggggggggggggggggggggggg", which can't start a subject; write 1 to 32 characters of A-Z a-z 0-9 _ -"#,
    },
    Case {
        what: "an unknown durability",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsynced""#,
        )],
        said: r#"13:14: error: store.durability is "fsynced"; did you mean "fsync"?"#,
    },
    Case {
        what: "no partitions",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync"
partitions = 0"#,
        )],
        said: "14:14: error: store.partitions is 0, which is out of range; write a whole number from 1 to 256",
    },
    Case {
        what: "too many shards",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync"
shards = 257"#,
        )],
        said: "14:10: error: store.shards is 257, which is out of range; write a whole number from 1 to 256",
    },
    Case {
        what: "a server of another scheme, which may hold a password",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = "http://me:canary@127.0.0.1:4222"
durability = "fsync""#,
        )],
        said: "12:7: error: store.url is no NATS server; write nats://HOST:4222 or tls://HOST:4222",
    },
    Case {
        what: "no servers",
        changes: &[(
            r#"engine = "embedded""#,
            r#"engine = "nats"
url = []
durability = "fsync""#,
        )],
        said: r#"12:7: error: store.url is an empty list; name at least one server, such as "nats://127.0.0.1:4222""#,
    },
];
