//! Keeps up with the captured secrets in the store, whichever gateway they came to.

use std::{convert::Infallible, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use gatepost_config::{Config, Secret, Timestamp};
use gatepost_event::{
    Keyring, SealError, SealedSecret, SecretName, Store, StoreError,
    erasure::Job,
    registry::{Change, Kind},
    store::{OpenError, SecretNews, Watch},
};
use tokio::sync::{Notify, watch};

use super::{Known, captures, is_same};

/// The wait before the store is asked again that could not be.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How often it is looked whether any secret is known.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the first request may be kept waiting for the secrets to be read.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Captured secrets, as far as this gateway knows.
pub(crate) struct Captures {
    known: ArcSwap<Known>,
    keys: ArcSwap<Keyring>,
    /// Says that there are other master keys, by which all must be opened anew.
    rekeyed: Notify,
    /// Whether all of the store's were read once.
    were_read: watch::Sender<bool>,
}

impl Captures {
    /// None, with the master keys of a configuration. The store must be open: its own key lies beside it.
    pub(crate) fn new(config: &Config) -> Result<Self, OpenError> {
        let keys = ArcSwap::from_pointee(Keyring::load(config)?);
        Ok(Self { known: ArcSwap::default(), keys, rekeyed: Notify::new(), were_read: watch::Sender::new(false) })
    }

    /// Those known now.
    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// Takes the master keys of another configuration.
    pub(crate) fn rekey(&self, config: &Config) {
        match Keyring::load(config) {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                self.rekeyed.notify_one();
            }
            Err(error) => tracing::error!(%error, "the master keys stay those from before"),
        }
    }

    /// The master keys.
    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        self.keys.load_full()
    }

    /// Seals a secret.
    pub(crate) fn seal(&self, name: SecretName, secret: &Secret, now: Timestamp) -> Result<SealedSecret, SealError> {
        self.keys.load().seal(name, secret.expose(), now)
    }

    /// Whether a kept secret is the one that is offered.
    pub(crate) fn opens_to(&self, sealed: &SealedSecret, offered: &Secret) -> bool {
        self.keys.load().open(sealed).is_ok_and(|kept| is_same(&kept, offered))
    }

    /// Knows one more.
    pub(crate) fn add(&self, sealed: &SealedSecret) {
        self.known.rcu(|known| {
            let mut known = Known::clone(known);
            known.add(sealed, &self.keys.load());
            known
        });
    }

    /// Waits until the store's were read, if any matter: rather that than to turn the first requests away. Not for long, for
    /// the store may be away.
    pub(crate) async fn read_once(&self, config: &Config) {
        let mut were_read = self.were_read.subscribe();
        if config.integrations.iter().any(|integration| captures(&integration.provider)) {
            let _ = tokio::time::timeout(READ_WITHIN, were_read.wait_for(|were_read| *were_read)).await;
        }
    }

    /// Reads the store's, and goes on reading; all of them again when some were erased.
    pub(crate) async fn follow(&self, store: &Store) -> Infallible {
        let mut erasures = Erasures::default();
        loop {
            tokio::select! {
                read = self.read(store) => {
                    let Err(error) = read;
                    tracing::debug!(%error, "captured secrets can't be read; trying again");
                    // One may come to another gateway meanwhile.
                    self.known.rcu(|known| Known { is_current: false, ..Known::clone(known) });
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                () = self.rekeyed.notified() => {}
                () = erasures.ended(self, store) => {}
            }
        }
    }

    async fn read(&self, store: &Store) -> Result<Infallible, StoreError> {
        let had = self.known();
        let mut secrets = store.secrets().await?;
        let mut all = Known::default();
        while let SecretNews::Kept(sealed) = secrets.next().await? {
            all.add(&sealed, &self.keys.load());
        }
        all.is_current = true;
        self.known.rcu(|before| {
            let mut all = all.clone();
            // What was captured here meanwhile. Another that the store has no more was erased.
            for (name, secret) in before.secrets.iter().filter(|(name, _)| !had.secrets.contains_key(name)) {
                all.secrets.entry(name.clone()).or_insert_with(|| secret.clone());
            }
            all
        });
        self.were_read.send_replace(true);
        loop {
            if let SecretNews::Kept(sealed) = secrets.next().await? {
                self.add(&sealed);
            }
        }
    }
}

