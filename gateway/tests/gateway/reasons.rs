//! Every reason code, from a request over the wire to quarantine and metrics; beside each the same request, genuine.

use std::collections::BTreeSet;

use gatepost_config::{Config, Secret, Timestamp};
use gatepost_gateway::Reason;

use crate::{
    client::Ask,
    fixtures,
    rig::{self, Rig, config},
};

const ALL_KINDS: &str = r#"
[gateway]
public_url = "https://hooks.example.com"

[[integration]]
id = "github"
provider = "github"
secrets = [{ env = "SECRET" }]
[[connection]]
integration = "github"
id = "acme"
account = "1"

[[integration]]
id = "stripe"
provider = "stripe"
secrets = [{ env = "SECRET" }]

[[integration]]
id = "slack"
provider = "slack"
secrets = [{ env = "SECRET" }]

[[integration]]
id = "asana"
provider = "asana"
secrets = [{ env = "WHSEC" }]

[[integration]]
id = "standard"
provider = "standard-webhooks"
secrets = [{ env = "WHSEC" }]

[[integration]]
id = "keyless"
provider = "standard-webhooks"
secrets = [{ env = "WHSEC" }]

[[integration]]
id = "lapsed"
provider = "github"
secrets = [{ env = "SECRET" }]

[[provider]]
name = "hs"
title = "HS"
secret_scope = "app"
trust = "authenticated"
event = { type = "json:/type" }
[[provider.scheme]]
id = "jwt"
kind = "jwt"
algorithms = ["HS256"]
required = []
signature = { from = "header:x-jwt" }
[[integration]]
id = "hs"
provider = "hs"
secrets = [{ env = "SECRET" }]

[[provider]]
name = "rs"
title = "RS"
secret_scope = "app"
trust = "authenticated"
event = { type = "json:/type" }
[[provider.scheme]]
id = "jwt"
kind = "jwt"
algorithms = ["RS256"]
required = []
signature = { from = "header:x-jwt" }
[[integration]]
id = "rs"
provider = "rs"
secrets = [{ env = "SECRET" }]

[[provider]]
name = "odd"
title = "Odd"
methods = ["POST", "GET"]
secret_scope = "app"
trust = "authenticated"
values = { word = "any" }
[[provider.scheme]]
id = "token"
kind = "token"
signature = { from = "header:x-token" }
also = { "header:x-version" = "1" }
[[provider.handshake]]
method = "GET"
when = { "query:word" = { value = "word" } }
verified = false
respond = { body = "{query:echo}" }
[provider.batch]
items = ""
[provider.event]
type = "item:/type"

[[provider]]
name = "zip"
title = "Zip"
trust = "authenticated"
gzip = "decoded"
event = { type = "json:/type" }
[[provider.scheme]]
id = "token"
kind = "token"
signature = { from = "header:x-token" }
[[integration]]
id = "zip"
provider = "zip"
secrets = [{ env = "SECRET" }]

[[integration]]
id = "odd"
provider = "odd"
secrets = [{ env = "SECRET" }]
values = { word = { env = "WORD" } }
"#;

/// Nothing at all, as gzip writes it.
const EMPTY_GZIP: [u8; 20] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a file can't say, because checking refuses it.
fn broken(mut settings: Config) -> Config {
    for integration in &mut settings.integrations {
        match integration.id.as_str() {
            "hs" => integration.secrets = vec![Secret::new(fixtures::SHARED.into(), "the test")],
            "rs" => integration.secrets = vec![Secret::new(fixtures::JWKS.into(), "the test")],
            "keyless" => integration.secrets = vec![Secret::new(b"whsec_!".to_vec(), "the test")],
            "lapsed" => integration.secrets[0] = integration.secrets[0].clone().expiring(Timestamp::from_millis(0)),
            _ => {}
        }
    }
    settings
}

/// A request and what makes it bad.
struct Trial {
    reason: Reason,
    good: Ask,
    bad: Ask,
}

