//! A running Gatepost with one provider of batches.

use std::collections::BTreeSet;

use gatepost_config::{Config, Options, Timestamp, load, provider::Catalogue, std_env};
use gatepost_event::{Event, Store, store::Census};
use gatepost_gateway::sign::sign;
use gatepost_tests::{
    backend::Backend,
    gatepost::{Gatepost, Home},
    post::{self, Answer},
};

use super::real::Real;
use crate::setup::{Engine, SIGNING, unmatched};

const PUBLIC_URL: &str = "https://hooks.example.com";

pub(crate) struct Rig {
    home: Home,
    pub(crate) backend: Backend,
    gatepost: Gatepost,
    address: String,
    config: Config,
    _engine: Engine,
}

/// The connection of an account, which may have characters that no id has.
pub(crate) fn connection(account: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("c{}", account.chars().map(plain).collect::<String>())
}

impl Rig {
    /// Starts it with a connection for each account, one for events without an account, and one destination.
    /// The secret is that of the provider's first vector.
    pub(crate) async fn start(engine: Engine, provider: &str, accounts: &BTreeSet<String>) -> Self {
        Self::start_with(engine, provider, accounts, None).await
    }

    /// The same, with a secret.
    pub(crate) async fn start_with(
        engine: Engine,
        provider: &str,
        accounts: &BTreeSet<String>,
        secret: Option<&str>,
    ) -> Self {
        let backend = Backend::start().await;
        let builtin = Catalogue::builtin().0.into_values().find(|known| known.name.as_str() == provider);
        let vector = builtin.as_ref().and_then(|provider| provider.vectors.first().cloned());
        let usual = vector.as_ref().map_or("a-secret-that-nobody-uses", |vector| vector.secret.as_str());
        let secret = secret.unwrap_or(usual);
        let mut files = vec![("secret".to_owned(), secret.to_owned()), ("signing".to_owned(), SIGNING.to_owned())];
        let mut text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{PUBLIC_URL}\"\n\n[ops]\nlisten = \"127.0.0.1:0\"\n\n\
             [store]\n{}\n\n[[integration]]\nid = \"batch\"\nprovider = \"{provider}\"\n\
             secrets = [{{ file = \"secret\" }}]\ndefault_connection = \"default\"\n",
            engine.section()
        );
        for name in builtin.iter().flat_map(|provider| provider.values.keys()) {
            let given = vector.as_ref().and_then(|vector| vector.values.get(name)).cloned();
            files.push((format!("value-{name}"), given.unwrap_or_else(|| "a-value-that-nobody-uses".to_owned())));
            text += &format!("values.{name} = {{ file = \"value-{name}\" }}\n");
        }
        text += &format!(
            "\n[[connection]]\nintegration = \"batch\"\nid = \"default\"\ntenant = \"operator\"\n\n\
             [[destination]]\nid = \"backend\"\nurl = \"{}\"\nprivate = true\nsecrets = [{{ file = \"signing\" }}]\n\n\
             [[route]]\nid = \"all\"\nforward = [\"backend\"]\n\n",
            backend.url()
        );
        for account in accounts {
            let id = connection(account);
            let tenant = id.replacen('c', "t", 1);
            text += &format!(
                "[[connection]]\nintegration = \"batch\"\nid = \"{id}\"\naccount = {}\ntenant = \"{tenant}\"\n\n",
                serde_json::to_string(account).expect("text")
            );
        }
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let home = Home::new(&text, &files);
        if !engine.is_embedded() {
            let output = home.command(&["store", "init"]);
            assert!(output.status.success(), "store init: {}", String::from_utf8_lossy(&output.stderr));
        }
        let config =
            load(&home.path("gatepost.toml"), &std_env, Options::default()).expect("a good configuration").config;
        let gatepost = home.run(&[]).await;
        let address = gatepost.gateway().await;
        Self { home, backend, gatepost, address, config, _engine: engine }
    }

    /// Posts a body, signed now as the provider would, unless its query proves it.
    pub(crate) async fn post(&self, headers: &[(String, String)], query: &str, body: &str) -> Answer {
        let mut headers = headers.to_vec();
        if query.is_empty() {
            let url = format!("{PUBLIC_URL}/webhooks/batch").parse().expect("a URL");
            let integration = &self.config.integrations[0];
            headers.extend(sign(integration, &url, &headers, body.as_bytes(), Timestamp::now()).expect("it signs"));
        }
        self.post_as_is(&headers, query, body).await
    }

    /// Posts a body with its own headers alone.
    pub(crate) async fn post_as_is(&self, headers: &[(String, String)], query: &str, body: &str) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = format!("/webhooks/batch{query}");
        post::post(&self.address, &path, &headers, body.to_owned().into()).await.expect("an answer")
    }

    /// Posts a provider's own request, with the body given.
    pub(crate) async fn send(&self, real: &Real, body: &str) -> Answer {
        let json = ("content-type".to_owned(), "application/json".to_owned());
        match real.signed {
            None => self.post(&[json], "", body).await,
            Some(signed) => self.post_as_is(&[vec![json], signed(real, body)].concat(), "", body).await,
        }
    }

    /// Ends it; what is parked, and the count of all that was taken.
    pub(crate) async fn stop(self) -> (Vec<Event>, Census) {
        self.gatepost.stop().await;
        let loaded = load(&self.home.path("gatepost.toml"), &std_env, Options::default()).expect("as before");
        let store = Store::open(&loaded.config.store, &loaded.config.retention).await.expect("the store opens");
        let found = (unmatched(&store).await, store.census().await.expect("a census"));
        store.close().await;
        found
    }
}
