//! What becomes of a delivery that failed: whether the provider tries again, and how it is had from it later.

use std::time::Duration;

use crate::{
    Provider,
    read::{Node, Read},
};

/// How what a provider could not deliver is had from it later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealBy {
    /// GitHub lists its deliveries, and makes one again when asked.
    GithubDeliveries,
    /// Stripe lists its events.
    StripeEvents,
}

/// What a provider does by itself about a delivery that failed, as far as its file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// Nothing.
    Never,
    /// It tries again for about so long.
    For(Duration),
    /// It tries again; nobody says for how long.
    ForSome,
    /// Nobody says.
    Unknown,
}

impl HealBy {
    /// How far back it reaches.
    ///
    /// Facts: <https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks>,
    /// <https://docs.stripe.com/api/events/list>.
    pub const fn reach(self) -> Duration {
        const DAY: u64 = 86_400;
        match self {
            Self::GithubDeliveries => Duration::from_secs(3 * DAY),
            Self::StripeEvents => Duration::from_secs(30 * DAY),
        }
    }

    /// Its word in a provider's file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::GithubDeliveries => "github-deliveries",
            Self::StripeEvents => "stripe-events",
        }
    }
}

impl Read for HealBy {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[Self::GithubDeliveries, Self::StripeEvents].map(|by| (by.word(), by)))
    }
}

impl Provider {
    /// What it does by itself about a delivery that failed.
    pub fn retried(&self) -> Retried {
        let says_none = |words: &str| words.trim_start().get(..4).is_some_and(|head| head.eq_ignore_ascii_case("none"));
        match (&self.retries, self.retried_for) {
            (Some(words), _) if says_none(words) => Retried::Never,
            (_, Some(span)) => Retried::For(span),
            (Some(_), None) => Retried::ForSome,
            (None, None) => Retried::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn the_catalogue_says_who_tries_again_and_for_how_long() {
        let catalogue = Catalogue::builtin();
        let of = |name: &str| {
            let provider = catalogue.0.get(name).expect("it is there");
            (provider.retried(), provider.heal)
        };
        let days = |days: u64| Retried::For(Duration::from_secs(days * 86_400));
        assert_eq!(of("github"), (Retried::Never, Some(HealBy::GithubDeliveries)));
        assert_eq!(of("stripe"), (days(3), Some(HealBy::StripeEvents)));
        assert_eq!(of("gitea"), (Retried::Never, None));
        let count = |wanted: fn(&Provider) -> bool| catalogue.0.values().filter(|provider| wanted(provider)).count();
        assert!(count(|provider| matches!(provider.retried(), Retried::For(_))) > 50);
        assert_eq!(count(|provider| provider.retries.is_none() && provider.retried_for.is_some()), 0);
    }
}
