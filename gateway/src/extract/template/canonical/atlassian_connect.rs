//! Atlassian Connect: the hash of method, path and query that a token's `qsh` claim repeats.
//! Source: npm `atlassian-jwt`, `createQueryStringHash`.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Piece, Unfilled, percent_encoded};
use crate::{
    extract::{Lookup, form},
    verify::hex,
};

/// What OAuth 1 leaves as it is, besides letters and digits.
const UNRESERVED: &[u8] = b"-._~";

#[expect(clippy::unnecessary_wraps, reason = "as its neighbours")]
pub(super) fn fill(lookup: &Lookup<'_>, sink: &mut impl FnMut(Piece<'_>)) -> Result<(), Unfilled> {
    let request = lookup.request();
    let path = request.target.split('?').next().unwrap_or_default().replace('&', "%26");
    let path = match path.strip_suffix('/') {
        Some("") | None => path.as_str(),
        Some(path) => path,
    };
    let mut parameters: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in form::fields(request.query().as_bytes()) {
        // The token itself may stand there.
        if *name != *b"jwt" {
            parameters.entry(name.into_owned()).or_default().push(value.into_owned());
        }
    }
    let encoded = |text: &Vec<u8>| percent_encoded(text, UNRESERVED);
    let query = parameters.iter_mut().map(|(name, values)| {
        values.sort_unstable();
        format!("{}={}", encoded(name), values.iter().map(encoded).collect::<Vec<_>>().join(","))
    });
    let query = query.collect::<Vec<_>>().join("&");
    sink(Piece::Own(hex(&Sha256::digest(format!("{}&{path}&{query}", request.method))).as_bytes()));
    Ok(())
}
