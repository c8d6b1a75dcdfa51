//! How what a provider could not deliver is had later, said wrongly.

use super::{Case, GOOD, folder, parse, refused};

#[test]
fn healing_that_is_wrong_is_refused_with_its_place_and_the_remedy() {
    refused(CASES);
}

#[test]
fn healing_of_each_kind_is_read() {
    let folder = folder();
    for good in [
        r#"heal = { token = { env = "TOKEN" }, repository = "acme/anvil", hook = 7, every = "1h" }"#,
        r#"heal = { token = { env = "TOKEN" }, organization = "acme", hook = 7, url = "https://github.example.com/api/v3" }"#,
        r#"heal = { app_id = "90210", private_key = { file = "client.key" } }"#,
    ] {
        let loaded = parse(&GOOD.replacen(BEFORE, good, 1), folder.path());
        let loaded = loaded.unwrap_or_else(|problems| panic!("{good}: {problems}"));
        assert!(loaded.config.integrations.iter().any(|integration| integration.heal.is_some()));
    }
}

const BEFORE: &str = "default_connection = \"acme\"";

const CASES: &[Case] = &[
    Case {
        what: "a kind of another provider",
        changes: &[(BEFORE, r#"heal = { api_key = { env = "TOKEN" } }"#)],
        said: r#"44:8: error: integration[0].heal is of another provider than GitHub; write app_id and private_key, or token, hook and repository or organization"#,
    },
    Case {
        what: "no kind",
        changes: &[(BEFORE, r#"heal = { every = "1h" }"#)],
        said: r#"44:8: error: integration[0].heal is of no one kind; write app_id and private_key (a GitHub App), token, hook and repository or organization (another webhook of GitHub's), or api_key (Stripe)"#,
    },
    Case {
        what: "two kinds",
        changes: &[(
            BEFORE,
            r#"heal = { token = { env = "TOKEN" }, repository = "acme/anvil", hook = 7, api_key = { env = "TOKEN" } }"#,
        )],
        said: r#"44:8: error: integration[0].heal is of no one kind; write app_id and private_key (a GitHub App), token, hook and repository or organization (another webhook of GitHub's), or api_key (Stripe)"#,
    },
    Case {
        what: "a webhook of nobody's",
        changes: &[(BEFORE, r#"heal = { token = { env = "TOKEN" }, hook = 7 }"#)],
        said: r#"44:8: error: integration[0].heal is of no one kind; write app_id and private_key (a GitHub App), token, hook and repository or organization (another webhook of GitHub's), or api_key (Stripe)"#,
    },
    Case {
        what: "a webhook of two",
        changes: &[(
            BEFORE,
            r#"heal = { token = { env = "TOKEN" }, repository = "acme/anvil", organization = "acme", hook = 7 }"#,
        )],
        said: r#"44:8: error: integration[0].heal has both repository and organization; keep one of them"#,
    },
    Case {
        what: "a repository that is none",
        changes: &[(BEFORE, r#"heal = { token = { env = "TOKEN" }, repository = "acme/../orgs", hook = 7 }"#)],
        said: r#"44:50: error: integration[0].heal.repository is "acme/../orgs", which names no repository; write "owner/name""#,
    },
    Case {
        what: "a token of two lines",
        changes: &[(BEFORE, r#"heal = { token = { env = "TWO_LINES" }, organization = "acme", hook = 7 }"#)],
        said: r#"44:18: error: integration[0].heal.token is no token or key in environment TWO_LINES; copy it again, on one line"#,
    },
    Case {
        what: "a token written out",
        changes: &[(BEFORE, r#"heal = { token = "canary", organization = "acme", hook = 7 }"#)],
        said: r#"44:18: error: integration[0].heal.token is a secret written out in the file; write { env = "NAME" } or { file = "path" }, and replace the secret if this file was shared"#,
    },
    Case {
        what: "a private key that is none",
        changes: &[(BEFORE, r#"heal = { app_id = "1", private_key = { env = "TOKEN" } }"#)],
        said: r#"44:38: error: integration[0].heal.private_key is no private key in PEM in environment TOKEN; give the .pem file as GitHub made it"#,
    },
    Case {
        what: "a schedule too often",
        changes: &[(BEFORE, r#"heal = { token = { env = "TOKEN" }, organization = "acme", hook = 7, every = "5s" }"#)],
        said: r#"44:78: error: integration[0].heal.every is less than a minute; give at least "1m"; most need no more than "1h""#,
    },
    Case {
        what: "an unknown setting",
        changes: &[(BEFORE, r#"heal = { token = { env = "TOKEN" }, organization = "acme", hok = 7 }"#)],
        said: r#"44:8: error: integration[0].heal is of no one kind; write app_id and private_key (a GitHub App), token, hook and repository or organization (another webhook of GitHub's), or api_key (Stripe)
44:60: error: integration[0].heal.hok is no known setting; did you mean "hook"?"#,
    },
    Case {
        what: "a base with a query",
        changes: &[(
            BEFORE,
            r#"heal = { token = { env = "TOKEN" }, organization = "acme", hook = 7, url = "https://github.example.com/?a=b" }"#,
        )],
        said: r#"44:76: error: integration[0].heal.url has a ? or # part; end it before the ? or #"#,
    },
];
