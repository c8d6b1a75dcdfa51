//! Proves every provider of the catalogue by its vectors: each is accepted as it is, and refused once anything that is
//! signed was touched. What a provider doesn't sign is listed.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod attempt;
mod bodies;
mod genuine;
mod headers;
mod keys;
mod kinds;
mod places;
mod secrets;
mod sign;
mod signatures;
mod subject;
mod tally;
mod times;
mod urls;

use gatepost_config::Catalogue;

use crate::{subject::Subject, tally::Tally};

/// Fewest classes of changes that must have been tried.
const CLASSES_MIN: usize = 60;

#[test]
fn every_vector_is_accepted_as_it_is_and_refused_once_anything_signed_was_touched() {
    let catalogue = Catalogue::builtin();
    let only = option_env!("GATEPOST_ONLY");
    let providers = catalogue.0.values().filter(|provider| only.is_none_or(|only| provider.name.as_str() == only));
    let subjects: Vec<Subject> =
        providers.flat_map(|provider| provider.vectors.iter().map(|vector| Subject::new(provider, vector))).collect();
    let half = subjects.len() / 2;
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let prove = |part: std::ops::Range<usize>| {
            let subjects = &subjects;
            scope.spawn(move || part.fold(Tally::default(), |tally, n| tally.with(prove(&subjects[n], subjects))))
        };
        let threads = [prove(0..half), prove(half..subjects.len())];
        threads.into_iter().map(|thread| thread.join().expect("a proof that ends")).collect()
    });
    let tally = tallies.into_iter().fold(Tally::default(), Tally::with);
    tally.print();
    tally.check();
    if only.is_none() {
        assert!(tally.classes() >= CLASSES_MIN, "only {} classes of changes were tried", tally.classes());
    }
}

/// Everything that is tried with one vector.
fn prove(subject: &Subject, all: &[Subject]) -> Tally {
    let mut tally = Tally::default();
    genuine::prove(subject, &mut tally);
    if !subject.is_checked() {
        return tally;
    }
    bodies::prove(subject, all, &mut tally);
    kinds::prove(subject, &mut tally);
    headers::prove(subject, &mut tally);
    urls::prove(subject, &mut tally);
    signatures::prove(subject, all, &mut tally);
    times::prove(subject, &mut tally);
    secrets::prove(subject, all, &mut tally);
    keys::prove(subject, all, &mut tally);
    tally
}
