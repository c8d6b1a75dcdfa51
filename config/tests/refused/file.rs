//! What is wrong with the file as such, and with texts that stand elsewhere.

use super::{Case, refused};

#[test]
fn a_file_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "a text that is not TOML",
        changes: &[("[ops]", "[ops")],
        said: "13:5: error: the file is no TOML here (unclosed table, expected `]`); see https://toml.io for how it is written",
    },
    Case {
        what: "the same key twice",
        changes: &[(
            r#"listen = "127.0.0.1:8080""#,
            r#"listen = "127.0.0.1:8080"
listen = "127.0.0.1:8082""#,
        )],
        said: "5:1: error: the file is no TOML here (duplicate key); see https://toml.io for how it is written",
    },
    Case {
        what: "an unknown section",
        changes: &[("[ops]", "[opps]")],
        said: r#"13:2: error: opps is no known setting; did you mean "ops"?"#,
    },
    Case {
        what: "a misspelt key",
        changes: &[("inflight_bytes_max", "inflight_byte_max")],
        said: r#"6:1: error: gateway.inflight_byte_max is no known setting; did you mean "inflight_bytes_max"?"#,
    },
    Case {
        what: "a key nothing is like",
        changes: &[(
            "[ops]",
            r"[ops]
verbosity = 3",
        )],
        said: "14:1: error: ops.verbosity is no known setting; use listen",
    },
    Case {
        what: "a table where a value belongs",
        changes: &[("[router]", "[router.concurrency]")],
        said: "8:1: error: router.concurrency is a table but should be an integer; write a whole number from 1 to 4294967295",
    },
    Case {
        what: "a value where a section belongs",
        changes: &[
            (
                "nango_environments",
                r#"ops = "127.0.0.1:9090"
nango_environments"#,
            ),
            (
                r#"[ops]
listen = "127.0.0.1:9090"
"#,
                "",
            ),
        ],
        said: r#"1:7: error: ops is a text but should be a table; write { key = "value" } or a [section]"#,
    },
    Case {
        what: "one table where a list of tables belongs",
        changes: &[
            (
                r#"[[route]]
id = "all"
events = ["github.push"]
forward = ["backend"]

[[route]]"#,
                "[route]",
            ),
            (
                r#"[[route]]
id = "stale"
sync = { engine = "nango", name = "contacts", backstop = "1h" }
"#,
                "",
            ),
        ],
        said: "90:1: error: route is one table but should be a list of them; write [[route]] instead of [route]",
    },
    Case {
        what: "a text that comes from two places",
        changes: &[(r#"public_url = "https://hooks.example.com""#, r#"public_url = { env = "URL", file = "url" }"#)],
        said: "5:14: error: gateway.public_url has both env and file; keep one of them",
    },
    Case {
        what: "a text that comes from nowhere",
        changes: &[(r#"public_url = "https://hooks.example.com""#, r#"public_url = { path = "url" }"#)],
        said: r#"5:14: error: gateway.public_url has neither env nor file; write { env = "NAME" } or { file = "path" }
5:16: error: gateway.public_url.path is no known setting; use one of env, file"#,
    },
    Case {
        what: "a text from an unset variable",
        changes: &[(r#"public_url = "https://hooks.example.com""#, r#"public_url = { env = "UNSET" }"#)],
        said: r#"5:14: error: gateway.public_url comes from environment UNSET, which is not set; set UNSET, or write { file = "path" }"#,
    },
    Case {
        what: "a text from an absent file",
        changes: &[(r#"public_url = "https://hooks.example.com""#, r#"public_url = { file = "absent" }"#)],
        said: "5:14: error: gateway.public_url comes from file absent, which can't be read (No such file or directory (os error 2)); make it readable to Gatepost; relative paths start at the configuration file",
    },
    Case {
        what: "a text from a variable of the wrong form, which is not shown",
        changes: &[(r#"public_url = "https://hooks.example.com""#, r#"public_url = { env = "GITHUB_SECRET" }"#)],
        said: r#"5:14: error: gateway.public_url has the wrong form in environment GITHUB_SECRET; write a whole URL such as "https://hooks.example.com""#,
    },
    Case {
        what: "a variable without a name",
        changes: &[(r#"public_url = "https://hooks.example.com""#, r#"public_url = { env = "" }"#)],
        said: r#"5:22: error: gateway.public_url.env is empty; write env = "...""#,
    },
    Case {
        what: "a variable whose name is a number",
        changes: &[(r#"public_url = "https://hooks.example.com""#, "public_url = { env = 5 }")],
        said: "5:22: error: gateway.public_url.env is an integer but should be a text; write it in quotes",
    },
    Case {
        what: "an until on what is no secret",
        changes: &[(
            r#"public_url = "https://hooks.example.com""#,
            r#"public_url = { env = "URL", until = 2026-12-01T00:00:00Z }"#,
        )],
        said: "5:29: error: gateway.public_url.until is no known setting; use one of env, file",
    },
    Case {
        what: "environments that are no list",
        changes: &[(r#"nango_environments = ["prod"]"#, r#"nango_environments = "prod""#)],
        said: "1:22: error: nango_environments is a text but should be a list; write [..] around the value",
    },
    Case {
        what: "an environment that is no path segment",
        changes: &[(r#"nango_environments = ["prod"]"#, r#"nango_environments = ["prod/eu"]"#)],
        said: r#"1:23: error: nango_environments[0] is "prod/eu", which is no segment of a path; use A-Z a-z 0-9 . _ ~ -"#,
    },
];
