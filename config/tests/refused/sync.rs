//! Sync engines, and routes that make syncs stale.

use super::{Case, GOOD, folder, parse, refused};

#[test]
fn a_sync_that_could_not_run_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

#[test]
fn a_backstop_that_a_killed_router_makes_late_is_warned_of() {
    let folder = folder();
    for (backstop, said) in [
        (
            "59s",
            "gatepost.toml:130:58: warning: route[2].sync.backstop is less than a minute, so a run is late when its router \
             is killed and another has to take over; give at least \"1m\" if that matters",
        ),
        ("1m", ""),
    ] {
        let text = GOOD.replacen(r#"backstop = "1h""#, &format!("backstop = \"{backstop}\""), 1);
        let loaded = parse(&text, folder.path()).unwrap_or_else(|problems| panic!("{backstop}: {problems}"));
        let warnings = loaded.warnings.to_string().replace(&format!("{}/", folder.path().display()), "");
        assert_eq!(warnings.trim_end(), said);
    }
}

const CASES: &[Case] = &[
    Case {
        what: "a kind there isn't",
        changes: &[(r#"kind = "nango""#, r#"kind = "nagno""#)],
        said: r#"118:8: error: sync_engine[0].kind is "nagno"; did you mean "nango"?"#,
    },
    Case {
        what: "Nango without its key",
        changes: &[(
            r#"api_key = { env = "TOKEN" }
"#,
            "",
        )],
        said: r#"116:1: error: sync_engine[0].api_key is missing; add for example api_key = { env = "NANGO_KEY" }"#,
    },
    Case {
        what: "an endpoint without a URL, with a setting of another kind",
        changes: &[(r#"url = "https://api.example.com/syncs""#, r#"subject = "contacts""#)],
        said: r#"121:1: error: sync_engine[1].url is missing; add for example url = "https://api.example.com/syncs"
124:11: warning: sync_engine[1].subject means nothing for kind = "http"; remove it"#,
    },
    Case {
        what: "an endpoint on this machine",
        changes: &[("https://api.example.com/syncs", "https://127.0.0.1/syncs")],
        said: "124:7: error: sync_engine[1].url is on this machine or a private network; write private = true if that is meant, or a public host",
    },
    Case {
        what: "a body that is none",
        changes: &[(r#"body = "{'customer': run.connection}""#, r#"body = """#)],
        said: "126:8: error: sync_engine[1].body is empty; write a CEL expression, or leave it out",
    },
    Case {
        what: "workers on NATS without it",
        changes: &[(
            r#"kind = "http"
url = "https://api.example.com/syncs"
secrets = [{ env = "SIGNING" }]
body = "{'customer': run.connection}""#,
            r#"kind = "nats"
subject = "contacts""#,
        )],
        said: r#"123:8: error: sync_engine[1].kind is "nats", and the store is not on NATS; write store.engine = "nats", or kind = "http""#,
    },
    Case {
        what: "a subject with a wildcard",
        changes: &[(
            r#"kind = "http"
url = "https://api.example.com/syncs"
secrets = [{ env = "SIGNING" }]
body = "{'customer': run.connection}""#,
            r#"kind = "nats"
subject = "contacts.>""#,
        )],
        said: r#"124:11: error: sync_engine[1].subject is "contacts.>"; write words of A-Z a-z 0-9 _ - with dots between them"#,
    },
    Case {
        what: "an engine with a destination's id",
        changes: &[(r#"id = "own-syncs""#, r#"id = "backend""#)],
        said: r#"122:6: error: sync_engine[1].id is "backend", which destination[0].id has already; choose another"#,
    },
    Case {
        what: "a sync of no engine",
        changes: &[(r#"engine = "nango""#, r#"engine = "nagno""#)],
        said: r#"130:19: error: route[2].sync.engine is "nagno", which is no sync engine; did you mean "nango"?"#,
    },
    Case {
        what: "a sync without a name",
        changes: &[(r#"name = "contacts", "#, "")],
        said: r#"130:8: error: route[2].sync.name is missing; add for example name = "contacts""#,
    },
    Case {
        what: "a wait that is shorter than the other",
        changes: &[(r#"backstop = "1h""#, r#"coalesce = "5s", max_wait = "1s""#)],
        said: "130:75: error: route[2].sync.max_wait is shorter than coalesce; give at least the time of coalesce",
    },
    Case {
        what: "a backstop of no time",
        changes: &[(r#"backstop = "1h""#, r#"backstop = "0s""#)],
        said: "130:58: error: route[2].sync.backstop is zero; give a span above zero",
    },
];
