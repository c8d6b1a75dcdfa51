//! `gatepost secret new` and `gatepost secret show`

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Subcommand, ValueEnum};
use gatepost_config::{Config, ConnectionId, Engine, IntegrationId, signing};
use gatepost_event::{
    Keyring, SealedSecret, SecretName, SecretPurpose, Store,
    store::{SecretNews, embedded},
};
use gatepost_gateway::sign::{KeyPair, PairKind};

use crate::{exit::Exit, load, style};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Print a fresh signing secret (`whsec_` and 32 random bytes in base64)
    New(SecretNewArgs),
    /// Print the secret that a provider gave in its handshake, to be pasted back where it asks for that (Notion)
    Show {
        /// The integration, as the configuration names it
        integration: gatepost_config::IntegrationId,
        /// The connection, where each has its own
        connection: Option<gatepost_config::ConnectionId>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct SecretNewArgs {
    /// An Ed25519 key instead (`whsk_`); the public key that backends verify with (`whpk_`) is printed beside it
    #[arg(long)]
    pub(crate) ed25519: bool,
    /// A key pair to try a provider with that signs by a private key: the private key in PEM, the public one beside it
    #[arg(long, value_name = "KIND", conflicts_with = "ed25519")]
    pub(crate) key_pair: Option<PairWord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PairWord {
    /// Ed25519
    Ed25519,
    /// ECDSA on P-256
    P256,
    /// RSA; says how to make one with openssl
    Rsa,
}

/// Bytes of a fresh secret; Standard Webhooks asks for 24 to 64, and an Ed25519 seed has as many.
const SECRET_BYTES: usize = 32;

/// Prints a fresh signing secret. The public key that backends verify with, where there is one, is for people and goes to
/// the error output, so that the secret alone can be sent into a file.
pub(crate) fn new(args: &SecretNewArgs) -> Result<(), Exit> {
    if let Some(kind) = args.key_pair {
        return pair(kind);
    }
    if !args.ed25519 {
        style::line(&fresh());
        return Ok(());
    }
    let texts = signing::ed25519_texts(&rand::random::<[u8; SECRET_BYTES]>());
    let (private, public) = texts.ok_or_else(|| Exit::failed("no key could be made"))?;
    style::line(&private);
    style::note(&format!("backends verify with {public}"));
    Ok(())
}

/// Prints a captured secret.
pub(crate) async fn show(
    path: &Path,
    integration: IntegrationId,
    connection: Option<ConnectionId>,
) -> Result<(), Exit> {
    let config = load::load(path)?;
    let whose = match &connection {
        Some(connection) => format!("the connection {connection} of {integration}"),
        None => format!("the integration {integration}"),
    };
    let name = SecretName { integration, connection, purpose: SecretPurpose::Captured };
    let found = kept(&config).await?.into_iter().find(|secret| secret.name == name);
    let found = found.ok_or_else(|| {
        Exit::failed(format!("no secret was captured for {whose}: have the provider send its handshake to its URL"))
    })?;
    let keys = Keyring::load(&config).map_err(|error| Exit::failed(error.to_string()))?;
    let secret = keys.open(&found).map_err(|error| Exit::failed(format!("the secret of {whose}: {error}")))?;
    style::line(&String::from_utf8_lossy(secret.expose()));
    Ok(())
}

/// Every kept secret, still sealed; the embedded store's also while a process uses it.
async fn kept(config: &Config) -> Result<Vec<SealedSecret>, Exit> {
    if let Engine::Embedded { path } = &config.store.engine {
        return embedded::secrets(path).map_err(|error| Exit::failed(error.to_string()));
    }
    let failed = |error: &dyn std::fmt::Display| Exit::failed(error.to_string());
    let store = Store::open(&config.store, config).await.map_err(|error| failed(&error))?;
    let read = async {
        let mut secrets = store.secrets().await?;
        let mut kept = Vec::new();
        while let SecretNews::Kept(secret) = secrets.next().await? {
            kept.push(secret);
        }
        Ok::<_, gatepost_event::StoreError>(kept)
    };
    let read = read.await;
    store.close().await;
    read.map_err(|error| failed(&error))
}

/// Prints the private key of a pair, as `gatepost send --key` reads it; its public key goes to the error output.
fn pair(kind: PairWord) -> Result<(), Exit> {
    let kind = match kind {
        PairWord::Ed25519 => PairKind::Ed25519,
        PairWord::P256 => PairKind::P256,
        PairWord::Rsa => PairKind::Rsa,
    };
    let failed = |error| Exit::failed(format!("a key pair of {} {error}", kind.words()));
    let private = kind.fresh().map_err(failed)?;
    let public = KeyPair::read(private.as_bytes()).map_err(failed)?.public_pem();
    style::line(private.trim_end());
    style::note(public.trim_end());
    Ok(())
}

/// A fresh signing secret in the form Standard Webhooks asks for.
pub(crate) fn fresh() -> String {
    format!("{}{}", signing::SYMMETRIC, STANDARD.encode(rand::random::<[u8; SECRET_BYTES]>()))
}
