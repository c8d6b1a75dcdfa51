//! Where a key is: only ever at an address of the provider's, written in the one way that a URL can be written.

use gatepost_config::provider::{HostPattern, Keys, Segment};
use url::{Host, Url};

use crate::extract::Lookup;

/// Most characters of a URL that a request names.
const URL_CHARS_MAX: usize = 2_048;

/// The URL of a provider's keys; none when what the request names is not one of the provider's.
pub(super) fn of(keys: &Keys, lookup: &Lookup<'_>, private: bool) -> Option<Url> {
    let mut text = String::new();
    for segment in &keys.url.0 {
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Place { location, .. } => text.push_str(&lookup.find_text(location).ok()??),
            _ => return None,
        }
    }
    if !keys.is_named_by_request() {
        // Text of the provider's file and of the operator's: whether it may be asked is checked when it is.
        return text.parse().ok();
    }
    let url = own(&text, &keys.hosts, private)?;
    let path = url.path();
    let fits = url.query().is_none() && path.starts_with(&keys.path_prefix) && path.ends_with(&keys.path_suffix);
    fits.then_some(url)
}

/// A URL of one of these hosts. What a parser would mend, or read otherwise than another, is refused as it stands.
pub(super) fn own(text: &str, hosts: &[HostPattern], private: bool) -> Option<Url> {
    let url: Url = text.parse().ok().filter(|_| text.len() <= URL_CHARS_MAX)?;
    let is_plain = url.as_str() == text && url.username().is_empty() && url.password().is_none();
    let is_scheme = url.scheme() == "https" || private && url.scheme() == "http";
    let is_name = private || matches!(url.host(), Some(Host::Domain(_)));
    let is_place = url.fragment().is_none() && (private || url.port().is_none());
    let is_own = url.host_str().is_some_and(|host| hosts.iter().any(|pattern| pattern.fits(host)));
    (is_plain && is_scheme && is_name && is_place && is_own).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_own_addresses_are_read_and_only_in_one_spelling() {
        let hosts = ["sns.{region}.amazonaws.com", "api.paypal.com"].map(|text| text.parse().expect("a pattern"));
        let is_own = |text: &str| own(text, &hosts, false).is_some();
        for text in [
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem",
            "https://sns.us-gov-west-1.amazonaws.com/x",
            "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
        ] {
            assert!(is_own(text), "{text}");
        }
        for text in [
            "",
            "sns.eu-west-1.amazonaws.com/x.pem",
            "//sns.eu-west-1.amazonaws.com/x.pem",
            "http://sns.eu-west-1.amazonaws.com/x.pem",
            "ftp://sns.eu-west-1.amazonaws.com/x.pem",
            "HTTPS://sns.eu-west-1.amazonaws.com/x.pem",
            "https:\\\\sns.eu-west-1.amazonaws.com/x.pem",
            "https:/sns.eu-west-1.amazonaws.com/x.pem",
            "https:sns.eu-west-1.amazonaws.com/x.pem",
            " https://sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com/x.pem\n",
            "https://sns.eu-west-1.amazonaws.com/x\t.pem",
            "https://sns.eu-west-1.amazonaws.com",
            "https://SNS.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com./x.pem",
            "https://sns.eu-west-1.amazonaws.com:443/x.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
            "https://user@sns.eu-west-1.amazonaws.com/x.pem",
            "https://user:pass@sns.eu-west-1.amazonaws.com/x.pem",
            "https://@sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
            "https://sns.eu-west-1.amazonaws.com%40evil.example/x.pem",
            "https://evil.example/https://sns.eu-west-1.amazonaws.com/x.pem",
            "https://evil.example#sns.eu-west-1.amazonaws.com/x.pem",
            "https://evil.example?sns.eu-west-1.amazonaws.com/x.pem",
            "https://evil.example\\@sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem",
            "https://sns.eu-west-1.amazonaws.com/x.pem#part",
            "https://sns.eu-west-1.amazonaws.com/../x.pem",
            "https://sns.eu-west-1.amazonaws.com/a/%2e%2e/x.pem",
            "https://sns%2eeu-west-1.amazonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
            "https://evil-sns.eu-west-1.amazonaws.com/x.pem",
            "https://sns.s3-us-west-2.amazonaws.com/x.pem",
            "https://sns.s3.amazonaws.com/x.pem",
            "https://s3.amazonaws.com/sns/x.pem",
            "https://sns.eu-west-1.amаzonaws.com/x.pem",
            "https://sns.eu-west-1.amazonaws。com/x.pem",
            "https://127.0.0.1/x.pem",
            "https://[::1]/x.pem",
            "https://2130706433/x.pem",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            assert!(!is_own(text), "{text:?}");
        }
        assert!(!is_own(&format!("https://api.paypal.com/{}", "a".repeat(URL_CHARS_MAX))));
        let local = ["127.0.0.1".parse().expect("a pattern")];
        assert!(own("http://127.0.0.1:8000/x.pem", &local, true).is_some(), "where the operator says so");
        assert!(own("http://127.0.0.1:8000/x.pem", &local, false).is_none());
        assert!(own("http://127.0.0.2:8000/x.pem", &local, true).is_none());
    }
}
