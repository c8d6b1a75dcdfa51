//! Reads connections and claims from the store.

use std::{collections::HashMap, sync::Arc};

use gatepost_event::{
    Claim, Linked, StoreError,
    connection::Found,
    registry::{Entry, Kind},
};

use super::{Answer, Directory, Key};
use crate::link::{Link, State};

/// Entries read at once.
const PAGE: usize = 1000;

impl Directory {
    /// Asks the store.
    pub(super) async fn read(&self, key: &Key) -> Result<Answer, StoreError> {
        let closed = |_| StoreError::Unavailable("the gateway asks for nothing more".to_owned());
        let _permit = self.loads.acquire().await.map_err(closed)?;
        match key {
            Key::Connection(id) => {
                let marks = vec![self.marks.of(id)];
                let links = self.link(id).await?.into_iter().map(|(link, _)| link).collect();
                Ok(Answer { links, marks })
            }
            Key::Account(id) => self.claimed(id).await,
        }
    }

    /// The connections of a claim, which are those that name its account under its tenant.
    async fn claimed(&self, id: &str) -> Result<Answer, StoreError> {
        let mut answer = Answer { links: Vec::new(), marks: vec![self.marks.of(id)] };
        self.metrics.asked_store();
        let Some(entry) = self.store.entry(Kind::Claim, id).await? else { return Ok(answer) };
        let claim = read_claim(&entry)?;
        for connection in &claim.connections {
            let id = Linked::entry_id(&claim.integration, connection);
            answer.marks.push(self.marks.of(&id));
            answer.links.extend(self.link(&id).await?.filter(|link| has(&claim, &link.0)).map(|(link, _)| link));
        }
        Ok(answer)
    }

    async fn link(&self, id: &str) -> Result<Option<(Arc<Link>, u64)>, StoreError> {
        self.metrics.asked_store();
        let Some(entry) = self.store.entry(Kind::Connection, id).await? else { return Ok(None) };
        let found = Found::read(&entry)?;
        Ok(Some((Arc::new(Link::linked(found.linked, &self.keys.load())), found.revision)))
    }

    /// Reads all connections and claims, unless there are too many: those are read as they are asked for.
    pub(super) async fn preload(&self) -> Result<usize, StoreError> {
        let mark = self.marks.all();
        let mut links = HashMap::new();
        let mut after = 0;
        loop {
            let page = self.store.entries_after(Kind::Connection, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.revision;
            for entry in &page {
                self.integrations.add(&entry.id);
                // One that can't be read is told of when it is asked for.
                if let Ok(found) = Found::read(entry) {
                    links.insert(entry.id.clone(), Arc::new(Link::linked(found.linked, &self.keys.load())));
                }
            }
            if links.len() > self.preloaded_max {
                return Ok(0);
            }
        }
        let mut after = 0;
        loop {
            let page = self.store.entries_after(Kind::Claim, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.revision;
            for (entry, claim) in page.iter().filter_map(|entry| Some((entry, read_claim(entry).ok()?))) {
                let ids: Vec<_> = claim.connections.iter().map(|id| Linked::entry_id(&claim.integration, id)).collect();
                let named = ids.iter().filter_map(|id| links.get(id)).filter(|link| has(&claim, link));
                let marks = std::iter::once(mark(&entry.id)).chain(ids.iter().map(|id| mark(id)));
                let answer = Answer { links: named.cloned().collect(), marks: marks.collect() };
                self.answers.insert(Key::Account(entry.id.clone()), Arc::new(answer)).await;
            }
        }
        let count = links.len();
        for (id, link) in links {
            let answer = Answer { links: vec![link], marks: vec![mark(&id)] };
            self.answers.insert(Key::Connection(id), Arc::new(answer)).await;
        }
        Ok(count)
    }
}

fn read_claim(entry: &Entry) -> Result<Claim, StoreError> {
    serde_json::from_slice(&entry.value)
        .map_err(|error| StoreError::Corrupt(format!("the claim {:?}: {error}", entry.id)))
}

/// Whether an account is a connection's, by both its claim and its record.
fn has(claim: &Claim, link: &Link) -> bool {
    link.state != State::Pending && link.tenant == claim.tenant && link.accounts.contains(&claim.account)
}