/// Hears that erasures end: secrets may have gone with them.
#[derive(Default)]
struct Erasures(Option<Watch>);

impl Erasures {
    /// Returns when one may have ended since the last time. While no secret is known there is nothing to hear of.
    async fn ended(&mut self, captures: &Captures, store: &Store) {
        loop {
            let change = match &mut self.0 {
                Some(watch) => watch.next().await,
                None if captures.known().secrets.is_empty() => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
                None => match store.watch(Kind::Erasure).await {
                    Ok(watch) => {
                        self.0 = Some(watch);
                        return;
                    }
                    Err(error) => Err(error),
                },
            };
            match change {
                Ok(Change::Put(entry)) if Job::read(&entry).is_ok_and(|job| !job.state.is_over()) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(%error, "erasures can't be heard of; trying again");
                    self.0 = None;
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }
}

impl Known {
    fn add(&mut self, sealed: &SealedSecret, keys: &Keyring) {
        match keys.open(sealed) {
            Ok(secret) => drop(self.secrets.insert(sealed.name.clone(), vec![secret])),
            Err(error) => {
                let SecretName { integration, connection, .. } = &sealed.name;
                let connection = connection.as_ref().map(gatepost_config::ConnectionId::as_str);
                tracing::error!(%integration, connection, %error, "a captured secret can't be opened; answering 503");
                self.sealed.push(sealed.name.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_config::{Engine, Options};
    use gatepost_event::{
        SecretPurpose,
        erasure::{Remains, Whose},
        registry::Expect,
    };

    use super::*;

    const FILE: &str =
        "[[integration]]\nid = \"asana\"\nprovider = \"asana\"\n[secrets]\nmaster_keys = [{ env = \"KEY\" }]\n";

    /// Waits until a connection's secret is known, or is not.
    async fn until(captures: &Captures, name: &SecretName, is_known: bool) {
        let known = async {
            while captures.known().of(name).is_empty() == is_known {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), known).await.expect("it is heard of");
    }

    #[tokio::test]
    async fn a_secret_that_is_erased_is_known_no_more_and_another_s_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let env = |_: &str| Some("a master key of this test".to_owned());
        let loaded = gatepost_config::parse(FILE, "gatepost.toml".as_ref(), &env, Options::default());
        let mut config: Config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        config.store.engine = Engine::Embedded { path: folder.path().to_owned() };
        let store = Store::open(&config.store, &config.retention).await.expect("it opens");
        let captures = Arc::new(Captures::new(&config).expect("they are made"));
        let following = {
            let (captures, store) = (Arc::clone(&captures), store.clone());
            tokio::spawn(async move { match captures.follow(&store).await {} })
        };
        let now = Timestamp::now();
        let names = ["gone", "kept"].map(|connection| SecretName {
            integration: "asana".parse().expect("an id"),
            connection: connection.parse().ok(),
            purpose: SecretPurpose::Captured,
        });
        for name in &names {
            let sealed = captures.seal(name.clone(), &Secret::new(b"given".to_vec(), "it"), now).expect("sealed");
            store.keep_secret(&sealed, std::time::Instant::now() + Duration::from_secs(30)).await.expect("it is kept");
            until(&captures, name, true).await;
        }

        store.erase(vec![Remains::Secret(names[0].token())]).await.expect("it is erased");
        let whose = Whose::Connection("asana".parse().expect("an id"), "gone".parse().expect("an id"));
        let mut job = Job::new(&store, &[], whose, false, now).await.expect("it is made");
        job.end(now);
        let _ = job.write(&store, Expect::Absent).await.expect("it is written");
        until(&captures, &names[0], false).await;
        assert_eq!(captures.known().of(&names[1]).len(), 1, "the control");
        following.abort();
        store.close().await;
    }
}
