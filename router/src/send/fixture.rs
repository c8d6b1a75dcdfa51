//! What attempts came to, for unit tests.

use std::time::Duration;

use gatepost_config::Timestamp;
use gatepost_event::{AttemptError, attempt::Phases};

use super::Sent;

/// An attempt of 7 ms.
pub(crate) fn sent(status: Option<u16>, error: Option<AttemptError>) -> Sent {
    Sent {
        started_at: Timestamp::from_millis(5),
        took: Duration::from_millis(7),
        phases: Phases { send_us: Some(3), ..Phases::default() },
        status,
        error,
        response: "text".to_owned(),
        retry_after: None,
    }
}
