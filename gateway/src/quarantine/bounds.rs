//! Which of the kept requests must go, when there are more than may be kept.
//!
//! Shares are max-min fair, by integration, then by reason, then by source: who uses less than the others keeps all of
//! it. Of one class the oldest and the newest stay, and of those between a sample that favours none.

use std::collections::BTreeMap;

use gatepost_config::Quarantine;
use gatepost_event::RefusalKey;

/// What quotas count in, so that one number bounds both requests and bytes: a request, or as many bytes as there are for
/// each on average.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit(u64);

impl Unit {
    /// That of one integration.
    pub(super) fn of(limits: &Quarantine) -> Self {
        Self((limits.bytes_max.0 / (limits.requests_max as u64).max(1)).max(1))
    }

    /// That of all integrations together.
    fn in_all(limits: &Quarantine) -> Self {
        Self((limits.total_bytes_max.0 / (limits.total_requests_max as u64).max(1)).max(1))
    }

    /// What a request of so many bytes counts.
    pub(super) const fn cost(self, bytes: u64) -> u64 {
        let units = bytes.div_ceil(self.0);
        if units == 0 { 1 } else { units }
    }
}

/// What tells the members of a group apart.
type Trait = fn(&RefusalKey) -> String;

const INTEGRATION: Trait = |key| key.integration.to_string();
const CLASS: &[Trait] = &[|key| key.reason.clone(), |key| format!("{:03}", key.source)];

/// The requests that must go.
pub(super) fn surplus(keys: &[RefusalKey], limits: &Quarantine) -> Vec<RefusalKey> {
    let mut gone = Vec::new();
    let mut kept = Vec::new();
    for members in grouped(keys.iter().collect(), INTEGRATION) {
        let (stay, go) = trimmed(members, limits.requests_max as u64, Unit::of(limits), CLASS);
        kept.extend(stay);
        gone.extend(go);
    }
    let levels: Vec<Trait> = std::iter::once(INTEGRATION).chain(CLASS.iter().copied()).collect();
    gone.extend(trimmed(kept, limits.total_requests_max as u64, Unit::in_all(limits), &levels).1);
    gone.into_iter().cloned().collect()
}

type Split<'k> = (Vec<&'k RefusalKey>, Vec<&'k RefusalKey>);

/// Splits a group into what stays within a budget, and what goes.
fn trimmed<'k>(members: Vec<&'k RefusalKey>, budget: u64, unit: Unit, levels: &[Trait]) -> Split<'k> {
    let used = |members: &[&RefusalKey]| members.iter().map(|key| unit.cost(key.bytes)).sum::<u64>();
    if used(&members) <= budget {
        return (members, Vec::new());
    }
    let Some((level, deeper)) = levels.split_first() else { return thinned(members, budget, unit) };
    let groups = grouped(members, *level);
    let shares = shares(&groups.iter().map(|members| used(members)).collect::<Vec<_>>(), budget);
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    for (members, share) in groups.into_iter().zip(shares) {
        let (stays, goes) = trimmed(members, share, unit, deeper);
        stay.extend(stays);
        go.extend(goes);
    }
    (stay, go)
}

fn grouped(members: Vec<&RefusalKey>, by: Trait) -> Vec<Vec<&RefusalKey>> {
    let mut groups: BTreeMap<String, Vec<&RefusalKey>> = BTreeMap::new();
    for key in members {
        groups.entry(by(key)).or_default().push(key);
    }
    groups.into_values().collect()
}

/// What each may use of a budget: all that it does while that is no more than an equal part of what is left.
fn shares(used: &[u64], budget: u64) -> Vec<u64> {
    let mut order: Vec<(usize, u64)> = used.iter().copied().enumerate().collect();
    order.sort_unstable_by_key(|(_, used)| *used);
    let (mut left, mut shares) = (budget, vec![0; used.len()]);
    for (done, (at, used)) in order.iter().enumerate() {
        let others = (order.len() - done) as u64;
        let share = (*used).min(left.div_ceil(others));
        left = left.saturating_sub(share);
        if let Some(place) = shares.get_mut(*at) {
            *place = share;
        }
    }
    shares
}

/// Of one class: the oldest quarter of what may stay, the newest, and a sample of the rest. An id's random part decides
/// over it, so that a request that stayed before others came stays or goes by the same chance as they.
fn thinned(mut members: Vec<&RefusalKey>, budget: u64, unit: Unit) -> Split<'_> {
    members.sort_unstable_by_key(|key| key.request);
    let (mut stay, mut left) = (Vec::new(), budget);
    let mut take = |from: &mut dyn Iterator<Item = &'_ (usize, u64)>, most: u64, stay: &mut Vec<usize>| {
        let mut part = most.min(left);
        for (at, cost) in from {
            if *cost > part {
                break;
            }
            part -= cost;
            left -= cost;
            stay.push(*at);
        }
    };
    let costs: Vec<(usize, u64)> = members.iter().map(|key| unit.cost(key.bytes)).enumerate().collect();
    take(&mut costs.iter(), budget / 4, &mut stay);
    let oldest = stay.len();
    take(&mut costs.iter().skip(oldest).rev(), budget / 4, &mut stay);
    let between = costs.len() - (stay.len() - oldest);
    let mut rest: Vec<(usize, u64)> = costs.get(oldest..between).unwrap_or_default().to_vec();
    rest.sort_unstable_by_key(|(at, _)| members.get(*at).map(|key| chance(key)));
    take(&mut rest.iter(), u64::MAX, &mut stay);
    stay.sort_unstable();
    let mut stays = stay.into_iter().peekable();
    let mut split: Split<'_> = (Vec::new(), Vec::new());
    for (at, key) in members.into_iter().enumerate() {
        match stays.next_if_eq(&at) {
            Some(_) => split.0.push(key),
            None => split.1.push(key),
        }
    }
    split
}

/// The random part of a request's id.
fn chance(key: &RefusalKey) -> String {
    key.request.token().as_str().get(14..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
