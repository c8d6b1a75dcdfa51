//! Keys that a provider publishes, rather than shows to the operator.

use std::{fmt, str::FromStr};

use super::{Source, Template};

/// Keys that are fetched by URL, when the integration pins none as its secret: a set of keys (JWKS), keys by their id
/// (`{"id": "PEM"}`), or PEM.
#[derive(Debug, Clone, PartialEq)]
pub struct Keys {
    /// Where they are: text with named values of the integration in it, or a place of the request that names the URL.
    pub url: Template,
    /// Hosts that a request may name. Nothing else is ever asked.
    pub hosts: Vec<HostPattern>,
    /// What the path that a request names must begin with.
    pub path_prefix: String,
    /// What the path that a request names must end in.
    pub path_suffix: String,
    /// What a certificate must be; without it, a certificate counts like any other key.
    pub certificate: Option<CertificateRule>,
}

/// What a fetched certificate must be, besides valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// Whom it must be issued to.
    pub names: Vec<HostPattern>,
    /// Whether it must come with a chain that leads to an authority that this system trusts.
    pub chain: bool,
}

/// A host, all of it: `api.example.com`; `*` stands for letters, digits and hyphens of one label, `{region}` for a label
/// such as `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(String);

const REGION: &str = "{region}";

impl Keys {
    /// Whether the request names the URL, which must then be one of the provider's.
    pub fn is_named_by_request(&self) -> bool {
        self.url.places().iter().any(|place| !matches!(place.source, Source::Value(_)))
    }

    /// The named values that are part of the URL.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.url.places().into_iter().filter_map(|place| match &place.source {
            Source::Value(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl HostPattern {
    /// Whether a host, in lower case, is one of these.
    pub fn fits(&self, host: &str) -> bool {
        let mut labels = host.split('.');
        let all = self.0.split('.').all(|pattern| labels.next().is_some_and(|label| label_fits(pattern, label)));
        all && labels.next().is_none()
    }
}

fn label_fits(pattern: &str, label: &str) -> bool {
    if pattern == REGION {
        return is_region(label);
    }
    let Some((before, after)) = pattern.split_once('*') else { return pattern == label };
    let between = label.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    between.is_some_and(|text| !text.is_empty() && text.bytes().all(is_plain))
}

/// `eu-west-1`, `us-gov-east-1`; and not `s3-eu-west-1`, where anybody keeps files.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word = |word: &&str| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(is_word) && number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit())
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |label: &str| {
            label.bytes().filter(|b| *b == b'*').count() <= 1 && label.replace('*', "").bytes().all(is_plain)
        };
        let labels: Vec<&str> = text.split('.').collect();
        let literal = labels.iter().rev().take(2).all(|label| !label.contains(['*', '{']));
        match labels.iter().all(|label| !label.is_empty() && (*label == REGION || plain(label))) {
            true if literal && labels.len() >= 2 => Ok(Self(text.to_owned())),
            _ => Err(format!(
                "is {text:?}, which is no host; write it in lower case, * within one label, {REGION} for a whole one, \
                 neither in the last two"
            )),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_matched_whole() {
        let sns: HostPattern = "sns.{region}.amazonaws.com".parse().expect("a pattern");
        for host in
            ["sns.eu-west-1.amazonaws.com", "sns.us-gov-east-1.amazonaws.com", "sns.ap-southeast-2.amazonaws.com"]
        {
            assert!(sns.fits(host), "{host}");
        }
        for host in [
            "sns.amazonaws.com",
            "sns.s3-us-west-2.amazonaws.com",
            "sns.s3.amazonaws.com",
            "sns.evil.amazonaws.com",
            "sns.eu-west-1.amazonaws.com.evil.example",
            "evil-sns.eu-west-1.amazonaws.com",
            "evil.sns.eu-west-1.amazonaws.com",
            "sns.eu-west-1.amazonaws.com.",
            "sns.eu-west-1-amazonaws.com",
            "sns.eu-west-12.amazonaws.com",
            "SNS.eu-west-1.amazonaws.com",
            "sns.eu-west-1.amazonaws.co",
            "snsxeu-west-1xamazonawsxcom",
            "",
        ] {
            assert!(!sns.fits(host), "{host}");
        }
        let named: HostPattern = "sns-*.example.com".parse().expect("a pattern");
        assert!(named.fits("sns-eu1.example.com"));
        assert!(
            !named.fits("sns-.example.com") && !named.fits("sns-a.b.example.com") && !named.fits("sns-a_.example.com")
        );
        for bad in
            ["", "com", "*.com", "a.*", "a..b", "A.example.com", "a.example.com.", "**.example.com", "a b.example.com"]
        {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}
