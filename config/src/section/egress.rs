//! `router.egress_proxy`: the one proxy that deliveries go through.

use url::Url;

use crate::{
    Secret,
    read::{Node, Read},
};

/// A proxy that is asked to CONNECT.
#[derive(Debug, Clone, PartialEq)]
pub struct EgressProxy {
    /// Its host, a name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, when it asks for one.
    pub credentials: Option<Secret>,
}

const REMEDY: &str = "write \"http://proxy.example:3128\", or { env = \"NAME\" } for one with a password";

/// A URL of the form `http://user:password@host:port`.
pub(super) fn proxy(node: &Node<'_>) -> Option<Option<EgressProxy>> {
    let url = Url::read(node)?;
    let source = "router.egress_proxy";
    let wrong = match () {
        () if url.scheme() != "http" => Some("is spoken to by plain http, and this is another scheme"),
        () if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            Some("has something after its host and port")
        }
        () if url.password().is_some() && !node.is_table() => Some("has a password written out in the file"),
        () => None,
    };
    if let Some(wrong) = wrong {
        node.error(wrong, REMEDY);
        return None;
    }
    let host = url.host_str()?;
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).to_owned();
    let credentials = (!url.username().is_empty()).then(|| {
        let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        Secret::new([user.as_slice(), b":", &password].concat(), source)
    });
    Some(Some(EgressProxy { host, port: url.port_or_known_default()?, credentials }))
}

/// Undoes the percent-encoding of a URL's part.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}
