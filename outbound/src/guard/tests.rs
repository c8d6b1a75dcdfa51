use std::net::IpAddr;

use super::*;

/// Hosts as someone might write them; all of them lead inside. (`url` reads the odd spellings as addresses.)
pub(crate) const PRIVATE_HOSTS: [&str; 70] = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "[::ffff:8.8.8.8]",
    "[::ffff:0:127.0.0.1]",
    "[::8.8.8.8]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b::808:808]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:2:3:4:a00:1]",
    "[100::1]",
    "[100:0:0:1::1]",
    "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2620:4f:8000::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[4000::1]",
];

pub(crate) const METADATA_HOSTS: [&str; 20] = [
    "169.254.169.254",
    "169.254.169.254.",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.0.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[::ffff:169.254.169.254]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd20:ce::254]",
    "[fe80::a9fe:a9fe]",
    "[fd00:c1::a9fe:a9fe]",
];

fn address(host: &str) -> IpAddr {
    let url: Url = format!("https://{host}/").parse().expect(host);
    match url.host().expect(host) {
        url::Host::Ipv4(v4) => v4.into(),
        url::Host::Ipv6(v6) => v6.into(),
        url::Host::Domain(name) => panic!("{host} is the name {name}"),
    }
}

#[test]
fn addresses_that_lead_inside_are_refused_however_they_are_written() {
    for host in PRIVATE_HOSTS.into_iter().chain(METADATA_HOSTS) {
        assert!(check(address(host), false).is_err(), "{host}");
    }
    for host in ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "11.0.0.1", "126.1.1.1"]
    {
        assert_eq!(check(address(host), false), Ok(()), "{host}");
    }
    for host in ["[2606:4700:4700::1111]", "[2a00:1450:4001::1]", "[2001:4860:4860::8888]", "[2400:cb00::1]"] {
        assert_eq!(check(address(host), false), Ok(()), "{host}");
    }
}

#[test]
fn metadata_services_are_refused_even_where_private_addresses_are_allowed() {
    for host in METADATA_HOSTS {
        assert!(matches!(check(address(host), true), Err(Refused::Address(_, METADATA))), "{host}");
    }
    for host in
        ["127.0.0.1", "10.0.0.1", "192.168.0.1", "100.64.0.1", "[::1]", "[fd12::1]", "[::ffff:10.0.0.1]", "8.8.8.8"]
    {
        assert_eq!(check(address(host), true), Ok(()), "{host}");
    }
    for host in ["0.0.0.0", "[::]", "255.255.255.255", "224.0.0.1", "[ff02::1]", "[::ffff:0.0.0.0]"] {
        assert!(check(address(host), true).is_err(), "{host}");
    }
    for name in ["metadata.google.internal", "METADATA.google.internal.", "metadata.goog", "instance-data.ec2.internal"]
    {
        assert!(check_name(name).is_err(), "{name}");
    }
    for name in ["example.com", "google.internal", "metadata", "127.0.0.1"] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
}

#[test]
fn urls_that_parsers_disagree_on_or_that_carry_more_than_a_target_are_refused() {
    for (url, private) in [
        ("http://example.com/", false),
        ("http://example.com:443/", false),
        ("ftp://example.com/", false),
        ("ftp://example.com/", true),
        ("ws://example.com/", true),
        ("file:///etc/passwd", true),
        ("data:text/plain,x", true),
        ("unix:/run/x.sock", true),
        ("https://user@example.com/", false),
        ("https://user:pass@example.com/", false),
        ("https://:pass@example.com/", true),
        ("https://example.com@127.0.0.1/", true),
        ("https://example.com%40127.0.0.1:x@example.com/", true),
        ("https://127.0.0.1#@example.com/", true),
        ("https://example.com/#fragment", false),
        ("https://example.com/#", true),
        ("https://example.com:0/", true),
        ("https://example.com:22/", false),
        ("https://example.com:25/", false),
        ("https://example.com:6379/", false),
        ("https://example.com:3306/", false),
        ("https://example.com:65535/", false),
        ("gopher://127.0.0.1:6379/_x", true),
        ("javascript:alert(1)", true),
        ("about:blank", true),
    ] {
        let parsed: Url = url.parse().expect(url);
        assert!(matches!(target(&parsed, private), Err(Refused::Url(_))), "{url}");
    }
    for (url, private, dialled) in [
        ("https://example.com/a?b=c", false, "https://example.com/a?b=c"),
        ("https://example.com:443/", false, "https://example.com/"),
        ("https://example.com:8443/", false, "https://example.com:8443/"),
        ("http://localhost:3000/x", true, "http://localhost:3000/x"),
        ("https://EXAMPLE.com", false, "https://example.com/"),
        // What `url` reads here is what is dialled: there is no second parser.
        ("https://example.com\\@127.0.0.1/", false, "https://example.com/@127.0.0.1/"),
        ("https://example.com/a b", false, "https://example.com/a%20b"),
        ("https://0x7f.1/", false, "https://127.0.0.1/"),
        ("https://[::1]:8443/", true, "https://[::1]:8443/"),
        ("https://bücher.example/", false, "https://xn--bcher-kva.example/"),
    ] {
        let parsed: Url = url.parse().expect(url);
        assert_eq!(target(&parsed, private).map(|uri| uri.to_string()), Ok(dialled.to_owned()), "{url}");
    }
}

#[test]
fn every_part_of_the_tables_is_itself_consistent() {
    let overlap = |host: &str| METADATA_HOSTS.contains(&host);
    assert!(!PRIVATE_HOSTS.iter().any(|host| overlap(host)));
    assert!(NOT_PUBLIC_V4.iter().all(|net| !is_public_v4(net.network()) && !is_public_v4(net.broadcast())));
    assert!(NOT_PUBLIC_V6.iter().all(|net| !is_public_v6(net.network()) && !is_public_v6(net.broadcast())));
}
