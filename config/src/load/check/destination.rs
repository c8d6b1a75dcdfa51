//! Destinations: URLs that could reach what they shouldn't.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::{DeliveryFormat, Destination, KeyKind, SigningKey, read::Table, section::PUBLIC_PORTS};

/// Notes what doesn't fit together in a destination.
pub(super) fn check(table: &Table<'_>, destination: &Destination) {
    url(table, &destination.url, destination.private);
    keys(table, destination);
    burst(table, destination);
    if destination.nango_legacy_signature && destination.format != DeliveryFormat::Nango {
        table.at("nango_legacy_signature").error("is for format = \"nango\" only", "remove it, or write that format");
    }
}

fn burst(table: &Table<'_>, destination: &Destination) {
    let Some(burst) = destination.burst else { return };
    let spot = table.at("burst");
    match destination.rate {
        None => spot.error("has no rate to be a part of", "set rate too, such as \"100/s\", or remove burst"),
        Some(rate) if usize::try_from(rate.count).is_ok_and(|count| burst > count) => {
            spot.error(format!("is {burst}, more than the rate's {}", rate.count), "give at most the rate's number");
        }
        Some(_) => {}
    }
}

/// Keys must be of the kind that the format signs with.
fn keys(table: &Table<'_>, destination: &Destination) {
    if table.spot.sheet.is_without_secrets() {
        return;
    }
    let is_nango = destination.format == DeliveryFormat::Nango;
    check_keys(table, &destination.secrets, is_nango);
}

/// Keys must be of Standard Webhooks.
pub(super) fn standard_keys(table: &Table<'_>, keys: &[SigningKey]) {
    if !table.spot.sheet.is_without_secrets() {
        check_keys(table, keys, false);
    }
}

fn check_keys(table: &Table<'_>, keys: &[SigningKey], is_nango: bool) {
    for (n, key) in keys.iter().enumerate() {
        let spot = table.at_item("secrets", n);
        let source = key.source();
        match key.kind() {
            KeyKind::Text if is_nango && std::str::from_utf8(key.expose()).is_err() => {
                spot.error(
                    format!("is not UTF-8 text in {source}"),
                    "copy the signing key of Nango's webhook settings",
                );
            }
            KeyKind::Text if !is_nango => {
                let message = format!("is no signing secret in {source}: it doesn't start with whsec_");
                spot.error(message, "make one with `gatepost secret new`");
            }
            KeyKind::Hmac | KeyKind::Ed25519 if is_nango => {
                let message =
                    format!("is a secret of Standard Webhooks in {source}, which Nango's verifiers don't take");
                spot.error(message, "name the signing key of Nango's webhook settings, or write another format");
            }
            KeyKind::Text | KeyKind::Hmac | KeyKind::Ed25519 => {}
        }
    }
}

/// What a name resolves to is checked again when it is dialled.
pub(super) fn url(table: &Table<'_>, url: &Url, private: bool) {
    let spot = table.at("url");
    if !matches!(url.scheme(), "http" | "https") {
        spot.error(format!("starts with {}:", url.scheme()), "write https://...");
        return;
    }
    if !url.username().is_empty() || url.password().is_some() {
        spot.error("has a user name or password", "leave out everything before the @; deliveries are signed instead");
    }
    if url.fragment().is_some() {
        spot.error("has a # part, which is never sent", "end it before the #");
    }
    let Some(host) = url.host() else { return };
    if is_metadata(&host) {
        spot.error("is a metadata service, which hands out credentials", "name your backend");
        return;
    }
    if private {
        return;
    }
    if is_private(&host) {
        spot.error(
            "is on this machine or a private network",
            "write private = true if that is meant, or a public host",
        );
    }
    if url.port_or_known_default().is_none_or(|port| !PUBLIC_PORTS.contains(&port)) {
        spot.error(
            "has a port that public backends don't use",
            "write 443, 8443, 80 or 8080, or private = true if it is in your own network",
        );
    }
    if url.scheme() == "http" {
        spot.error("is not encrypted", "write https://, or private = true if it is in your own network");
    }
}

fn is_metadata(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            matches!(name.as_str(), "metadata" | "metadata.google.internal" | "metadata.goog" | "instance-data")
        }
        Host::Ipv4(address) => is_metadata_v4(*address),
        Host::Ipv6(address) => match embedded(*address) {
            Some(IpAddr::V4(address)) => is_metadata_v4(address),
            _ => *address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        },
    }
}

fn is_metadata_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || address == Ipv4Addr::new(100, 100, 100, 200)
}

fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end))
        }
        Host::Ipv4(address) => is_private_v4(*address),
        Host::Ipv6(address) => match embedded(*address) {
            Some(IpAddr::V4(address)) => is_private_v4(address),
            _ => is_private_v6(*address),
        },
    }
}

/// The IPv4 address that an IPv6 one stands for (mapped, or behind NAT64).
fn embedded(address: Ipv6Addr) -> Option<IpAddr> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped.into());
    }
    let [a, b, c, d, e, f, high, low] = address.segments();
    let [h1, h2] = high.to_be_bytes();
    let [l1, l2] = low.to_be_bytes();
    ([a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| Ipv4Addr::new(h1, h2, l1, l2).into())
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b == 18 || b == 19))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    // Only 2000::/3 is in public use; of that not documentation, Teredo and 6to4.
    let [a, b, ..] = address.segments();
    (a & 0xe000) != 0x2000 || a == 0x2002 || (a == 0x2001 && (b == 0 || b == 0xdb8))
}
