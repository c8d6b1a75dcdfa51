//! `gatepost send`: posts a genuine signed sample.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gatepost_config::{Config, Integration, Timestamp};
use gatepost_gateway::{
    Judge,
    sign::{Draft, KeyPair, Means, Signer, SigningKey, means},
    verify,
};
use url::Url;

use crate::{
    client::{self, Answer},
    exit::Exit,
    load, style,
};

#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// The integration, as the configuration names it
    pub(crate) integration: String,
    /// Which of the provider's samples; the first when not said
    pub(crate) event: Option<String>,
    /// The gateway; when not said, `gateway.public_url` or the address it listens on
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<Url>,
    /// A private key in PEM, for providers that sign with one: its public key is the integration's secret
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// A sample that was posted, and its answer.
pub(crate) struct Sent {
    /// Where it was posted.
    pub(crate) url: Url,
    /// Which sample.
    pub(crate) event: String,
    /// What the gateway said.
    pub(crate) answer: Answer,
}

/// Posts a sample and prints the answer.
pub(crate) async fn send(path: &Path, args: &SendArgs) -> Result<(), Exit> {
    let config = load::load(path)?;
    let key = args.key.as_deref().map(read_key).transpose().map_err(Exit::failed)?;
    let wanted = Wanted { integration: &args.integration, event: args.event.as_deref(), to: args.to.as_ref() };
    let sent = sample(&config, &wanted, key.as_ref()).await;
    let Sent { url, event, answer } = sent.map_err(Exit::failed)?;
    let header = |name: &str| answer.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    style::line(&format!("Posted {event} to {url}"));
    style::line(&format!(
        "Answer {}: {} ({})",
        answer.head.status.as_u16(),
        header("gatepost-result"),
        header("gatepost-request-id")
    ));
    match answer.head.status.is_success() {
        true => Ok(()),
        false => Err(Exit::failed(format!("the gateway answered {}", String::from_utf8_lossy(&answer.body)))),
    }
}

/// Which sample to post where.
pub(crate) struct Wanted<'a> {
    /// The integration's id.
    pub(crate) integration: &'a str,
    /// The sample; the first when not said.
    pub(crate) event: Option<&'a str>,
    /// The gateway, if not the configuration's.
    pub(crate) to: Option<&'a Url>,
}

/// Signs one of a provider's samples with the integration's secret, or a private key, and posts it.
///
/// # Errors
/// In words, when there is no such integration or sample, it can't be signed, or no answer came.
pub(crate) async fn sample(config: &Config, wanted: &Wanted<'_>, pair: Option<&KeyPair>) -> Result<Sent, String> {
    let integration = find(config, wanted.integration)?;
    let now = Timestamp::now();
    let url = address(config, integration, wanted.to)?;
    let (event, draft) = choose(integration, wanted.event, &url, now)?;
    let signed = signed(config, integration, pair, &draft, now)?;
    let answer = client::post(&signed.url, &signed.headers, Bytes::from(signed.body)).await?;
    Ok(Sent { url: signed.url, event, answer })
}

fn read_key(path: &Path) -> Result<KeyPair, String> {
    let text = std::fs::read(path).map_err(|error| format!("{} can't be read ({error})", path.display()))?;
    KeyPair::read(&text).map_err(|error| format!("{} {error}", path.display()))
}

/// A sample signed as the integration's provider would.
fn signed(
    config: &Config,
    integration: &Integration,
    pair: Option<&KeyPair>,
    draft: &Draft,
    now: Timestamp,
) -> Result<Draft, String> {
    let provider = &integration.provider;
    let means = means(provider).map_err(|why| format!("no sample of {} can be sent: {why}", provider.name))?;
    let secret = integration.secrets.iter().find(|secret| secret.is_active(now));
    let key = match (means, pair) {
        (Means::Nothing, _) => SigningKey::Nothing,
        (Means::Secret, None) => SigningKey::Secret(secret.ok_or("the integration has no active secret")?),
        (Means::Secret, Some(_)) => {
            return Err(format!("{} signs with the integration's secret; leave --key out", provider.title));
        }
        (Means::Pair(_), Some(pair)) => SigningKey::Pair(pair),
        (Means::Pair(kind), None) => {
            return Err(format!(
                "{} signs with a private key of its own ({}): make a pair for the test with gatepost secret new \
                 --key-pair, make its public key the integration's secret, and give --key FILE",
                provider.title,
                kind.words()
            ));
        }
    };
    let public_url = config.gateway.public_url.as_ref();
    let signer = Signer { provider, values: &integration.values, public_url, key };
    let signed = signer.sign(draft, now).map_err(|error| error.to_string())?;
    if let (SigningKey::Pair(_), false) = (key, integration.secrets.is_empty()) {
        let judge = Judge {
            provider,
            secrets: &integration.secrets,
            values: &integration.values,
            public_url: public_url.or(Some(&signed.url)),
            unverified: integration.unverified,
        };
        let request = signed.request().map_err(|error| error.to_string())?;
        if verify(&judge, &request, now).is_err_and(|reason| reason == gatepost_gateway::Reason::SignatureMismatch) {
            return Err("the public key of --key is not among the integration's `secrets`".to_owned());
        }
    }
    Ok(signed)
}

fn find<'c>(config: &'c Config, id: &str) -> Result<&'c Integration, String> {
    let found = config.integrations.iter().find(|integration| integration.id.as_str() == id);
    found.ok_or_else(|| {
        let known: Vec<_> = config.integrations.iter().map(|integration| integration.id.as_str()).collect();
        format!("no integration {id:?}; the configuration has {}", known.join(", "))
    })
}

fn choose(
    integration: &Integration,
    event: Option<&str>,
    url: &Url,
    now: Timestamp,
) -> Result<(String, Draft), String> {
    let mut all = Draft::all(&integration.provider, url, now).into_iter();
    let provider = &integration.provider.name;
    let Some(event) = event else {
        return all.next().ok_or_else(|| format!("{provider} has no samples; add a [[sample]] to its file"));
    };
    let mut others = Vec::new();
    for (name, draft) in all {
        if name == event {
            return Ok((name, draft));
        }
        others.push(name);
    }
    Err(format!("{provider} has no sample {event:?}; there are {}", others.join(", ")))
}

/// Where the integration's webhooks are posted.
fn address(config: &Config, integration: &Integration, to: Option<&Url>) -> Result<Url, String> {
    let listen = || {
        let mut address = config.gateway.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}").parse::<Url>().ok()
    };
    let base = to.cloned().or_else(|| config.gateway.public_url.clone()).or_else(listen);
    let base = base.ok_or("no address to post to; give --to URL")?;
    webhook_url(&base, integration)
}

/// An integration's webhook URL under a base.
///
/// # Errors
/// When the base can't have a path.
pub(crate) fn webhook_url(base: &Url, integration: &Integration) -> Result<Url, String> {
    let mut url = base.clone();
    let cannot = || format!("{base} can't be a gateway's address");
    url.path_segments_mut().map_err(|()| cannot())?.pop_if_empty().extend(["webhooks", integration.id.as_str()]);
    Ok(url)
}
