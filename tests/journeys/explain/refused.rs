//! `gatepost explain` of a request that a gateway refused, by its id.

use gatepost_tests::{
    backend::Backend, gatepost::Home, github::Webhook, nats_server::NatsServer, post, wait::eventually,
};
use http::Method;

use crate::setup::{Engine, PATIENCE, SECRET, SIGNING};

const KEY: &str = "a key of this test's own";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_explained_by_its_id_embedded() {
    journey(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_explained_by_its_id_nats() {
    journey(Engine::Nats(NatsServer::start().await)).await;
}

async fn journey(engine: Engine) {
    let backend = Backend::start().await;
    let config = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[store]\n{}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\napi_keys = [{{ file = \"api\" }}]\n\
         [secrets]\nmaster_keys = [{{ file = \"master\" }}]\n\
         [[integration]]\nid = \"code\"\nprovider = \"github\"\nsecrets = [{{ file = \"github\" }}]\n\
         [[integration]]\nid = \"gifts\"\nprovider = \"gitlab\"\nsecrets = [{{ file = \"token\" }}]\n\
         [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\
         [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
        engine.section(),
        backend.url(),
    );
    let master = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let files = [("api", KEY), ("master", master), ("github", SECRET), ("token", SECRET), ("signing", SIGNING)];
    let home = Home::new(&config, &files);
    if !engine.is_embedded() {
        home.init_store();
    }
    let gatepost = home.run(&[]).await;
    let (gateway, url) = (gatepost.gateway().await, format!("http://{}", gatepost.address("admin").await));
    let explain = |id: &str| {
        let output = home.command(&["explain", id, "--url", &url, "--api-key", KEY]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        (output.status.code(), said)
    };
    let refused = async |secret: &str| {
        let webhook = Webhook::signed(secret, "push", "refused-1", r#"{"installation":{"id":7}}"#);
        let answer = webhook.post(&gateway, "code").await.expect("an answer");
        assert_eq!(answer.status.as_u16(), 401);
        answer.header("gatepost-request-id").to_owned()
    };
    let (padded, other) = (refused(&format!("{SECRET}\n")).await, refused("quite another secret").await);
    for (id, code) in [(padded, "secret_whitespace"), (other, "secret_wrong")] {
        eventually("it is kept and explained", PATIENCE, async || {
            let (exit, said) = explain(&id);
            (exit == Some(1) && said.contains(&format!("refused github {code}"))).then_some(())
        })
        .await;
    }
    let headers = [("x-gitlab-token", "no token of ours")];
    let answer =
        post::request(Method::POST, &gateway, "/webhooks/gifts", &headers, "{}".into()).await.expect("an answer");
    let token = answer.header("gatepost-request-id");
    eventually("what can't be shown can't be judged", PATIENCE, async || {
        let (exit, said) = explain(token);
        (exit == Some(1) && said.contains(&format!("gatepost quarantine release {token}"))).then_some(())
    })
    .await;
    let (exit, said) = explain("req_00000000000000000000000000");
    assert!(exit == Some(1) && said.contains("there is no refused request"), "{said}");
    gatepost.stop().await;
}
