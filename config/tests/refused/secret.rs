//! Secrets that are none.

use super::{Case, refused};

#[test]
fn a_secret_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "a secret in the clear",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = ["canary-in-the-clear"]"#)],
        said: r#"42:12: error: integration[0].secrets[0] is a secret written out in the file; write { env = "NAME" } or { file = "path" }, and replace the secret if this file was shared"#,
    },
    Case {
        what: "a secret that is no list",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = { env = "GITHUB_SECRET" }"#)],
        said: "42:11: error: integration[0].secrets is a table but should be a list; write [..] around the value",
    },
    Case {
        what: "an unset secret",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = [{ env = "UNSET" }]"#)],
        said: r#"42:12: error: integration[0].secrets[0] comes from environment UNSET, which is not set; set UNSET, or write { file = "path" }"#,
    },
    Case {
        what: "an empty secret",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = [{ env = "EMPTY" }]"#)],
        said: "42:12: error: integration[0].secrets[0] is empty in environment EMPTY; make one with `gatepost secret new`, or copy all of the provider's",
    },
    Case {
        what: "a secret of seven bytes",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = [{ env = "SEVEN" }]"#)],
        said: "42:12: error: integration[0].secrets[0] has only 7 bytes in environment SEVEN; at least 8 are needed; make one with `gatepost secret new`, or copy all of the provider's",
    },
    Case {
        what: "a secret of nothing but the prefix",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = [{ env = "PREFIX" }]"#)],
        said: "42:12: error: integration[0].secrets[0] has only 6 bytes in environment PREFIX; at least 8 are needed; make one with `gatepost secret new`, or copy all of the provider's",
    },
    Case {
        what: "a secret from an absent file",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = [{ file = "absent" }]"#)],
        said: "42:12: error: integration[0].secrets[0] comes from file absent, which can't be read (No such file or directory (os error 2)); make it readable to Gatepost; relative paths start at the configuration file",
    },
    Case {
        what: "a secret from a folder",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, r#"secrets = [{ file = "." }]"#)],
        said: "42:12: error: integration[0].secrets[0] comes from file ., which can't be read (it is not a regular file); make it readable to Gatepost; relative paths start at the configuration file",
    },
    Case {
        what: "an until that is no time",
        changes: &[(
            r#"secrets = [{ env = "GITHUB_SECRET" }]"#,
            r#"secrets = [{ env = "GITHUB_SECRET", until = "soon" }]"#,
        )],
        said: "42:45: error: integration[0].secrets[0].until is no point in time; write for example 2026-12-01T00:00:00Z",
    },
    Case {
        what: "an until without a time of day",
        changes: &[(
            r#"secrets = [{ env = "GITHUB_SECRET" }]"#,
            r#"secrets = [{ env = "GITHUB_SECRET", until = 2026-12-01 }]"#,
        )],
        said: "42:45: error: integration[0].secrets[0].until is no point in time; write for example 2026-12-01T00:00:00Z",
    },
    Case {
        what: "a misspelt until",
        changes: &[(
            r#"secrets = [{ env = "GITHUB_SECRET" }]"#,
            r#"secrets = [{ env = "GITHUB_SECRET", untill = 2026-12-01T00:00:00Z }]"#,
        )],
        said: r#"42:37: error: integration[0].secrets[0].untill is no known setting; did you mean "until"?"#,
    },
    Case {
        what: "no secret where one is needed",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, "")],
        said: r#"39:1: error: integration[0].secrets is missing or empty, and GitHub signs with one secret for every account; add for example secrets = [{ env = "GITHUB_WEBHOOK_SECRET" }]"#,
    },
    Case {
        what: "an empty list of secrets",
        changes: &[(r#"secrets = [{ env = "GITHUB_SECRET" }]"#, "secrets = []")],
        said: r#"42:11: error: integration[0].secrets is missing or empty, and GitHub signs with one secret for every account; add for example secrets = [{ env = "GITHUB_WEBHOOK_SECRET" }]"#,
    },
    Case {
        what: "a Standard Webhooks secret that is not base64",
        changes: &[(r#"secrets = [{ env = "STANDARD" }]"#, r#"secrets = [{ env = "GITHUB_SECRET" }]"#)],
        said: "75:12: error: connection[2].secrets[0] is no secret of Standard Webhooks in environment GITHUB_SECRET: it is not base64; copy all of the secret that Standard Webhooks shows",
    },
    Case {
        what: "a Standard Webhooks secret that is too short",
        changes: &[(r#"secrets = [{ env = "STANDARD" }]"#, r#"secrets = [{ env = "STANDARD_SHORT" }]"#)],
        said: "75:12: error: connection[2].secrets[0] is no secret of Standard Webhooks in environment STANDARD_SHORT: it holds a key of 16 bytes, not 24 to 64; copy all of the secret that Standard Webhooks shows",
    },
    Case {
        what: "a connection without the secret it needs",
        changes: &[(r#"secrets = [{ env = "STANDARD" }]"#, "")],
        said: r#"57:1: error: integration[3].secrets is missing or empty, and the connection "sender" has no secrets of its own; add for example secrets = [{ env = "STANDARD_WEBHOOKS_WEBHOOK_SECRET" }]"#,
    },
    Case {
        what: "a destination without a secret",
        changes: &[(r#"secrets = [{ env = "SIGNING" }]"#, "")],
        said: r#"77:1: error: destination[0].secrets is missing; add for example secrets = [{ env = "GATEPOST_SIGNING_SECRET" }]"#,
    },
    Case {
        what: "a destination with no secrets",
        changes: &[(r#"secrets = [{ env = "SIGNING" }]"#, "secrets = []")],
        said: "80:11: error: destination[0].secrets is an empty list; add a secret, so that the backend can tell deliveries from forgeries",
    },
    Case {
        what: "a signing secret without its prefix",
        changes: &[(r#"secrets = [{ env = "SIGNING" }]"#, r#"secrets = [{ env = "GITHUB_SECRET" }]"#)],
        said: "80:12: error: destination[0].secrets[0] is no signing secret in environment GITHUB_SECRET: it doesn't start with whsec_; make one with `gatepost secret new`",
    },
    Case {
        what: "a signing secret that is not base64",
        changes: &[(r#"secrets = [{ env = "SIGNING" }]"#, r#"secrets = [{ env = "SIGNING_GARBLED" }]"#)],
        said: "80:12: error: destination[0].secrets[0] is no signing secret in environment SIGNING_GARBLED: it is not base64 after whsec_; make one with `gatepost secret new`",
    },
    Case {
        what: "a signing secret of 16 bytes",
        changes: &[(r#"secrets = [{ env = "SIGNING" }]"#, r#"secrets = [{ env = "STANDARD_SHORT" }]"#)],
        said: "80:12: error: destination[0].secrets[0] is no signing secret in environment STANDARD_SHORT: it holds 16 bytes after whsec_, not 24 to 64; make one with `gatepost secret new`",
    },
    Case {
        what: "a signing secret of 65 bytes",
        changes: &[(r#"secrets = [{ env = "SIGNING" }]"#, r#"secrets = [{ env = "SIGNING_LONG" }]"#)],
        said: "80:12: error: destination[0].secrets[0] is no signing secret in environment SIGNING_LONG: it holds 65 bytes after whsec_, not 24 to 64; make one with `gatepost secret new`",
    },
    Case {
        what: "an API key in the clear",
        changes: &[(
            "[ops]",
            r#"[admin]
api_keys = ["canary"]

[ops]"#,
        )],
        said: r#"14:13: error: admin.api_keys[0] is a secret written out in the file; write { env = "NAME" } or { file = "path" }, and replace the secret if this file was shared"#,
    },
    Case {
        what: "a captured secret that nothing seals",
        changes: &[
            (
                r#"engine = "embedded""#,
                r#"engine = "nats"
url = "nats://127.0.0.1:4222"
durability = "fsync""#,
            ),
            (
                "[ops]",
                r#"[[integration]]
id = "asana"
provider = "asana"

[ops]"#,
            ),
        ],
        said: r#"1:1: error: secrets.master_keys is missing, and the integration "asana" keeps the secret that Asana gives it; add master_keys = [{ file = "master.key" }], the same for all gateways, or give the integration secrets"#,
    },
    Case {
        what: "a value that is missing",
        changes: &[(r#"values = { verify_token = { env = "VERIFY_TOKEN" } }"#, "")],
        said: r#"46:1: error: integration[1].values lacks verify_token, which Acme Pay needs (typed in when the webhook is made); add values = { verify_token = { env = "NAME" } }"#,
    },
    Case {
        what: "a value nobody asks for",
        changes: &[(
            r#"values = { verify_token = { env = "VERIFY_TOKEN" } }"#,
            r#"values = { verify_token = { env = "VERIFY_TOKEN" }, verifytoken = { env = "VERIFY_TOKEN" } }"#,
        )],
        said: r#"50:10: error: integration[1].values has verifytoken, which Acme Pay doesn't ask for; did you mean "verify_token"?"#,
    },
    Case {
        what: "a value equal to a signing secret",
        changes: &[(
            r#"values = { verify_token = { env = "VERIFY_TOKEN" } }"#,
            r#"values = { verify_token = { env = "GITHUB_SECRET" } }"#,
        )],
        said: "50:10: error: integration[1].values has verify_token equal to a signing secret, which its holder could then forge with; give it a value of its own",
    },
];
