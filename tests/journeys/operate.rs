//! What an operator does to a running Gatepost, and what it says of itself.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use gatepost_tests::{
    gatepost::Gatepost,
    github::Webhook,
    nats_server::NatsServer,
    post::{self, Answer},
    wait::eventually,
};

use crate::setup::{Engine, Journey, PATIENCE, SECRET};

/// Longest time until a changed file is in force.
const RELOADED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_in_force_without_a_restart_and_a_bad_one_never_is() {
    let journey = Journey::new(Engine::Embedded, "park", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    let posts = std::sync::atomic::AtomicUsize::new(0);
    let post = async || {
        let n = posts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let webhook = Webhook::signed(SECRET, "push", &format!("reload-{n}"), r#"{"installation":{"id":7}}"#);
        webhook.post(&address, "github").await.expect("an answer").result().to_owned()
    };
    assert_eq!(post().await, "unmatched", "nobody claims the account yet");

    let file = std::fs::read_to_string(journey.home.path("gatepost.toml")).expect("there");
    let claimed = format!("{file}\n[[connection]]\nintegration = \"github\"\nid = \"late\"\naccount = \"7\"\n");
    journey.home.write("gatepost.toml", &claimed);
    eventually("the new connection", RELOADED_WITHIN, async || (post().await == "stored").then_some(())).await;
    let delivery = journey.backend.wait_for(1, PATIENCE).await.remove(0);
    assert_eq!(delivery.envelope()["connection"], "late");

    journey.home.write("gatepost.toml", &claimed.replace("[[route]]", "[[rout]]"));
    gatepost.signal("HUP");
    eventually("the complaint", RELOADED_WITHIN, async || {
        gatepost.log().iter().any(|line| line.contains("rout") && line.contains("ERROR")).then_some(())
    })
    .await;
    assert_eq!(post().await, "stored", "the last good configuration stays");
    gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_red_while_no_nats_server_is_connected_and_liveness_is_not() {
    let mut journey = Journey::new(Engine::Nats(NatsServer::start().await), "park", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    assert_eq!(get(&gatepost, "/livez").await.status.as_u16(), 200);
    assert_eq!(get(&gatepost, "/readyz").await.status.as_u16(), 200);

    let Engine::Nats(server) = &mut journey.engine else { unreachable!("made above") };
    server.kill9().await;
    eventually("red", PATIENCE, async || (get(&gatepost, "/readyz").await.status.as_u16() == 503).then_some(())).await;
    assert_eq!(get(&gatepost, "/livez").await.status.as_u16(), 200, "a restart would not help");
    let webhook = Webhook::signed(SECRET, "push", "away", "{}");
    let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("it answers for itself");
    assert_eq!(answer.status.as_u16(), 503);
    assert!(!answer.header("retry-after").is_empty());

    server.restart().await;
    eventually("green", PATIENCE, async || (get(&gatepost, "/readyz").await.status.as_u16() == 200).then_some(()))
        .await;
    eventually("stored again", PATIENCE, async || {
        let answer = webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
        (answer.status.as_u16() == 200).then_some(())
    })
    .await;
    gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_was_accepted_and_what_was_refused() {
    let journey = Journey::new(Engine::Embedded, "forward", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    let address = gatepost.gateway().await;
    let good = Webhook::signed(SECRET, "push", "good", "{}");
    let bad = Webhook::signed("a secret that nobody shares", "push", "bad", "{}");
    assert_eq!(good.post(&address, "github").await.expect("an answer").status.as_u16(), 200);
    assert_eq!(bad.post(&address, "github").await.expect("an answer").status.as_u16(), 401);
    journey.backend.wait_for(1, PATIENCE).await;

    assert!((gatepost.metric("gatepost_gateway_requests_total", "integration=\"github\"").await - 2.0).abs() < 0.1);
    assert!((gatepost.metric("gatepost_gateway_refusals_total", "signature_mismatch").await - 1.0).abs() < 0.1);
    eventually("the delivery's count", PATIENCE, async || {
        let delivered = gatepost.metric("gatepost_router_deliveries_total", "delivered").await;
        ((delivered - 1.0).abs() < 0.1).then_some(())
    })
    .await;
    gatepost.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn send_posts_a_genuine_sample() {
    let journey = Journey::new(Engine::Embedded, "forward", &BTreeSet::new()).await;
    let gatepost = journey.run().await;
    let to = format!("http://{}", gatepost.gateway().await);
    let output = journey.home.command(&["send", "github", "--to", &to]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("stored"), "{output:?}");
    assert_eq!(journey.backend.wait_for(1, PATIENCE).await[0].envelope()["provider"], "github");

    let output = journey.home.command(&["send", "github", "no.such.event", "--to", &to]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("push"), "it names the samples there are: {output:?}");
    gatepost.stop().await;
}

async fn get(gatepost: &Gatepost, path: &str) -> Answer {
    let ops = gatepost.address("ops").await;
    post::request(http::Method::GET, &ops, path, &[], Bytes::new()).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_open_files_is_raised_as_far_as_it_goes_and_said_to_be_too_low() {
    let journey = Journey::new(Engine::Embedded, "park", &BTreeSet::new()).await;
    for (limits, raised_to, is_told) in
        [("ulimit -Sn 300; ulimit -Hn 1000", 1_000, true), ("ulimit -Sn 300; ulimit -Hn 9000", 9_000, false)]
    {
        let gatepost = journey.home.start_after(limits, &[]);
        gatepost.ready().await;
        let own = std::fs::read_to_string(format!("/proc/{}/limits", gatepost.pid())).expect("its limits");
        let soft = own.lines().find_map(|line| line.strip_prefix("Max open files")).expect("the limit");
        assert_eq!(soft.split_whitespace().next(), Some(raised_to.to_string().as_str()), "{limits}");
        let log = gatepost.stop().await;
        assert_eq!(
            log.iter().any(|line| line.contains("limit of open files is too low")),
            is_told,
            "{limits}: {log:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_sees_nothing() {
    let journey = Journey::new(Engine::Embedded, "forward", &BTreeSet::new()).await;
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("bound"));
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let exports: String = variables.iter().map(|name| format!(" {name}={url}")).collect();
    let gatepost = journey.home.start_after(&format!("export{exports}"), &[]);
    gatepost.ready().await;
    let said = std::fs::read(format!("/proc/{}/environ", gatepost.pid())).expect("its environment");
    let said = String::from_utf8_lossy(&said);
    assert!(variables.iter().all(|name| said.contains(&format!("{name}={url}"))), "it has them: {said}");

    let webhook = Webhook::signed(SECRET, "push", "past-the-proxy", "{}");
    webhook.post(&gatepost.gateway().await, "github").await.expect("an answer");
    journey.backend.wait_for(1, PATIENCE).await;
    gatepost.stop().await;
    let dialled = tokio::time::timeout(Duration::from_millis(1), proxy.accept()).await;
    assert!(dialled.is_err(), "the proxy was dialled");
}
