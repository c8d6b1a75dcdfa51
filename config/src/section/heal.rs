//! `[integration.heal]`: how what a provider could not deliver is had from it later.

use std::time::Duration;

use url::Url;

use super::value;
use crate::{
    Secret,
    provider::HealBy,
    read::{Node, Read, Table},
};

/// Where GitHub's API is, unless it is an Enterprise server's.
const GITHUB: &str = "https://api.github.com";
/// Where Stripe's API is.
const STRIPE: &str = "https://api.stripe.com";

/// A schedule more often than this would only meet the provider's rate limits.
const EVERY_MIN: Duration = Duration::from_secs(60);

/// How what a provider could not deliver is had from it later.
#[derive(Debug, Clone)]
pub struct Heal {
    /// What the provider is asked, and as who.
    pub from: HealFrom,
    /// Where its API is.
    pub url: Url,
    /// The API may be at a private address, and be spoken to by plain http.
    pub private: bool,
    /// How often it is asked without anybody's doing; never when absent.
    pub every: Option<Duration>,
}

/// What a provider is asked, and as who.
#[derive(Debug, Clone)]
pub enum HealFrom {
    /// The deliveries of a GitHub App's webhook.
    GithubApp {
        /// The app's id, or its client id.
        app_id: String,
        /// Its private key, in PEM.
        private_key: Secret,
    },
    /// The deliveries of a webhook of a repository or an organization.
    GithubHook {
        /// A token that may write the webhook.
        token: Secret,
        /// Whose webhook it is.
        owner: HookOwner,
        /// The webhook's number.
        hook: u64,
    },
    /// Stripe's events.
    Stripe {
        /// A key that may read events.
        api_key: Secret,
        /// The events of every connection's account too (Connect).
        connected: bool,
    },
}

/// Whose webhook it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookOwner {
    /// A repository's, `owner/name`.
    Repository(String),
    /// An organization's.
    Organization(String),
}

impl HealFrom {
    /// The way that it goes.
    pub const fn by(&self) -> HealBy {
        match self {
            Self::GithubApp { .. } | Self::GithubHook { .. } => HealBy::GithubDeliveries,
            Self::Stripe { .. } => HealBy::StripeEvents,
        }
    }

    const fn usual_url(&self) -> &'static str {
        match self.by() {
            HealBy::GithubDeliveries => GITHUB,
            HealBy::StripeEvents => STRIPE,
        }
    }
}

const REMEDY: &str = "write app_id and private_key (a GitHub App), token, hook and repository or organization (another \
    webhook of GitHub's), or api_key (Stripe)";

/// `heal = { .. }`
pub(super) fn heal(node: &Node<'_>) -> Option<Option<Heal>> {
    let table = node.table()?;
    let from = from(node, &table);
    let url = table.optional("url", value::base_url);
    let private = table.or("private", false);
    let every = table.optional("every", |node| often(node).map(Some));
    table.finish();
    let (from, url) = (from?, url?);
    let url = url.or_else(|| from.usual_url().parse().ok())?;
    Some(Some(Heal { from, url, private: private?, every: every? }))
}

fn from(node: &Node<'_>, table: &Table<'_>) -> Option<HealFrom> {
    let app_id = table.optional("app_id", |node| node.parsed("the app's id, such as \"123456\"", plain).map(Some));
    let private_key = table.optional("private_key", |node| pem(node).map(Some));
    let token = table.optional("token", |node| credential(node).map(Some));
    let repository = table.optional("repository", |node| node.parsed("\"owner/name\"", pair).map(Some));
    let organization = table.optional("organization", |node| node.parsed("the organization's name", plain).map(Some));
    let hook = table.optional("hook", |node| node.number(1, u64::from(u32::MAX) << 20).map(Some));
    let api_key = table.optional("api_key", |node| credential(node).map(Some));
    let connected = table.get("connected").map_or(Some(None), |node| bool::read(&node).map(Some));
    let owner = match (repository?, organization?) {
        (Some(_), Some(_)) => {
            node.error("has both repository and organization", "keep one of them");
            return None;
        }
        (Some(name), None) => Some(HookOwner::Repository(name)),
        (None, name) => name.map(HookOwner::Organization),
    };
    match (app_id?, private_key?, token?, owner, hook?, api_key?, connected?) {
        (Some(app_id), Some(private_key), None, None, None, None, None) => {
            Some(HealFrom::GithubApp { app_id, private_key })
        }
        (None, None, Some(token), Some(owner), Some(hook), None, None) => {
            Some(HealFrom::GithubHook { token, owner, hook })
        }
        (None, None, None, None, None, Some(api_key), connected) => {
            Some(HealFrom::Stripe { api_key, connected: connected.unwrap_or_default() })
        }
        _ => {
            node.error("is of no one kind", REMEDY);
            None
        }
    }
}

fn often(node: &Node<'_>) -> Option<Duration> {
    let span = Duration::read(node)?;
    if span < EVERY_MIN {
        node.error("is less than a minute", "give at least \"1m\"; most need no more than \"1h\"");
        return None;
    }
    Some(span)
}

/// A name that can stand in a path as it is.
fn plain(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_plain = !text.is_empty() && text.len() <= 100 && text.chars().all(fits) && !matches!(text, "." | "..");
    if is_plain { Ok(text.to_owned()) } else { Err(format!("is {text:?}, which is no such name")) }
}

fn pair(text: &str) -> Result<String, String> {
    let parts = text.split_once('/').map(|(owner, name)| (plain(owner), plain(name)));
    match parts {
        Some((Ok(_), Ok(_))) => Ok(text.to_owned()),
        _ => Err(format!("is {text:?}, which names no repository")),
    }
}

fn credential(node: &Node<'_>) -> Option<Secret> {
    checked(node, "is no token or key", "copy it again, on one line", |bytes| bytes.iter().all(u8::is_ascii_graphic))
}

fn pem(node: &Node<'_>) -> Option<Secret> {
    const MARKS: [&[u8]; 2] = [b"-----BEGIN RSA PRIVATE KEY-----", b"-----BEGIN PRIVATE KEY-----"];
    let remedy = "give the .pem file as GitHub made it";
    checked(node, "is no private key in PEM", remedy, |bytes| {
        MARKS.iter().any(|mark| bytes.trim_ascii_start().starts_with(mark))
    })
}

fn checked(node: &Node<'_>, message: &str, remedy: &str, fits: impl Fn(&[u8]) -> bool) -> Option<Secret> {
    let secret = Secret::read(node)?;
    if !node.spot.sheet.is_without_secrets() && !fits(secret.expose()) {
        node.error(format!("{message} in {}", secret.source()), remedy);
        return None;
    }
    Some(secret)
}
