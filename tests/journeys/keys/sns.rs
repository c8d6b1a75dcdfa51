//! Amazon SNS, with its certificate and its confirmations at a server on loopback.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Map, Value, json};

use super::{
    rig::{Rig, signed_by},
    server::{KeyServer, Shown},
};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:anvils";
const CERTIFICATE: &str = "/SimpleNotificationService-01.pem";
const SIGNED: [&str; 8] = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// SNS's own file, but that its server is here, and that it signs with a key that a test can make.
fn provider() -> String {
    let file = std::fs::read_to_string(gatepost_tests::judge::folder().join("../config/providers/aws-sns.toml"));
    let file = file.expect("the file is there");
    let (rules, _) = file.split_once("[[vector]]").expect("vectors");
    let here =
        rules.replace("sns.{region}.amazonaws.com.cn", "127.0.0.3").replace("sns.{region}.amazonaws.com", "127.0.0.1");
    here.replace("kind = \"rsa\"\nhash = \"sha256\"", "kind = \"ecdsa\"")
}

struct Topic {
    key: KeyPair,
    server: KeyServer,
}

impl Topic {
    fn certificate(&self, name: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&self.key).expect("a certificate").pem()
    }

    /// A message with everything that it needs, signed; `changed` is put in afterwards.
    fn message(&self, fields: Value, changed: Value) -> String {
        let mut all = json!({
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC, "Message": "hello",
            "Timestamp": "2026-11-22T17:04:05.000Z", "SignatureVersion": "2",
            "SigningCertURL": self.server.url(CERTIFICATE),
        });
        let all: &mut Map<String, Value> = all.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        let lines = SIGNED.iter().filter_map(|name| Some(format!("{name}\n{}\n", all.get(*name)?.as_str()?)));
        let signature = signed_by(&self.key.serialize_der(), &lines.collect::<String>());
        all.insert("Signature".to_owned(), STANDARD.encode(signature).into());
        all.extend(changed.as_object().expect("an object").clone());
        Value::Object(all.clone()).to_string()
    }

    fn confirmation(&self, url: &str, topic: &str, changed: Value) -> String {
        let fields =
            json!({ "Type": "SubscriptionConfirmation", "Token": "t1", "SubscribeURL": url, "TopicArn": topic });
        self.message(fields, changed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_confirms_itself_once_it_is_proven_and_for_our_topics_alone() {
    let topic = Topic { key: KeyPair::generate().expect("a key"), server: KeyServer::start().await };
    topic.server.show(CERTIFICATE, topic.certificate("sns.amazonaws.com"));
    topic.server.show("/confirm", "<ConfirmSubscriptionResponse/>");
    let broken = Shown { status: 500, body: "".into(), headers: Vec::new(), delay: std::time::Duration::ZERO };
    topic.server.answer("/broken", broken);
    let integration = "[catalogue]\npath = \"providers\"\n\n[[integration]]\nid = \"sns\"\nprovider = \"aws-sns\"\n\
                       private = true\nunmatched = \"forward\"\nvalues = { topic_arns = { file = \"topics\" } }\n";
    let rig = {
        // The folder must be there before the start.
        let files = [("topics", TOPIC), ("providers/aws-sns.toml", &provider())];
        Rig::of(integration, &files).await
    };
    let post = async |body: String| rig.post("sns", &[("content-type", "text/plain; charset=UTF-8")], &body).await;
    let url = topic.server.url("/confirm?Action=ConfirmSubscription&Token=t1");
    let visits = || topic.server.asked().iter().filter(|asked| !asked.ends_with(".pem")).count();

    let evil = url.replace("127.0.0.1", "127.0.0.2");
    for (what, body) in [
        ("a forged one", topic.confirmation(&url, TOPIC, json!({ "Token": "t2" }))),
        ("a changed address", topic.confirmation(&url, TOPIC, json!({ "SubscribeURL": format!("{url}&x=1") }))),
        ("another's topic", topic.confirmation(&url, "arn:aws:sns:eu-west-1:666666666666:evil", json!({}))),
        ("an address elsewhere, though signed", topic.confirmation(&evil, TOPIC, json!({}))),
        ("no address", topic.confirmation("", TOPIC, json!({}))),
        ("raw delivery", "hello".to_owned()),
    ] {
        assert_eq!(post(body).await.status.as_u16(), 401, "{what}");
        assert_eq!(visits(), 0, "{what}");
    }
    let answer = post(topic.confirmation(&topic.server.url("/broken"), TOPIC, json!({}))).await;
    assert_eq!(answer.status.as_u16(), 503, "it comes again");
    assert_eq!(visits(), 1);
    let answer = post(topic.confirmation(&url, TOPIC, json!({}))).await;
    assert_eq!((answer.status.as_u16(), answer.result()), (200, "handshake"));
    assert_eq!(topic.server.asked().last().expect("asked"), "/confirm?Action=ConfirmSubscription&Token=t1");

    let notification = json!({ "Type": "Notification", "Subject": "Beep" });
    assert_eq!(post(topic.message(notification.clone(), json!({}))).await.result(), "stored");
    let unsubscribed =
        json!({ "Type": "UnsubscribeConfirmation", "Token": "t1", "SubscribeURL": url, "MessageId": "other" });
    assert_eq!(post(topic.message(unsubscribed, json!({}))).await.result(), "stored", "an event: nobody undoes it");
    assert_eq!(visits(), 2);

    let asked = topic.server.asked().len();
    for bad in ["http://127.0.0.2/x.pem", "http://user@127.0.0.1/x.pem", "http://127.0.0.1/x.txt", "file:///x.pem", ""]
    {
        let body = topic.message(notification.clone(), json!({ "SigningCertURL": bad }));
        assert_eq!(post(body).await.status.as_u16(), 401, "{bad}");
    }
    assert_eq!(topic.server.asked().len(), asked, "nobody was asked");
    topic.server.show("/other.pem", topic.certificate("sns.example.com"));
    let elsewhere = json!({ "SigningCertURL": topic.server.url("/other.pem") });
    assert_eq!(post(topic.message(notification, elsewhere)).await.status.as_u16(), 401, "another's certificate");
    let refused = async |reason: &str| rig.gatepost.metric("gatepost_gateway_refusals_total", reason).await;
    assert!((refused("key_url_refused").await - 6.0).abs() < 0.1);
    assert!((refused("certificate_refused").await - 1.0).abs() < 0.1);
    assert_eq!(rig.stop().await, 2);
}
