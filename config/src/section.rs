//! The sections of `gatepost.toml`, one type each.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use url::Url;

use crate::{ByteSize, Catalogue, ConnectionId, DestinationId, IntegrationId, Provider, RouteId, Secret, TenantId};

/// A whole, checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the gateway listens on and its limits.
    pub gateway: Gateway,
    /// How routers work.
    pub router: Router,
    /// Where events are kept.
    pub store: Store,
    /// How long what is finished is kept.
    pub retention: Retention,
    /// Keys for secrets at rest.
    pub secrets: Secrets,
    /// The API's listener.
    pub admin: Admin,
    /// The metrics and health listener.
    pub ops: Ops,
    /// Environments served under `/webhook/{environment}/{integration}`.
    pub nango_environments: Vec<String>,
    /// Providers: the built-in catalogue and those declared in the file.
    pub catalogue: Catalogue,
    /// Providers the operator configured.
    pub integrations: Vec<Integration>,
    /// Connections declared in the file.
    pub connections: Vec<Connection>,
    /// Destinations declared in the file.
    pub destinations: Vec<Destination>,
    /// Rules, in file order.
    pub routes: Vec<Route>,
}

/// `[gateway]`
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// Address that providers (or the TLS proxy in front) post to.
    pub listen: SocketAddr,
    /// What providers call us, for schemes that sign the URL and for printing webhook URLs.
    pub public_url: Option<Url>,
    /// Bytes of request bodies held in memory at once, over all requests; at it the answer is 503.
    pub inflight_bytes_max: ByteSize,
    /// Open connections at once; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// Time for a request's head to arrive, counted from the first read.
    pub head_timeout: Duration,
    /// Time for a request's body to arrive, counted from the end of its head.
    pub body_timeout: Duration,
    /// Longest time from the last body byte to the answer.
    pub answer_deadline: Duration,
    /// Time that requests under way get when the process is told to stop.
    pub shutdown_deadline: Duration,
}

/// `[router]`
#[derive(Debug, Clone, PartialEq)]
pub struct Router {
    /// Attempts under way at once, over all destinations.
    pub concurrency: usize,
    /// Time that attempts under way get when the process is told to stop.
    pub shutdown_deadline: Duration,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Time in which an event id is stored once. Absent: 24 h embedded, 2 min on NATS.
    pub dedupe_window: Option<Duration>,
    /// Which engine, with its settings.
    pub engine: Engine,
}

/// `engine = "embedded"` or `engine = "nats"`
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// One machine, no other process: a folder.
    Embedded {
        /// The folder.
        path: PathBuf,
    },
    /// NATS JetStream.
    Nats(NatsStore),
}

/// `[store]` with `engine = "nats"`
#[derive(Debug, Clone, PartialEq)]
pub struct NatsStore {
    /// Servers, `nats://host:4222` (may carry `user:password@` for a test).
    pub urls: Vec<String>,
    /// A credentials file (`.creds`) or an nkey seed.
    pub credentials: Option<Secret>,
    /// First token of every subject and stream name.
    pub prefix: String,
    /// Copies of each stream: 1, 3 or 5.
    pub replicas: usize,
    /// What a 2xx promises; the operator states how the servers are set up.
    pub durability: Durability,
    /// Monitoring URL at which `sync_interval: always` can be shown (`http://nats:8222`).
    pub monitor_url: Option<Url>,
    /// Partitions of the event log; fixed when the streams are made.
    pub partitions: u16,
    /// Shards of the delivery lanes; fixed when the streams are made.
    pub shards: u16,
}

/// What a 2xx promises on NATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// `sync_interval: always`: on disk.
    Fsync,
    /// Accepted by a quorum, not yet on disk.
    Replicated,
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Events, from when they were received.
    pub events: Duration,
    /// Dead letters, from when they died.
    pub dead_letters: Duration,
    /// Parked events, from when they were received.
    pub unmatched: Duration,
    /// Refused requests.
    pub quarantine: Duration,
}

/// `[secrets]`
#[derive(Debug, Clone, PartialEq)]
pub struct Secrets {
    /// The first encrypts, all decrypt.
    pub master_keys: Vec<Secret>,
}

/// `[admin]`
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Address of the API and console.
    pub listen: SocketAddr,
    /// Keys that may do everything.
    pub api_keys: Vec<Secret>,
}

/// `[ops]`
#[derive(Debug, Clone, PartialEq)]
pub struct Ops {
    /// Address of /metrics, /livez and /readyz.
    pub listen: SocketAddr,
}

/// `[[integration]]`
#[derive(Debug, Clone)]
pub struct Integration {
    /// Its id, part of its webhook URL.
    pub id: IntegrationId,
    /// The provider, resolved in the catalogue.
    pub provider: Arc<Provider>,
    /// Signing secrets; a request that any active one verifies is genuine.
    pub secrets: Vec<Secret>,
    /// Named values that the provider's file asks for.
    pub values: BTreeMap<String, Secret>,
    /// The operator's word that requests can't be verified.
    pub unverified: bool,
    /// What happens to events of an account that no connection claims.
    pub unmatched: Unmatched,
    /// Where events go that carry no account at all.
    pub default_connection: Option<ConnectionId>,
}

/// `unmatched = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// Keep until a connection claims the account.
    Park,
    /// Route to the operator's own destinations, with `connection: null`.
    Forward,
}

/// `[[connection]]`
#[derive(Debug, Clone)]
pub struct Connection {
    /// Under which integration.
    pub integration: IntegrationId,
    /// Its id, unique within the integration.
    pub id: ConnectionId,
    /// The provider's account key.
    pub account: Option<String>,
    /// Who owns it; its own id when not said.
    pub tenant: TenantId,
    /// Its own signing secrets, for providers with a secret per connection.
    pub secrets: Vec<Secret>,
}

/// `[[destination]]`
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// Whose it is; the operator's own when not said.
    pub tenant: Option<TenantId>,
    /// Where deliveries are posted.
    pub url: Url,
    /// Loopback, private networks and plain http are allowed.
    pub private: bool,
    /// Signing secrets (`whsec_...`), decoded; every active one signs.
    pub secrets: Vec<Secret>,
    /// What a delivery looks like.
    pub format: DeliveryFormat,
    /// Types it subscribes to, for routes that forward to `"tenant"`; all when empty.
    pub events: Vec<String>,
    /// Longest time of one attempt, from name lookup to the last body byte read.
    pub timeout: Duration,
    /// Attempts under way at once.
    pub concurrency: usize,
    /// Waits before attempt 1, 2, ...; their number is the number of attempts.
    pub schedule: Vec<Duration>,
    /// Statuses after which a delivery is a dead letter at once.
    pub final_statuses: Vec<u16>,
}

/// `format = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFormat {
    /// Gatepost's envelope.
    Json,
    /// CloudEvents 1.0, structured mode.
    CloudEvents,
}

/// `[[route]]`
#[derive(Debug, Clone)]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// Only events of this integration.
    pub integration: Option<IntegrationId>,
    /// Only events whose type one of these patterns matches; all when empty.
    pub events: Vec<String>,
    /// Only events for which this CEL expression is true.
    pub filter: Option<String>,
    /// Where matching events go.
    pub forward: Forward,
}

/// `forward = ...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// To these destinations.
    To(Vec<DestinationId>),
    /// To every destination of the event's tenant that subscribes to its type.
    Tenant,
}
