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

    /// How long what should happen soon may take.
    const SOON: Duration = Duration::from_secs(30);

    /// Waits until a connection's secret is known, or is not.
    async fn until(captures: &Captures, name: &SecretName, is_known: bool) {
        let known = async {
            while captures.known().of(name).is_empty() == is_known {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, known).await.expect("it is heard of");
    }

    /// A store, and what a gateway knows that has read nothing of it.
    async fn gateway(folder: &std::path::Path) -> (Store, Arc<Captures>) {
        let env = |_: &str| Some("a master key of this test".to_owned());
        let loaded = gatepost_config::parse(FILE, "gatepost.toml".as_ref(), &env, Options::default());
        let mut config: Config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        config.store.engine = Engine::Embedded { path: folder.to_owned() };
        let store = Store::open(&config.store, &config.retention).await.expect("it opens");
        (store, Arc::new(Captures::new(&config).expect("they are made")))
    }

    fn name(connection: &str) -> SecretName {
        let integration = "asana".parse().expect("an id");
        SecretName { integration, connection: connection.parse().ok(), purpose: SecretPurpose::Captured }
    }

    /// A secret of a connection, sealed.
    fn given(captures: &Captures, connection: &str) -> SealedSecret {
        let secret = Secret::new(b"given".to_vec(), "it");
        captures.seal(name(connection), &secret, Timestamp::now()).expect("sealed")
    }

    async fn keep(store: &Store, sealed: &SealedSecret) {
        store.keep_secret(sealed, std::time::Instant::now() + SOON).await.expect("it is kept");
    }

    /// A job that erases a connection has come to its end.
    async fn end_erasure(store: &Store) {
        let now = Timestamp::now();
        let whose = Whose::Connection("asana".parse().expect("an id"), "gone".parse().expect("an id"));
        let mut job = Job::new(store, &[], whose, false, now).await.expect("it is made");
        job.end(now);
        let _ = job.write(store, Expect::Absent).await.expect("it is written");
    }

    #[tokio::test]
    async fn a_secret_that_is_erased_is_known_no_more_and_another_s_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, captures) = gateway(folder.path()).await;
        let following = {
            let (captures, store) = (Arc::clone(&captures), store.clone());
            tokio::spawn(async move { match captures.follow(&store).await {} })
        };
        for connection in ["gone", "kept"] {
            keep(&store, &given(&captures, connection)).await;
            until(&captures, &name(connection), true).await;
        }
        store.erase(vec![Remains::Secret(name("gone").token())]).await.expect("it is erased");
        end_erasure(&store).await;
        until(&captures, &name("gone"), false).await;
        assert_eq!(captures.known().of(&name("kept")).len(), 1, "the control");
        following.abort();
        store.close().await;
    }

    /// Nobody listens while no secret is known; what ended in the meantime is heard of once somebody does.
    #[tokio::test]
    async fn an_erasure_that_ended_before_anybody_listened_is_heard_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, captures) = gateway(folder.path()).await;
        end_erasure(&store).await;
        captures.add(&given(&captures, "gone"));
        let mut erasures = Erasures::default();
        let heard = tokio::time::timeout(SOON, erasures.ended(&captures, &store)).await;
        assert_eq!(heard, Ok(()), "all are to be read again");
        end_erasure(&store).await;
        let heard = tokio::time::timeout(SOON, erasures.ended(&captures, &store)).await;
        assert_eq!(heard, Ok(()), "and so is a later one");
        store.close().await;
    }

    #[tokio::test]
    async fn a_secret_that_comes_while_all_are_read_stays_and_one_that_the_store_lost_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, captures) = gateway(folder.path()).await;
        keep(&store, &given(&captures, "kept")).await;
        captures.add(&given(&captures, "gone"));
        let mut reading = Box::pin(captures.read(&store));
        // It knows by now what there was when it began.
        assert!(futures::poll!(&mut reading).is_pending());
        captures.add(&given(&captures, "new"));
        let mut were_read = captures.were_read.subscribe();
        let read = async {
            tokio::select! {
                read = &mut reading => match read {
                    Err(error) => panic!("{error}"),
                },
                read = were_read.wait_for(|read| *read) => drop(read.expect("it is there")),
            }
        };
        tokio::time::timeout(SOON, read).await.expect("all are read");
        let known = captures.known();
        let of = |connection| known.of(&name(connection)).len();
        assert_eq!((of("kept"), of("new"), of("gone")), (1, 1, 0));
        store.close().await;
    }
}
