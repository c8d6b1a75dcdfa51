//! Listeners and limits of the gateway, against what is configured beside them.

use std::net::SocketAddr;

use crate::{
    Gateway, Integration,
    load::document::Entry,
    provider::{Expect, Provider, Template},
    read::{Spot, Table},
};

/// What the paths of webhook URLs begin with.
const INGEST: &str = "/webhooks";

/// Two listeners can't have one address.
pub(in crate::load) fn listeners(root: &Table<'_>, listeners: [(&'static str, SocketAddr); 3]) {
    for (n, (name, address)) in listeners.iter().enumerate() {
        for (earlier, taken) in listeners.iter().take(n) {
            let same_host = address.ip() == taken.ip() || address.ip().is_unspecified() || taken.ip().is_unspecified();
            if address.port() != 0 && address.port() == taken.port() && same_host {
                let message = format!("is {address}, which {earlier}.listen takes already");
                setting(root, name, "listen").error(message, "choose another port");
            }
        }
    }
}

/// The gateway must be able to take what the providers send.
pub(in crate::load) fn gateway(root: &Table<'_>, gateway: &Gateway, integrations: &[Entry<'_, Integration>]) {
    if let Some(url) = gateway.public_url.as_ref().filter(|url| url.path().contains(INGEST)) {
        let message = format!("is {url}, whose end Gatepost adds itself: webhook URLs would be {url}{INGEST}/...");
        let remedy = format!("leave out {INGEST} and what follows, unless a proxy takes that off");
        setting(root, "gateway", "public_url").warning(message, remedy);
    }
    for integration in integrations.iter().filter_map(|entry| entry.value.as_ref()) {
        let provider = &integration.provider;
        if gateway.inflight_bytes_max < provider.body_max {
            let message = format!(
                "is {}, less than one body of {} may have ({})",
                gateway.inflight_bytes_max, provider.title, provider.body_max
            );
            let remedy = format!("give at least {}", provider.body_max);
            setting(root, "gateway", "inflight_bytes_max").error(message, remedy);
        }
        if signs_url(provider) && gateway.public_url.is_none() {
            let message = format!("is missing, and {} signs the URL it posts to", provider.title);
            let remedy = "add for example public_url = \"https://hooks.example.com\"";
            setting(root, "gateway", "public_url").error(message, remedy);
        }
    }
}

fn signs_url(provider: &Provider) -> bool {
    let texts = provider.schemes.iter().flat_map(|scheme| {
        let of_conditions = scheme.when.iter().chain(&scheme.also).filter_map(|(_, expect)| match expect {
            Expect::Text { template, .. } => Some(template),
            _ => None,
        });
        scheme.kind.signed().iter().chain(of_conditions)
    });
    texts.into_iter().any(Template::needs_url)
}

pub(super) fn setting<'a>(root: &Table<'a>, section: &'static str, name: &'static str) -> Spot<'a> {
    match root.get(section).and_then(|node| node.table()) {
        Some(table) => table.at(name),
        None => root.at(section).under(name),
    }
}
