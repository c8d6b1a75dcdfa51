//! What makes and ends connections must be what a signature covers.

use super::{has_claims, value};
use crate::{
    Provider,
    provider::{Announce, Location, Source, Trust, is_signed},
    read::Spot,
};

const SIGNED: &str = "name a place of the body (json:, item:, form:, xml:) or of the token (claim:)";

/// Notes what would let more than the provider's own word make or end a connection.
pub(crate) fn check(spot: &Spot<'_>, provider: &Provider, announce: &Announce) {
    if announce.is_empty() {
        if announce.places().next().is_some() {
            spot.error("says nothing of any event", "add begins = { \"json:/type\" = \"installed\" }, or remove it");
        }
        return;
    }
    if provider.trust != Trust::Verified {
        let message = format!("makes connections of what {}'s signature doesn't cover", provider.title);
        spot.error(message, "remove it: only a provider whose trust is \"verified\" may announce connections");
    }
    if provider.event.account.is_empty() {
        spot.error("has no account to speak of", "name the account's place in [event], such as \"json:/team_id\"");
    }
    for place in provider.event.account.iter().filter(|place| !is_signed(place)) {
        spot.error(format!("speaks of the account at {place}, which no signature covers"), SIGNED);
    }
    for (word, place) in
        announce.connection.iter().map(|p| ("connection", p)).chain(announce.tenant.iter().map(|p| ("tenant", p)))
    {
        if !is_signed(place) {
            spot.clone().under(word).error(format!("is at {place}, which no signature covers"), SIGNED);
        }
    }
    for (word, alternatives) in [("begins", &announce.begins), ("ends", &announce.ends)] {
        for conditions in alternatives {
            if !conditions.iter().any(|(place, _)| is_signed(place)) {
                spot.clone()
                    .under(word)
                    .error("looks only at what no signature covers", format!("add a condition: {SIGNED}"));
            }
        }
    }
    announce.places().for_each(|place| there(spot, provider, place));
    let conditions = announce.begins.iter().chain(&announce.ends).flatten();
    conditions.filter_map(|(_, expect)| expect.value()).for_each(|name| value(spot, provider, name));
}

/// A place that requests of the provider have.
fn there(spot: &Spot<'_>, provider: &Provider, place: &Location) {
    match &place.source {
        Source::Item(_) if provider.batch.is_none() => {
            spot.error(format!("uses {place}, but there are no items"), "declare [batch], or use json:");
        }
        Source::Claim(_) if !provider.schemes.iter().all(has_claims) => {
            spot.error(format!("uses {place}, but not every scheme is a token"), "use json:");
        }
        Source::Signature(_) => spot.error(format!("uses {place}, which an event doesn't have"), SIGNED),
        Source::Value(name) => value(spot, provider, name),
        _ => {}
    }
}
