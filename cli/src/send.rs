//! `gatepost send`: posts a genuine signed sample.

use std::path::Path;

use bytes::Bytes;
use gatepost_config::{Config, Integration, Timestamp, provider::Sample};
use gatepost_event::RequestId;
use gatepost_gateway::sign::sign;
use url::Url;

use crate::{
    args::SendArgs,
    client::{self, Answer},
    exit::Exit,
    load, style,
};

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
    let sent = sample(&config, &args.integration, args.event.as_deref(), args.to.as_ref()).await;
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

/// Signs one of a provider's samples with the integration's secret and posts it.
///
/// # Errors
/// In words, when there is no such integration or sample, or no answer came.
pub(crate) async fn sample(
    config: &Config,
    integration: &str,
    event: Option<&str>,
    to: Option<&Url>,
) -> Result<Sent, String> {
    let integration = find(config, integration)?;
    let sample = choose(integration, event)?;
    let url = address(config, integration, to)?;
    let now = Timestamp::now();
    let fill = |text: &str| fill(text, now);
    let body = Bytes::from(fill(&sample.body));
    let mut headers: Vec<_> = sample.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
    headers.extend(sign(integration, &url, &headers, &body, now).map_err(|error| error.to_string())?);
    let answer = client::post(&url, &headers, body).await?;
    Ok(Sent { url, event: sample.event.clone(), answer })
}

fn find<'c>(config: &'c Config, id: &str) -> Result<&'c Integration, String> {
    let found = config.integrations.iter().find(|integration| integration.id.as_str() == id);
    found.ok_or_else(|| {
        let known: Vec<_> = config.integrations.iter().map(|integration| integration.id.as_str()).collect();
        format!("no integration {id:?}; the configuration has {}", known.join(", "))
    })
}

fn choose<'i>(integration: &'i Integration, event: Option<&str>) -> Result<&'i Sample, String> {
    let samples = &integration.provider.samples;
    let found = match event {
        None => samples.first(),
        Some(event) => samples.iter().find(|sample| sample.event == event),
    };
    found.ok_or_else(|| {
        let known: Vec<_> = samples.iter().map(|sample| sample.event.as_str()).collect();
        let provider = &integration.provider.name;
        match event {
            Some(event) => format!("{provider} has no sample {event:?}; there are {}", known.join(", ")),
            None => format!("{provider} has no samples; add a [[provider.sample]] to its file"),
        }
    })
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

/// A sample's text with a fresh id and the time.
fn fill(text: &str, now: Timestamp) -> String {
    let id = RequestId::fresh(now);
    text.replace("{id}", id.token().as_str()).replace("{now}", &now.seconds().to_string())
}
