//! What people type.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
};

use gatepost_tests::gatepost::{Home, binary};
use serde_json::Value;

#[test]
fn dev_delivers_a_verified_sample_of_five_providers_with_no_other_set_up() {
    let mut command = Command::new(binary());
    command.args(["dev", "--once", "--json", "--listen", "127.0.0.1:0"]).stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));

    let mut steps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let step: Value = serde_json::from_str(line).expect("one JSON object a line");
        if let Some(provider) = step["provider"].as_str() {
            assert!(step["ms"].is_number(), "{line}");
            steps.entry(provider.to_owned()).or_default().insert(step["step"].as_str().expect("a step").to_owned());
        }
    }
    assert_eq!(steps.len(), 5, "{steps:?}");
    for (provider, seen) in steps {
        for step in ["received", "verified", "attributed", "stored", "routed", "delivered", "checked"] {
            assert!(seen.contains(step), "{provider} lacks {step}: {seen:?}");
        }
    }
}

#[test]
fn dev_that_can_t_deliver_says_so_with_its_exit_code() {
    let refused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let url = format!("http://{refused}/nobody-listens-here");
    let mut command = Command::new(binary());
    command.args(["dev", "--once", "--json", "--listen", "127.0.0.1:0", "--forward", &url]).stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"step\":\"retrying\""), "{output:?}");
}

#[test]
fn a_command_that_finds_no_api_says_where_it_looked_who_said_so_and_what_to_do() {
    // No process of an ordinary user listens there.
    let [url, other] = ["http://127.0.0.1:1/", "http://127.0.0.1:2/"];
    let ask = |args: &[&str], env: Option<&str>| {
        let mut command = Command::new(binary());
        command.args(args).env_remove("GATEPOST_URL").envs(env.map(|url| ("GATEPOST_URL", url)));
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    for (said, source) in [
        (ask(&["events", "list", "--url", url], Some(other)), "--url"),
        (ask(&["trace", "evt_1"], Some(url)), "GATEPOST_URL"),
    ] {
        for words in [format!("asked: the API at {url} (from {source})"), "gatepost run admin".to_owned()] {
            assert!(said.contains(&words), "{words}: {said}");
        }
    }
}

#[test]
fn every_error_of_the_file_is_reported_at_once_with_its_place_and_the_code_is_78() {
    let bad = "[gateway]\nlisten = \"nowhere\"\nlissten = 1\n\n[[integration]]\nid = \"a b\"\nprovider = \"githab\"\n\
               secrets = [\"in the clear\"]\n\n[[route]]\nid = \"r\"\nforward = [\"missing\"]\n";
    let home = Home::new(bad, &[]);
    let output = home.command(&["check"]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(78), "{said}");
    for (place, word) in
        [(":2:", "listen"), (":3:", "lissten"), (":6:", "id"), (":7:", "github"), (":8:", "env"), (":12:", "missing")]
    {
        assert!(said.lines().any(|line| line.contains(place)), "no error at {place}: {said}");
        assert!(said.contains(word), "nothing about {word}: {said}");
    }
    assert!(!said.contains("in the clear"), "a secret is not repeated");
}

#[test]
fn check_shows_each_url_its_secret_s_source_and_where_to_paste_it() {
    let config = "[gateway]\npublic_url = \"https://hooks.example.com\"\n\n[[integration]]\nid = \"gh\"\nprovider = \"github\"\n\
                  secrets = [{ file = \"gh\" }]\n\n[[destination]]\nid = \"b\"\nurl = \"https://example.com/hooks\"\n\
                  secrets = [{ file = \"signing\" }]\n\n[[route]]\nid = \"r\"\nforward = [\"b\"]\n";
    let secret = "a secret that must not be printed";
    let home = Home::new(config, &[("gh", secret), ("signing", crate::setup::SIGNING)]);
    let output = home.command(&["check"]);
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("https://hooks.example.com/webhooks/gh"), "{said}");
    assert!(said.contains("gh\n") && said.contains("ebhook"), "{said}");
    assert!(!said.contains(secret));

    home.write("gatepost.toml", &config.replace("forward", "filter = \"event.type ==\"\nforward"));
    let output = home.command(&["check"]);
    assert_eq!(output.status.code(), Some(78), "a filter that doesn't compile");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("gatepost.toml:16:") && said.contains("route[0].filter"), "{said}");

    home.write("gatepost.toml", &config.replace("forward", "filter = \"data.ref == 'main'\"\nforward"));
    let output = home.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "a filter that would fail on every event");
    assert!(said.contains("gatepost.toml:16:") && said.contains("write event.data"), "{said}");
}

