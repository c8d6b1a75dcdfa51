//! What a signed URL may have been before a proxy changed it.

use std::collections::BTreeSet;

use url::Url;

use super::cause::Cause;
use crate::{extract::form, request::RawRequest};

/// A URL to try: what the provider calls us, and the path and query.
pub(super) struct Guess {
    pub(super) base: Url,
    pub(super) target: String,
}

impl Guess {
    /// The whole URL, as a template writes it.
    pub(super) fn whole(&self) -> String {
        format!("{}{}", self.base.as_str().trim_end_matches('/'), self.target)
    }
}

/// The URLs to try.
pub(super) fn guesses(public_url: Option<&Url>, request: &RawRequest) -> Vec<Guess> {
    let mut seen = BTreeSet::new();
    let mut guesses = Vec::new();
    for base in bases(public_url, request) {
        for target in targets(public_url, request) {
            let guess = Guess { base: base.clone(), target };
            if seen.insert(guess.whole()) {
                guesses.push(guess);
            }
        }
    }
    guesses
}

fn header<'a>(request: &'a RawRequest, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

fn bases(public_url: Option<&Url>, request: &RawRequest) -> Vec<Url> {
    let mut bases: Vec<Url> = public_url.cloned().into_iter().collect();
    let hosts = ["x-forwarded-host", "x-original-host", "host"].into_iter().filter_map(|name| header(request, name));
    for host in hosts {
        bases.extend(format!("https://{host}").parse::<Url>());
    }
    let mut all = Vec::new();
    for base in bases {
        let mut bare = base.clone();
        let _ = bare.set_port(None);
        for base in [base, bare] {
            let mut root = base.clone();
            root.set_path("");
            for mut base in [base, root] {
                base.set_query(None);
                let mut other = base.clone();
                let scheme = if base.scheme() == "https" { "http" } else { "https" };
                let _ = other.set_scheme(scheme);
                let ports = ["x-forwarded-port"].into_iter().filter_map(|name| header(request, name)?.parse().ok());
                for port in ports {
                    let mut ported = base.clone();
                    let _ = ported.set_port(Some(port));
                    all.push(ported);
                }
                all.push(base);
                all.push(other);
            }
        }
    }
    all
}

fn targets(public_url: Option<&Url>, request: &RawRequest) -> Vec<String> {
    let target = &request.target;
    let (path, query) = target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let slash = match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    };
    let lossy = |text: &str| String::from_utf8_lossy(&form::decoded(text.as_bytes())).into_owned();
    let mut paths = vec![path.to_owned(), slash, lossy(path), path.replace("//", "/")];
    let forwarded = ["x-original-uri", "x-forwarded-uri", "x-original-url", "x-rewrite-url"];
    let mut targets: Vec<String> = Vec::new();
    for original in forwarded.into_iter().filter_map(|name| header(request, name)) {
        targets.push(original.to_owned());
    }
    if let Some(prefix) = header(request, "x-forwarded-prefix") {
        paths.push(format!("{}{path}", prefix.trim_end_matches('/')));
    }
    if let Some(url) = public_url {
        paths.push(url.path().to_owned());
        targets.extend(url.query().map(|query| format!("{}?{query}", url.path())));
        targets.extend(url.query().map(|query| format!("{path}?{query}")));
    }
    let mut queries: Vec<Option<String>> = vec![query.map(str::to_owned)];
    if let Some(query) = query {
        let mut sorted: Vec<&str> = query.split('&').collect();
        sorted.sort_unstable();
        queries.push(None);
        queries.push(Some(sorted.join("&")));
        queries.push(Some(lossy(query)));
        queries.push(Some(query.replace('+', "%20")));
        queries.push(Some(query.replace("%20", "+")));
    } else {
        queries.push(Some(String::new()));
    }
    for path in paths {
        for query in &queries {
            targets.push(query.as_ref().map_or_else(|| path.clone(), |query| format!("{path}?{query}")));
        }
    }
    targets
}

/// Which part of two URLs differs, the first that does.
pub(super) fn difference(ours: Option<&str>, theirs: &str) -> Cause {
    let (Some(ours), Ok(their_url)) = (ours, theirs.parse::<Url>()) else { return Cause::UrlHost };
    let Ok(our_url) = ours.parse::<Url>() else { return Cause::UrlHost };
    let path = |url: &str| {
        let start = url.find("://").map_or(0, |at| at.saturating_add(3));
        let rest = url.get(start..).unwrap_or_default();
        let rest = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        rest.split('?').next().unwrap_or_default().to_owned()
    };
    let (our_path, their_path) = (path(ours), path(theirs));
    match () {
        () if our_url.host_str() != their_url.host_str() => Cause::UrlHost,
        () if our_url.port() != their_url.port() => Cause::UrlPort,
        () if our_url.scheme() != their_url.scheme() => Cause::UrlScheme,
        () if our_path.trim_end_matches('/') != their_path.trim_end_matches('/') => Cause::UrlPath,
        () if our_path != their_path => Cause::UrlSlash,
        () => Cause::UrlQuery,
    }
}