/// One trial a reason, but for those that need another configuration.
fn trials(rig: &Rig) -> Vec<Trial> {
    let now = Timestamp::now();
    let json = |target: &str, body: &str| Ask::post(target, body).header("content-type", "application/json");
    let hub = |body: &str| rig.signed(json("/webhooks/github", body).header("x-github-event", "push"), now);
    let stripe = || rig.signed(json("/webhooks/stripe", r#"{"type":"x"}"#), now);
    let slack_at = |seconds: i64| {
        let at = Timestamp::from_millis(now.millis() + seconds * 1_000);
        rig.signed(json("/webhooks/slack", r#"{"type":"x"}"#), at)
    };
    let slack = || slack_at(0);
    let standard = || rig.signed(json("/webhooks/standard", r#"{"type":"x"}"#), now);
    let odd = |body: &str| rig.signed(json("/webhooks/odd", body).header("x-version", "1"), now);
    let zip = |body: &[u8]| {
        let ask = Ask { body: body.to_vec(), ..json("/webhooks/zip", "") };
        rig.signed(ask.header("content-encoding", "gzip"), now)
    };
    let (sig, time) = ("x-hub-signature-256", "x-slack-request-timestamp");
    let zeros = "0".repeat(64);
    let candidates = format!("t=1{}", format!(",v1={zeros}").repeat(17));
    let own_header = |ask: Ask, name: &str| {
        let value = ask.headers.iter().find(|(given, _)| given == name).expect("it is there").1.clone();
        ask.header(name, &value)
    };
    let challenge = |word: &str, echo: &str| Ask::get(&format!("/webhooks/odd?word={word}&echo={echo}"));
    let hook = |secret: &str| json("/webhooks/asana", "{}").header("x-hook-secret", secret);
    let claimed = r#"{"installation":{"id":1}}"#;
    let jwt = |to: &str, token: &str| json(&format!("/webhooks/{to}"), "{}").header("x-jwt", token);
    let trial = |reason, good: Ask, bad: Ask| Trial { reason, good, bad };
    vec![
        trial(Reason::SignatureMissing, hub("{}"), hub("{}").without(sig)),
        trial(Reason::SignatureDuplicated, hub("{}"), own_header(hub("{}"), sig)),
        trial(Reason::SignatureMalformed, hub("{}"), hub("{}").with(sig, "sha1=00")),
        trial(Reason::SignatureTooLong, hub("{}"), hub("{}").with(sig, &"a".repeat(8_193))),
        trial(Reason::SignatureTooMany, stripe(), stripe().with("stripe-signature", &candidates)),
        trial(Reason::SignatureMismatch, hub("{}"), hub("{}").with(sig, &format!("sha256={zeros}"))),
        trial(Reason::AlgorithmRefused, jwt("hs", fixtures::HS_EXP_NONE), jwt("hs", fixtures::RS_EXP_NONE)),
        trial(Reason::KeyUnknown, jwt("rs", fixtures::RS_EXP_NONE), jwt("rs", fixtures::WRONG_KID)),
        trial(Reason::TokenMalformed, jwt("hs", fixtures::HS_EXP_NONE), jwt("hs", fixtures::HS_EXP_TEXT)),
        trial(Reason::ConditionFailed, odd("[]"), odd("[]").with("x-version", "2")),
        trial(Reason::TokenMismatch, odd("[]"), odd("[]").with("x-token", "guess")),
        trial(Reason::TimestampMissing, slack(), slack().without(time)),
        trial(Reason::TimestampDuplicated, slack(), own_header(slack(), time)),
        trial(Reason::TimestampMalformed, slack(), slack().with(time, "+1795367045")),
        trial(Reason::TimestampStale, slack(), slack_at(-310)),
        // By far: it is still to come when a slow machine has asked all that stands before it.
        trial(Reason::TimestampFuture, slack(), slack_at(3_600)),
        trial(Reason::SignedFieldMissing, standard(), standard().without("webhook-id")),
        trial(Reason::SignedFieldDuplicated, standard(), own_header(standard(), "webhook-id")),
        trial(Reason::SignedFieldMalformed, standard(), standard().with("webhook-id", "m.5")),
        trial(Reason::HandshakeTokenMismatch, challenge("the+value+of+WORD", "1"), challenge("x", "1")),
        trial(Reason::SecretTaken, hook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), hook("another-secret-of-16")),
        trial(Reason::HandshakeMalformed, challenge("the+value+of+WORD", "1"), challenge("the+value+of+WORD", "%3C")),
        trial(Reason::FieldDuplicated, hub(claimed), hub(r#"{"installation":{"id":1,"id":1}}"#)),
        trial(
            Reason::FieldTooLong,
            hub("{}").header("x-github-delivery", &"d".repeat(1_024)),
            hub("{}").header("x-github-delivery", &"d".repeat(1_025)),
        ),
        trial(
            Reason::AccountMismatch,
            Ask { target: "/webhooks/github/acme".into(), ..hub(claimed) },
            Ask { target: "/webhooks/github/acme".into(), ..hub(r#"{"installation":{"id":2}}"#) },
        ),
        trial(
            Reason::AccountUnproven,
            Ask { target: "/webhooks/github/acme".into(), ..hub(claimed) },
            Ask { target: "/webhooks/github/acme".into(), ..hub("{}") },
        ),
        trial(Reason::BodyMalformed, zip(&EMPTY_GZIP), zip(&EMPTY_GZIP[..19])),
        trial(Reason::BatchTooLarge, odd("[1,2]"), odd(&format!("[{}1]", "1,".repeat(10_000)))),
    ]
}

#[tokio::test]
async fn every_reason_has_a_request_that_meets_it_and_one_that_just_does_not() {
    let rig = Rig::start_with(broken(config(ALL_KINDS))).await;
    let mut met = BTreeSet::new();
    for Trial { reason, good, bad } in trials(&rig) {
        let integration = bad.target.split(['/', '?']).nth(2).expect("an integration").to_owned();
        let stored = rig.stored().await;
        let refused = rig.ask(&bad).await;
        assert_eq!((refused.status, refused.result()), (401, ""), "{reason}");
        assert!(!refused.body.contains(reason.code()), "the answer doesn't say {reason}");
        assert_eq!(rig.stored().await, stored, "{reason}");
        let labels = [("integration", integration.as_str()), ("reason", reason.code())];
        assert_eq!(rig.counted("gatepost_gateway_refusals_total", &labels), 1, "{reason}");
        let kept = rig.quarantined(&integration, 1).await;
        let request = refused.request_id();
        let wait = async {
            loop {
                let kept = rig.quarantined(&integration, kept.len()).await;
                if let Some(kept) = kept.into_iter().find(|kept| kept.request.to_string() == request) {
                    return kept.reason;
                }
                tokio::task::yield_now().await;
            }
        };
        let kept = tokio::time::timeout(crate::client::PATIENCE, wait).await.expect("in time");
        assert_eq!(kept, reason.code());
        let accepted = rig.ask(&good).await;
        assert_eq!(accepted.status, 200, "the positive control of {reason}");
        met.insert(reason);
    }

    // Those that only a configuration that checking refuses, or that time has worn out, can meet.
    for (target, reason) in [("keyless", Reason::SecretMalformed), ("lapsed", Reason::SecretAbsent)] {
        let integration = rig.config.integrations.iter().find(|i| i.id.as_str() == target).expect("an integration");
        let good = Secret::new(if target == "keyless" { rig::WHSEC } else { rig::SECRET }.into(), "the test");
        let ask = Ask::post(&format!("/webhooks/{target}"), "{}");
        let ask = rig::sign(&integration.provider, &good, ask, Timestamp::now());
        assert_eq!(rig.ask(&ask).await.status, 401, "{reason}");
        assert_eq!(rig.quarantined(target, 1).await[0].reason, reason.code());
        met.insert(reason);
    }
    rig.stop().await;

    // Tested where their configuration is: edge (URL), attribution (unverified), and journeys of keys by URL.
    met.extend([Reason::PublicUrlAbsent, Reason::Unverifiable, Reason::KeyUrlRefused, Reason::CertificateRefused]);
    let all: BTreeSet<_> = Reason::ALL.iter().copied().collect();
    assert_eq!(met, all);
    let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len(), "no two share a code");
}
