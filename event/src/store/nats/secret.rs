//! Sealed secrets: one message a name, which the server itself lets nobody write again.

use async_nats::HeaderMap;

use super::{
    Nats,
    feed::{Fed, Feed, Source},
    link::{self, Post, Repeat},
    read::Stored,
    reply::Failed,
};
use crate::{
    SealedSecret, StoreError,
    store::types::{Kept, SecretNews},
};

/// Messages and bytes that may be on their way to us at once.
const FEED_MAX: (usize, usize) = (256, 1024 * 1024);

/// See [`crate::store::Secrets`].
pub struct Secrets {
    feed: Feed,
    /// The last that was there when it was opened; none when all of those were given.
    last: Option<u64>,
    is_current: bool,
}

impl Nats {
    pub(in crate::store) async fn keep_secret(
        &self,
        secret: &SealedSecret,
        deadline: std::time::Instant,
    ) -> Result<Kept, StoreError> {
        let subject = self.names.secret_subject(&secret.name.token());
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        let payload = serde_json::to_vec(secret).map_err(|error| StoreError::Corrupt(error.to_string()))?.into();
        let post = Post::new(subject.clone(), headers, payload);
        match self.link.publish(&post, Repeat::Never, deadline).await {
            Ok(_) => Ok(Kept::New),
            Err(Failed::Refused(refused)) if refused.is_wrong_revision() || refused.is_subject_taken() => {
                let found = self.link.leader_last(&self.names.secrets(), &subject, deadline).await?;
                match found {
                    Some(found) => Ok(Kept::Already(Box::new(read(&found)?))),
                    None => Err(refused.into()),
                }
            }
            Err(failed) => Err(failed.into()),
        }
    }

    /// Read in pages: who takes some out may open no feed of them.
    pub(in crate::store) async fn kept_secrets(&self) -> Result<Vec<SealedSecret>, StoreError> {
        let (stream, filter) = (self.names.secrets(), self.names.secret_filter());
        let page = self.link.page(&stream, &filter, 0, usize::MAX, self.replicas).await?;
        let readable = |message: &Stored| match read(message) {
            Ok(secret) => Some(secret),
            Err(error) => {
                tracing::error!(%error, "a kept secret can't be read; it is left out");
                None
            }
        };
        Ok(page.iter().filter_map(readable).collect())
    }

    pub(in crate::store) async fn secrets(&self) -> Result<Secrets, StoreError> {
        let (stream, filter) = (self.names.secrets(), self.names.secret_filter());
        let last = self.link.leader_last(&stream, &filter, link::soon()).await?.map(|found| found.sequence);
        let source = Source { stream, filters: vec![filter], messages_max: FEED_MAX.0, bytes_max: FEED_MAX.1 };
        Ok(Secrets { feed: Feed::open(self.link.clone(), source, 1).await?, last, is_current: false })
    }
}

impl Secrets {
    /// What is kept, then [`SecretNews::Current`] once, then what comes. Cancel safe.
    pub(in crate::store) async fn next(&mut self) -> Result<SecretNews, StoreError> {
        loop {
            if self.last.is_none() && !self.is_current {
                self.is_current = true;
                return Ok(SecretNews::Current);
            }
            let Fed::Message(message) = self.feed.next().await? else { continue };
            self.last = self.last.filter(|last| *last > message.sequence);
            return Ok(SecretNews::Kept(read(&message)?));
        }
    }
}

fn read(message: &Stored) -> Result<SealedSecret, StoreError> {
    serde_json::from_slice(&message.payload)
        .map_err(|error| StoreError::Corrupt(format!("the secret at {}: {error}", message.subject)))
}
