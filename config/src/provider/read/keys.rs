//! `[keys]`: how the place of a provider's published keys is read.

use super::{in_table, some};
use crate::{
    provider::{CertificateRule, HostPattern, Keys, Template},
    read::{Node, Read, Table},
};

pub(super) fn read(table: &Table<'_>) -> Option<Keys> {
    let url = table.required_like("url", "\"https://api.example.com/.well-known/jwks.json\"", Template::read);
    let hosts = table.optional("hosts", some);
    let path_prefix = table.or("path_prefix", "/".to_owned());
    let path_suffix = table.or("path_suffix", String::new());
    let certificate = table.optional("certificate", |node| in_table(node, certificate).map(Some));
    Some(Keys {
        url: url?,
        hosts: hosts?,
        path_prefix: path_prefix?,
        path_suffix: path_suffix?,
        certificate: certificate?,
    })
}

fn certificate(table: &Table<'_>) -> Option<CertificateRule> {
    let names = table.required_like("names", "[\"webhooks.example.com\"]", some);
    let chain = table.required_like("chain", "true", bool::read);
    Some(CertificateRule { names: names?, chain: chain? })
}

impl Read for HostPattern {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.parsed("a host, such as \"api.example.com\"", str::parse)
    }
}