#[test]
fn check_warns_of_what_goes_nowhere_and_of_what_has_ended() {
    let config = "[gateway]\npublic_url = \"https://hooks.example.com/webhooks/gh\"\n\
                  [[integration]]\nid = \"gh\"\nprovider = \"github\"\n\
                  secrets = [{ file = \"gh\", until = 2020-01-01T00:00:00Z }]\n\
                  [[integration]]\nid = \"pay\"\nprovider = \"stripe\"\nsecrets = [{ file = \"gh\" }]\n\
                  [[destination]]\nid = \"used\"\nurl = \"https://example.com/hooks\"\nsecrets = [{ file = \"signing\" }]\n\
                  [[destination]]\nid = \"idle\"\nurl = \"https://example.com/hooks\"\nsecrets = [{ file = \"signing\" }]\n\
                  [[route]]\nid = \"r\"\nintegration = \"gh\"\nevents = [\"stripe.*\"]\nforward = [\"used\"]\n";
    let home = Home::new(config, &[("gh", "a secret that is long enough"), ("signing", crate::setup::SIGNING)]);
    let warned = |home: &Home| {
        let output = home.command(&["check"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = warned(&home);
    let told = [
        "gateway.public_url is https://hooks.example.com/webhooks/gh, whose end",
        "route[0].events[0] is \"stripe.*\", which no event of the integration gh matches",
        "no route takes events of pay",
        "no route or connection of the file sends to idle",
        "the secret of integration gh from file gh ended at 2020-01-01",
    ];
    for words in told {
        assert!(said.contains(words), "no {words:?}: {said}");
    }
    let good = config.replace("/webhooks/gh", "").replace(", until = 2020-01-01T00:00:00Z", "");
    let good = good.replace("integration = \"gh\"\nevents", "events").replace("[\"used\"]", "[\"used\", \"idle\"]");
    home.write("gatepost.toml", &good);
    let said = warned(&home);
    assert!(told.iter().all(|words| !said.contains(words)) && !said.contains("stripe.*"), "{said}");
}

#[test]
fn init_writes_a_file_that_check_likes_and_overwrites_nothing() {
    let home = Home::new("", &[]);
    std::fs::remove_file(home.path("gatepost.toml")).expect("there");
    let output = home.command(&["init", "github", "stripe"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = home.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("/webhooks/github") && said.contains("/webhooks/stripe"), "{said}");
    let secret = std::fs::read_to_string(home.path("secrets/github")).expect("made");
    assert!(!said.contains(&secret));

    assert_eq!(home.command(&["init", "slack"]).status.code(), Some(1), "the file is there already");
    assert_eq!(home.command(&["init"]).status.code(), Some(2), "usage");
}

#[test]
fn secret_new_prints_a_key_of_32_bytes_that_is_never_the_same() {
    let home = Home::new("", &[]);
    let fresh = || String::from_utf8(home.command(&["secret", "new"]).stdout).expect("text");
    let (one, two) = (fresh(), fresh());
    assert_ne!(one, two);
    let key = one.trim().strip_prefix("whsec_").expect("the standard prefix");
    let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key).expect("base64");
    assert_eq!(key.len(), 32);
}

#[test]
fn secret_new_ed25519_prints_a_key_that_check_takes_and_the_public_key_it_shows() {
    let output = Home::new("", &[]).command(&["secret", "new", "--ed25519"]);
    let private = String::from_utf8(output.stdout).expect("text");
    let told = String::from_utf8(output.stderr).expect("text");
    let public = told.split_whitespace().find(|word| word.starts_with("whpk_")).expect("a public key");
    let config =
        "[[destination]]\nid = \"backend\"\nurl = \"https://example.com/hooks\"\nsecrets = [{ file = \"key\" }]\n";
    let home = Home::new(config, &[("key", &private)]);
    let output = home.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(public), "{said}");
    assert!(!said.contains(private.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_works_on_is_waited_for_so_long_and_goes_on() {
    let config =
        "[admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{ file = \"api\" }]\n\n[ops]\nlisten = \"127.0.0.1:0\"\n";
    let home = Home::new(config, &[("api", "a key of this test's own")]);
    // No router and no gateway: whatever is asked for stays pending.
    let gatepost = home.run(&["admin"]).await;
    let url = format!("http://{}", gatepost.address("admin").await);
    let api = ["--url", &url, "--api-key", "a key of this test's own"];
    for (command, again) in [
        (vec!["replays", "create", "--wait", "--within", "1s"], "gatepost replays show "),
        (vec!["quarantine", "release", "--within", "1s"], "gatepost quarantine release --no-wait --job "),
    ] {
        let output = home.command(&[&command[..], &api].concat());
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{said}");
        let (before, shown) = said.split_once(again).unwrap_or_else(|| panic!("no {again}: {said}"));
        assert!(before.contains("still pending after 1s and goes on"), "{said}");

        let words = again.split_whitespace().skip(1).chain([shown.trim()]).chain(api).collect::<Vec<_>>();
        let output = home.command(&words);
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && said.contains("pending"), "{words:?}: {said}");
    }
    gatepost.stop().await;
}
