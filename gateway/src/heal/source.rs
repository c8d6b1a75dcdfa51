//! What providers say that they could not deliver, and how that is had: one small seam, a file for each kind.

mod github;
mod stripe;

use std::sync::Arc;

use bytes::Bytes;
use gatepost_config::{Heal as Settings, HealFrom, Timestamp};
use gatepost_event::heal::Progress;
use url::Url;

use self::{github::Github, stripe::Stripe};
use super::{error::HealError, ingest, outside::Outside};
use crate::{serve::Gateway, tables::Endpoint};

/// Pages of a list that are read, at most.
const PAGES_MAX: usize = 500;

/// A provider's API, of one kind.
pub(super) enum Source<'a> {
    Github(Github<'a>),
    Stripe(Stripe<'a>),
}

/// Something that the provider could not deliver.
#[derive(Debug, Clone)]
pub(super) struct Undelivered {
    /// The provider's id of the event.
    pub(super) id: String,
    /// When it was tried first, or happened.
    pub(super) at: Timestamp,
    /// The account key that it carries.
    pub(super) account: Option<String>,
    /// How it is had.
    pub(super) had: Had,
}

/// How something undelivered is had.
#[derive(Debug, Clone)]
pub(super) enum Had {
    /// The provider is asked to make this delivery again.
    Again(u64),
    /// It is here already: the event's bytes.
    Here(Bytes),
}

/// A time: from, and before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl<'a> Source<'a> {
    /// As the configuration says.
    pub(super) fn new(settings: &'a Settings, outside: &'a Outside, accounts: Vec<String>) -> Result<Self, HealError> {
        Ok(match &settings.from {
            HealFrom::GithubApp { .. } | HealFrom::GithubHook { .. } => Self::Github(Github::new(settings, outside)?),
            HealFrom::Stripe { api_key, connected } => {
                let accounts = if *connected { accounts } else { Vec::new() };
                Self::Stripe(Stripe::new(settings, api_key, outside, accounts))
            }
        })
    }

    /// What the provider could not deliver in a time, oldest first.
    pub(super) async fn undelivered(
        &mut self,
        span: Span,
        progress: &mut Progress,
    ) -> Result<Vec<Undelivered>, HealError> {
        let mut all = match self {
            Self::Github(github) => github.undelivered(span, progress).await?,
            Self::Stripe(stripe) => stripe.undelivered(span, progress).await?,
        };
        all.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    /// Has one of them delivered or stored; `false` when it can't be had.
    pub(super) async fn have(
        &mut self,
        gateway: &Gateway,
        endpoint: &Arc<Endpoint>,
        one: &Undelivered,
    ) -> Result<bool, HealError> {
        match (self, &one.had) {
            (Self::Github(github), Had::Again(delivery)) => github.again(*delivery).await,
            (_, Had::Here(bytes)) => ingest::store(gateway, endpoint, bytes, one.account.as_deref()).await,
            (Self::Stripe(_), Had::Again(_)) => Ok(false),
        }
    }
}

/// A place of the API below its base.
fn at(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}
