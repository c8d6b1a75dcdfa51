//! What is explained: a captured request in a file, or a refused one that the API keeps.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_config::Timestamp;
use gatepost_event::RequestId;
use gatepost_gateway::RawRequest;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    ExplainArgs,
    capture::{self, Capture},
};
use crate::{api, exit::Exit};

/// A request, and what is known of it.
pub(super) struct Subject {
    pub(super) capture: Capture,
    /// When it came, of a refused one.
    pub(super) received_at: Option<Timestamp>,
    /// Which integration refused it.
    pub(super) integration: Option<String>,
}

/// A refused request, as the API shows it.
#[derive(Deserialize)]
struct Refused {
    integration: String,
    connection: Option<String>,
    received_at: Timestamp,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
    masked: bool,
}

/// Reads the file, or asks the API.
pub(super) async fn read(args: &ExplainArgs) -> Result<Subject, Exit> {
    let name = &args.request;
    if name.parse::<RequestId>().is_ok() && !std::path::Path::new(name).exists() {
        return refused(args).await;
    }
    let capture = capture::parse(&super::read(name)?).map_err(|why| Exit::failed(format!("{name}: {why}")))?;
    Ok(Subject { capture, received_at: None, integration: None })
}

async fn refused(args: &ExplainArgs) -> Result<Subject, Exit> {
    let id = &args.request;
    let kept = api::get(&args.api, &["quarantine", id], &[]).await?;
    let kept: Refused = serde_json::from_value(kept)
        .map_err(|error| Exit::failed(format!("the API's answer is not as expected: {error}")))?;
    if kept.masked {
        return Err(Exit::failed(format!(
            "{id} shows a secret (a token), which is masked, so it can't be judged here; once what was wrong is put right \
             `gatepost quarantine release {id}` has the gateway judge it again"
        )));
    }
    let (integration, received_at) = (kept.integration.clone(), kept.received_at);
    let request = request(kept).ok_or_else(|| Exit::failed(format!("{id} is no request that can be read")))?;
    let notes = vec![format!(
        "of the headers, those are kept that the provider of {integration} uses; it came at {received_at}"
    )];
    let capture = Capture { request, notes };
    Ok(Subject { capture, received_at: Some(received_at), integration: Some(integration) })
}

fn request(kept: Refused) -> Option<RawRequest> {
    let mut headers = HeaderMap::new();
    for (name, value) in &kept.headers {
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    let encoded = kept.body_base64.map(|body| STANDARD.decode(body)).transpose().ok()?;
    let body = encoded.or_else(|| kept.body.map(String::into_bytes)).unwrap_or_default().into();
    let method = kept.method.parse().ok()?;
    Some(RawRequest { method, target: kept.target, headers, body, connection: kept.connection })
}
