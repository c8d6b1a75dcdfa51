//! What was changed through the API: by whom, when, and from what to what.

use gatepost_config::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ActId;

/// Acts that are kept at most; the oldest go first.
pub const ACTS_MAX: u64 = 100_000;

/// The longest act, as JSON.
pub const ACT_BYTES_MAX: usize = 192 * 1024;

/// A change that somebody made. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Act {
    /// Its id.
    pub id: ActId,
    /// When.
    pub at: Timestamp,
    /// Who: the key, by its id and name; or `announcement` and the request of the event that announced it.
    pub who: String,
    /// The tenant that the key is bound to.
    pub tenant: Option<TenantId>,
    /// What was asked for: method and route; or what an event announced: `begins` or `ends`.
    pub action: String,
    /// Of what: the path.
    pub target: String,
    /// The answer's status.
    pub status: u16,
    /// How it was before, where that is known and was there.
    pub before: Option<Value>,
    /// How it was afterwards.
    pub after: Option<Value>,
}
