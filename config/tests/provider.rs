//! A provider of the operator's own, which uses the whole language of the catalogue.

#![expect(clippy::expect_used, reason = "helpers of tests may stop at what they don't expect")]

use std::{path::Path, time::Duration};

use gatepost_config::{
    Options, Problems, Provider,
    provider::{
        Encoding, Expect, Hash, Identity, KeyForm, Location, Method, Parse, SchemeKind, SecretScope, TimeUnit, Trust,
    },
};

const WHOLE: &str = r#"
[[provider]]
name = "acme-pay"
title = "Acme Pay"
docs = "https://example.com/docs"
setup = "Under Settings."
methods = ["POST", "GET"]
body_max = "3MiB"
deadline = "3s"
secret_scope = "app"
form_payload = "payload"
headers = ["x-acme-event"]
values = { verify_token = "typed in when the webhook is made" }
responses = { accepted_status = 202, accepted_body = "ok", refused_status = 403 }

[[provider.scheme]]
id = "v2"
when = "header:x-acme-signature-2"
kind = "hmac"
hash = "sha512"
key = { form = "base64", strip_prefix = "whsec_" }
signature = { from = "header:x-acme-signature-2", parse = "pairs", separator = ";", key = "v2", encoding = "base64url" }
signed = "{signature:t}.{url}[.{header:x-acme-mode}].{body}"
timestamp = { from = "signature:t", unit = "ms", tolerance = "90s" }

[[provider.scheme]]
id = "v1"
kind = "hmac"
hash = "sha1"
key = "hex"
signature = { from = "header:x-acme-signature", parse = "versioned", version = "v1", encoding = "hex" }
signed = "{body}"
timestamp = { from = "json:/sent", unit = "iso8601", tolerance = "5m" }

[provider.event]
type = ["header:x-acme-event", ["item:/action", "item:/kind"]]
id = ["item:/id", { all = ["item:/kind", "item:/n"] }, { content_dated_by = ["item:/at", "header:x-acme-id"] }]
account = "item:/account"
occurred_at = { from = "item:/at", unit = "s" }

[provider.batch]
items = "/events"
discriminator = ["item:/id"]

[[provider.handshake]]
method = "GET"
when = { "query:mode" = "subscribe", "query:token" = { value = "verify_token" }, "query:challenge" = true, "json:/n" = 1 }
verified = false
respond = { status = 201, content_type = "application/json", body = '{{"challenge":"{query:challenge}"}}' }

[[provider.sample]]
event = "paid"
headers = { x-acme-event = "paid" }
body = '{"events":[{"id":"{id}"}]}'
"#;

fn provider(text: &str) -> Result<Provider, Problems> {
    let loaded = gatepost_config::parse(text, Path::new("gatepost.toml"), &|_| None, Options::default())?;
    Ok(loaded.config.catalogue.0.get("acme-pay").map(|provider| Provider::clone(provider)).expect("declared"))
}

fn place(text: &str) -> Location {
    text.parse().expect(text)
}

#[test]
fn an_operator_declares_a_provider_with_all_that_the_catalogue_can_say() {
    let acme = provider(WHOLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(acme.methods, [Method::Post, Method::Get]);
    assert_eq!((acme.secret_scope, acme.trust), (SecretScope::App, Trust::Verified));
    assert_eq!(acme.deadline, Some(Duration::from_secs(3)));
    assert_eq!((acme.responses.accepted_status, acme.responses.refused_status), (202, 403));

    let SchemeKind::Hmac { hash, key, signature, signed, timestamp } = &acme.schemes[0].kind else { panic!("hmac") };
    assert_eq!((*hash, signature.encoding), (Hash::Sha512, Encoding::Base64Url));
    assert_eq!((key.form, key.strip_prefix.as_deref()), (KeyForm::Base64, Some("whsec_")));
    assert_eq!(signature.parse, Parse::Pairs { separator: ';', key: "v2".into() });
    assert_eq!(signed[0].to_string(), "{signature:t}.{url}[.{header:x-acme-mode}].{body}");
    let timestamp = timestamp.as_ref().expect("a timestamp");
    assert_eq!((timestamp.unit, timestamp.tolerance), (TimeUnit::Milliseconds, Duration::from_secs(90)));
    assert_eq!(acme.schemes[0].when, [(place("header:x-acme-signature-2"), Expect::Present)]);

    assert_eq!(acme.event.kind, [vec![place("header:x-acme-event")], vec![place("item:/action"), place("item:/kind")]]);
    assert_eq!(acme.event.account, [place("item:/account")]);
    let (id, all) = (Identity::Place(place("item:/id")), vec![place("item:/kind"), place("item:/n")]);
    let dated_by = vec![place("item:/at"), place("header:x-acme-id")];
    assert_eq!(acme.event.id, [id, Identity::Together(all), Identity::Content { dated_by }]);
    assert_eq!(acme.batch.expect("a batch").items, ["/events".parse().expect("a pointer")]);

    let handshake = &acme.handshakes[0];
    assert!(handshake.when.contains(&(place("query:token"), Expect::Value("verify_token".into()))));
    assert!(handshake.when.contains(&(place("query:challenge"), Expect::Present)));
    assert!(handshake.when.contains(&(place("json:/n"), Expect::Equals("1".into()))));
    assert_eq!((handshake.method, handshake.verified, handshake.respond.status), (Method::Get, false, 201));
    assert_eq!(acme.samples[0].body, r#"{"events":[{"id":"{id}"}]}"#);
}

#[test]
fn what_names_an_event_is_said_in_one_way_and_is_of_that_event() {
    let with = |id: &str| WHOLE.replace("{ all = [\"item:/kind\", \"item:/n\"] }", id);
    for (id, why) in [
        ("{}", "says neither or both of all and content_dated_by"),
        ("{ all = [\"item:/a\", \"item:/b\"], content_dated_by = \"item:/c\" }", "says neither or both"),
        ("{ all = \"item:/a\" }", "names one place alone in `all`"),
        ("{ all = [\"json:/a\", \"json:/b\"] }", "which all items of a request share"),
        ("{ content_dated_by = \"claim:/iat\" }", "uses claim:/iat, but not every scheme is a token"),
    ] {
        let problems = provider(&with(id)).expect_err(id).to_string();
        assert!(problems.contains(why), "{id}: {problems}");
    }
    assert!(provider(&with("{ all = [\"item:/a\", \"json:/b\"] }")).is_ok(), "the control");
}

#[test]
fn a_timestamp_in_the_body_is_signed_with_it() {
    let unsigned = WHOLE.replace("signed = \"{body}\"", "signed = \"{header:x-acme-id}\"");
    let problems = provider(&unsigned).expect_err("the body of v1 is not signed").to_string();
    assert!(problems.contains("provider[0].scheme[1] checks a timestamp at json:/sent"), "{problems}");
    assert!(provider(WHOLE).is_ok(), "the control");
}

#[test]
fn a_token_is_worth_less_than_a_signature_and_must_say_so() {
    let token = "[[provider]]\nname = \"acme-pay\"\ntitle = \"Acme Pay\"\ntrust = \"authenticated\"\n\
                 event = { type = \"json:/type\" }\n\n[[provider.scheme]]\nid = \"token\"\nkind = \"token\"\n\
                 signature = { from = \"header:x-acme-token\" }\n";
    let acme = provider(token).unwrap_or_else(|problems| panic!("{problems}"));
    let SchemeKind::Token { signature } = &acme.schemes[0].kind else { panic!("token") };
    assert_eq!(signature.encoding, Encoding::Plain);
    assert!(provider(&token.replace("trust = \"authenticated\"\n", "")).is_err());
}
