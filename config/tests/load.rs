//! Whole files, loaded as Gatepost loads them.

use std::{path::Path, time::Duration};

use gatepost_config::{Catalogue, Engine, Forward, Loaded, Options, Problems, Retentions, provider::SchemeKind};

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
    assert_eq!(config.routes[0].forward, Some(Forward::To(vec!["backend".parse().expect("an id")])));
    let debug = format!("{config:?}");
    assert!(!debug.contains("canary"), "no secret is printed: {debug}");
    assert!(debug.contains("GITHUB_SECRET"), "but where it came from is");
}

#[test]
fn a_password_in_a_server_s_url_is_not_printed() {
    let text = "[store]\nengine = \"nats\"\nurl = \"nats://me:canary@nats-1:4222,tls://nats-2:4222/\"\ndurability = \"fsync\"\n";
    let store = parse(text).unwrap_or_else(|problems| panic!("{problems}")).config.store;
    let Engine::Nats(nats) = &store.engine else { panic!("{store:?}") };
    assert_eq!(nats.urls, ["nats://me:canary@nats-1:4222", "tls://nats-2:4222/"]);
    let debug = format!("{store:?}");
    assert!(!debug.contains("canary") && debug.contains("nats-1:4222"), "{debug}");
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = parse("").unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(config.gateway.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.gateway.inflight_bytes_max.0, 256 << 20);
    assert_eq!(config.gateway.answer_deadline.as_millis(), 2500);
    assert_eq!(config.retention.dead_letters.as_secs(), 30 * 86_400);
    assert_eq!(config.router.concurrency, 1024);
    assert_eq!(config.catalogue, Catalogue::builtin());
}

#[test]
fn an_integration_keeps_what_is_its_own_for_less_time() {
    let own = "default_connection = \"acme\"\nretention = { events = \"3d\", quarantine = \"1h\" }";
    let config = parse(&GOOD.replace("default_connection = \"acme\"", own)).unwrap_or_else(|p| panic!("{p}")).config;
    let (retentions, day) = (Retentions::from(&config), Duration::from_hours(24));
    let (own, other) = ("github".parse().expect("an id"), "gitlab".parse().expect("an id"));
    assert_eq!(retentions.less(&own, |kept| kept.events), Some(3 * day));
    assert_eq!(retentions.less(&own, |kept| kept.quarantine), Some(day / 24));
    assert_eq!(retentions.less(&own, |kept| kept.dead_letters), None, "it says nothing of them");
    assert_eq!(retentions.of(&own).dead_letters, 30 * day);
    assert_eq!(retentions.less(&other, |kept| kept.events), None);
    assert_eq!(*retentions.of(&other), config.retention);
    assert_eq!(retentions.shortest(|kept| kept.events), 3 * day);
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

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let bad = GOOD
        .replace("127.0.0.1:8080", "nowhere")
        .replace("\"GITHUB_SECRET\"", "\"UNSET\"")
        .replace("id = \"acme\"", "id = \"a b\"")
        .replace("http://localhost", "gopher://localhost")
        .replace("private = true", "privat = true")
        .replace("[\"backend\"]", "[\"missing\"]");
    let problems = parse(&bad).expect_err("bad");
    let lines: Vec<usize> = problems.iter().map(|problem| problem.place.line).collect();
    assert_eq!(lines, [5, 11, 17, 22, 23, 28], "{problems}");
    assert!(problems.has_errors());
    assert_eq!(problems.len(), 6);
    insta::assert_snapshot!(problems, @r#"
    gatepost.toml:5:10: error: gateway.listen is "nowhere", which is no address with a port; write an address and port such as "127.0.0.1:8080" or "[::]:8080"
    gatepost.toml:11:12: error: integration[0].secrets[0] comes from environment UNSET, which is not set; set UNSET, or write { file = "path" }
    gatepost.toml:17:6: error: connection[0].id contains ' '; allowed are A-Z a-z 0-9 . _ ~ @ : -
    gatepost.toml:22:7: error: destination[0].url starts with gopher:; write https://...
    gatepost.toml:23:1: error: destination[0].privat is no known setting; did you mean "private"?
    gatepost.toml:28:12: error: route[0].forward[0] is "missing", which is no destination; use backend
    "#);
}

#[test]
fn a_file_that_is_not_there_says_how_to_make_one() {
    let problems = gatepost_config::load(Path::new("absent/gatepost.toml"), &env, Options::default()).expect_err("bad");
    insta::assert_snapshot!(problems, @"absent/gatepost.toml:1:1: error: the file can't be read (No such file or directory (os error 2)); name it with --config, or make one with `gatepost init PROVIDER`");
}

#[test]
fn without_secrets_a_file_loads_that_could_verify_nothing() {
    let text = GOOD.replace("GITHUB_SECRET", "UNSET").replace("SIGNING", "UNSET");
    assert!(parse(&text).is_err(), "the control: with secrets it doesn't load");
    let options = Options { without_secrets: true, ..Options::default() };
    let parse = || gatepost_config::parse(&text, Path::new("gatepost.toml"), &env, options);
    let (one, two) = (parse().expect("it loads").config, parse().expect("it loads").config);
    let keys = |config: &gatepost_config::Config| config.integrations[0].secrets[0].expose().to_vec();
    assert!(keys(&one).len() >= 32);
    assert_ne!(keys(&one), keys(&two), "nobody can know what stands for a secret");
    assert_eq!(one.integrations[0].secrets[0].source(), "environment UNSET");

    let literal = text.replace("{ env = \"UNSET\" }", "\"in the clear\"");
    assert!(gatepost_config::parse(&literal, Path::new("gatepost.toml"), &env, options).is_err());
}

#[test]
fn what_is_weak_but_usable_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "15 bytes of it.\n").expect("writable");
    let text = "[[integration]]\nid = \"gh\"\nprovider = \"github\"\nsecrets = [{ file = \"secret\" }]\n\n\
                [[integration]]\nid = \"std\"\nprovider = \"standard-webhooks\"\n";
    let warnings = |mode| {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).expect("own file");
        let path = folder.path().join("gatepost.toml");
        let loaded = gatepost_config::parse(text, &path, &env, Options::default()).expect("it loads");
        loaded.warnings.to_string().replace(&format!("{}/", folder.path().display()), "")
    };
    insta::assert_snapshot!(warnings(0o644), @r#"
    gatepost.toml:4:12: warning: integration[0].secrets[0] comes from file secret, which everybody can read; chmod 600 secret
    gatepost.toml:4:12: warning: integration[0].secrets[0] has only 15 bytes in file secret; 16 or more are hard to guess; take a longer one where you can choose
    gatepost.toml:6:1: warning: integration[1].secrets is missing or empty, so every request is refused until a connection has secrets of its own; add for example secrets = [{ env = "STANDARD_WEBHOOKS_WEBHOOK_SECRET" }]
    "#);
    assert_eq!(warnings(0o640).lines().count(), 2, "a file for a group is the operator's choice");
}

