//! Whose an event is: proven by its own secret, or claimed by the account in what was signed; never by anything else.

use gatepost_config::{Secret, Timestamp};

use crate::{
    client::{Answer, Ask},
    rig::{self, GITHUB, Rig, config, github},
};

fn account(id: &str) -> String {
    format!(r#"{{"installation":{{"id":{id}}}}}"#)
}

/// The connection of the only event in the log.
async fn owner(rig: &Rig) -> Option<String> {
    let events = rig.logged().await;
    assert_eq!(events.len(), 1);
    events[0].meta.connection.as_ref().map(ToString::to_string)
}

#[tokio::test]
async fn with_one_secret_for_all_the_signed_account_decides_and_nothing_beside_it() {
    for (target, header, expected) in [
        ("/webhooks/github", None, Some("acme")),
        ("/webhooks/github?installation=87654321&connection=bolt", None, Some("acme")),
        ("/webhooks/github", Some("x-installation-id"), Some("acme")),
        ("/webhooks/github", Some("nango-connection-id"), Some("acme")),
        ("/webhooks/github/acme", None, Some("acme")),
        ("/webhooks/github/bolt", None, None),
    ] {
        let rig = Rig::start(GITHUB).await;
        let mut ask = rig.signed(github("d-1", &account("12345678")), Timestamp::now());
        ask.target = target.into();
        if let Some(name) = header {
            ask = ask.header(name, "bolt");
        }
        let answer = rig.ask(&ask).await;
        match expected {
            Some(_) => {
                assert_eq!(answer.result(), "stored", "{target}");
                assert_eq!(owner(&rig).await.as_deref(), expected, "{target}");
            }
            None => {
                assert_eq!((answer.status, rig.stored().await), (401, 0), "{target}");
                assert_eq!(rig.quarantined("github", 1).await[0].reason, "account_mismatch");
            }
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn an_event_without_an_account_goes_to_the_default_or_nowhere() {
    let body = r#"{"zen":"Design for failure."}"#;
    let with_default = GITHUB.replacen("secrets", "default_connection = \"bolt\"\nsecrets", 1);
    let forwarding = GITHUB.replacen("secrets", "unmatched = \"forward\"\nsecrets", 1);
    for (text, body, result, logged, owned) in [
        (GITHUB, body.to_owned(), "unmatched", 0, None),
        (&with_default, body.to_owned(), "stored", 1, Some("bolt")),
        (&forwarding, body.to_owned(), "stored", 1, None),
        (&with_default, account("1"), "unmatched", 0, None),
        (&forwarding, account("1"), "stored", 1, None),
        (&with_default, account("null"), "stored", 1, Some("bolt")),
        (&with_default, account("\"\""), "stored", 1, Some("bolt")),
        // What can't be read may well carry an account: it is not the default's.
        (&with_default, "{\"installation\":".to_owned(), "unmatched", 0, None),
        (&with_default, "not JSON".to_owned(), "unmatched", 0, None),
    ] {
        let rig = Rig::start(text).await;
        let answer = rig.ask(&rig.signed(github("d-1", &body), Timestamp::now())).await;
        assert_eq!((answer.status, answer.result()), (200, result), "{body}");
        let events = rig.logged().await;
        assert_eq!(events.len(), logged, "{body}");
        let connection = events.first().and_then(|event| event.meta.connection.clone());
        assert_eq!(connection.as_ref().map(|id| id.as_str()), owned, "{body}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn accounts_are_compared_byte_by_byte() {
    let text = GITHUB.replace("12345678", "AcMe");
    for (sent, claimed) in [
        ("\"AcMe\"", true),
        (r#""\u0041cMe""#, true),
        ("\"acme\"", false),
        ("\"AcMe \"", false),
        ("\"ＡcMe\"", false),
        ("[\"AcMe\"]", false),
        ("{\"AcMe\":1}", false),
        ("87654321", true),
        ("\"87654321\"", true),
        ("087654321e0", false),
        ("87654321.0", false),
        ("\"087654321\"", false),
        ("-87654321", false),
    ] {
        let rig = Rig::start(&text).await;
        let answer = rig.ask(&rig.signed(github("d-1", &account(sent)), Timestamp::now())).await;
        assert_eq!(answer.result(), if claimed { "stored" } else { "unmatched" }, "{sent}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn ids_beyond_64_bits_keep_every_digit() {
    let text = GITHUB.replace("12345678", "92233720368547758079");
    let rig = Rig::start(&text).await;
    for (n, id) in [
        "92233720368547758079",
        "92233720368547758078",
        "9223372036854775808",
        "18446744073709551616",
        "1e400",
        "0.1000000000000000055511151231257827021181583404541015625",
    ]
    .iter()
    .enumerate()
    {
        let answer = rig.ask(&rig.signed(github(&n.to_string(), &account(id)), Timestamp::now())).await;
        assert_eq!(answer.result(), if n == 0 { "stored" } else { "unmatched" }, "{id}");
    }
    let parked: Vec<_> = rig.parked().await.into_iter().filter_map(|event| event.meta.account).collect();
    assert_eq!(parked[0], "92233720368547758078");
    assert_eq!(parked[3], "1e400");
    rig.stop().await;
}

/// Three connections with secrets of their own, and one without.
const OWN: &str = r#"
[[provider]]
name = "per-account"
title = "Per Account"
secret_scope = "connection"
[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha256"
signature = { from = "header:x-sig", encoding = "hex" }
signed = "{body}"
[provider.event]
type = "json:/type"
id = "json:/id"
account = ["header:x-account", "json:/account"]

[[integration]]
id = "pa"
provider = "per-account"
secrets = [{ env = "SHARED_SECRET" }]

[[connection]]
integration = "pa"
id = "a"
account = "A"
secrets = [{ env = "SECRET_OF_A" }]
[[connection]]
integration = "pa"
id = "b"
account = "B"
secrets = [{ env = "SECRET_OF_B" }]
[[connection]]
integration = "pa"
id = "c"
account = "C"
secrets = [{ env = "SECRET_OF_C" }]
[[connection]]
integration = "pa"
id = "plain"
account = "P"
"#;

async fn post(rig: &Rig, target: &str, account: &str, signed_by: &str) -> Answer {
    let secret = Secret::new(format!("the value of {signed_by}").into(), "the test");
    let body = format!(r#"{{"type":"t","id":"{target}{account}","account":"{account}"}}"#);
    let provider = &rig.config.integrations[0].provider;
    rig.ask(&rig::sign(provider, &secret, Ask::post(target, body), Timestamp::now())).await
}

#[tokio::test]
async fn a_connections_own_secret_proves_that_connection_and_no_other() {
    let rig = Rig::start(OWN).await;
    let mut accepted = Vec::new();
    for named in ["", "/a", "/b", "/c", "/plain"] {
        for account in ["A", "B", "C", "P", "unknown"] {
            for signer in ["SECRET_OF_A", "SECRET_OF_B", "SECRET_OF_C", "SHARED_SECRET"] {
                let before = rig.stored().await;
                let answer = post(&rig, &format!("/webhooks/pa{named}"), account, signer).await;
                let own = signer.strip_prefix("SECRET_OF_").map(str::to_lowercase);
                let expected = match (named, &own, account) {
                    // The URL names a connection: its own secret proves it, whatever the account says.
                    ("/a" | "/b" | "/c", Some(own), _) if named == format!("/{own}") => Some(own.clone()),
                    // The account names it: its own secret must prove it.
                    ("", Some(own), "A" | "B" | "C") if account.to_lowercase() == *own => Some(own.clone()),
                    // Connections without secrets of their own are proven by the integration's.
                    ("" | "/plain", None, "P") => Some("plain".into()),
                    ("", None, "unknown") => Some("unmatched".into()),
                    _ => None,
                };
                let case = format!("{named} {account} {signer}");
                match expected {
                    Some(connection) => {
                        assert_eq!(answer.status, 200, "{case}");
                        accepted.push((connection, account, case));
                    }
                    None => {
                        assert_eq!(answer.status, 401, "{case}");
                        assert_eq!(rig.stored().await, before, "{case}");
                    }
                }
            }
        }
    }
    let events = rig.logged().await;
    let owners: Vec<_> = events.iter().map(|event| event.meta.connection.clone().expect("owned").to_string()).collect();
    let expected: Vec<_> = accepted.iter().filter(|(c, ..)| c != "unmatched").map(|(c, ..)| c.clone()).collect();
    assert_eq!(owners, expected, "{accepted:?}");
    assert_eq!(rig.parked().await.len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_doubled_account_header_is_refused_wherever_it_would_lead() {
    let rig = Rig::start(OWN).await;
    let secret = Secret::new(b"the value of SECRET_OF_A".to_vec(), "the test");
    let provider = &rig.config.integrations[0].provider;
    let ask = |accounts: &[&str]| {
        let ask = rig::sign(provider, &secret, Ask::post("/webhooks/pa", r#"{"type":"t"}"#), Timestamp::now());
        accounts.iter().fold(ask, |ask, account| ask.header("x-account", account))
    };
    for bad in [["A", "B"], ["B", "A"], ["A", "A"]] {
        assert_eq!(rig.ask(&ask(&bad)).await.status, 401, "{bad:?}");
    }
    assert_eq!(rig.stored().await, 0);
    assert!(rig.quarantined("pa", 3).await.iter().all(|kept| kept.reason == "field_duplicated"));
    assert_eq!(rig.ask(&ask(&["A"])).await.result(), "stored", "the positive control");
    rig.stop().await;
}

#[tokio::test]
async fn what_nobody_verifies_says_so() {
    let text = r#"
[[provider]]
name = "open"
title = "Open"
trust = "unverified"
[provider.event]
type = "json:/type"
[[integration]]
id = "open"
provider = "open"
unverified = true
"#;
    let mut settings = config(text);
    let rig = Rig::start_with(settings.clone()).await;
    assert_eq!(rig.ask(&Ask::post("/webhooks/open", r#"{"type":"x"}"#)).await.result(), "unmatched");
    assert_eq!(rig.parked().await[0].meta.trust, gatepost_config::provider::Trust::Unverified);
    rig.stop().await;

    settings.integrations[0].unverified = false;
    let closed = Rig::start_with(settings).await;
    assert_eq!(closed.ask(&Ask::post("/webhooks/open", r#"{"type":"x"}"#)).await.status, 401);
    assert_eq!(closed.quarantined("open", 1).await[0].reason, "unverifiable");
    closed.stop().await;
}

#[tokio::test]
async fn an_account_that_two_connections_claim_is_each_ones_and_neither_wins() {
    let mut settings = config(GITHUB);
    settings.connections[1].account = Some("12345678".into());
    let rig = Rig::start_with(settings).await;
    let ask = rig.signed(github("d-1", &account("12345678")), Timestamp::now());
    assert_eq!(rig.ask(&ask).await.result(), "stored");
    assert_eq!(rig.ask(&ask).await.result(), "duplicate");
    let mut owners: Vec<_> = rig.logged().await.into_iter().filter_map(|event| event.meta.connection).collect();
    owners.sort();
    assert_eq!(owners.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["acme", "bolt"]);
    let ids: std::collections::BTreeSet<_> = rig.logged().await.iter().map(|event| event.meta.id).collect();
    assert_eq!(ids.len(), 2, "each under an id of its own");
    rig.stop().await;
}
