//! The audit log: a stream that nobody may delete from, bounded in number and age.

use super::{
    Nats,
    link::{self, Post, Repeat},
    tally,
};
use crate::{Act, StoreError};

impl Nats {
    pub(in crate::store) async fn note_act(&self, act: &Act) -> Result<(), StoreError> {
        let payload = serde_json::to_vec(act).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let post = Post::once(self.names.act_subject(), &act.id.to_string(), payload.into());
        self.link.publish(&post, Repeat::Harmless, link::soon()).await?;
        Ok(())
    }

    pub(in crate::store) async fn acts(&self, before: u64, limit: usize) -> Result<Vec<(u64, Act)>, StoreError> {
        let (stream, subject) = (self.names.acts(), self.names.act_subject());
        let last = tally::numbers(&self.link, &stream, link::soon()).await?.last;
        // Acts go at the old end only, so that places follow each other without a gap.
        let top = last.min(before.saturating_sub(1));
        let after = top.saturating_sub(limit as u64);
        let page = self.link.page(&stream, &subject, after, limit, self.replicas).await?;
        let act = |message: &super::read::Stored| {
            let act = serde_json::from_slice(&message.payload);
            Ok((message.sequence, act.map_err(|error| StoreError::Corrupt(format!("an act: {error}")))?))
        };
        page.iter().rev().filter(|message| message.sequence <= top).map(act).collect()
    }
}
