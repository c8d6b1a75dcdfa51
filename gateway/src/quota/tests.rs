//! Quotas by a clock of the tests' own.

use std::path::Path;

use gatepost_config::{Config, Options, parse};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// 200 a second for all.
fn shared(now: Instant) -> Fair {
    Fair::new(200.0, now)
}

/// Whether one tenant's events are admitted, together.
fn admits(fair: &mut Fair, tenant: Tenant, events: u32, now: Instant) -> bool {
    admits_all(fair, &[(tenant, events)], now).is_ok()
}

fn admits_all(fair: &mut Fair, offer: &[(Tenant, u32)], now: Instant) -> Result<(), Duration> {
    let offer = Offer::from(offer);
    fair.ask(&offer, now).map(|entry| fair.take(&offer, entry))
}

impl From<&[(Tenant, u32)]> for Offer {
    fn from(offer: &[(Tenant, u32)]) -> Self {
        Self(offer.iter().map(|(tenant, events)| (*tenant, f64::from(*events))).collect())
    }
}

/// Who offers single events, how often a second.
#[derive(Clone, Copy)]
struct Source {
    tenant: Tenant,
    rate: f64,
}

/// What became of a source's events.
#[derive(Default, Clone, Copy, Debug)]
struct Count {
    accepted: u32,
    refused: u32,
}

/// Lets sources offer for some time, each evenly; the first of them begins first.
fn offered(fair: &mut Fair, sources: &[Source], from: Instant, span: Duration) -> Vec<Count> {
    let mut offers: Vec<(Duration, usize)> = Vec::new();
    for (n, source) in sources.iter().enumerate() {
        let phase = (n as f64 * 0.618_034).fract() / source.rate;
        let count = ((span.as_secs_f64() - phase) * source.rate) as u32;
        offers.extend((0..count).map(|k| (Duration::from_secs_f64(phase + f64::from(k) / source.rate), n)));
    }
    offers.sort_unstable();
    let mut counts = vec![Count::default(); sources.len()];
    for (at, n) in offers {
        match admits(fair, sources[n].tenant, 1, from + at) {
            true => counts[n].accepted += 1,
            false => counts[n].refused += 1,
        }
    }
    counts
}

/// Tenants of that many sources, all with one rate.
fn sources(tenants: std::ops::Range<u64>, rate: f64) -> Vec<Source> {
    tenants.map(|tenant| Source { tenant, rate }).collect()
}

#[test]
fn a_tenant_that_floods_gets_what_the_others_leave_and_they_are_never_refused() {
    let now = Instant::now();
    for quiet in [10_u32, 50, 1_000] {
        let mut fair = shared(now);
        let mut all = sources(1..2, 2_000.0);
        all.extend(sources(2..2 + u64::from(quiet), 100.0 / f64::from(quiet)));
        let counts = offered(&mut fair, &all, now, 20 * SECOND);
        let (flood, others) = counts.split_first().expect("it is the first");
        assert_eq!(others.iter().map(|count| count.refused).sum::<u32>(), 0, "{quiet} quiet ones");
        let theirs: u32 = others.iter().map(|count| count.accepted).sum();
        let rest = 4_000 - theirs;
        assert!((rest..=rest + 100).contains(&flood.accepted), "{flood:?}, the others {theirs}");
        assert!(flood.refused > 35_000, "{flood:?}");
    }
}

#[test]
fn tenants_that_all_offer_more_than_there_is_get_the_same() {
    let now = Instant::now();
    let mut fair = shared(now);
    // The third offers less than a third of the rate, the fourth a little more than what is even then.
    let mut all = sources(1..3, 2_000.0);
    all.push(Source { tenant: 3, rate: 20.0 });
    all.push(Source { tenant: 4, rate: 70.0 });
    let counts = offered(&mut fair, &all, now, 20 * SECOND);
    assert_eq!(counts[2].refused, 0, "{counts:?}");
    assert!(counts[3].refused > 0, "{counts:?}");
    for count in [counts[0], counts[1], counts[3]] {
        assert!((1_180..=1_260).contains(&count.accepted), "a third of 180 a second: {counts:?}");
    }
}

#[test]
fn one_alone_has_the_whole_rate_and_half_of_a_second_at_once() {
    let now = Instant::now();
    let mut fair = shared(now);
    let at_once = (0..1_000).filter(|_| admits(&mut fair, 1, 1, now)).count();
    assert_eq!(at_once, 100);
    let later: u32 = offered(&mut fair, &sources(1..2, 2_000.0), now, 10 * SECOND)[0].accepted;
    assert!((1_995..=2_000).contains(&later), "{later}");
}

