//! `gatepost init`: a configuration for the providers someone uses, with secrets made and what to paste where.

use std::{fs, path::Path};

use gatepost_config::{Catalogue, Provider};
use gatepost_gateway::sign::{Means, means};

use crate::{
    dev::private,
    exit::Exit,
    secret,
    style::{self, BOLD},
};

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Providers from the catalogue (github, stripe, ...)
    #[arg(required = true)]
    pub(crate) providers: Vec<String>,
}

/// The folder of secrets beside the configuration.
const SECRETS: &str = "secrets";

/// Writes the file and its secrets; overwrites nothing.
pub(crate) fn init(path: &Path, args: &InitArgs) -> Result<(), Exit> {
    let catalogue = Catalogue::builtin();
    let providers = args.providers.iter().map(|name| find(&catalogue, name)).collect::<Result<Vec<_>, _>>()?;
    if path.exists() {
        return Err(Exit::failed(format!("{} is there already; name another file with --config", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let secrets = folder.join(SECRETS);
    fs::create_dir_all(&secrets).map_err(|error| Exit::failed(format!("can't make {}: {error}", secrets.display())))?;
    keep(&secrets.join("signing"), &secret::fresh())?;
    for provider in providers.iter().filter(|provider| provider.keys.is_none()) {
        keep(&secrets.join(provider.name.as_str()), &first_secret(provider))?;
    }
    private(path, &text(&providers))?;

    style::line(&format!("Wrote {} and its secrets in {}.\n", path.display(), secrets.display()));
    for provider in &providers {
        style::line(&style::paint(BOLD, &provider.title));
        style::line(&format!("  URL     https://YOUR-HOST/webhooks/{}", provider.name));
        if provider.keys.is_none() {
            style::line(&format!("  secret  {}", secrets.join(provider.name.as_str()).display()));
            style::line(match means(provider) {
                Ok(Means::Pair(_)) => "          put the provider's public key in this file",
                _ => "          paste it at the provider; where the provider makes it, put its own in this file",
            });
        }
        if let Some(setup) = &provider.setup {
            style::line(&format!("  where   {setup}"));
        }
        style::line("");
    }
    style::line("Next: set gateway.public_url and the destination's url in the file, then run\n");
    style::line(&format!("  gatepost --config {} check\n  gatepost --config {} run", path.display(), path.display()));
    Ok(())
}

fn find(catalogue: &Catalogue, name: &str) -> Result<std::sync::Arc<Provider>, Exit> {
    catalogue.0.get(name).cloned().ok_or_else(|| {
        let known: Vec<_> = catalogue.0.keys().map(|name| name.as_str()).collect();
        Exit::failed(format!("no provider {name:?} in the catalogue; there are {}", known.join(", ")))
    })
}

/// What a secret's file starts with: a fresh secret, or for a provider that signs by a private key what to do.
fn first_secret(provider: &Provider) -> String {
    match means(provider) {
        Ok(Means::Pair(_)) => format!("put the public key of {} here", provider.title),
        _ => secret::fresh(),
    }
}

/// Writes a secret unless one is there.
fn keep(path: &Path, text: &str) -> Result<(), Exit> {
    if path.exists() { Ok(()) } else { private(path, text) }
}

fn text(providers: &[std::sync::Arc<Provider>]) -> String {
    let integrations: String = providers
        .iter()
        .map(|provider| {
            let name = &provider.name;
            let secret = match provider.keys {
                Some(_) => "# no secret: its keys are fetched\n".to_owned(),
                None => format!("secrets = [{{ file = \"{SECRETS}/{name}\" }}]\n"),
            };
            format!(
                "[[integration]]\nid = \"{name}\"\nprovider = \"{name}\"\n{secret}\
                 unmatched = \"forward\"          # \"park\" keeps events until a connection claims their account\n\n"
            )
        })
        .collect();
    format!(
        "# Gatepost. `gatepost check` says what is wrong, and prints what to paste where.\n\n\
         [gateway]\nlisten = \"0.0.0.0:8080\"\n# public_url = \"https://hooks.example.com\"\n\n\
         [store]\nengine = \"embedded\"\npath = \"data\"\n\n\
         {integrations}\
         # A customer's linked account: its events carry this id.\n\
         # [[connection]]\n# integration = \"{first}\"\n# id = \"acme\"\n# account = \"12345678\"\n\n\
         [[destination]]\nid = \"backend\"\nurl = \"http://localhost:3000/webhooks\"\n\
         private = true                 # loopback and plain http are allowed for this one\n\
         secrets = [{{ file = \"{SECRETS}/signing\" }}]\n\n\
         [[route]]\nid = \"all\"\nforward = [\"backend\"]\n",
        first = providers.first().map_or("github", |provider| provider.name.as_str()),
    )
}
