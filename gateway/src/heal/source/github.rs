//! GitHub: the deliveries of a webhook, listed, and made again when asked.
//!
//! Facts: <https://docs.github.com/en/rest/apps/webhooks>, <https://docs.github.com/en/rest/repos/webhooks>,
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepost_config::{
    Heal as Settings, HealFrom, HookOwner, Secret, Timestamp,
    provider::{Algorithm, Hash},
};
use gatepost_event::heal::Progress;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{Had, PAGES_MAX, Span, Undelivered, at};
use crate::{
    heal::{
        error::HealError,
        outside::{Ask, Outside},
        pause::Pause,
    },
    sign::{KeyPair, PairKind},
};

/// GitHub's clock may be behind ours by this, and a token may hold for ten minutes.
const ISSUED_BEFORE: i64 = 60;
const HOLDS: i64 = 540;

/// Time between two deliveries asked for: GitHub counts a POST as five of 900 points a minute.
const ASKED_EVERY: Duration = Duration::from_millis(350);

/// GitHub's API, for one webhook.
pub(in crate::heal) struct Github<'a> {
    settings: &'a Settings,
    outside: &'a Outside,
    /// Where the webhook's deliveries are, below the base.
    path: Vec<String>,
    who: Who<'a>,
    pause: Pause,
    ask_at: Instant,
}

/// As who it is asked.
enum Who<'a> {
    App { id: &'a str, key: KeyPair },
    Token(&'a Secret),
}

/// A delivery as the list has it.
#[derive(Debug, Deserialize)]
struct Delivery {
    id: u64,
    /// The event's, the same of all its deliveries.
    guid: String,
    delivered_at: Timestamp,
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_code: i64,
    #[serde(default)]
    installation_id: Option<u64>,
}

impl Delivery {
    fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code) || self.status.eq_ignore_ascii_case("ok")
    }
}

impl<'a> Github<'a> {
    pub(super) fn new(settings: &'a Settings, outside: &'a Outside) -> Result<Self, HealError> {
        let (path, who) = match &settings.from {
            HealFrom::GithubApp { app_id, private_key } => {
                let key = KeyPair::read(private_key.expose()).map_err(|error| HealError::Key(error.to_string()))?;
                if key.kind() != PairKind::Rsa {
                    return Err(HealError::Key("is no RSA key".to_owned()));
                }
                ("app/hook/deliveries".to_owned(), Who::App { id: app_id, key })
            }
            HealFrom::GithubHook { token, owner, hook } => {
                let owner = match owner {
                    HookOwner::Repository(name) => format!("repos/{name}"),
                    HookOwner::Organization(name) => format!("orgs/{name}"),
                };
                (format!("{owner}/hooks/{hook}/deliveries"), Who::Token(token))
            }
            HealFrom::Stripe { .. } => return Err(HealError::NotConfigured),
        };
        let path = path.split('/').map(str::to_owned).collect();
        Ok(Self { settings, outside, path, who, pause: Pause::default(), ask_at: Instant::now() })
    }