#[test]
fn newcomers_find_room_however_many_flood() {
    let now = Instant::now();
    for floods in [1_u64, 3, 20, 60] {
        let mut fair = shared(now);
        offered(&mut fair, &sources(1..1 + floods, 2_000.0 / floods as f64), now, 3 * SECOND);
        let at = now + 3 * SECOND;
        // A burst of a newcomer, as large as half of what it leaves free, and what comes after it.
        let free = 200.0 / (floods as f64 + 1.0);
        assert!(admits(&mut fair, 1_000, (free / 2.0) as u32, at), "{floods}");
        assert!(admits(&mut fair, 1_001, 1, at), "{floods}");
        let more = (1..1 + floods).filter(|flood| admits(&mut fair, *flood, 1, at)).count() as u64;
        assert!(more <= floods / 3, "{floods}: most of those that flood have none: {more}");
    }
}

#[test]
fn no_time_sees_more_than_the_rate_and_a_seconds_burst() {
    let (burst, accepted) = burst_of_many(1);
    assert!((190.0..=200.5).contains(&burst), "{burst}");
    assert!((0.0..=200.0).contains(&accepted), "all of it was used, and no more: {accepted}");
    // Of large batches another second's worth is owed.
    let (burst, accepted) = burst_of_many(150);
    assert!((200.0..=400.5).contains(&burst), "{burst}");
    assert!((0.0..=400.0).contains(&accepted), "{accepted}");
}

/// The most that was accepted in any time and in all, over what 200 a second give in it, of tenants by the dozen that come
/// and go with requests of so many events at most, and offer more than there is.
fn burst_of_many(events_max: u64) -> (f64, f64) {
    let start = Instant::now();
    let mut fair = shared(start);
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut now, mut accepted) = (start, 0.0_f64);
    let (mut least, mut burst) = (0.0_f64, 0.0_f64);
    for _ in 0..200_000 {
        now += Duration::from_micros(random(1_500));
        let (tenant, events) = (random(40) * random(40), 1 + random(events_max) as u32);
        if admits(&mut fair, tenant, events, now) {
            let above = accepted - 200.0 * (now - start).as_secs_f64();
            least = least.min(above);
            accepted += f64::from(events);
            burst = burst.max(above + f64::from(events) - least);
        }
    }
    (burst, accepted - 200.0 * (now - start).as_secs_f64())
}

#[test]
fn a_request_is_admitted_whole_or_takes_nothing_from_anybody() {
    let now = Instant::now();
    let (mut fair, mut twin) = (shared(now), shared(now));
    for fair in [&mut fair, &mut twin] {
        assert!(admits(fair, 1, 90, now));
    }
    assert!(admits_all(&mut fair, &[(1, 20), (2, 5)], now).is_err(), "the first has no room for it");
    let left = |fair: &mut Fair| (0..500).filter(|_| admits(fair, 2, 1, now)).count();
    assert_eq!(left(&mut fair), left(&mut twin));
    let mut other = shared(now);
    assert!(admits_all(&mut other, &[(1, 20), (2, 5)], now).is_ok(), "with room for all it is admitted");
}

#[test]
fn a_batch_of_more_than_a_second_is_admitted_and_paid_for_by_its_tenant_alone() {
    let now = Instant::now();
    let mut fair = shared(now);
    offered(&mut fair, &sources(1..2, 2_000.0), now, SECOND);
    let at = now + SECOND;
    assert!(admits(&mut fair, 2, 500, at), "while another floods");
    assert!(!admits(&mut fair, 2, 1, at));
    let mut all = sources(1..2, 2_000.0);
    all.extend(sources(3..8, 10.0));
    let counts = offered(&mut fair, &all, at, 4 * SECOND);
    assert_eq!(counts[1..].iter().map(|count| count.refused).sum::<u32>(), 0, "{counts:?}");
    assert!(counts[0].accepted < 450, "what it pays is not there for the flood: {counts:?}");
    assert!(!admits(&mut fair, 2, 1, at + 4 * SECOND), "it has paid 300 at most");
    assert!(admits(&mut fair, 2, 1, at + 8 * SECOND));
}

#[test]
fn whoever_waits_as_long_as_he_was_told_is_admitted() {
    let now = Instant::now();
    for offer in [&[(1, 1)][..], &[(1, 60)], &[(1, 300)], &[(1, 10), (2, 10)]] {
        let mut fair = shared(now);
        while admits_all(&mut fair, offer, now).is_ok() {}
        let wait = admits_all(&mut fair, offer, now).expect_err("no room");
        assert!(wait > Duration::ZERO);
        assert_eq!(admits_all(&mut fair, offer, now + wait + Duration::from_micros(1)), Ok(()), "{offer:?}: {wait:?}");
    }
}

#[test]
fn slow_rates_have_room_for_one_and_for_another() {
    let now = Instant::now();
    let mut fair = Fair::new(1.0 / 60.0, now);
    assert_eq!((0..9).filter(|_| admits(&mut fair, 1, 1, now)).count(), 2);
    assert_eq!((0..9).filter(|_| admits(&mut fair, 2, 1, now)).count(), 1);
    assert!(!admits(&mut fair, 1, 1, now + 30 * SECOND));
    assert!(admits(&mut fair, 1, 1, now + 120 * SECOND));
}

