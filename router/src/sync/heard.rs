//! What an engine says of its syncs by webhooks of its own, which come as events like any other.

use gatepost_config::{ConnectionId, IntegrationId, SyncName};
use gatepost_event::{id::Token, store::StoredEvent, subject};
use serde::Deserialize;

use super::conduct::Heard;

/// The provider of Nango's own webhooks, and the type of those that say that a sync has run.
const NANGO: &str = "nango";
const SYNC: &str = "sync";

/// Nango's webhook after a run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ran {
    #[serde(rename = "type")]
    kind: String,
    provider_config_key: IntegrationId,
    connection_id: ConnectionId,
    sync_name: SyncName,
}

/// What the events say of syncs. It is no more than a reason to look: which run has ended, the engine's API tells.
pub(crate) fn of(events: &[StoredEvent]) -> Vec<Heard> {
    events.iter().filter_map(|event| sync_of(event).map(Heard::Ran)).collect()
}

fn sync_of(stored: &StoredEvent) -> Option<Token> {
    let event = stored.event.as_ref().ok().filter(|event| event.meta.provider.as_str() == NANGO)?;
    let ran: Ran = serde_json::from_slice(&event.body).ok()?;
    let token = subject::sync_token(&ran.provider_config_key, Some(&ran.connection_id), &ran.sync_name);
    (ran.kind == SYNC).then_some(token)
}

#[cfg(test)]
mod tests {
    use gatepost_event::EventRef;

    use super::*;
    use crate::route::fixture;

    #[test]
    fn nangos_webhook_names_the_sync_that_ran_and_others_name_none() {
        let ran = r#"{"from":"nango","type":"sync","connectionId":"acme","providerConfigKey":"hubspot","syncName":"contacts","success":true}"#;
        let of_provider = |provider: &str, body: &str| {
            let mut event = fixture::event("nango.sync.contacts", body);
            event.meta.provider = provider.parse().expect("a name");
            let at = EventRef { id: event.meta.id, partition: 0, sequence: 1, received_at: event.meta.received_at };
            sync_of(&StoredEvent { at, event: Ok(event) })
        };
        let name = "contacts".parse().expect("a name");
        let connection: ConnectionId = "acme".parse().expect("an id");
        let token = subject::sync_token(&"hubspot".parse().expect("an id"), Some(&connection), &name);
        assert_eq!(of_provider("nango", ran), Some(token));
        assert_eq!(of_provider("github", ran), None);
        assert_eq!(of_provider("nango", &ran.replace("\"sync\"", "\"auth\"")), None);
    }
}
