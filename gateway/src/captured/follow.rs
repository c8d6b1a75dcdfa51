//! Keeps up with the captured secrets in the store, whichever gateway they came to.

use std::{convert::Infallible, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use gatepost_config::{Config, Secret, Timestamp};
use gatepost_event::{
    Keyring, SealError, SealedSecret, SecretName, Store, StoreError,
    store::{OpenError, SecretNews},
};
use tokio::sync::{Notify, watch};

use super::{Known, captures, is_same};

/// The wait before the store is asked again that could not be.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

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

    /// Reads the store's, and goes on reading.
    pub(crate) async fn follow(&self, store: &Store) -> Infallible {
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
            }
        }
    }

    async fn read(&self, store: &Store) -> Result<Infallible, StoreError> {
        let mut secrets = store.secrets().await?;
        let mut all = Known::default();
        while let SecretNews::Kept(sealed) = secrets.next().await? {
            all.add(&sealed, &self.keys.load());
        }
        all.is_current = true;
        self.known.rcu(|before| {
            let mut all = all.clone();
            // What was captured here meanwhile; none is ever taken away.
            for (name, secret) in &before.secrets {
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
