//! One verified, attributed occurrence.

use bytes::Bytes;
use gatepost_config::{ConnectionId, DestinationId, IntegrationId, ProviderName, TenantId, Timestamp, provider::Trust};
use serde::{Deserialize, Serialize};

use crate::{EventId, RequestId};

/// One verified, attributed occurrence, with the provider's exact bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What is known of it.
    pub meta: Meta,
    /// The provider's bytes; of its item, for a batch; of the unwrapped field, for a declared form.
    pub body: Bytes,
}

/// What is known of an event. Stored as JSON with a version, before the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Meta {
    /// The event's id.
    pub id: EventId,
    /// The request it came with.
    pub request: RequestId,
    /// Under which integration.
    pub integration: IntegrationId,
    /// The integration's provider.
    pub provider: ProviderName,
    /// Whose it is; none while no connection claims its account.
    pub connection: Option<ConnectionId>,
    /// Who owns the connection; of a parked event, for whom it waits, if that is known.
    pub tenant: Option<TenantId>,
    /// The provider's account key, where the request carries one.
    pub account: Option<String>,
    /// Where its connection's events went when it was accepted or released, instead of where routes forward them; none
    /// for most. Routing it again comes to the same, whatever the connection says by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationId>,
    /// `<provider>.<event>[.<action>]`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The provider's own word for the type, as it stands.
    pub provider_type: Option<String>,
    /// The provider's own id.
    pub provider_event_id: Option<String>,
    /// What the passed check is worth.
    #[serde(with = "trust")]
    pub trust: Trust,
    /// Something of the body was a secret, and is overwritten with `*`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// When it happened, by the provider's word.
    pub occurred_at: Option<Timestamp>,
    /// When the gateway had read the request.
    pub received_at: Timestamp,
    /// The headers that the provider's file lists, in its order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The request's content type.
    pub content_type: Option<String>,
    /// The AEAD key that the body is encrypted with; none while bodies are stored in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// Where an event stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventRef {
    /// Its id.
    pub id: EventId,
    /// Its partition.
    pub partition: u16,
    /// Its place in the partition's order.
    pub sequence: u64,
    /// When it was received: what its retention counts from.
    pub received_at: Timestamp,
}

/// Stored bytes that are not an event.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the frame's head says.
    #[error("the stored event is cut short")]
    Short,
    /// Written by a later version.
    #[error("the stored event has format version {0}; this gatepost reads version {FRAME_VERSION}")]
    Version(u8),
    /// The meta is not what it should be.
    #[error("the stored event's meta can't be read: {0}")]
    Meta(#[from] serde_json::Error),
}

/// The version of the stored form.
pub const FRAME_VERSION: u8 = 1;

/// Bytes before the meta: one of version, four of the meta's length.
const HEAD_BYTES: usize = 5;

/// Bytes of most events' metas.
const META_BYTES_USUAL: usize = 768;

impl Event {
    /// The stored form: version, length of the meta (u32, big-endian), meta as JSON, body.
    ///
    /// # Errors
    /// When the meta is over 4 GiB long.
    pub fn to_frame(&self) -> Result<Bytes, FrameError> {
        let mut frame = Vec::with_capacity(HEAD_BYTES + META_BYTES_USUAL + self.body.len());
        self.write_frame(&mut frame)?;
        Ok(frame.into())
    }

    /// The stored form, in place of what stands in a buffer.
    pub(crate) fn write_frame(&self, frame: &mut Vec<u8>) -> Result<(), FrameError> {
        frame.clear();
        // The meta's length is known when it is written.
        frame.extend_from_slice(&[FRAME_VERSION, 0, 0, 0, 0]);
        serde_json::to_writer(&mut *frame, &self.meta)?;
        let length = u32::try_from(frame.len() - HEAD_BYTES).map_err(|_| FrameError::Short)?;
        if let Some([_, head @ ..]) = frame.first_chunk_mut::<HEAD_BYTES>() {
            *head = length.to_be_bytes();
        }
        frame.extend_from_slice(&self.body);
        Ok(())
    }

    /// Reads the stored form; the body shares its memory.
    ///
    /// # Errors
    /// When the bytes are cut short, of a later version, or not an event.
    pub fn from_frame(frame: &Bytes) -> Result<Self, FrameError> {
        let (head, rest) = frame.split_first_chunk::<HEAD_BYTES>().ok_or(FrameError::Short)?;
        let [version, length @ ..] = *head;
        if version != FRAME_VERSION {
            return Err(FrameError::Version(version));
        }
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| FrameError::Short)?;
        let meta = rest.get(..length).ok_or(FrameError::Short)?;
        Ok(Self { meta: serde_json::from_slice(meta)?, body: frame.slice(HEAD_BYTES + length..) })
    }
}

mod trust {
    use gatepost_config::provider::Trust;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(trust: &Trust, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(super::trust_name(*trust))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Trust, D::Error> {
        match &*std::borrow::Cow::<'de, str>::deserialize(from)? {
            "verified" => Ok(Trust::Verified),
            "authenticated" => Ok(Trust::Authenticated),
            "unverified" => Ok(Trust::Unverified),
            other => Err(de::Error::unknown_variant(other, &["verified", "authenticated", "unverified"])),
        }
    }
}

/// The word for a trust label in envelopes, metrics and the store.
pub const fn trust_name(trust: Trust) -> &'static str {
    match trust {
        Trust::Verified => "verified",
        Trust::Authenticated => "authenticated",
        Trust::Unverified => "unverified",
    }
}
