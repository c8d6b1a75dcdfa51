//! Published keys in a provider's file: what is refused, and what an integration then needs.

use std::path::Path;

use gatepost_config::{Options, parse};

const GOOD: &str = r#"
[[integration]]
id = "acme"
provider = "acme-pay"
values = { domain = { env = "DOMAIN" } }
[[provider]]
name = "acme-pay"
title = "Acme Pay"
[provider.values]
domain = "your domain at Acme"
[[provider.scheme]]
id = "key"
kind = "ed25519"
signature = { from = "header:x-signature", encoding = "hex" }
signed = "{body}"
[provider.keys]
url = "https://{value:domain}/keys"
[provider.event]
type = "json:/type"
"#;

fn problems(changes: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let env = |_: &str| Some("acme.example.com".to_owned());
    match parse(&text, Path::new("gatepost.toml"), &env, Options::default()) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn keys_that_could_be_anybodys_are_refused_with_the_remedy() {
    let url = r#"url = "https://{value:domain}/keys""#;
    let named = r#"url = "{json:/url}""#;
    let named_good = format!("{named}\nhosts = [\"keys.{{region}}.example.com\"]\npath_suffix = \".pem\"");
    for good in [&[][..], &[(url, r#"url = "https://api.example.com/keys""#)], &[(url, named_good.as_str())]] {
        let lacking = problems(good);
        assert!(!lacking.contains("keys"), "{good:?}: {lacking}");
    }
    for (changes, said) in [
        (&[(url, named)][..], "have a URL that the request names, whatever it is"),
        (&[(url, r#"url = "https://{header:x-host}/keys""#)], "have a URL of which the request names a part"),
        (&[(url, r#"url = "http://api.example.com/keys""#)], "write an https URL"),
        (&[(url, r#"url = "https://{value:doman}/keys""#)], "uses the value \"doman\""),
        (&[(url, r#"url = "https://{secret}/keys""#)], "have a URL that can't be made"),
        (&[(url, "url = \"{json:/url}\"\nhosts = [\"*.com\"]")], "is \"*.com\", which is no host"),
        (&[(url, "url = \"{json:/url}\"\nhosts = [\"a.example.com\"]\npath_prefix = \"x\"")], "start it with /"),
        (
            &[(url, "url = \"https://a.example.com/\"\ncertificate = { names = [], chain = true }")],
            "takes certificates of no name",
        ),
        (&[("kind = \"ed25519\"", "kind = \"hmac\"\nhash = \"sha256\"")], "not every scheme takes public keys"),
        (&[("id = \"acme\"", "id = \"acme\"\nvalues2 = 1")], "no known setting"),
    ] {
        let found = problems(changes);
        assert!(found.contains(said), "{said}: {found}");
    }
}

#[test]
fn an_integration_needs_no_secret_where_keys_are_published_and_no_address_where_they_are_pinned() {
    assert_eq!(problems(&[]), "");
    let values = "values = { domain = { env = \"DOMAIN\" } }";
    assert!(problems(&[(values, "")]).contains("lacks domain"));
    assert_eq!(problems(&[(values, "secrets = [{ env = \"KEY\" }]")]), "");
    let none = "[provider.keys]\nurl = \"https://{value:domain}/keys\"\n";
    let warned = problems(&[(none, ""), (values, "values = { domain = { env = \"DOMAIN\" } }\nprivate = true")]);
    assert!(warned.contains("private is true, but Acme Pay publishes no keys"), "{warned}");
    assert_eq!(problems(&[(values, &format!("{values}\nprivate = true"))]), "");
}
