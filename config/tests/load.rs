//! Whole files, loaded as Gatepost loads them.

use std::path::Path;

use gatepost_config::{Catalogue, Forward, Loaded, Options, Problems, provider::SchemeKind};

const GOOD: &str = r#"
nango_environments = ["prod"]

[gateway]
listen = "127.0.0.1:8080"
public_url = "https://hooks.example.com"

[[integration]]
id = "github"
provider = "github"
secrets = [{ env = "GITHUB_SECRET" }, { env = "GITHUB_SECRET_OLD", until = 2026-12-01T00:00:00Z }]
unmatched = "forward"
default_connection = "acme"

[[connection]]
integration = "github"
id = "acme"
account = "12345678"

[[destination]]
id = "backend"
url = "http://localhost:3000/webhooks"
private = true
secrets = [{ env = "SIGNING" }]

[[route]]
id = "all"
forward = ["backend"]
"#;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "GITHUB_SECRET" => "canary-github-secret",
        "GITHUB_SECRET_OLD" => "canary-old-github-secret",
        "SIGNING" => "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
        _ => return None,
    };
    Some(value.to_owned())
}

fn parse(text: &str) -> Result<Loaded, Problems> {
    gatepost_config::parse(text, Path::new("gatepost.toml"), &env, Options::default())
}

#[test]
fn a_good_file_loads_without_warnings() {
    let loaded = parse(GOOD).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(config.connections[0].tenant.as_str(), "acme");
    assert_eq!(config.destinations[0].schedule.len(), 8);
    assert_eq!(config.destinations[0].secrets[0].expose(), b"canary-canary-canary-canary");
    assert_eq!(config.routes[0].forward, Forward::To(vec!["backend".parse().expect("an id")]));
    let debug = format!("{config:?}");
    assert!(!debug.contains("canary"), "no secret is printed: {debug}");
    assert!(debug.contains("GITHUB_SECRET"), "but where it came from is");
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = parse("").unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(config.gateway.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.gateway.inflight_bytes_max.0, 256 << 20);
    assert_eq!(config.gateway.answer_deadline.as_millis(), 2500);
    assert_eq!(config.retention.dead_letters.as_secs(), 30 * 86_400);
    assert_eq!(config.router.concurrency, 256);
    assert_eq!(config.catalogue, Catalogue::builtin());
}

#[test]
fn the_catalogue_knows_how_its_providers_sign() {
    let catalogue = Catalogue::builtin();
    for name in ["github", "slack", "standard-webhooks", "stripe"] {
        let provider = catalogue.0.get(name).expect(name);
        assert!(matches!(provider.schemes[0].kind, SchemeKind::Hmac { .. }), "{name}");
        assert!(!provider.samples.is_empty(), "{name}");
    }
    assert_eq!(catalogue.0.get("github").expect("github").body_max.to_string(), "25MiB");
}
