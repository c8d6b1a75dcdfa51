//! What an incident cost: for each integration what was turned away in a time, what its provider does about that, and what
//! to do.

mod facts;
mod verdict;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use gatepost_config::{Integration, IntegrationId, ProviderName, Timestamp, units::format_span};
use gatepost_event::{HealId, RequestId, heal::Heal, registry::Kind, subject::integration_token, turned_away::Hour};
use serde::{Deserialize, Serialize};

pub(crate) use self::verdict::Verdict;
use self::{
    facts::{Heals, Pulses, TurnedAway},
    verdict::Facts,
};
use crate::{jobs, problem::Problem, serve::Admin};

/// The longest time that is looked at.
const DAYS_MAX: i64 = 14;
const DAY: i64 = 86_400_000;

/// What is asked.
#[derive(Debug, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = IncidentQuery)]
pub(crate) struct Ask {
    /// When it began.
    from: Timestamp,
    /// When it was over; at most 14 days later.
    to: Timestamp,
    /// Only this integration.
    integration: Option<IntegrationId>,
}

/// An incident.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Incident)]
pub(crate) struct View {
    from: Timestamp,
    to: Timestamp,
    /// Each integration, by id.
    items: Vec<Item>,
    /// Seconds that the history may be behind; absent when none is kept.
    lag_seconds: Option<f64>,
}

/// What an incident cost of an integration.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = IncidentOfIntegration)]
pub(crate) struct Item {
    integration: IntegrationId,
    provider: ProviderName,
    /// What is to be done.
    verdict: Verdict,
    /// The verdict's reason, in words.
    why: String,
    /// What to run or to change, in order.
    fix: Vec<String>,
    /// Requests answered otherwise than 2xx.
    turned_away: TurnedAway,
    /// Refused requests of that time that are kept, and can be let in.
    kept: usize,
    /// Events stored in that time, and the longest time without one; absent when no history is kept.
    accepted: Option<Pulses>,
    /// When and how often the provider tries again, in words, as far as is known.
    retries: Option<String>,
    /// For how long it does, where that is known.
    retried_for: Option<String>,
    heal: Healing,
}

/// What can be had later.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = IncidentHealing)]
struct Healing {
    /// How: `github-deliveries` or `stripe-events`; absent where nothing can be.
    by: Option<String>,
    /// Whether the configuration says how the provider is asked.
    configured: bool,
    /// Whether the provider still tells of that time.
    in_reach: bool,
    /// The last heal (or dry run) that looked at all of that time.
    last: Option<HealId>,
    /// What it found missing and did not get.
    missing: Option<u64>,
    /// What heals got of that time so far.
    healed: u64,
}

/// `GET /v1/incidents`
pub(crate) async fn show(
    State(admin): State<Arc<Admin>>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Json<View>, Problem> {
    let Query(ask) = ask?;
    let now = Timestamp::now();
    if ask.to <= ask.from || ask.to.millis().saturating_sub(ask.from.millis()) > DAYS_MAX * DAY || ask.from > now {
        return Err(Problem::senseless("from must be before to, not in the future, and at most 14 days before to"));
    }
    let (from, to) = (ask.from, ask.to.min(now));
    let config = admin.config.borrow().clone();
    let wanted = |integration: &&Integration| ask.integration.as_ref().is_none_or(|id| *id == integration.id);
    let mut integrations: Vec<&Integration> = config.integrations.iter().filter(wanted).collect();
    integrations.sort_by(|a, b| a.id.cmp(&b.id));
    if let (Some(id), true) = (&ask.integration, integrations.is_empty()) {
        return Err(Problem::missing(&format!("integration {:?}", id.as_str())));
    }
    let hours: Vec<Hour> = admin.store.entries(Kind::TurnedAway).await?.iter().filter_map(facts::read).collect();
    let heals: Vec<Heal> = jobs::all(&admin.store).await?;
    let lag_seconds = admin.history.as_ref().map(|history| history.lag_seconds());
    let quarantined = admin.store.quarantined(None).await?;
    let (first, end) = (RequestId::fresh(from), RequestId::fresh(to.after(std::time::Duration::from_millis(1))));
    let mut items = Vec::new();
    for integration in integrations {
        let token = integration_token(&integration.id);
        let kept =
            quarantined.iter().filter(|key| key.integration == token && key.request >= first && key.request <= end);
        let (kept, accepted) = (kept.count(), Pulses::of(&admin, &integration.id, from, to).await?);
        let facts = Facts {
            turned_away: TurnedAway::of(&hours, &integration.id, from, to),
            accepted,
            heals: Heals::of(&heals, &integration.id, from, to),
            kept,
            in_reach: integration.provider.heal.is_some_and(|by| now.since(from) <= by.reach()),
            until: to,
        };
        items.push(Item::of(integration, facts, (from, to)));
    }
    Ok(Json(View { from, to, items, lag_seconds }))
}

impl Item {
    fn of(integration: &Integration, facts: Facts, (from, to): (Timestamp, Timestamp)) -> Self {
        let provider = &integration.provider;
        let (verdict, why) = facts.verdict(integration);
        Self {
            fix: facts.fix(integration, verdict, from, to),
            integration: integration.id.clone(),
            provider: provider.name.clone(),
            verdict,
            why,
            kept: facts.kept,
            accepted: facts.accepted,
            retries: provider.retries.clone(),
            retried_for: provider.retried_for.map(format_span),
            heal: Healing {
                by: provider.heal.map(|by| by.word().to_owned()),
                configured: integration.heal.is_some(),
                in_reach: facts.in_reach,
                last: facts.heals.last.map(|last| last.id),
                missing: facts.heals.last.map(|last| last.left),
                healed: facts.heals.healed,
            },
            turned_away: facts.turned_away,
        }
    }
}
