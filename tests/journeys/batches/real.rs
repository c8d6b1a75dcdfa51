//! Requests of a hundred items of twenty accounts, as the providers that are known for them send them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};
use sha2::Sha256;

/// Items of one request.
pub(crate) const ITEMS: usize = 100;

/// The secret of those that don't sign with it.
const SECRET: &str = "a-client-state-of-nobody";
/// Adyen's, in hexadecimal.
const HEX: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

/// Makes the headers of a signed body.
type SignedHeaders = fn(&Real, &str) -> Vec<(String, String)>;

/// An item as it is stored: a secret in it is overwritten, and all else stays.
pub(crate) fn without_secret(item: &str) -> String {
    item.replace(SECRET, &"*".repeat(SECRET.len()))
}

/// A provider's request of many items.
pub(crate) struct Real {
    /// The provider.
    pub(crate) provider: &'static str,
    /// The integration's secret, where it can't be any.
    pub(crate) secret: Option<String>,
    /// What stands around the items.
    around: (&'static str, &'static str),
    /// Each item's bytes, with its account.
    pub(crate) items: Vec<(String, Option<String>)>,
    /// The headers to send it with, unless they are made from the provider's file.
    pub(crate) signed: Option<SignedHeaders>,
    key: Option<KeyPair>,
    /// A repeat can't be told from the next occurrence.
    pub(crate) repeats: bool,
}

impl Real {
    /// Its body.
    pub(crate) fn body(&self) -> String {
        let items: Vec<_> = self.items.iter().map(|(item, _)| item.as_str()).collect();
        format!("{}[ {} ]{}", self.around.0, items.join(" ,\n"), self.around.1)
    }

