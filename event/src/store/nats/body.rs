//! Bodies over 512 KiB: cut into chunks, stored before what refers to them, and put together again.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::link::{Link, Post, Repeat};
use crate::{StoreError, id::Token};

/// The largest body that stands in its event's own message, and the size of the chunks of larger ones. Two of them
/// fit into a server's default `max_payload` of 1 MiB, so the meta has as much room again.
pub(super) const INLINE_BYTES_MAX: usize = 512 * 1024;
/// How much longer chunks are kept than what refers to them, which is stored after them.
const MARGIN: Duration = Duration::from_secs(60);
/// Chunks of one body under way at once.
const CHUNKS_AT_ONCE: usize = 16;
/// The header of a message whose body stands elsewhere: digest, number of chunks, bytes.
const BODY_HEADER: &str = "Gatepost-Body";

/// Says which body a message goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyRef {
    /// Part of the chunks' subjects, so that two bodies under one id can't be mixed.
    pub(super) digest: Token,
    chunks: usize,
    bytes: usize,
}

impl BodyRef {
    /// What a body that doesn't fit into its message is referred to by.
    pub(super) fn of(body: &Bytes) -> Option<Self> {
        let bytes = body.len();
        (bytes > INLINE_BYTES_MAX).then(|| Self {
            digest: Token::hash(&[b"body", body]),
            chunks: bytes.div_ceil(INLINE_BYTES_MAX),
            bytes,
        })
    }

    /// Writes it into a message.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(BODY_HEADER, format!("{} {} {}", self.digest, self.chunks, self.bytes).as_str());
    }

    /// Reads it from a message; `Ok(None)` when the body is in the message.
    pub(super) fn get(headers: &HeaderMap) -> Result<Option<Self>, StoreError> {
        let Some(text) = headers.get_last(BODY_HEADER) else { return Ok(None) };
        let mut parts = text.as_str().split(' ');
        let mut part = || parts.next().unwrap_or_default();
        match (part().parse(), part().parse(), part().parse()) {
            (Ok(digest), Ok(chunks), Ok(bytes)) => Ok(Some(Self { digest, chunks, bytes })),
            _ => Err(StoreError::Corrupt(format!("the header {BODY_HEADER} of a stored message is {text:?}"))),
        }
    }
}

/// Stores a body's chunks, for a little longer than what refers to them is kept, if that is said; done when every one is
/// confirmed. A repeat replaces each by the same bytes.
pub(super) async fn put(
    link: &Link,
    base: &str,
    body: &Bytes,
    kept: Option<Duration>,
    deadline: Instant,
) -> Result<(), StoreError> {
    let kept = kept.map(|kept| kept + MARGIN);
    let chunks = (0..body.len()).step_by(INLINE_BYTES_MAX).enumerate();
    let posts = chunks.map(|(number, start)| {
        let end = body.len().min(start + INLINE_BYTES_MAX);
        let subject = format!("{base}.{number}");
        let id = subject.clone();
        Post::once(subject, &id, body.slice(start..end)).lasting(kept)
    });
    stream::iter(posts.map(Ok))
        .try_for_each_concurrent(CHUNKS_AT_ONCE, |post| async move {
            link.publish(&post, Repeat::Harmless, deadline).await?;
            Ok::<_, StoreError>(())
        })
        .await
}

/// Puts a body together; `None` when a chunk is gone.
pub(super) async fn get(
    link: &Link,
    stream: &str,
    base: &str,
    body: BodyRef,
    replicas: usize,
    deadline: Instant,
) -> Result<Option<Bytes>, StoreError> {
    let reads = (0..body.chunks)
        .map(|number| async move { link.kept_of(stream, &format!("{base}.{number}"), replicas, deadline).await });
    let mut whole = BytesMut::with_capacity(body.bytes.min(64 * 1024 * 1024));
    let mut chunks = stream::iter(reads).buffered(CHUNKS_AT_ONCE);
    while let Some(chunk) = chunks.next().await {
        match chunk? {
            Some(chunk) => whole.extend_from_slice(&chunk.payload),
            None => return Ok(None),
        }
    }
    let whole = whole.freeze();
    match BodyRef::of(&whole) == Some(body) {
        true => Ok(Some(whole)),
        false => Err(StoreError::Corrupt(format!("the chunks under {base} are not the body that was stored"))),
    }
}
