//! What is to be done about what was missed.

use std::time::Duration;

use gatepost_config::{Integration, Timestamp, provider::Retried, units::format_span};
use serde::Serialize;

use super::facts::{Heals, Pulses, TurnedAway};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IncidentVerdict)]
pub(crate) enum Verdict {
    /// Nothing: nothing was turned away and there was no odd silence, or the provider says that nothing is missing.
    NothingMissed,
    /// Nothing any more: what was missing was had later.
    Healed,
    /// To wait: the provider tries again for longer than it lasted.
    ProviderRetries,
    /// To have it from the provider later.
    CanBeHealed,
    /// To fetch what the customers' accounts hold now: the webhooks are gone.
    NeedsBackstopSync,
}

/// What is known of an integration in a time.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) turned_away: TurnedAway,
    pub(crate) accepted: Option<Pulses>,
    pub(crate) heals: Heals,
    /// Refused requests that are kept.
    pub(crate) kept: usize,
    /// The provider still tells of the time.
    pub(crate) in_reach: bool,
    /// The end of the time.
    pub(crate) until: Timestamp,
}

impl Facts {
    /// The verdict, and why.
    pub(crate) fn verdict(&self, integration: &Integration) -> (Verdict, String) {
        let title = &integration.provider.title;
        match self.heals.last {
            Some(last) if last.left > 0 && last.in_vain => {
                let why = format!("{title} does not give {} of the events that are missing any more", last.left);
                return (Verdict::NeedsBackstopSync, why);
            }
            Some(last) if last.left > 0 => {
                return (Verdict::CanBeHealed, format!("{} events are missing by {title}'s own word", last.left));
            }
            Some(_) if self.heals.healed > 0 => {
                let why = format!("{} events were had later; {title} says that no other is missing", self.heals.healed);
                return (Verdict::Healed, why);
            }
            Some(_) => return (Verdict::NothingMissed, format!("{title} says that nothing is missing")),
            None => {}
        }
        let Some((what, since)) = self.missed() else {
            return (Verdict::NothingMissed, "nothing was turned away, and there was no odd silence".to_owned());
        };
        let lasted = self.until.since(since);
        match integration.provider.retried() {
            Retried::For(span) if span >= lasted => {
                (Verdict::ProviderRetries, format!("{what}; {title} tries again for {}", format_span(span)))
            }
            Retried::ForSome => {
                (Verdict::ProviderRetries, format!("{what}; {title} tries again, nobody says for how long"))
            }
            retried => {
                let why = match retried {
                    Retried::For(span) => format!("{what}; {title} tries again for only {}", format_span(span)),
                    Retried::Never => format!("{what}; {title} doesn't try again"),
                    Retried::ForSome | Retried::Unknown => format!("{what}; whether {title} tries again is not known"),
                };
                match integration.provider.heal {
                    Some(_) if self.in_reach => (Verdict::CanBeHealed, why),
                    Some(by) => {
                        let reach = format_span(by.reach());
                        (Verdict::NeedsBackstopSync, format!("{why}, and it tells of the last {reach} only"))
                    }
                    None => (Verdict::NeedsBackstopSync, format!("{why}, and nothing can be had from it later")),
                }
            }
        }
    }

    /// What to run or to change.
    pub(crate) fn fix(
        &self,
        integration: &Integration,
        verdict: Verdict,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<String> {
        let id = &integration.id;
        let mut fix = Vec::new();
        if self.kept > 0 {
            // As they came, without the provider; what still doesn't verify stays where it is.
            fix.push(format!("gatepost quarantine release --integration {id}"));
        }
        let heal = format!("gatepost heal --integration {id} --since {from} --until {to}");
        match verdict {
            Verdict::NothingMissed | Verdict::Healed => fix.clear(),
            Verdict::ProviderRetries => {}
            Verdict::CanBeHealed if integration.heal.is_some() => fix.push(heal),
            Verdict::CanBeHealed => {
                fix.push(format!("add heal = {{ .. }} to the integration {id} in the configuration"));
                fix.push(heal);
            }
            Verdict::NeedsBackstopSync => {
                fix.push(format!(
                    "gatepost syncs trigger ENGINE {id} CONNECTION SYNC, or a backstop for its sync routes"
                ));
            }
        }
        fix
    }

    /// What points to something missed, in words, and since when.
    fn missed(&self) -> Option<(String, Timestamp)> {
        let refused =
            self.turned_away.first_at.map(|at| (format!("{} requests were turned away", self.turned_away.total), at));
        let silence = self.accepted.filter(|pulses| pulses.silence_is_odd).map(|pulses| {
            let minutes = pulses.silent_to.since(pulses.silent_from).as_secs() / 60;
            let span = format_span(Duration::from_secs(minutes * 60));
            (format!("no event came for {span}, from {}", pulses.silent_from), pulses.silent_from)
        });
        match (refused, silence) {
            (Some((refused, first)), Some((silence, from))) => {
                Some((format!("{refused}, and {silence}"), first.min(from)))
            }
            (one, other) => one.or(other),
        }
    }
}
