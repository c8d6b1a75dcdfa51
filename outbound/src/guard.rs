//! Which addresses, names and URLs a destination may have.
//!
//! The address that is checked is the one that is dialled, at the time it is dialled. Sources of the ranges: the IANA
//! special-purpose address registries for IPv4 and IPv6.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use gatepost_config::section::PUBLIC_PORTS;
use http::Uri;
use ipnet::{Ipv4Net, Ipv6Net};
use url::Url;

/// Names of metadata services, refused whatever they resolve to.
const METADATA_NAMES: [&str; 4] =
    ["metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "metadata.tencentyun.com"];

/// An address, name or URL that a destination may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Of an address.
    #[error("the address {0} is refused: {1}")]
    Address(IpAddr, &'static str),
    /// Of a name.
    #[error("the name {0} is refused: a metadata service")]
    Name(String),
    /// Of a URL.
    #[error("the URL is refused: {0}")]
    Url(&'static str),
}

const METADATA: &str = "a metadata service, which no destination may be";
const PRIVATE: &str = "not a public address (a destination with private = true may have it)";
const NOT_A_HOST: &str = "not the address of a host";

/// What a destination's URL is dialled as. It was parsed once, and this very object goes to the connector.
///
/// # Errors
/// When the URL is one that destinations may not have.
pub fn target(url: &Url, private: bool) -> Result<Uri, Refused> {
    match url.scheme() {
        "https" => {}
        "http" if private => {}
        "http" => return Err(Refused::Url("plain http needs private = true")),
        _ => return Err(Refused::Url("it must be https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Url("it must not have a user name or password"));
    }
    if url.fragment().is_some() {
        return Err(Refused::Url("it must not have a fragment"));
    }
    if url.host().is_none() {
        return Err(Refused::Url("it has no host"));
    }
    match url.port_or_known_default() {
        Some(0) | None => return Err(Refused::Url("it must have a port other than 0")),
        Some(port) if private || PUBLIC_PORTS.contains(&port) => {}
        Some(_) => return Err(Refused::Url("ports other than 443, 8443, 80 and 8080 need private = true")),
    }
    url.as_str().parse().map_err(|_| Refused::Url("it can't stand in a request"))
}

/// Refuses names of metadata services.
///
/// # Errors
/// When the name is one.
pub fn check_name(host: &str) -> Result<(), Refused> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match METADATA_NAMES.contains(&name.as_str()) {
        true => Err(Refused::Name(name)),
        false => Ok(()),
    }
}

/// Refuses addresses that are not public, and with `private` only metadata services and what is no host at all.
///
/// # Errors
/// When the address is refused.
pub fn check(address: IpAddr, private: bool) -> Result<(), Refused> {
    let refused = |why| Err(Refused::Address(address, why));
    let embedded = match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(v6) => embedded_v4(v6),
    };
    if is_metadata(address) || embedded.is_some_and(|v4| is_metadata(IpAddr::V4(v4))) {
        return refused(METADATA);
    }
    if address.is_unspecified() || address.is_multicast() || embedded.is_some_and(is_no_host) {
        return refused(NOT_A_HOST);
    }
    let public = match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    };
    if public || private { Ok(()) } else { refused(PRIVATE) }
}

/// Link-local addresses are where clouds keep credentials for whoever asks from inside; some keep them elsewhere.
fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local() || matches!(v4.octets(), [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192])
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local() || AWS_V6.contains(&v6) || v6 == GOOGLE_V6 || v6 == ORACLE_V6,
    }
}

fn is_no_host(v4: Ipv4Addr) -> bool {
    v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|net| net.contains(&v4))
}

/// Only the part of the address space that is given out, less what is special in it.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    GIVEN_OUT_V6.contains(&v6) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&v6))
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64, 6to4 or Teredo.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        _ => None,
    }
}

const GOOGLE_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
const ORACLE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
const AWS_V6: Ipv6Net = net6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);
const GIVEN_OUT_V6: Ipv6Net = net6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const fn net6(address: Ipv6Addr, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(address, length)
}

const fn net4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

static NOT_PUBLIC_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    vec![
        net4(0, 0, 0, 8),       // this network
        net4(10, 0, 0, 8),      // private
        net4(100, 64, 0, 10),   // carrier-grade NAT
        net4(127, 0, 0, 8),     // loopback
        net4(169, 254, 0, 16),  // link-local
        net4(172, 16, 0, 12),   // private
        net4(192, 0, 0, 24),    // protocol assignments
        net4(192, 0, 2, 24),    // documentation
        net4(192, 31, 196, 24), // AS112
        net4(192, 52, 193, 24), // AMT
        net4(192, 88, 99, 24),  // 6to4 relays
        net4(192, 168, 0, 16),  // private
        net4(192, 175, 48, 24), // AS112
        net4(198, 18, 0, 15),   // benchmarks
        net4(198, 51, 100, 24), // documentation
        net4(203, 0, 113, 24),  // documentation
        net4(224, 0, 0, 4),     // multicast
        net4(240, 0, 0, 4),     // reserved, broadcast
    ]
});

static NOT_PUBLIC_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    vec![
        net6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo among them
        net6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
        net6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
        net6(Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
        net6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
    ]
});

#[cfg(test)]
pub(crate) mod tests;