    /// Events of which no delivery succeeded, tried first in the span. The list begins with the newest delivery; one
    /// after the span may be the success of an event in it.
    pub(super) async fn undelivered(
        &mut self,
        span: Span,
        progress: &mut Progress,
    ) -> Result<Vec<Undelivered>, HealError> {
        let mut events: HashMap<String, Option<Undelivered>> = HashMap::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let (page, next) = self.page(cursor.as_deref()).await?;
            let reached = page.iter().any(|delivery| delivery.delivered_at < span.since);
            for delivery in page.into_iter().filter(|delivery| delivery.delivered_at >= span.since) {
                progress.listed += 1;
                let succeeded = delivery.succeeded();
                let event = events.entry(delivery.guid.clone()).or_insert_with(|| Some(Undelivered::of(&delivery)));
                match event {
                    Some(_) if succeeded => *event = None,
                    Some(event) => event.at = event.at.min(delivery.delivered_at),
                    None => {}
                }
            }
            cursor = next;
            if reached || cursor.is_none() {
                let undelivered = events.into_values().flatten().filter(|event| event.at < span.until);
                return Ok(undelivered.collect());
            }
        }
        Err(HealError::TooMuch)
    }

    /// Asks for a delivery to be made again; `false` when GitHub has none such any more.
    pub(super) async fn again(&mut self, delivery: u64) -> Result<bool, HealError> {
        const WHAT: &str = "a delivery to be made again";
        sleep_until(self.ask_at).await;
        self.ask_at = Instant::now() + ASKED_EVERY;
        let number = delivery.to_string();
        let mut url = self.url();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend([number.as_str(), "attempts"]);
        }
        let ask = self.ask(WHAT, Method::POST, url)?;
        let answer = self.outside.ask(&ask, &mut self.pause).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                tracing::warn!(delivery, status = answer.status.as_u16(), "GitHub does not deliver this again");
                Ok(false)
            }
            _ => Err(answer.refusal(WHAT)),
        }
    }

    /// A page of the list, newest first, and where the next begins.
    async fn page(&mut self, cursor: Option<&str>) -> Result<(Vec<Delivery>, Option<String>), HealError> {
        const WHAT: &str = "the list of deliveries";
        let mut url = self.url();
        url.query_pairs_mut().append_pair("per_page", "100").extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        let ask = self.ask(WHAT, Method::GET, url)?;
        let answer = self.outside.ask(&ask, &mut self.pause).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal(WHAT));
        }
        let page = serde_json::from_slice(&answer.body);
        let page = page.map_err(|error| HealError::Unreadable(WHAT, error.to_string()))?;
        Ok((page, next_cursor(&answer.headers)))
    }

    fn url(&self) -> Url {
        at(&self.settings.url, &self.path.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn ask(&self, what: &'static str, method: Method, url: Url) -> Result<Ask, HealError> {
        let token = match &self.who {
            Who::App { id, key } => app_token(id, key, Timestamp::now())?,
            Who::Token(token) => String::from_utf8_lossy(token.expose()).into_owned(),
        };
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_| HealError::Key("makes no token that can be sent".to_owned()))?;
        bearer.set_sensitive(true);
        let headers = vec![
            (header::AUTHORIZATION, bearer),
            (header::ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ];
        Ok(Ask { what, method, url, private: self.settings.private, headers })
    }
}

impl Undelivered {
    fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.guid.clone(),
            at: delivery.delivered_at,
            account: delivery.installation_id.map(|id| id.to_string()),
            had: Had::Again(delivery.id),
        }
    }
}

/// The token that says which app asks.
fn app_token(id: &str, key: &KeyPair, now: Timestamp) -> Result<String, HealError> {
    let claims = json!({ "iat": now.seconds() - ISSUED_BEFORE, "exp": now.seconds() + HOLDS, "iss": id });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    let signature = key.sign(Algorithm::Rsa(Hash::Sha256), text.as_bytes());
    let signature = signature.ok_or_else(|| HealError::Key("can't sign".to_owned()))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The cursor of the next page. Only that is taken of the link, so that no answer can lead the token elsewhere.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let mut links = links.flat_map(|value| value.split(','));
    let next = links.find(|link| link.split(';').skip(1).any(|part| part.trim() == r#"rel="next""#))?;
    let url: Url = next.split(';').next()?.trim().strip_prefix('<')?.strip_suffix('>')?.parse().ok()?;
    let cursor = url.query_pairs().find(|(name, _)| name == "cursor")?.1.into_owned();
    (!cursor.is_empty()).then_some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_where_the_link_says() {
        let of = |link: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, link.parse().expect("a header's value"));
            next_cursor(&headers)
        };
        let next = r#"<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_17323292984>; rel="next""#;
        assert_eq!(of(next).as_deref(), Some("v1_17323292984"));
        let both = format!(r#"<https://api.github.com/app/hook/deliveries?cursor=v1_0>; rel="prev", {next}"#);
        assert_eq!(of(&both).as_deref(), Some("v1_17323292984"));
        assert_eq!(of(&next.replace("next", "prev")), None);
        assert_eq!(of(r#"<https://api.github.com/app/hook/deliveries>; rel="next""#), None);
        assert_eq!(next_cursor(&HeaderMap::new()), None);
    }
}
