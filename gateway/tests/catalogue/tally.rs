//! What was tried, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use gatepost_gateway::Rehearsed;

use crate::{attempt::Attempt, subject::Subject};

/// What was tried, and what came of it.
#[derive(Default)]
pub(crate) struct Tally {
    bad: BTreeMap<&'static str, u64>,
    good: BTreeMap<&'static str, u64>,
    wrongly_accepted: Vec<String>,
    wrongly_refused: Vec<String>,
    /// What isn't signed, with the providers whose it is.
    unsigned: BTreeMap<String, BTreeSet<String>>,
}

impl Tally {
    /// Tries a request that must be refused; afterwards the untouched one must still be accepted.
    pub(crate) fn bad(&mut self, subject: &Subject, class: &'static str, attempt: &Attempt) {
        if attempt.is_same_as(&subject.genuine) {
            return;
        }
        let first = !self.bad.contains_key(class);
        *self.bad.entry(class).or_default() += 1;
        if let Ok(outcome) = subject.judge(attempt) {
            let what = match outcome {
                Rehearsed::Handshake { .. } => "answered as a handshake",
                Rehearsed::Events(_) => "accepted",
            };
            self.wrongly_accepted.push(format!("{subject}: {class}: {what}: {:?}", attempt.request));
        }
        if first {
            self.good(subject, "untouched between the changed", &subject.genuine);
        }
    }

    /// Tries every request of some that must be refused.
    pub(crate) fn all_bad(
        &mut self,
        subject: &Subject,
        class: &'static str,
        attempts: impl IntoIterator<Item = Attempt>,
    ) {
        for attempt in attempts {
            self.bad(subject, class, &attempt);
        }
    }

    /// Tries a request that must be accepted.
    pub(crate) fn good(&mut self, subject: &Subject, class: &'static str, attempt: &Attempt) {
        *self.good.entry(class).or_default() += 1;
        if let Err(why) = subject.judge(attempt) {
            self.wrongly_refused.push(format!("{subject}: {class}: {why:?}: {:?}", attempt.request));
        }
    }

    /// Tries every request of some that must be accepted.
    pub(crate) fn all_good(
        &mut self,
        subject: &Subject,
        class: &'static str,
        attempts: impl IntoIterator<Item = Attempt>,
    ) {
        for attempt in attempts {
            self.good(subject, class, &attempt);
        }
    }

    /// Notes what is wrong with a genuine request's outcome.
    pub(crate) fn wrong(&mut self, subject: &Subject, what: impl Display) {
        self.wrongly_refused.push(format!("{subject}: {what}"));
    }

    /// Notes a part of a request that the provider doesn't sign.
    pub(crate) fn unsigned(&mut self, subject: &Subject, part: impl Display) {
        self.unsigned.entry(part.to_string()).or_default().insert(subject.provider.name.to_string());
    }

    /// Both together.
    pub(crate) fn with(mut self, other: Self) -> Self {
        for (class, count) in other.bad {
            *self.bad.entry(class).or_default() += count;
        }
        for (class, count) in other.good {
            *self.good.entry(class).or_default() += count;
        }
        self.wrongly_accepted.extend(other.wrongly_accepted);
        self.wrongly_refused.extend(other.wrongly_refused);
        for (part, providers) in other.unsigned {
            self.unsigned.entry(part).or_default().extend(providers);
        }
        self
    }

    /// How many classes of changes were tried.
    pub(crate) fn classes(&self) -> usize {
        self.bad.len()
    }

    pub(crate) fn print(&self) {
        println!("changes that must be refused, by class:");
        for (class, count) in &self.bad {
            println!("  {count:>8}  {class}");
        }
        println!("requests that must be accepted, by class:");
        for (class, count) in &self.good {
            println!("  {count:>8}  {class}");
        }
        println!("not signed by the provider, so not proven:");
        for (part, providers) in &self.unsigned {
            println!("  {part}: {}", providers.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        }
        let (bad, good) = (self.bad.values().sum::<u64>(), self.good.values().sum::<u64>());
        let refused = good.saturating_sub(self.wrongly_refused.len() as u64);
        println!("{} classes", self.classes());
        println!("{bad} bad tried, {} accepted; {good} good tried, {refused} accepted", self.wrongly_accepted.len());
    }

    /// Fails unless everything came out as it must.
    pub(crate) fn check(&self) {
        let some = |list: &[String]| list.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        let (refused, accepted) = (&self.wrongly_refused, &self.wrongly_accepted);
        assert!(
            refused.is_empty() && accepted.is_empty(),
            "{} genuine went wrong:\n{}\n{} forged were accepted:\n{}",
            refused.len(),
            some(refused),
            accepted.len(),
            some(accepted)
        );
        assert!(!self.good.is_empty(), "nothing was tried");
    }
}
