//! Name lookup: once per attempt, shared by attempts that ask for the same name at once, and bounded in all.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::sync::Semaphore;

/// Lookups under way at once. A lookup blocks a thread for as long as the system's resolver takes, also when nobody
/// waits for it any more; one name never takes more than one.
const LOOKUPS_MAX: usize = 64;

type Lookup = Shared<BoxFuture<'static, Result<Arc<[IpAddr]>, String>>>;

/// The system's resolver, asked with care. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    slots: Arc<Semaphore>,
    under_way: Arc<Mutex<HashMap<String, Lookup>>>,
    #[cfg(test)]
    made_up: Arc<HashMap<String, Vec<IpAddr>>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            under_way: Arc::default(),
            #[cfg(test)]
            made_up: Arc::default(),
        }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// All addresses of a host. A literal is its own address.
    ///
    /// # Errors
    /// When the name has none, or can't be looked up.
    pub async fn addresses(&self, host: &str) -> Result<Arc<[IpAddr]>, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([address]));
        }
        #[cfg(test)]
        if let Some(addresses) = self.made_up.get(host) {
            return Ok(addresses.clone().into());
        }
        let lookup = self.join(host);
        lookup.await
    }

    /// Knows some names by heart.
    #[cfg(test)]
    pub(crate) fn made_up<const N: usize>(names: [(&str, Vec<IpAddr>); N]) -> Self {
        let made_up = names.into_iter().map(|(name, addresses)| (name.to_owned(), addresses)).collect();
        Self { made_up: Arc::new(made_up), ..Self::default() }
    }

    /// The lookup of this name that is under way, or a new one, which goes on also when nobody waits for it.
    fn join(&self, host: &str) -> Lookup {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = under_way.get(host) {
            return lookup.clone();
        }
        let (resolver, name) = (self.clone(), host.to_owned());
        let asked = tokio::spawn(async move {
            let found = resolver.look_up(&name).await;
            resolver.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            found
        });
        let lookup = async move { asked.await.unwrap_or_else(|error| Err(error.to_string())) }.boxed().shared();
        under_way.insert(host.to_owned(), lookup.clone());
        lookup
    }

    async fn look_up(&self, name: &str) -> Result<Arc<[IpAddr]>, String> {
        let _slot = self.slots.acquire().await.map_err(|error| error.to_string())?;
        let found = tokio::net::lookup_host((name, 0)).await.map_err(|error| error.to_string())?;
        let addresses: Arc<[IpAddr]> = found.map(|address| address.ip()).collect();
        if addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(addresses) }
    }
}