    fn new(provider: &'static str, around: (&'static str, &'static str), item: impl Fn(usize, &str) -> String) -> Self {
        let items = (0..ITEMS).map(|n| {
            let account = format!("acct-{}", n % 20);
            (item(n, &account), Some(account))
        });
        Self { provider, secret: None, around, items: items.collect(), signed: None, key: None, repeats: false }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Real> {
    let meta = |object| (object, "}");
    vec![
        hubspot(),
        microsoft_graph(),
        Real::new("meta", meta("{\"object\":\"page\",\"entry\":"), |n, account| {
            format!(
                "{{\"id\":\"{account}\",\"time\":1795367045,\"changes\":[{{\"field\":\"feed\",\
                 \"value\":{{\"item\":\"status\",\"post_id\":\"{account}_{n}\",\"verb\":\"add\"}}}}]}}"
            )
        }),
        Real::new("whatsapp-cloud", meta("{\"object\":\"whatsapp_business_account\",\"entry\":"), |n, account| {
            format!(
                "{{\"id\":\"{account}\",\"changes\":[{{\"value\":{{\"messaging_product\":\"whatsapp\",\
                 \"messages\":[{{\"from\":\"16315551181\",\"id\":\"wamid.{n}\",\"timestamp\":\"1795367045\",\
                 \"type\":\"text\",\"text\":{{\"body\":\"gr\\u00fcn\"}}}}]}},\"field\":\"messages\"}}]}}"
            )
        }),
        Real::new("xero", ("{\"events\":", ",\"lastEventSequence\":1,\"firstEventSequence\":1}"), |n, account| {
            format!(
                "{{\"resourceId\":\"resource-{}\",\"eventDateUtc\":\"2026-11-22T17:04:05.{n:03}\",\
                 \"eventType\":\"UPDATE\",\"eventCategory\":\"CONTACT\",\"tenantId\":\"{account}\"}}",
                n % 7
            )
        }),
        Real::new("quickbooks", ("{\"eventNotifications\":", "}"), |n, account| {
            format!(
                "{{\"realmId\":\"{account}\",\"dataChangeEvent\":{{\"entities\":[{{\"name\":\"Customer\",\
                 \"id\":\"{n}\",\"operation\":\"Create\",\"lastUpdated\":\"2026-11-22T17:04:05Z\"}}]}}}}"
            )
        }),
        Real::new("quickbooks", ("", ""), |n, account| {
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"88cd52aa-Customer-{n}\",\"type\":\"qbo.customer.created.v1\",\
                 \"time\":\"2026-11-22T17:04:05.85Z\",\"intuitentityid\":\"{n}\",\"intuitaccountid\":\"{account}\"}}"
            )
        }),
        dropbox(),
        adyen(),
        sendgrid(),
    ]
}

/// An id of an event may stand in several items.
fn hubspot() -> Real {
    Real::new("hubspot", ("", ""), |n, account| {
        let (event, subscription) = (n / 2, 1_000 + n % 2);
        format!(
            "{{ \"eventId\": {event}, \"subscriptionId\":{subscription},\"portalId\":\"{account}\", \"appId\":1160452,\
             \"occurredAt\":1795367045{n:03},\"subscriptionType\":\"contact.propertyChange\",\"attemptNumber\":0,\
             \"objectId\":{n}.0, \"propertyValue\":\"gr\\u00fcn \\/ \u{fc}\"}}"
        )
    })
}

/// Half of them without an id, as for mail.
fn microsoft_graph() -> Real {
    let real = Real::new("microsoft-graph", ("{\"value\":", "}"), |n, account| {
        let id = if n % 2 == 0 { format!("\"id\":\"lsgTZMr9KwAAA-{n}\",") } else { String::new() };
        format!(
            "{{{id}\"subscriptionId\":\"{account}\",\"clientState\":\"{SECRET}\",\"changeType\":\"updated\",\
             \"resource\":\"users/u/messages/m\",\"resourceData\":{{\"@odata.etag\":\"W/\\\"CQAAABYAA{n}\\\"\"}}}}"
        )
    });
    Real { secret: Some(SECRET.to_owned()), signed: Some(|_, _| Vec::new()), ..real }
}

/// An item is an account, and nothing else: an account has one item in a request.
fn dropbox() -> Real {
    let real =
        Real::new("dropbox", ("{\"list_folder\":{\"accounts\":", "},\"delta\":{\"users\":[1]}}"), |_, _| String::new());
    let account = |n: usize| format!("dbid:AAH4f99T0taONIb-{n}");
    Real {
        items: (0..ITEMS).map(|n| (format!("\"{}\"", account(n)), Some(account(n)))).collect(),
        repeats: true,
        ..real
    }
}

/// Each item has a signature of its own.
fn adyen() -> Real {
    let key: Vec<u8> =
        (0..HEX.len()).step_by(2).map(|n| u8::from_str_radix(&HEX[n..n + 2], 16).expect("hex")).collect();
    let around = ("{\"live\":\"false\",\"notificationItems\":", "}");
    let real = Real::new("adyen", around, |n, account| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("psp{}::{account}:order-{n}:1130:EUR:CAPTURE:true", n / 2).as_bytes());
        format!(
            "{{\"NotificationRequestItem\":{{\"additionalData\":{{\"hmacSignature\":\"{}\"}},\
             \"amount\":{{\"currency\":\"EUR\",\"value\":1130}},\"eventCode\":\"CAPTURE\",\
             \"eventDate\":\"2026-11-22T17:04:{:02}+01:00\",\"merchantAccountCode\":\"{account}\",\
             \"merchantReference\":\"order-{n}\",\"pspReference\":\"psp{}\",\"success\":\"true\"}}}}",
            STANDARD.encode(mac.finalize().into_bytes()),
            n % 2,
            n / 2
        )
    });
    Real { secret: Some(HEX.to_owned()), signed: Some(|_, _| Vec::new()), ..real }
}

/// Its items name no account.
fn sendgrid() -> Real {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key pair");
    let real = Real::new("sendgrid", ("", ""), |n, _| {
        format!(
            "{{\"email\":\"wile@example.com\",\"event\":\"open\",\"sg_event_id\":\"ev{n}\",\"sg_message_id\":\"m{}\",\
             \"timestamp\":1795367045}}",
            n / 10
        )
    });
    let items = real.items.into_iter().map(|(item, _)| (item, None)).collect();
    let signed = |real: &Real, body: &str| {
        let at = Timestamp::now().seconds().to_string();
        let key = real.key.as_ref().expect("its key pair");
        let signature = STANDARD.encode(key.sign(format!("{at}{body}").as_bytes()).expect("a signature"));
        let name = |rest: &str| format!("x-twilio-email-event-webhook-{rest}");
        vec![(name("timestamp"), at), (name("signature"), signature)]
    };
    Real { items, secret: Some(key.public_key_pem()), signed: Some(signed), key: Some(key), ..real }
}
