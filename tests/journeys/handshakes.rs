//! Every handshake of the catalogue through the true binary: answered harmlessly, abused in vain, stored never.

mod captured;
mod catalogue;
mod oracle;
mod probe;
pub(crate) mod request;

use gatepost_tests::{
    gatepost::{Gatepost, Home},
    github::Webhook,
    post::Answer,
};

use self::{
    catalogue::{Case, cases, config},
    request::{CHALLENGE, Request},
};
use crate::setup::{SECRET, SIGNING};

/// Texts that must never come back from an address of ours.
const HOSTILE: [&str; 11] = [
    "<script>alert(1)</script>",
    "a\r\nset-cookie: a=b",
    "a\nb",
    "a b",
    "\"",
    "a/../b",
    "[\"a\"]",
    "{\"id\":\"evt_1\",\"type\":\"paid\"}",
    "v0:1795367045:{\"event\":\"meeting.started\"}",
    "1795367045.{}",
    "gr\u{fc}n",
];

struct Rig {
    home: Home,
    gatepost: Gatepost,
    address: String,
}

impl Rig {
    async fn start(cases: &[Case]) -> Self {
        let (text, files) = config(cases);
        let mut files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files.extend([("github-secret", SECRET), ("signing", SIGNING)]);
        let home = Home::new(&text, &files);
        let gatepost = home.run(&[]).await;
        let address = gatepost.gateway().await;
        Self { home, gatepost, address }
    }

    async fn ask(&self, request: &Request) -> Answer {
        request.send(&self.address).await
    }

    /// Ends it, and proves that a genuine event was all that was ever stored.
    async fn stop_with_only_a_control_stored(self) {
        self.stop_with_only_controls_stored(0).await;
    }

    /// As [`Self::stop_with_only_a_control_stored`], where as many other genuine events were stored.
    async fn stop_with_only_controls_stored(self, others: usize) {
        let control = Webhook::signed(SECRET, "ping", "control", r#"{"zen":"Beep beep."}"#);
        let answer = control.post(&self.address, "github-control").await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.result()), (200, "unmatched"), "the positive control");
        self.gatepost.stop().await;
        let loaded = gatepost_config::load(
            &self.home.path("gatepost.toml"),
            &gatepost_config::std_env,
            gatepost_config::Options::default(),
        )
        .expect("a good configuration");
        let store =
            gatepost_event::Store::open(&loaded.config.store, &loaded.config.retention).await.expect("it opens");
        let stored = crate::setup::unmatched(&store).await.len();
        let census = store.census().await.expect("a census");
        store.close().await;
        assert_eq!(stored, 1 + others, "only the controls are stored");
        assert_eq!(census.waiting() + census.ended.values().sum::<u64>(), 0, "and nothing else: {census:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_handshake_is_answered_as_text_that_no_browser_runs_and_nothing_is_stored() {
    let cases = cases();
    let rig = Rig::start(&cases).await;
    for case in &cases {
        let what = &case.what;
        let answer = rig.ask(&case.genuine()).await;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status.as_u16(), case.handshake.respond.status, "{what}: {said}");
        assert_eq!(answer.result(), "handshake", "{what}");
        let respond = &case.handshake.respond;
        let headers = respond.headers.iter().map(|(name, template)| (answer.header(name), template));
        for (text, template) in headers.chain([(said.as_str(), &respond.body)]) {
            match case.filled(template) {
                Some(wanted) => assert_eq!(text, wanted, "{what}"),
                None => assert!(!text.is_empty(), "{what}"),
            }
        }
        assert_eq!(answer.header("content-type"), case.handshake.respond.content_type, "{what}");
        assert!(!answer.header("content-type").contains("html"), "{what}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'", "{what}");
        assert!(answer.header("gatepost-request-id").starts_with("req_"), "{what}");
    }
    println!("{} handshakes of the catalogue answered", cases.len());
    assert!(cases.len() >= 39, "some of the catalogue's handshakes can't be made any more: {}", cases.len());
    rig.stop_with_only_a_control_stored().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handshake_may_not_echo_is_refused_without_an_echo() {
    let cases = cases();
    let rig = Rig::start(&cases).await;
    let (mut tried, mut controls) = (0, 0);
    let long = "a".repeat(10_000);
    for case in cases.iter().filter(|case| !case.echoed().is_empty()) {
        for place in case.echoed() {
            for text in HOSTILE.iter().copied().chain([long.as_str()]) {
                let respond = &case.handshake.respond;
                if respond.echo.fits(text.as_bytes()) && text.len() <= respond.echo_chars_max {
                    continue; // Harmless in plain text, and this provider's own challenges have spaces.
                }
                let Some(request) = case.with(&place, &serde_json::Value::from(text)) else { continue };
                refused(&rig.ask(&request).await, text, &format!("{}: {text:.40}", case.what));
                tried += 1;
            }
            for value in [serde_json::json!([CHALLENGE]), serde_json::json!({ "a": CHALLENGE })] {
                let Some(request) = case.with_json(&place, &value) else { continue };
                refused(&rig.ask(&request).await, CHALLENGE, &format!("{}: {value}", case.what));
                tried += 1;
            }
        }
        assert_eq!(rig.ask(&case.genuine()).await.result(), "handshake", "{}: the positive control", case.what);
        controls += 1;
    }
    println!("{tried} hostile challenges tried, 0 echoed; {controls} good tried, {controls} echoed");
    assert!(tried > 8 * controls && controls > 0);
    rig.stop_with_only_a_control_stored().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_without_its_proof_is_refused_without_an_echo() {
    let cases = cases();
    let rig = Rig::start(&cases).await;
    let (mut unproven, mut tokens) = (0, 0);
    for case in &cases {
        if case.handshake.verified {
            for (how, request) in case.unproven() {
                let answer = rig.ask(&request).await;
                assert_eq!(answer.status.as_u16(), case.provider.responses.refused_status, "{}: {how}", case.what);
                refused(&answer, CHALLENGE, &format!("{}: {how}", case.what));
                unproven += 1;
            }
        }
        for (place, token) in case.tokens() {
            let (cut, longer) = (token[..token.len() - 1].to_owned(), format!("{token}s"));
            for wrong in ["wrong", cut.as_str(), longer.as_str(), token.to_uppercase().as_str()] {
                let request = case.with(&place, &serde_json::Value::from(wrong)).expect("a token can be written");
                refused(&rig.ask(&request).await, CHALLENGE, &format!("{}: {wrong}", case.what));
                tokens += 1;
            }
        }
        assert_eq!(rig.ask(&case.genuine()).await.result(), "handshake", "{}: the positive control", case.what);
    }
    println!("{unproven} handshakes without a signature and {tokens} with a wrong token tried, 0 answered");
    assert!(unproven > 0 && tokens > 0);
    rig.stop_with_only_a_control_stored().await;
}

/// It is refused and says nothing of what it was asked to say.
fn refused(answer: &Answer, text: &str, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {}", answer.status);
    assert_eq!(answer.result(), "", "{what}");
    let contains = |said: &[u8]| said.windows(text.len()).any(|window| window == text.as_bytes());
    // Our own answer has quotes, and our own headers have spaces.
    assert!(text == "\"" || !contains(&answer.body), "{what}: it is echoed");
    assert!(!answer.headers.values().any(|value| contains(value.as_bytes())), "{what}: it is echoed in a header");
    assert!(answer.headers.get("set-cookie").is_none(), "{what}: a header was made");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
}