#[test]
fn a_secret_of_a_file_loses_one_line_end_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "[[integration]]\nid = \"gh\"\nprovider = \"github\"\nsecrets = [{ file = \"secret\" }]\n";
    for (content, secret) in [
        ("  a secret of bytes \n", "  a secret of bytes "),
        ("a secret of bytes\r\n", "a secret of bytes"),
        ("a secret of bytes\n\n", "a secret of bytes\n"),
        ("a secret of bytes", "a secret of bytes"),
    ] {
        std::fs::write(folder.path().join("secret"), content).expect("writable");
        let path = folder.path().join("gatepost.toml");
        let loaded = gatepost_config::parse(text, &path, &env, Options::default()).expect("it loads");
        assert_eq!(loaded.config.integrations[0].secrets[0].expose(), secret.as_bytes());
    }
}

#[test]
fn a_key_is_named_by_an_id_that_does_not_tell_it() {
    let config = parse(GOOD).expect("it loads").config;
    // The first four bytes of the SHA-256 of what the secret decodes to.
    assert_eq!(config.destinations[0].secrets[0].id(), "a60ddc50");
    assert_ne!(config.integrations[0].secrets[0].key_id(), config.integrations[0].secrets[1].key_id());
}

proptest::proptest! {
    #[test]
    fn no_damage_to_a_file_makes_the_loader_panic(at in 0..GOOD.len(), cut in 0..40_usize, put in "[\\[\\]{}=\",.#\\n a-z0-9é-]{0,12}") {
        let end = (at + cut).min(GOOD.len());
        let text = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        if let Err(problems) = parse(&text) {
            proptest::prop_assert!(problems.has_errors() && !problems.to_string().contains("canary"));
        }
    }
}
