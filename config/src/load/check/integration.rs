//! Integrations and connections against what their provider needs.

use crate::{
    Announced, Connection, Engine, Integration, Provider, PublicKeyCheck, Secret, Secrets, Store, Unmatched,
    load::document::Entry,
    provider::{Handshake, HealBy, KeyForm, OwnAnnounce, Scheme, SchemeKind, SecretScope, check::check_announce},
    read::{Spot, Table, near},
};

/// Fewer bytes of key can be guessed.
const KEY_BYTES_MIN: usize = 8;
/// Lengths of Standard Webhooks keys.
const STANDARD_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Notes what an integration lacks.
pub(super) fn check(table: &Table<'_>, integration: &Integration, connections: &[Entry<'_, Connection>]) {
    verifier(table, integration);
    secrets(table, integration, connections);
    keys(table, &integration.secrets, &integration.provider);
    values(table, integration);
    announced(table, integration);
    heal(table, integration);
    if integration.private && integration.provider.keys.is_none() {
        let message = format!("is true, but {} publishes no keys that are fetched", integration.provider.title);
        table.at("private").error(message, "remove it");
    }
}

/// Notes what is wrong with a connection's own secrets.
pub(super) fn check_connection(table: &Table<'_>, connection: &Connection, integrations: &[Entry<'_, Integration>]) {
    let values = integrations.iter().filter_map(|entry| entry.value.as_ref());
    if let Some(integration) = values.into_iter().find(|integration| integration.id == connection.integration) {
        keys(table, &connection.secrets, &integration.provider);
    }
}

/// Who lets events make connections must have such events, know whose those are, and let their events wait.
fn announced(table: &Table<'_>, integration: &Integration) {
    let title = &integration.provider.title;
    let own = integration.announce.over(&integration.provider.announce);
    if integration.announce != OwnAnnounce::default() {
        check_announce(&table.at("announce"), &integration.provider, &own);
    }
    let spot = table.at("announced");
    let (lacks, what) = match integration.announced {
        Announced::Ignored => return,
        Announced::Ended => (own.ends.is_empty(), "ends"),
        Announced::Pending => (own.is_empty(), "begins"),
        Announced::Trusted => (own.begins.is_empty(), "begins"),
    };
    if lacks {
        let remedy = format!("say what does: announce = {{ {what} = {{ \"json:/type\" = \"...\" }} }}, or remove it");
        spot.error(format!("is set, but nothing that {title} sends is known to announce connections so"), remedy);
    }
    if integration.announced == Announced::Pending && integration.unmatched == Unmatched::Forward {
        let remedy = "write unmatched = \"park\", or announced = \"ended\" or \"trusted\"";
        spot.error("is \"pending\", but unmatched = \"forward\" lets no event wait for a confirmation", remedy);
    }
    let is_trusted = integration.announced == Announced::Trusted;
    if is_trusted && integration.announced_tenant.is_none() && own.tenant.is_empty() {
        let remedy = "add announced_tenant = \"...\", or announce = { tenant = \"json:/...\" }";
        spot.error("is \"trusted\", but nothing says whose a new connection is", remedy);
    }
    if !is_trusted && integration.announced_tenant.is_some() {
        let remedy = "remove it, or write announced = \"trusted\"";
        table.at("announced_tenant").error("is set, but a key says whose a connection is when it confirms it", remedy);
    }
}

/// Healing must be of a kind that the provider knows.
fn heal(table: &Table<'_>, integration: &Integration) {
    let Some(heal) = &integration.heal else { return };
    let title = &integration.provider.title;
    match integration.provider.heal {
        Some(by) if by == heal.from.by() => {}
        Some(by) => {
            let remedy = match by {
                HealBy::GithubDeliveries => {
                    "write app_id and private_key, or token, hook and repository or organization"
                }
                HealBy::StripeEvents => "write api_key",
            };
            table.at("heal").error(format!("is of another provider than {title}"), remedy);
        }
        None => {
            let message = format!("is there, but nothing can be had later from {title}");
            table.at("heal").error(message, "remove it; a backstop of a sync finds what was missed");
        }
    }
}

fn verifier(table: &Table<'_>, integration: &Integration) {
    let title = &integration.provider.title;
    match (verifies(&integration.provider), integration.unverified) {
        (false, false) => {
            let message = format!("is missing, and nothing of {title} can be verified");
            table.at("unverified").error(message, "write unverified = true if anybody may post events here");
        }
        (true, true) => {
            let message = format!("is true, but {title} proves its requests");
            table.at("unverified").error(message, "remove it");
        }
        (true, false) | (false, true) => {}
    }
}

/// Whether every request of a provider is checked in some way.
fn verifies(provider: &Provider) -> bool {
    !provider.schemes.is_empty() && provider.schemes.iter().all(|scheme| scheme.kind != SchemeKind::None)
}

/// Whether a provider gives its secret in a handshake.
fn captures(provider: &Provider) -> bool {
    provider.handshakes.iter().any(Handshake::captures)
}

