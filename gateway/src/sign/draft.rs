//! A request on its way to be signed.

use bytes::Bytes;
use gatepost_config::{
    Provider, Timestamp,
    provider::{self, Sample, Vector},
};
use gatepost_event::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::SignError;
use crate::request::RawRequest;

/// A request on its way to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its method.
    pub method: Method,
    /// Where it is posted.
    pub url: Url,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Draft {
    /// Every event that a sample can be made of, by its name: the provider's samples; without any, the requests that prove
    /// its file.
    pub fn all(provider: &Provider, url: &Url, now: Timestamp) -> Vec<(String, Self)> {
        if !provider.samples.is_empty() {
            return provider.samples.iter().map(|s| (s.event.clone(), Self::of_sample(s, url, now))).collect();
        }
        let vectors = provider.vectors.iter().filter(|vector| {
            vector.method == provider::Method::Post
                && vector.expect.as_ref().is_none_or(|events| !events.is_empty())
                && !is_in_parts(vector)
        });
        vectors.map(|vector| (name(provider, vector), Self::of_vector(vector, url))).collect()
    }

    fn of_sample(sample: &Sample, url: &Url, now: Timestamp) -> Self {
        let id = RequestId::fresh(now);
        let fill = |text: &str| text.replace("{id}", id.token().as_str()).replace("{now}", &now.seconds().to_string());
        Self {
            method: Method::POST,
            url: url.clone(),
            headers: sample.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body: fill(&sample.body).into_bytes(),
        }
    }

    pub(super) fn of_vector(vector: &Vector, url: &Url) -> Self {
        let mut url = url.clone();
        if let Some((_, query)) = vector.target.split_once('?') {
            url.set_query(Some(query));
        }
        Self { method: Method::POST, url, headers: vector.headers.clone(), body: vector.body.clone() }
    }

    /// The same as its receiver sees it.
    ///
    /// # Errors
    /// When a header can't be sent.
    pub fn request(&self) -> Result<RawRequest, SignError> {
        let pair = |(name, value): &(String, String)| {
            let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
            parsed.ok_or_else(|| SignError::Header(name.clone()))
        };
        let headers: Result<HeaderMap, _> = self.headers.iter().map(pair).collect();
        let query = self.url.query().map_or_else(String::new, |query| format!("?{query}"));
        Ok(RawRequest {
            method: self.method.clone(),
            target: format!("{}{query}", self.url.path()),
            headers: headers?,
            body: Bytes::copy_from_slice(&self.body),
            connection: None,
        })
    }

    /// Writes a header, in place of the one of that name.
    pub(super) fn put_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Says that the body is a form, if there is none yet.
    pub(super) fn become_form(&mut self) {
        if self.body.is_empty() {
            self.put_header(header::CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded");
        }
    }
}

/// Whether a body is a form in parts, which nothing here writes into; providers that send those send others too.
fn is_in_parts(vector: &Vector) -> bool {
    vector.headers.iter().any(|(name, value)| name == header::CONTENT_TYPE.as_str() && value.starts_with("multipart/"))
}

/// What an event of a vector is called: its type without the provider's name, or the vector's own.
fn name(provider: &Provider, vector: &Vector) -> String {
    let kind = vector.expect.as_ref().and_then(|events| events.first()?.kind.as_deref());
    let bare = kind.and_then(|kind| kind.strip_prefix(provider.name.as_str())?.strip_prefix('.'));
    bare.map(str::to_owned).or_else(|| vector.name.clone()).unwrap_or_else(|| "sample".to_owned())
}
