//! Stripe: the events that it could not deliver, listed with all that they say.
//!
//! Facts: <https://docs.stripe.com/api/events/list>, <https://docs.stripe.com/webhooks/process-undelivered-events>,
//! <https://docs.stripe.com/connect/authentication>.

use bytes::Bytes;
use gatepost_config::{Heal as Settings, Secret, Timestamp};
use gatepost_event::heal::Progress;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Had, PAGES_MAX, Span, Undelivered, at};
use crate::heal::{
    error::HealError,
    outside::{Ask, Outside},
    pause::Pause,
};

/// Events of one heal, and their bytes.
const EVENTS_MAX: usize = 20_000;
const BYTES_MAX: usize = 128 * 1024 * 1024;

/// Connected accounts that are asked for one by one.
const ACCOUNTS_MAX: usize = 1_000;

/// What the list is called in words.
const WHAT: &str = "the list of events";

/// Stripe's API.
pub(in crate::heal) struct Stripe<'a> {
    settings: &'a Settings,
    api_key: &'a Secret,
    outside: &'a Outside,
    accounts: Vec<String>,
    pause: Pause,
}

/// A page of the list.
#[derive(Deserialize)]
struct Page<'p> {
    #[serde(borrow)]
    data: Vec<&'p RawValue>,
    has_more: bool,
}

/// What of an event is read here.
#[derive(Deserialize)]
struct Head {
    id: String,
    created: i64,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    context: Option<String>,
}

/// What was listed so far.
#[derive(Default)]
struct Listed {
    events: Vec<Undelivered>,
    bytes: usize,
}

impl<'a> Stripe<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        api_key: &'a Secret,
        outside: &'a Outside,
        accounts: Vec<String>,
    ) -> Self {
        Self { settings, api_key, outside, accounts, pause: Pause::default() }
    }

    /// Events of the span that Stripe could not deliver to at least one of its endpoints: of the account whose key it is,
    /// then of each connected one.
    pub(super) async fn undelivered(
        &mut self,
        span: Span,
        progress: &mut Progress,
    ) -> Result<Vec<Undelivered>, HealError> {
        let mut listed = Listed::default();
        let accounts = std::mem::take(&mut self.accounts);
        if accounts.len() > ACCOUNTS_MAX {
            return Err(HealError::TooMuch);
        }
        self.list(None, span, &mut listed).await?;
        for account in &accounts {
            self.list(Some(account), span, &mut listed).await?;
        }
        progress.listed = listed.events.len() as u64;
        Ok(listed.events)
    }

    async fn list(&mut self, account: Option<&str>, span: Span, listed: &mut Listed) -> Result<(), HealError> {
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let body = self.page(account, span, after.as_deref()).await?;
            let unreadable = |error: serde_json::Error| HealError::Unreadable(WHAT, error.to_string());
            let page: Page<'_> = serde_json::from_slice(&body).map_err(unreadable)?;
            for raw in &page.data {
                let head: Head = serde_json::from_str(raw.get()).map_err(unreadable)?;
                after = Some(head.id.clone());
                listed.bytes += raw.get().len();
                let bytes = body.slice_ref(raw.get().as_bytes());
                listed.events.push(Undelivered {
                    id: head.id,
                    at: Timestamp::from_millis(head.created.saturating_mul(1000)),
                    account: head.account.or(head.context).or_else(|| account.map(str::to_owned)),
                    had: Had::Here(bytes),
                });
            }
            if listed.events.len() > EVENTS_MAX || listed.bytes > BYTES_MAX {
                return Err(HealError::TooMuch);
            }
            if !page.has_more || page.data.is_empty() {
                return Ok(());
            }
        }
        Err(HealError::TooMuch)
    }

    async fn page(&mut self, account: Option<&str>, span: Span, after: Option<&str>) -> Result<Bytes, HealError> {
        let mut url = at(&self.settings.url, &["v1", "events"]);
        // Whole seconds: an event of the last one begun is not left out.
        let until = span.until.millis().saturating_add(999).div_euclid(1000);
        url.query_pairs_mut()
            .append_pair("limit", "100")
            .append_pair("created[gte]", &span.since.seconds().to_string())
            .append_pair("created[lt]", &until.to_string())
            .append_pair("delivery_success", "false")
            .extend_pairs(after.map(|after| ("starting_after", after)));
        let bearer = [b"Bearer ", self.api_key.expose()].concat();
        let unfit = |_| HealError::Key("can't be sent".to_owned());
        let mut bearer = HeaderValue::from_bytes(&bearer).map_err(unfit)?;
        bearer.set_sensitive(true);
        let mut headers = vec![(header::AUTHORIZATION, bearer)];
        if let Some(account) = account {
            let account = HeaderValue::from_str(account).map_err(unfit)?;
            headers.push((HeaderName::from_static("stripe-account"), account));
        }
        let ask = Ask { what: WHAT, method: Method::GET, url, private: self.settings.private, headers };
        let answer = self.outside.ask(&ask, &mut self.pause).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            _ => Err(answer.refusal(WHAT)),
        }
    }
}
