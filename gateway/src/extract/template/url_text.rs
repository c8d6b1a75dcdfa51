//! The public URL as providers write it into what they sign.

use gatepost_config::provider::UrlForm;
use url::Url;

/// What HubSpot decodes of a URL before it signs, and nothing else.
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

/// The URL of a target below what providers call us.
pub(super) fn write(form: UrlForm, base: &Url, target: &str) -> String {
    let host = base.as_str().trim_end_matches('/');
    match form {
        UrlForm::Raw => format!("{host}{target}"),
        UrlForm::Decoded => decode(&format!("{host}{target}")),
        UrlForm::WithoutQuery => format!("{host}{}", target.split('?').next().unwrap_or_default()),
        UrlForm::WithPort => {
            let end = host.find("://").map_or(0, |at| at + 3);
            let (scheme, rest) = host.split_at_checked(end).unwrap_or(("", host));
            let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
            match (base.port(), base.port_or_known_default()) {
                (None, Some(port)) => format!("{scheme}{authority}:{port}{path}{target}"),
                _ => format!("{host}{target}"),
            }
        }
    }
}

fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        decoded.push_str(before);
        let code = from.get(..3).unwrap_or_default();
        match DECODED.iter().find(|(escape, _)| *escape == code) {
            Some((_, character)) => {
                decoded.push_str(character);
                rest = from.get(3..).unwrap_or_default();
            }
            None => {
                decoded.push('%');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_provider_decodes_is_decoded() {
        let base = Url::parse("https://hooks.example.com/in/").expect("a URL");
        let target = "/w?a=%2F%3a%2525&b=%C3%A9%20%2C%";
        assert_eq!(write(UrlForm::Raw, &base, target), "https://hooks.example.com/in/w?a=%2F%3a%2525&b=%C3%A9%20%2C%");
        assert_eq!(write(UrlForm::Decoded, &base, target), "https://hooks.example.com/in/w?a=/%3a%2525&b=%C3%A9%20,%");
    }

    #[test]
    fn the_port_is_written_out_once() {
        for (base, with_port) in [
            ("https://a.example", "https://a.example:443/w"),
            ("http://a.example/", "http://a.example:80/w"),
            ("https://a.example/in", "https://a.example:443/in/w"),
            ("https://a.example:8443", "https://a.example:8443/w"),
        ] {
            assert_eq!(write(UrlForm::WithPort, &Url::parse(base).expect("a URL"), "/w"), with_port);
        }
    }
}
