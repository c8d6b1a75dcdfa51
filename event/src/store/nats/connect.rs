//! The connection to the servers: who we are to them, how we come back, what we hear from them.

use std::time::Duration;

use async_nats::{Client, ClientError, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use gatepost_config::NatsStore;
use tokio::sync::watch;

use super::super::OpenError;

/// How long one try to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that is silent for two of these is dead.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// The longest wait between two tries to connect.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(4);

/// What the client told of its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Heard {
    /// How much it told.
    count: u64,
    /// How often a connection was lost.
    pub(super) losses: u64,
    /// A server refused the credentials since the last connection. The client goes on trying all the same.
    pub(super) refused: bool,
}

/// Starts to connect; goes on trying in the background, for ever, until a server answers. Of a process's connections,
/// `tells` is the one that the log tells of.
pub(super) async fn connect(settings: &NatsStore, tells: bool) -> Result<(Client, watch::Receiver<Heard>), OpenError> {
    let servers = servers(settings)?;
    let (sender, heard) = watch::channel(Heard::default());
    let options = options(settings, &servers)?.event_callback(move |event| {
        if tells {
            tell(&event, sender.borrow().refused);
        }
        sender.send_modify(|heard| heard.hear(&event));
        async {}
    });
    let client = options
        .connect(servers)
        .await
        .map_err(|error| OpenError(format!("store.url: can't start the NATS client: {error}")))?;
    Ok((client, heard))
}

/// What to say of [`Heard::refused`].
pub(super) fn refused_credentials() -> OpenError {
    OpenError(
        "the NATS server refused the credentials: see store.credentials, or the user and password in store.url".into(),
    )
}

/// What our replies are addressed to; a role may be allowed to read nothing but its own.
pub(super) fn inbox_prefix(settings: &NatsStore) -> Result<String, OpenError> {
    let user = servers(settings)?.iter().find_map(|server| server.username().map(str::to_owned));
    let name = user.unwrap_or_else(|| settings.prefix.clone());
    let token = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    Ok(format!("_INBOX_{}", name.chars().map(token).collect::<String>()))
}

fn servers(settings: &NatsStore) -> Result<Vec<ServerAddr>, OpenError> {
    if settings.urls.is_empty() {
        return Err(OpenError("store.url: give at least one server, such as \"nats://127.0.0.1:4222\"".into()));
    }
    let parse = |(at, url): (usize, &String)| {
        // The URL may hold a password, so the message names its place and not its text.
        url.parse::<ServerAddr>().map_err(|_| {
            OpenError(format!("store.url: entry {} is not a URL such as \"nats://127.0.0.1:4222\"", at + 1))
        })
    };
    settings.urls.iter().enumerate().map(parse).collect()
}

fn options(settings: &NatsStore, servers: &[ServerAddr]) -> Result<ConnectOptions, OpenError> {
    let options = ConnectOptions::new()
        .name("gatepost")
        .retry_on_initial_connect()
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .request_timeout(Some(Duration::from_secs(5)))
        .reconnect_delay_callback(reconnect_delay)
        .custom_inbox_prefix(inbox_prefix(settings)?);
    let Some(credentials) = &settings.credentials else {
        let named = servers.iter().find_map(|server| Some((server.username()?, server.password().unwrap_or_default())));
        return Ok(match named {
            Some((user, password)) => options.user_and_password(decoded(user), decoded(password)),
            None => options,
        });
    };
    let unfit = |why: &str| {
        let source = credentials.source();
        OpenError(format!("store.credentials (from {source}) {why}; give the content of a .creds file or an nkey seed"))
    };
    let text = std::str::from_utf8(credentials.expose()).map_err(|_| unfit("is not text"))?.trim();
    match text.starts_with("SU") && !text.contains(char::is_whitespace) {
        true => Ok(options.nkey(text.to_owned())),
        false => options.credentials(text).map_err(|_| unfit("can't be read")),
    }
}

/// Undoes the percent-encoding of a URL's user or password.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte =
            pair.and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Doubles from 50 ms; half of it is chance, so that a fleet doesn't come back in step.
fn reconnect_delay(attempts: usize) -> Duration {
    if attempts <= 1 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempts.min(8)).unwrap_or(8);
    let whole = Duration::from_millis(25).saturating_mul(1 << doublings).min(RECONNECT_DELAY_MAX);
    whole.div_f64(2.0) + whole.mul_f64(rand::random_range(0.0..0.5))
}

impl Heard {
    fn hear(&mut self, event: &Event) {
        self.count = self.count.wrapping_add(1);
        match event {
            Event::Connected => self.refused = false,
            Event::Disconnected => self.losses = self.losses.wrapping_add(1),
            Event::ClientError(error) if is_refusal(error) => self.refused = true,
            _ => {}
        }
    }
}

/// Writes an event into the log; a refusal only once, until there is a connection again.
fn tell(event: &Event, was_refused: bool) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("lost the connection to NATS; trying to reconnect"),
        Event::LameDuckMode => tracing::warn!("the NATS server is about to stop; the client moves to another"),
        Event::Draining | Event::Closed => tracing::debug!("NATS client: {event}"),
        Event::SlowConsumer(_) => tracing::warn!("a NATS subscription was too slow: messages were dropped"),
        // The only sign of a publish that the permissions deny: the publisher itself sees a timeout.
        Event::ServerError(error) => tracing::error!("the NATS server refused something: {error}"),
        Event::ClientError(error) if is_refusal(error) => {
            if !was_refused {
                tracing::error!("{}", refused_credentials());
            }
        }
        // One for every try to connect.
        Event::ClientError(error) => tracing::debug!("NATS client: {error}"),
    }
}

/// The client passes this on as text only.
fn is_refusal(error: &ClientError) -> bool {
    let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
    matches!(error, ClientError::Other(text) if kinds.iter().any(|kind| kind.to_string() == *text))
}
