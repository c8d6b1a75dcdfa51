//! What is wrong with bodies that must be refused.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// What is wrong, and the body.
type Bad<T> = (&'static str, T);

/// SOAP messages that nobody can be sure of.
pub(super) fn of_soap(good: &str) -> Vec<Bad<String>> {
    let organization = "<OrganizationId>00D000000acme01AAA</OrganizationId>";
    let with = |new: &str| good.replacen(organization, new, 1);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"00D000000acme01AAA\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    vec![
        ("another organization", with("<OrganizationId>00D000000evil01AAA</OrganizationId>")),
        ("no organization", with("")),
        ("two organizations", with(&format!("{organization}<OrganizationId>00D000000evil01AAA</OrganizationId>"))),
        ("an organization under a prefix too", with(&format!("{organization}<x:OrganizationId xmlns:x='y'/>"))),
        ("entities", good.replacen("?>", &format!("?>{bomb}"), 1).replacen("Coyote", "&b;", 1)),
        ("a document type", good.replacen("?>", "?><!DOCTYPE x SYSTEM \"file:///etc/passwd\">", 1)),
        ("an entity without one", good.replacen("Coyote", "&coyote;", 1)),
        ("cut short", good[..good.len() / 2].to_owned()),
        ("more after it", format!("{good}<x/>")),
        ("two lists", good.replacen("</notifications>", "</notifications><notifications/>", 1)),
        ("too deep", good.replacen("Coyote", &"<a>".repeat(100_000), 1)),
        ("no XML", "{}".to_owned()),
        ("nothing", String::new()),
    ]
}

/// Forms in parts that two readers could take apart in two ways.
pub(super) fn of_parts(good: &str) -> Vec<Bad<String>> {
    let end = "------acmeboundary0001--\r\n";
    let part = good.strip_suffix(end).expect("its end");
    let dashes = "\r\n------acmeboundary0001";
    vec![
        ("the field twice", format!("{part}{good}")),
        ("the field twice, forged last", format!("{part}{}", good.replace("signed", "denied"))),
        ("the field twice, forged first", format!("{}{good}", part.replace("signed", "denied"))),
        ("no end", part.to_owned()),
        ("cut short", good[..good.len() / 2].to_owned()),
        ("more after the end", format!("{good}x")),
        ("more before the start", format!("x{dashes}{good}")),
        ("a file", good.replacen("name=\"json\"", "name=\"json\"; filename=\"json\"", 1)),
        ("two names", good.replacen("name=\"json\"", "name=\"x\"; name=\"json\"", 1)),
        ("nothing", String::new()),
    ]
}

/// Compressed bodies that are not one whole one.
pub(super) fn of_gzip(good: &[u8]) -> Vec<Bad<Vec<u8>>> {
    let mut checksum = good.to_vec();
    checksum[good.len() - 8] ^= 1;
    vec![
        ("cut short", good[..good.len() / 2].to_vec()),
        ("without its length", good[..good.len() - 4].to_vec()),
        ("more after it", [good, b"\0"].concat()),
        ("twice", good.repeat(2)),
        ("another checksum", checksum),
        ("not compressed", b"{}".to_vec()),
        ("something else", gzip(b"{}").to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// So many spaces, in a thousandth of their size.
pub(super) fn bomb(bytes: usize) -> Bytes {
    gzip(&vec![b' '; bytes])
}

pub(super) fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("it compresses");
    encoder.finish().expect("it ends").into()
}

/// The member that holds a secret, to stand beside the one that is there.
pub(super) fn doubled(good: &str, canary: &str) -> String {
    if good.contains("clientState") {
        // The items of a batch: the list itself stands there twice.
        return format!("\"value\":[{{\"clientState\":\"{canary}\"}}],");
    }
    let names = ["passcode", "sharedSecret", "token"];
    let name = names.into_iter().find(|name| good.contains(&format!("\"{name}\""))).expect("the member");
    format!("\"{name}\":\"{canary}\",")
}
