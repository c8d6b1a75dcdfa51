//! What the servers answer, and what their refusals mean for the store's callers.

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};

use crate::StoreError;

/// A confirmed publish.
#[derive(Debug, Clone)]
pub(super) struct PubAck {
    /// The message's place in its stream; of the first copy for a duplicate.
    pub(super) sequence: u64,
    /// Its id was stored before.
    pub(super) duplicate: bool,
}

/// A refusal by JetStream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{description} (error {err_code})")]
pub(super) struct Refused {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failed {
    /// The server's answer is no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There was no usable answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// The message id is just being stored by another publish: not a success yet.
    pub(super) const fn is_in_process(&self) -> bool {
        self.err_code == 10158
    }

    /// Somebody else has written the subject since.
    pub(super) const fn is_wrong_revision(&self) -> bool {
        matches!(self.err_code, 10071 | 10164)
    }

    /// The subject holds a message already, and may hold no other.
    pub(super) const fn is_subject_taken(&self) -> bool {
        self.err_code == 10077
    }

    /// No such message, consumer or stream.
    pub(super) const fn is_not_found(&self) -> bool {
        self.code == 404 || matches!(self.err_code, 10037 | 10043 | 10057 | 10059)
    }

    /// Worth another try soon: the cluster is busy electing or catching up.
    pub(super) const fn is_passing(&self) -> bool {
        self.is_in_process() || (self.code == 503 && !self.is_full())
    }

    /// The cluster doesn't know of enough servers for a stream's replicas; right after its start it doesn't yet.
    pub(super) const fn lacks_peers(&self) -> bool {
        self.err_code == 10005
    }

    const fn is_full(&self) -> bool {
        matches!(self.err_code, 10002 | 10047 | 10077 | 10023)
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused.is_full() {
            true => Self::Full(refused.to_string()),
            false => Self::Unavailable(refused.to_string()),
        }
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refused) => refused.into(),
            Failed::Store(error) => error,
        }
    }
}

/// Reads an answer of the JetStream API: what was asked for, or an error object.
pub(super) fn read<T: DeserializeOwned>(payload: &Bytes) -> Result<T, Failed> {
    #[derive(Deserialize)]
    struct Outcome {
        error: Option<Refused>,
    }
    let outcome: Outcome = serde_json::from_slice(payload).map_err(unreadable)?;
    match outcome.error {
        Some(refused) => Err(refused.into()),
        None => Ok(serde_json::from_slice(payload).map_err(unreadable)?),
    }
}

/// Reads the answer to a publish, in one pass: every webhook has one.
pub(super) fn read_ack(payload: &Bytes) -> Result<PubAck, Failed> {
    #[derive(Deserialize)]
    struct Outcome {
        error: Option<Refused>,
        seq: Option<u64>,
        #[serde(default)]
        duplicate: bool,
    }
    let Outcome { error, seq, duplicate } = serde_json::from_slice(payload).map_err(unreadable)?;
    match (error, seq) {
        (Some(refused), _) => Err(refused.into()),
        (None, Some(sequence)) => Ok(PubAck { sequence, duplicate }),
        (None, None) => Err(StoreError::Unavailable("NATS gave an odd answer: no place in the stream".into()).into()),
    }
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Unavailable(format!("NATS gave an odd answer: {error}"))
}