#[test]
fn so_many_tenants_are_remembered_and_the_others_count_as_one() {
    let now = Instant::now();
    let most = TENANTS_MAX as u64;
    let (mut fair, mut own) = (Fair::new(1e9, now), Own::new(2.0, now));
    for tenant in 1..=2 * most {
        assert!(admits(&mut fair, tenant, 1, now));
        own.take(&Offer::from(&[(tenant, 1)][..]), now);
    }
    assert_eq!(
        (fair.queues.len(), fair.ends.len(), own.used.len()),
        (TENANTS_MAX + 1, TENANTS_MAX + 1, TENANTS_MAX + 1)
    );
    let asked = |own: &Own, tenant, now| own.ask(&Offer::from(&[(tenant, 1)][..]), now).is_ok();
    assert!(asked(&own, 1, now), "it has one left");
    assert!(!asked(&own, 3 * most, now), "the others have none");
    let later = now + Duration::from_secs(100_000);
    assert!(admits(&mut fair, 1, 1, later));
    own.take(&Offer::from(&[(1, 1)][..]), later);
    assert_eq!((fair.queues.len(), fair.ends.len(), own.used.len()), (1, 1, 1), "and soon forgotten");
}

#[test]
fn a_tenants_own_rate_bounds_it_alone() {
    let now = Instant::now();
    let mut own = Own::new(50.0, now);
    let mut takes = |tenant, events, now| {
        let offer = Offer::from(&[(tenant, events)][..]);
        own.ask(&offer, now).map(|()| own.take(&offer, now))
    };
    let at_once = (0..1_000).filter(|_| takes(1, 1, now).is_ok()).count();
    assert_eq!(at_once, 50);
    assert!(takes(2, 1, now).is_ok());
    let steady = (1..=20_000).filter(|n| takes(1, 1, now + Duration::from_micros(500) * *n).is_ok()).count();
    assert!((499..=500).contains(&steady), "{steady}");

    let wait = takes(3, 120, now).map(|()| takes(3, 1, now)).expect("a full bucket").expect_err("a debt");
    assert_eq!(wait.as_millis(), 1_420, "of 70, and one more");
    assert!(takes(3, 1, now + wait + Duration::from_micros(1)).is_ok());
}

#[test]
fn what_one_quota_refuses_takes_nothing_of_the_other() {
    let now = Instant::now();
    let rate = |count| Some(Rate { count, per: SECOND });
    let mut shares = Shares::new(Rates { accept: rate(20), tenant: rate(8) }, now);
    let mut admit = |tenant, events| {
        let before = format!("{:?} {:?}", shares.all, shares.each);
        let limit = shares.admit(&Offer::from(&[(tenant, events)][..]), now).map_err(|excess| excess.limit);
        let same = format!("{:?} {:?}", shares.all, shares.each) == before;
        assert_eq!(same, limit.is_err(), "nothing is taken unless all is");
        limit
    };
    assert_eq!(admit(1, 8), Ok(()));
    assert_eq!(admit(1, 1), Err(Limit::Each));
    assert_eq!(admit(2, 6), Ok(()), "12 are free, and it may have half of them");
    assert_eq!(admit(3, 4), Err(Limit::All));
    assert_eq!(admit(3, 3), Ok(()), "half of 6");
    assert_eq!(shares.admit(&Offer(Vec::new()), now), Ok(()), "a request without events needs none");
}

#[test]
fn what_is_refused_is_told_once_in_a_while() {
    let now = Instant::now();
    let mut shares = Shares::new(Rates { accept: None, tenant: None }, now);
    let offer = Offer::from(&[(1, 5), (2, 5)][..]);
    assert_eq!(shares.tell(&offer, now), Some(10));
    assert!((1..30).all(|second| shares.tell(&offer, now + second * SECOND).is_none()));
    assert_eq!(shares.tell(&offer, now + 30 * SECOND), Some(300));
}

fn config(gateway: &str) -> Config {
    let text = format!("[gateway]\n{gateway}\n");
    parse(&text, Path::new("gatepost.toml"), &|_: &str| None, Options::default()).expect("a good file").config
}

#[test]
fn quotas_follow_the_settings_and_keep_what_was_taken_while_those_stay() {
    let set = |quota: &Quota| quota.set.load_full();
    let quota = Quota::new(&config("").gateway);
    assert!(set(&quota).is_none());
    quota.follow(&config("tenant_rate = \"1/h\"").gateway);
    let first = set(&quota).expect("one is set");
    quota.follow(&config("tenant_rate = \"1/h\"\nconnections_max = 7").gateway);
    assert!(Arc::ptr_eq(&first, &set(&quota).expect("still")));
    quota.follow(&config("tenant_rate = \"2/h\"").gateway);
    assert!(!Arc::ptr_eq(&first, &set(&quota).expect("another")));
    quota.follow(&config("").gateway);
    assert!(set(&quota).is_none());
}