/// A secret that is captured must be sealed; the embedded engine makes a key for that itself.
pub(in crate::load) fn master_keys(
    root: &Table<'_>,
    store: &Store,
    secrets: &Secrets,
    integrations: &[Entry<'_, Integration>],
) {
    if !secrets.master_keys.is_empty() || matches!(store.engine, Engine::Embedded { .. }) {
        return;
    }
    let values = integrations.iter().filter_map(|entry| entry.value.as_ref());
    let mut pending = values.filter(|integration| integration.secrets.is_empty() && captures(&integration.provider));
    if let Some(integration) = pending.next() {
        let message = format!(
            "is missing, and the integration {:?} keeps the secret that {} gives it",
            integration.id, integration.provider.title
        );
        let remedy =
            "add master_keys = [{ file = \"master.key\" }], the same for all gateways, or give the integration secrets";
        super::gateway::setting(root, "secrets", "master_keys").error(message, remedy);
    }
}

fn needs_secret(provider: &Provider) -> bool {
    provider.schemes.iter().any(|scheme| scheme.kind != SchemeKind::None)
}

fn secrets(table: &Table<'_>, integration: &Integration, connections: &[Entry<'_, Connection>]) {
    let provider = &integration.provider;
    // One that the provider gives in a handshake is kept in the store; keys that it publishes are fetched.
    let comes_by_itself = captures(provider) || provider.keys.is_some();
    if !integration.secrets.is_empty() || !needs_secret(provider) || comes_by_itself {
        return;
    }
    let spot = table.at("secrets");
    let variable = provider.name.as_str().to_ascii_uppercase().replace('-', "_");
    let remedy = &format!("add for example secrets = [{{ env = \"{variable}_WEBHOOK_SECRET\" }}]");
    if provider.secret_scope == SecretScope::App {
        spot.error(
            format!("is missing or empty, and {} signs with one secret for every account", provider.title),
            remedy,
        );
        return;
    }
    let values = connections.iter().filter_map(|entry| entry.value.as_ref());
    let own: Vec<&Connection> = values.filter(|connection| connection.integration == integration.id).collect();
    match own.iter().find(|connection| connection.secrets.is_empty()) {
        Some(without) => {
            spot.error(
                format!("is missing or empty, and the connection {:?} has no secrets of its own", without.id),
                remedy,
            );
        }
        None if own.is_empty() => {
            spot.warning(
                "is missing or empty, so every request is refused until a connection has secrets of its own",
                remedy,
            );
        }
        None => {}
    }
}

/// Every secret must make a key for one of the provider's schemes.
fn keys(table: &Table<'_>, secrets: &[Secret], provider: &Provider) {
    if table.spot.sheet.is_without_secrets() {
        return;
    }
    for (n, secret) in secrets.iter().enumerate() {
        let mut wrong = None;
        let public = table.spot.sheet.check_public_key();
        let fits = provider.schemes.iter().any(|scheme| match fits(&scheme.kind, secret, public) {
            Ok(()) => true,
            Err(why) => {
                wrong.get_or_insert(why);
                false
            }
        });
        if let (false, Some(why)) = (fits, wrong) {
            note(&table.at_item("secrets", n), secret, provider, &why);
        }
    }
}

fn note(spot: &Spot<'_>, secret: &Secret, provider: &Provider, why: &str) {
    let is_public = |scheme: &Scheme| matches!(scheme.kind, SchemeKind::PublicKey { .. } | SchemeKind::Jwt(_));
    let public = provider.schemes.iter().any(is_public) && !provider.schemes.iter().any(|s| s.kind.key().is_some());
    let what = if public { "public key" } else { "secret" };
    let remedy = format!("copy all of the {what} that {} shows", provider.title);
    spot.error(format!("is no secret of {} in {}: it {why}", provider.title, secret.source()), remedy);
}

fn fits(kind: &SchemeKind, secret: &Secret, public: Option<PublicKeyCheck>) -> Result<(), String> {
    let Some(key) = kind.key() else { return public.map_or(Ok(()), |check| check(kind, secret)) };
    let bytes = key.bytes(secret).map_err(|error| error.to_string())?.len();
    match key.form {
        KeyForm::Base64 if key.strip_prefix.is_some() && !STANDARD_KEY_BYTES.contains(&bytes) => {
            Err(format!("holds a key of {bytes} bytes, not 24 to 64"))
        }
        _ if bytes < KEY_BYTES_MIN => Err(format!("holds a key of {bytes} bytes, fewer than {KEY_BYTES_MIN}")),
        _ => Ok(()),
    }
}

fn values(table: &Table<'_>, integration: &Integration) {
    let asked = &integration.provider.values;
    let spot = table.at("values");
    // Pinned keys need no address.
    let is_moot = |name: &str| !integration.secrets.is_empty() && integration.provider.is_only_for_keys(name);
    let lacking = asked.iter().filter(|(name, _)| !integration.values.contains_key(*name) && !is_moot(name));
    for (name, purpose) in lacking {
        let message = format!("lacks {name}, which {} needs ({purpose})", integration.provider.title);
        spot.error(message, format!("add values = {{ {name} = {{ env = \"NAME\" }} }}"));
    }
    let known: Vec<&str> = asked.keys().map(String::as_str).collect();
    for (name, value) in &integration.values {
        if !asked.contains_key(name) {
            let message = format!("has {name}, which {} doesn't ask for", integration.provider.title);
            spot.error(message, near(name, &known));
        }
        if integration.secrets.contains(value) {
            let message = format!("has {name} equal to a signing secret, which its holder could then forge with");
            spot.error(message, "give it a value of its own");
        }
    }
}
