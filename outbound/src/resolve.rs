//! Name lookup: off the way of deliveries where it can be, shared by attempts that ask for the same name at once, and
//! bounded in all.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::sync::Semaphore;

/// Lookups under way at once. A lookup blocks a thread for as long as the system's resolver takes, also when nobody
/// waits for it any more; one name never takes more than one.
const LOOKUPS_MAX: usize = 64;

/// How long an answer is used again. The system's resolver doesn't tell how long it may be; whoever dials checks every
/// address each time, wherever it comes from.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Most names whose answers are remembered.
const NAMES_MAX: usize = 4096;

type Addresses = Arc<[IpAddr]>;
type Lookup = Shared<BoxFuture<'static, Result<Addresses, String>>>;

/// The system's resolver, asked with care. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    slots: Arc<Semaphore>,
    known: Arc<Mutex<Known>>,
    #[cfg(test)]
    made_up: Arc<made_up::Names>,
}

#[derive(Default)]
struct Known {
    under_way: HashMap<String, Lookup>,
    fresh: HashMap<String, (Instant, Addresses)>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            known: Arc::default(),
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
    pub async fn addresses(&self, host: &str) -> Result<Addresses, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([address]));
        }
        #[cfg(test)]
        if let Some(addresses) = self.made_up.next(host) {
            return Ok(addresses);
        }
        let lookup = match self.fresh(host, Instant::now()) {
            Some(addresses) => return Ok(addresses),
            None => self.join(host),
        };
        lookup.await
    }

    /// Knows some names by heart: each time one is asked for, the next of its answers, and the last one from then on.
    #[cfg(test)]
    pub(crate) fn made_up<const N: usize>(names: [(&str, Vec<Vec<IpAddr>>); N]) -> Self {
        Self { made_up: Arc::new(made_up::Names::new(names)), ..Self::default() }
    }

    fn fresh(&self, host: &str, now: Instant) -> Option<Addresses> {
        let known = self.known();
        let (at, addresses) = known.fresh.get(host)?;
        (now.saturating_duration_since(*at) < FRESH_FOR).then(|| addresses.clone())
    }

    /// The lookup of this name that is under way, or a new one, which goes on also when nobody waits for it.
    fn join(&self, host: &str) -> Lookup {
        let mut known = self.known();
        if let Some(lookup) = known.under_way.get(host) {
            return lookup.clone();
        }
        let (resolver, name) = (self.clone(), host.to_owned());
        let asked = tokio::spawn(async move {
            let found = resolver.look_up(&name).await;
            resolver.known().end(name, found.as_ref().ok(), Instant::now());
            found
        });
        let lookup = async move { asked.await.unwrap_or_else(|error| Err(error.to_string())) }.boxed().shared();
        known.under_way.insert(host.to_owned(), lookup.clone());
        lookup
    }

    async fn look_up(&self, name: &str) -> Result<Addresses, String> {
        let _slot = self.slots.acquire().await.map_err(|error| error.to_string())?;
        let found = tokio::net::lookup_host((name, 0)).await.map_err(|error| error.to_string())?;
        let addresses: Addresses = found.map(|address| address.ip()).collect();
        if addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(addresses) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn end(&mut self, name: String, found: Option<&Addresses>, now: Instant) {
        self.under_way.remove(&name);
        if self.fresh.len() >= NAMES_MAX {
            self.fresh.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH_FOR);
        }
        match found {
            Some(addresses) if self.fresh.len() < NAMES_MAX => {
                self.fresh.insert(name, (now, addresses.clone()));
            }
            Some(_) | None => {
                self.fresh.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod made_up {
    use std::{
        collections::HashMap,
        net::IpAddr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::Addresses;

    #[derive(Default)]
    pub(super) struct Names(HashMap<String, (Vec<Vec<IpAddr>>, AtomicUsize)>);

    impl Names {
        pub(super) fn new<const N: usize>(names: [(&str, Vec<Vec<IpAddr>>); N]) -> Self {
            let names = names.into_iter().map(|(name, answers)| (name.to_owned(), (answers, AtomicUsize::new(0))));
            Self(names.collect())
        }

        pub(super) fn next(&self, name: &str) -> Option<Addresses> {
            let (answers, asked) = self.0.get(name)?;
            let n = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            Some(answers[n].clone().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_used_again_for_a_while_and_one_lookup_serves_all_who_ask_at_once() {
        let resolver = Resolver::default();
        let (one, two) = tokio::join!(resolver.addresses("localhost"), resolver.addresses("localhost"));
        assert!(Arc::ptr_eq(&one.expect("an address"), &two.expect("an address")), "one lookup");
        let now = Instant::now();
        assert!(resolver.fresh("localhost", now).is_some());
        assert!(resolver.fresh("localhost", now + FRESH_FOR).is_none(), "it is asked for again");
        assert!(resolver.fresh("other", now).is_none());
        resolver.known().end("localhost".to_owned(), None, now);
        assert!(resolver.fresh("localhost", now).is_none(), "a name that is gone is not remembered");
    }
}
