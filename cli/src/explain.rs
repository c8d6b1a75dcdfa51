//! `gatepost explain`: whether a captured request verifies, and if not why. Needs no network and no running Gatepost.

mod capture;
mod report;

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use gatepost_config::{Catalogue, Config, Secret, Timestamp};
use gatepost_gateway::{
    Judge,
    explain::{Case, Other, explain as diagnose},
};
use url::Url;

use crate::{exit::Exit, load, providers, style};

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The provider, by its name in the catalogue
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: String,
    /// A file with the secret (or public key) that should fit; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Vec<PathBuf>,
    /// What the provider calls us; when not said, `gateway.public_url` of the configuration if there is one
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<Url>,
    /// A named value that the provider's file asks for
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// When the request arrived (RFC 3339); now when not said
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// One JSON object, for machines
    #[arg(long)]
    pub(crate) json: bool,
    /// A file with the raw HTTP/1.1 request as captured; `-` for standard input
    #[arg(value_name = "REQUEST.http")]
    pub(crate) request: String,
}

/// Most bytes of a captured request.
const CAPTURE_BYTES_MAX: u64 = 64 << 20;
/// Most bytes of a secret's file.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Judges a captured request, prints what came of it, and ends with 1 when it doesn't verify.
pub(crate) fn explain(path: &Path, args: &ExplainArgs) -> Result<(), Exit> {
    let config = configuration(path, args)?;
    let catalogue = config.as_ref().map_or_else(Catalogue::builtin, |config| config.catalogue.clone());
    let provider = providers::find(&catalogue, &args.provider)?;
    let now = args.at.unwrap_or_else(Timestamp::now);
    let secrets = args.secret_file.iter().map(|path| secret(path)).collect::<Result<Vec<_>, _>>()?;
    let capture =
        capture::parse(&read(&args.request)?).map_err(|why| Exit::failed(format!("{}: {why}", args.request)))?;
    let values = values(&args.set)?;
    let asked = args.public_url.clone().or_else(|| config.as_ref()?.gateway.public_url.clone());
    let public_url = asked.map(|url| base(url, &capture.request.target));
    let others = config.as_ref().map(|config| others(config, &secrets)).unwrap_or_default();
    let unverified = !provider.schemes.is_empty() && provider.trust == gatepost_config::provider::Trust::Unverified;
    let judge =
        Judge { provider: &provider, secrets: &secrets, values: &values, public_url: public_url.as_ref(), unverified };
    let case = Case { judge, request: &capture.request, now, others: &others, catalogue: &catalogue };
    let diagnosis = diagnose(&case);

    let report = report::Report { provider: provider.name.as_str(), now, diagnosis: &diagnosis, notes: &capture.notes };
    if args.json {
        report.json()
    } else {
        report.text()
    };
    match diagnosis.code {
        None => Ok(()),
        Some(code) => Err(Exit::failed(format!("the request does not verify: {code}"))),
    }
}

/// The configuration, where there is one: `--config` as given must be good, the usual file may be absent or bad.
fn configuration(path: &Path, args: &ExplainArgs) -> Result<Option<Config>, Exit> {
    if !path.exists() {
        return Ok(None);
    }
    match load::read(path, load::options()) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(_) => {
            if !args.json {
                style::warning(&format!("{} is bad and not used (see gatepost check)", path.display()));
            }
            Ok(None)
        }
    }
}

/// The secrets of everything that is configured, but for those given.
fn others(config: &Config, given: &[Secret]) -> Vec<Other> {
    let integrations = config
        .integrations
        .iter()
        .map(|integration| (format!("integration {}", integration.id), integration.secrets.clone()));
    let connections = config.connections.iter().map(|connection| {
        (format!("connection {} of integration {}", connection.id, connection.integration), connection.secrets.clone())
    });
    let strangers = |secrets: Vec<Secret>| -> Vec<Secret> {
        secrets.into_iter().filter(|secret| given.iter().all(|given| given.expose() != secret.expose())).collect()
    };
    let others = integrations.chain(connections).map(|(name, secrets)| Other { name, secrets: strangers(secrets) });
    others.filter(|other| !other.secrets.is_empty()).collect()
}

fn read(path: &str) -> Result<Vec<u8>, Exit> {
    let failed = |error: std::io::Error| Exit::failed(format!("{path} can't be read ({error})"));
    let mut bytes = Vec::new();
    match path {
        "-" => std::io::stdin().take(CAPTURE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?,
        path => {
            fs::File::open(path).map_err(failed)?.take(CAPTURE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?
        }
    };
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= CAPTURE_BYTES_MAX => Ok(bytes),
        _ => Err(Exit::failed(format!("{path} has more than {} MiB", CAPTURE_BYTES_MAX >> 20))),
    }
}

/// A secret's file, read as the configuration reads it: without one line end.
fn secret(path: &Path) -> Result<Secret, Exit> {
    let failed = |error: std::io::Error| Exit::failed(format!("{} can't be read ({error})", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(SECRET_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Secret::new(bytes, &format!("file {}", path.display())))
}

fn values(set: &[String]) -> Result<BTreeMap<String, Secret>, Exit> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.to_owned(), Secret::new(value.as_bytes().to_vec(), &format!("--set {name}"))))
        }
        _ => Err(Exit::failed("--set needs NAME=VALUE")),
    };
    set.iter().map(pair).collect()
}

/// The public URL as the gateway knows it: what stands before the request's own path, where the whole was given.
fn base(mut url: Url, target: &str) -> Url {
    let path = target.split('?').next().unwrap_or_default();
    if path.len() > 1
        && let Some(before) = url.path().strip_suffix(path).map(str::to_owned)
    {
        url.set_path(&before);
        url.set_query(None);
    }
    url
}
