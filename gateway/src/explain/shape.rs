//! The shape of a provider's schemes: what they read, and the same schemes with something changed.

use std::{collections::BTreeSet, time::Duration};

use gatepost_config::{
    Provider,
    provider::{
        Encoding, Expect, Hash, Parse, Scheme, SchemeKind, Segment, Signature, Source, Template, TimeUnit,
        TimestampRule, UrlForm,
    },
};

/// A span that no time is away from now.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64 * 1_000);

/// The provider with times that are never too old.
pub(crate) fn timeless(provider: &Provider) -> Provider {
    changed(provider, |kind| {
        if let Some(rule) = timestamp(kind) {
            rule.tolerance = FOREVER;
        }
    })
}

/// The provider with another hash and another alphabet of signatures.
pub(super) fn written(provider: &Provider, with_hash: Option<Hash>, with_encoding: Option<Encoding>) -> Provider {
    changed(provider, |kind| {
        if let (Some(to), Some(hash)) = (with_hash, hash(kind)) {
            *hash = to;
        }
        if let (Some(to), Some(signature)) = (with_encoding, signature(kind)) {
            signature.encoding = to;
        }
    })
}

/// The provider with another unit of times.
pub(super) fn in_unit(provider: &Provider, unit: TimeUnit) -> Provider {
    changed(provider, |kind| {
        if let Some(rule) = timestamp(kind) {
            rule.unit = unit;
        }
    })
}

/// The provider with one of its schemes only, which applies whatever the request holds.
pub(super) fn only(provider: &Provider, scheme: &Scheme) -> Provider {
    let mut provider = provider.clone();
    provider.schemes = vec![Scheme { when: Vec::new(), ..scheme.clone() }];
    provider
}

fn changed(provider: &Provider, change: impl Fn(&mut SchemeKind)) -> Provider {
    let mut provider = provider.clone();
    provider.schemes.iter_mut().for_each(|scheme| change(&mut scheme.kind));
    provider
}

/// The headers that a provider's schemes read, by lower-case name, signatures' first.
pub(super) fn headers(provider: &Provider) -> Vec<String> {
    let mut names: Vec<String> = signature_headers(provider).into_iter().collect();
    for place in provider.schemes.iter().flat_map(Scheme::places) {
        if let Source::Header(name) = &place.source
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}

/// The headers that signatures stand in.
pub(super) fn signature_headers(provider: &Provider) -> BTreeSet<String> {
    let signatures = provider.schemes.iter().filter_map(|scheme| scheme.kind.signature());
    let places = signatures.flat_map(|signature| &signature.from);
    let names = places.filter_map(|place| match &place.source {
        Source::Header(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

/// The prefixes that the provider's keys may have.
pub(super) fn key_prefixes(provider: &Provider) -> Vec<String> {
    let keys = provider.schemes.iter().filter_map(|scheme| scheme.kind.key());
    keys.filter_map(|key| key.strip_prefix.clone()).collect()
}

/// Whether some scheme signs the URL, in a text or in a claim.
pub(super) fn signs_url(provider: &Provider) -> bool {
    let claims = provider.schemes.iter().flat_map(|scheme| &scheme.also).filter_map(|(_, expect)| match expect {
        Expect::Text { template, .. } => Some(template),
        _ => None,
    });
    provider.schemes.iter().flat_map(|scheme| scheme.kind.signed()).chain(claims).any(Template::needs_url)
}

/// The provider with URLs in whose text the scheme's own port is written out.
pub(super) fn with_port(provider: &Provider) -> Provider {
    let mut provider = provider.clone();
    for scheme in &mut provider.schemes {
        for (_, expect) in &mut scheme.also {
            if let Expect::Text { template, .. } = expect {
                port_in(template);
            }
        }
        if let SchemeKind::Hmac { signed, .. }
        | SchemeKind::Digest { signed, .. }
        | SchemeKind::PublicKey { signed, .. } = &mut scheme.kind
        {
            signed.iter_mut().for_each(port_in);
        }
    }
    provider
}

fn port_in(template: &mut Template) {
    for segment in &mut template.0 {
        match segment {
            Segment::Url(form @ UrlForm::Raw) => *form = UrlForm::WithPort,
            Segment::Optional(inner) => port_in(inner),
            _ => {}
        }
    }
}

/// The texts that a signature may have been written as.
pub(super) fn relabelled(provider: &Provider, text: &str) -> Vec<String> {
    let bare = text.trim().trim_matches(['"', '\'']);
    let mut texts = vec![text.to_owned(), bare.to_owned()];
    for signature in provider.schemes.iter().filter_map(|scheme| scheme.kind.signature()) {
        let after = |mark: char| bare.split_once(mark).map(|(_, rest)| rest.trim());
        let rests = [Some(bare), after('='), after(','), after(' '), after(':')];
        let rests = rests.into_iter().flatten().chain(bare.split(',').map(str::trim));
        match &signature.parse {
            Parse::Plain { prefix, .. } => {
                let cut = bare
                    .get(prefix.len()..)
                    .filter(|_| bare.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)));
                texts.extend(rests.chain(cut).map(|rest| format!("{prefix}{rest}")));
            }
            Parse::Versioned { version } => texts.extend(rests.map(|rest| format!("{version},{rest}"))),
            Parse::Pairs { separator, .. } | Parse::Groups { separator, .. } => {
                texts.push(bare.to_ascii_lowercase());
                texts.push(bare.replace([';', '&', ' '], &separator.to_string()));
                texts.push(bare.replace(", ", &separator.to_string()));
            }
            _ => {}
        }
    }
    texts.dedup();
    texts
}

fn hash(kind: &mut SchemeKind) -> Option<&mut Hash> {
    match kind {
        SchemeKind::Hmac { hash, .. } | SchemeKind::Digest { hash, .. } => Some(hash),
        _ => None,
    }
}

fn signature(kind: &mut SchemeKind) -> Option<&mut Signature> {
    match kind {
        SchemeKind::Hmac { signature, .. }
        | SchemeKind::Digest { signature, .. }
        | SchemeKind::PublicKey { signature, .. } => Some(signature),
        _ => None,
    }
}

fn timestamp(kind: &mut SchemeKind) -> Option<&mut TimestampRule> {
    match kind {
        SchemeKind::Hmac { timestamp, .. }
        | SchemeKind::Digest { timestamp, .. }
        | SchemeKind::PublicKey { timestamp, .. } => timestamp.as_mut(),
        _ => None,
    }
}
