//! Contentful: a canonical request with the headers that one of them lists.
//! Source: npm `@contentful/node-apps-toolkit`, `signRequest`.

use gatepost_config::provider::{Location, Source};

use super::{Piece, Unfilled, percent_encoded, required};
use crate::extract::Lookup;

const SIGNED_HEADERS: &str = "x-contentful-signed-headers";
const TIMESTAMP: &str = "x-contentful-timestamp";
const SIGNATURE: &str = "x-contentful-signature";

/// What is left as it is in a query, and then in the whole of path and query.
const IN_QUERY: &[u8] = b"-_.!~*'()";
const IN_URI: &[u8] = b"-_.!~*'();,/?:@&=+$#";

pub(super) fn fill(lookup: &Lookup<'_>, sink: &mut impl FnMut(Piece<'_>)) -> Result<(), Unfilled> {
    let request = lookup.request();
    sink(Piece::Own(request.method.as_str().as_bytes()));
    sink(Piece::Own(b"\n"));
    sink(Piece::Own(path(&request.target)?.as_bytes()));
    sink(Piece::Own(b"\n"));
    sink(Piece::Taken(headers(lookup)?.as_bytes()));
    sink(Piece::Own(b"\n"));
    sink(Piece::Taken(&request.body));
    Ok(())
}

/// The path, and the query escaped twice over.
fn path(target: &str) -> Result<String, Unfilled> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // What follows a second question mark is not signed.
    if query.contains('?') {
        return Err(ambiguous());
    }
    let query = percent_encoded(query.as_bytes(), IN_QUERY);
    let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    Ok(percent_encoded(whole.as_bytes(), IN_URI))
}

/// The listed headers as `name:value;name:value`. The list and the time must be among them, the signature can't be.
fn headers(lookup: &Lookup<'_>) -> Result<String, Unfilled> {
    let list = required(lookup, &header(SIGNED_HEADERS))?;
    let mut names: Vec<String> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort_unstable();
    let has = |name: &str| names.iter().any(|known| known == name);
    let is_twice = names.windows(2).any(|pair| matches!(pair, [one, other] if one == other));
    if !has(SIGNED_HEADERS) || !has(TIMESTAMP) || has(SIGNATURE) || is_twice {
        return Err(ambiguous());
    }
    let mut lines = Vec::new();
    for name in &names {
        let value = required(lookup, &header(name))?;
        // Else a part of this value could be read as the next header.
        if names.iter().any(|other| value.contains(&format!(";{other}:"))) {
            return Err(Unfilled::Ambiguous(header(name)));
        }
        lines.push(format!("{name}:{}", value.trim()));
    }
    Ok(lines.join(";"))
}

fn header(name: &str) -> Location {
    Source::Header(name.to_owned()).into()
}

fn ambiguous() -> Unfilled {
    Unfilled::Ambiguous(header(SIGNED_HEADERS))
}
