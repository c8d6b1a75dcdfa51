//! The documentation page of a provider, made from its file.

use std::{fmt::Write as _, fs, path::Path};

use gatepost_config::{
    Catalogue, Provider,
    provider::{BatchForm, Gzip, HealBy, Identity},
    units::format_span,
};

use super::words;
use crate::{exit::Exit, style};

/// Writes a page for each provider and an index; removes the pages of providers that are gone.
pub(super) fn write_all(catalogue: &Catalogue, folder: &Path) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::failed(format!("{} can't be written ({error})", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        if is_page && stem != "README" && !catalogue.0.contains_key(stem.as_str()) {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    for provider in catalogue.0.values() {
        fs::write(folder.join(format!("{}.md", provider.name)), page(provider)).map_err(failed)?;
    }
    fs::write(folder.join("README.md"), index(catalogue)).map_err(failed)?;
    style::line(&format!("Wrote {} pages in {}.", catalogue.0.len(), folder.display()));
    Ok(())
}

fn index(catalogue: &Catalogue) -> String {
    let mut page = format!(
        "# Providers\n\nMade from `config/providers/*.toml` by `gatepost providers docs docs/providers`; don't edit. \
         {} providers.\n\n| provider | name | check | trust | facts from |\n|---|---|---|---|---|\n",
        catalogue.0.len()
    );
    for provider in catalogue.0.values() {
        let name = &provider.name;
        let kinds = words::kinds(provider).join(", ");
        let (trust, known) = (words::trust(provider.trust), words::confidence(provider.confidence));
        line(
            &mut page,
            &format!("| [{}]({name}.md) | `{name}` | {kinds} | {trust} | {known} |", cell(&provider.title)),
        );
    }
    page
}

/// The page of one provider.
pub(super) fn page(provider: &Provider) -> String {
    let mut page = String::new();
    head(&mut page, provider);
    setup(&mut page, provider);
    checks(&mut page, provider);
    events(&mut page, provider);
    delivery(&mut page, provider);
    page
}

fn head(page: &mut String, provider: &Provider) {
    line(page, &format!("# {}\n", provider.title));
    let category = provider.category.as_deref().map(|category| format!(" Category: {category}.")).unwrap_or_default();
    line(page, &format!("Provider `{}`.{category}", provider.name));
    if let Some(docs) = &provider.docs {
        line(page, &format!("Its own documentation: <{docs}>"));
    }
    let known = words::confidence_meaning(provider.confidence);
    line(page, &format!("How its requests are checked is known from {known}."));
}

fn setup(page: &mut String, provider: &Provider) {
    line(page, "\n## Set up\n");
    line(
        page,
        &format!("1. URL: `https://YOUR-HOST/webhooks/{}` (the last part is the integration's id).", provider.name),
    );
    match &provider.setup {
        Some(setup) => line(page, &format!("2. {}", setup.trim())),
        None => line(page, "2. Paste the URL in the provider's webhook settings."),
    }
    let in_environment = provider.name.as_str().to_ascii_uppercase().replace('-', "_");
    let secret = if provider.schemes.is_empty() || words::kinds(provider) == ["none"] {
        "unverified = true                     # nothing of it can be checked".to_owned()
    } else if provider.keys.is_some() {
        "# no secret: its keys are fetched; secrets = [{ file = \"keys\" }] would pin them".to_owned()
    } else {
        format!("secrets = [{{ env = \"{in_environment}_WEBHOOK_SECRET\" }}]")
    };
    line(page, "3. In `gatepost.toml`:\n\n```toml\n[[integration]]");
    line(page, &format!("id = \"{0}\"\nprovider = \"{0}\"\n{secret}", provider.name));
    if !provider.values.is_empty() {
        let variable = |name: &String| name.to_ascii_uppercase().replace('-', "_");
        let value = |name: &String| format!("{name} = {{ env = \"{in_environment}_{}\" }}", variable(name));
        let values: Vec<String> = provider.values.keys().map(value).collect();
        line(page, &format!("values = {{ {} }}", values.join(", ")));
    }
    line(page, "```");
    for (name, purpose) in &provider.values {
        line(page, &format!("\n- `{name}`: {purpose}"));
    }
    line(page, &format!("\nSecrets: {}.", words::scope(provider.secret_scope)));
}

fn checks(page: &mut String, provider: &Provider) {
    line(page, "\n## How a request is checked\n");
    line(page, &format!("Trust: **{}**, {}.", words::trust(provider.trust), words::trust_meaning(provider.trust)));
    for scheme in &provider.schemes {
        line(page, &format!("\n`{}`:\n", scheme.id));
        for words in words::signature(scheme) {
            line(page, &format!("- {words}"));
        }
    }
    if let Some(keys) = &provider.keys {
        line(page, &format!("\n{}", words::keys(keys)));
    }
    if provider.schemes.len() > 1 {
        line(page, "\nThe first that applies counts, and it alone.");
    }
}

fn events(page: &mut String, provider: &Provider) {
    let event = &provider.event;
    line(page, "\n## Events\n");
    let parts: Vec<String> = event.kind.iter().map(|part| words::places(part)).collect();
    line(page, &format!("- Type: `{}.` and {}.", provider.name, parts.join(", then ")));
    match event.id.as_slice() {
        [] => line(page, "- Id: none; every request gets a fresh one."),
        ids => line(page, &format!("- Id: {}.", words::ids(ids))),
    }
    match event.account.as_slice() {
        [] => {
            line(page, "- Account: none in the request; use a connection's own URL or secret, or `default_connection`.")
        }
        places => line(page, &format!("- Account: {}.", words::places(places))),
    }
    if let Some(batch) = &provider.batch {
        let apart = match batch.discriminator.as_slice() {
            [] if event.id.iter().any(Identity::is_of_item) => "each with an id of its own".to_owned(),
            [] => "each with a fresh id".to_owned(),
            places => {
                let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
                format!("told apart by {}", places.join(", "))
            }
        };
        let items: Vec<String> = batch.items.iter().map(|place| format!("`{place}`")).collect();
        let held = match batch.form {
            BatchForm::Array => format!("at {}", items.join(" or ")),
            BatchForm::Lines => "an array, or one a line".to_owned(),
            BatchForm::Elements => format!("the XML elements at {}", items.join(" or ")),
        };
        line(page, &format!("- A request holds several events ({held}), {apart}."));
    }
    if !provider.redact.is_empty() {
        let places: Vec<String> = provider.redact.iter().map(|place| format!("`{place}`")).collect();
        let places = places.join(", ");
        line(page, &format!("- Secret, so overwritten with `*` before anything is stored: {places}."));
    }
    for handshake in &provider.handshakes {
        let when = words::conditions(&handshake.when);
        let signed = match (handshake.verified, &handshake.visit) {
            (true, Some(visit)) => format!(", once its signature is checked and the URL at `{}` visited", visit.url),
            (true, None) => ", once its signature is checked".to_owned(),
            (false, _) => String::new(),
        };
        let method = words::method(handshake.method);
        line(page, &format!("- Handshake: a {method} where {when} is answered by Gatepost itself{signed}."));
        if let Some(place) = &handshake.capture {
            line(
                page,
                &format!(
                    "- It gives the secret (at `{place}`), which is kept sealed while there is none, and never replaced."
                ),
            );
        }
    }
    announce(page, provider);
    line(page, &format!("- `gatepost send`: {}.", words::sending(provider)));
    let samples: Vec<String> = provider.samples.iter().map(|sample| format!("`{}`", sample.event)).collect();
    if !samples.is_empty() {
        line(page, &format!("- Samples for `gatepost send`: {}.", samples.join(", ")));
    }
}

/// What its events say of connections themselves.
fn announce(page: &mut String, provider: &Provider) {
    let announce = &provider.announce;
    for (what, alternatives) in [("is connected", &announce.begins), ("is no more", &announce.ends)] {
        for when in alternatives {
            let when = words::conditions(when);
            line(page, &format!("- Says that an account {what} (heeded as `announced` says): when {when}."));
        }
    }
    if !announce.tenant.is_empty() {
        line(page, &format!("- Whose an announced connection might be: {}.", words::places(&announce.tenant)));
    }
}

fn delivery(page: &mut String, provider: &Provider) {
    line(page, "\n## How it is sent\n");
    let methods: Vec<&str> = provider.methods.iter().map(|method| words::method(*method)).collect();
    line(page, &format!("- Methods: {}. Largest body: {}.", methods.join(", "), provider.body_max));
    match provider.gzip {
        None => {}
        Some(Gzip::Decoded) => line(page, "- Bodies may be compressed with gzip; what was compressed is signed."),
        Some(Gzip::Wire) => line(page, "- Bodies may be compressed with gzip; the compressed bytes are signed."),
    }
    let responses = &provider.responses;
    line(
        page,
        &format!("- Answered {} when stored, {} when refused.", responses.accepted_status, responses.refused_status),
    );
    if !responses.accepted_headers.is_empty() {
        let names: Vec<String> = responses.accepted_headers.iter().map(|(name, _)| format!("`{name}`")).collect();
        line(page, &format!("- The answer to an event shows again: {}.", names.join(", ")));
    }
    if let Some(deadline) = provider.deadline {
        line(page, &format!("- It waits {} for the answer.", format_span(deadline)));
    }
    if let Some(retries) = &provider.retries {
        line(page, &format!("- Retries: {}", retries.trim()));
    }
    match provider.heal {
        None => {}
        Some(HealBy::GithubDeliveries) => {
            line(
                page,
                "- What it could not deliver in the last three days can be had later: `gatepost heal` asks it to deliver again.",
            );
        }
        Some(HealBy::StripeEvents) => {
            line(page, "- What it could not deliver in the last 30 days can be had later: `gatepost heal` fetches it.");
        }
    }
}

fn line(page: &mut String, text: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(page, "{text}");
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
