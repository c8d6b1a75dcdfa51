//! `gatepost check`: every error of the configuration; else each webhook URL, its secret, and where to paste it.

use std::path::Path;

use gatepost_config::{Config, Destination, Forward, Integration, Options, Route, Timestamp, provider::Handshake};
use url::Url;

use crate::{
    exit::Exit,
    load, send,
    style::{self, BOLD, DIM, WARN},
};

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Check all but the secrets, on a machine that doesn't have them
    #[arg(long)]
    pub(crate) without_secrets: bool,
}

/// Checks the file and prints what the operator needs at the provider.
pub(crate) fn check(path: &Path, args: &CheckArgs) -> Result<(), Exit> {
    let config = load::load_as(path, Options { without_secrets: args.without_secrets, ..load::options() })?;
    let base = base(&config)?;
    for integration in &config.integrations {
        for line in describe(&config, integration, &base).map_err(Exit::failed)? {
            style::line(&line);
        }
    }
    for destination in &config.destinations {
        keys(destination, args.without_secrets).iter().for_each(|line| style::line(line));
    }
    style::line(&format!(
        "{} is good: {}, {}, {}, {}.",
        path.display(),
        count(config.integrations.len(), "integration"),
        count(config.connections.len(), "connection"),
        count(config.destinations.len(), "destination"),
        count(config.routes.len(), "route"),
    ));
    if config.gateway.public_url.is_none() && !config.integrations.is_empty() {
        style::warning("gateway.public_url is not set: the URLs above are this machine's, not what providers call");
    }
    unrouted(&config).iter().for_each(|warning| style::warning(warning));
    ended(&config, Timestamp::now()).iter().for_each(|warning| style::warning(warning));
    Ok(())
}

/// What goes nowhere: integrations that no route takes events of, and destinations that nothing is sent to.
fn unrouted(config: &Config) -> Vec<String> {
    let integrations = config.integrations.iter().filter(|integration| {
        let of_it = |route: &&Route| route.integration.as_ref().is_none_or(|id| *id == integration.id);
        !config.routes.iter().any(|route| of_it(&route))
    });
    let integrations = integrations.map(|integration| {
        format!("no route takes events of {}: they are stored, and delivered nowhere; add a [[route]]", integration.id)
    });
    let is_named = |destination: &Destination| {
        let forwards = |route: &Route| match &route.forward {
            Some(Forward::To(to)) => to.contains(&destination.id),
            Some(Forward::Tenant) => destination.tenant.is_some(),
            None => false,
        };
        let by_connection =
            config.connections.iter().any(|connection| connection.destination.as_ref() == Some(&destination.id));
        by_connection || config.routes.iter().any(forwards)
    };
    let destinations = config.destinations.iter().filter(|destination| !is_named(destination));
    let destinations = destinations.map(|destination| {
        let id = &destination.id;
        format!("no route or connection of the file sends to {id}; name it in a route: forward = [\"{id}\"]")
    });
    integrations.chain(destinations).collect()
}

/// Secrets whose time is over: they verify and sign nothing any more.
fn ended(config: &Config, now: Timestamp) -> Vec<String> {
    let of_integrations = config.integrations.iter().flat_map(|integration| {
        let none = !integration.secrets.iter().any(|secret| secret.is_active(now));
        let words = if none { ": no request verifies" } else { "" };
        let ended = integration.secrets.iter().filter(|secret| !secret.is_active(now));
        ended.map(move |secret| (format!("integration {}", integration.id), secret.source(), secret.until(), words))
    });
    let of_destinations = config.destinations.iter().flat_map(|destination| {
        let ended = destination.secrets.iter().filter(|key| !key.is_active(now));
        ended.map(|key| (format!("destination {}", destination.id), key.source(), key.until(), ""))
    });
    let words = |(whose, source, until, besides): (String, &str, Option<Timestamp>, &str)| {
        let until = until.map(|until| format!(" ended at {until}")).unwrap_or_default();
        format!("the secret of {whose} from {source}{until}{besides}; remove it, or give it another `until`")
    };
    of_integrations.chain(of_destinations).map(words).collect()
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn base(config: &Config) -> Result<Url, Exit> {
    let local = || format!("http://{}", config.gateway.listen).parse();
    let base = config.gateway.public_url.clone().map_or_else(local, Ok);
    base.map_err(|error| Exit::failed(format!("gateway.listen: {error}")))
}

fn describe(config: &Config, integration: &Integration, base: &Url) -> Result<Vec<String>, String> {
    let url = send::webhook_url(base, integration)?;
    let provider = &integration.provider;
    let mut lines =
        vec![format!("{} {}", style::paint(BOLD, integration.id.as_str()), style::paint(DIM, &provider.title))];
    lines.push(format!("  URL     {url}"));
    for secret in &integration.secrets {
        let until = secret.until().map_or_else(String::new, |until| format!(", accepted until {until}"));
        lines.push(format!("  secret  from {}{until}", secret.source()));
    }
    if integration.secrets.is_empty() && provider.handshakes.iter().any(Handshake::captures) {
        lines.push("  secret  the one that it gives in its handshake, unless a connection has its own".to_owned());
    }
    if let Some(keys) = provider.keys.as_ref().filter(|_| integration.secrets.is_empty()) {
        lines.push(format!("  keys    fetched from {}", keys.url));
    }
    let own = config.connections.iter().filter(|connection| connection.integration == integration.id);
    for connection in own.filter(|connection| !connection.secrets.is_empty()) {
        for secret in &connection.secrets {
            lines.push(format!("  {url}/{}  secret from {}", connection.id, secret.source()));
        }
    }
    if integration.unverified {
        lines.push(format!("  {}", style::paint(WARN, "requests are NOT verified (unverified = true)")));
    }
    lines.extend(provider.setup.iter().map(|setup| format!("  paste   {setup}")));
    lines.extend(provider.docs.iter().map(|docs| format!("  {}", style::paint(DIM, docs))));
    lines.push(String::new());
    Ok(lines)
}

/// The keys that deliveries to a destination are signed with, by the ids that attempts and metrics name.
fn keys(destination: &Destination, without_secrets: bool) -> Vec<String> {
    let mut lines = vec![format!("{} {}", style::paint(BOLD, destination.id.as_str()), destination.url)];
    for key in &destination.secrets {
        let id = if without_secrets { "(not read)" } else { key.id() };
        let until = key.until().map_or_else(String::new, |until| format!(", signs until {until}"));
        lines.push(format!("  key     {id} from {}{until}", key.source()));
        lines.extend(key.public().map(|public| format!("          backends verify with {public}")));
    }
    lines.push(String::new());
    lines
}
