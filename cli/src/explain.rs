//! `gatepost explain`: whether a captured request, or one that was refused, verifies, and if not why. A captured one needs
//! no network and no running Gatepost.

mod capture;
mod report;
mod subject;

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use gatepost_config::{Catalogue, Config, Integration, Options, Provider, Secret, Timestamp};
use gatepost_gateway::{
    Judge,
    explain::{Case, Other, explain as diagnose},
};
use url::Url;

use self::subject::Subject;
use crate::{args::ApiArgs, exit::Exit, load, providers, style};

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The provider, by its name in the catalogue; not needed with --integration or a req_ id
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// An integration of the configuration, whose provider, secrets and values are taken
    #[arg(long, value_name = "ID", conflicts_with = "provider")]
    pub(crate) integration: Option<String>,
    /// A file with the secret (or public key) that should fit; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Vec<PathBuf>,
    /// What the provider calls us; when not said, `gateway.public_url` of the configuration if there is one
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<Url>,
    /// A named value that the provider's file asks for
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// When the request arrived (RFC 3339); when not said, now, or when the refused one did
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    /// A file with the raw HTTP/1.1 request as captured, `-` for standard input; or the id of a refused request (req_...),
    /// which the API is asked for
    #[arg(value_name = "REQUEST")]
    pub(crate) request: String,
}

/// Most bytes of a captured request.
const CAPTURE_BYTES_MAX: u64 = 64 << 20;
/// Most bytes of a secret's file.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The configuration, where there is one, and whether its secrets could be read here.
struct Known {
    config: Config,
    with_secrets: bool,
}

/// What a request is judged by.
struct Means {
    provider: Arc<Provider>,
    secrets: Vec<Secret>,
    values: BTreeMap<String, Secret>,
}

/// Judges a request, prints what came of it, and ends with 1 when it doesn't verify.
pub(crate) async fn explain(path: &Path, args: &ExplainArgs) -> Result<(), Exit> {
    let known = configuration(path, args);
    let config = known.as_ref().map(|known| &known.config);
    let catalogue = config.map_or_else(Catalogue::builtin, |config| config.catalogue.clone());
    let subject = subject::read(args).await?;
    let Means { provider, secrets, values } = means(args, &subject, known.as_ref(), &catalogue)?;
    let now = args.at.or(subject.received_at).unwrap_or_else(Timestamp::now);
    let capture = &subject.capture;
    let asked = args.public_url.clone().or_else(|| config?.gateway.public_url.clone());
    let public_url = asked.map(|url| base(url, &capture.request.target));
    let strangers = known.as_ref().filter(|known| known.with_secrets);
    let others = strangers.map(|known| others(&known.config, &secrets)).unwrap_or_default();
    let unverified = !provider.schemes.is_empty() && provider.trust == gatepost_config::provider::Trust::Unverified;
    let judge =
        Judge { provider: &provider, secrets: &secrets, values: &values, public_url: public_url.as_ref(), unverified };
    let case = Case { judge, request: &capture.request, now, others: &others, catalogue: &catalogue };
    let diagnosis = diagnose(&case);

    let report = report::Report { provider: provider.name.as_str(), now, diagnosis: &diagnosis, notes: &capture.notes };
    if args.api.json {
        report.json()
    } else {
        report.text()
    };
    match diagnosis.code {
        None => Ok(()),
        Some(code) => Err(Exit::failed(format!("the request does not verify: {code}"))),
    }
}

/// The configuration, where there is one. In a shell that lacks what its secrets come from, all but those is used.
fn configuration(path: &Path, args: &ExplainArgs) -> Option<Known> {
    if !path.exists() {
        return None;
    }
    if let Ok(loaded) = load::read(path, load::options()) {
        return Some(Known { config: loaded.config, with_secrets: true });
    }
    let without = load::read(path, Options { without_secrets: true, ..load::options() });
    if !args.api.json {
        let path = path.display();
        style::warning(&match &without {
            Ok(_) => {
                format!("secrets of {path} can't be read here: no other integration's is tried (see gatepost check)")
            }
            Err(_) => format!("{path} is bad and not used (see gatepost check)"),
        });
    }
    Some(Known { config: without.ok()?.config, with_secrets: false })
}

/// The provider, secrets and values: those given, else those of the integration that is named or that refused it.
fn means(args: &ExplainArgs, subject: &Subject, known: Option<&Known>, catalogue: &Catalogue) -> Result<Means, Exit> {
    let given = args.secret_file.iter().map(|path| secret(path)).collect::<Result<Vec<_>, _>>()?;
    let mut set = values(&args.set)?;
    if let Some(name) = &args.provider {
        return Ok(Means { provider: providers::find(catalogue, name)?, secrets: given, values: set });
    }
    let id = args.integration.as_ref().or(subject.integration.as_ref());
    let id =
        id.ok_or_else(|| Exit::failed("name the provider with --provider, or an integration with --integration"))?;
    let known = known.ok_or_else(|| {
        Exit::failed(format!(
            "the integration {id} is looked for in the configuration, which is not there: name it with --config"
        ))
    })?;
    let integration = known.config.integrations.iter().find(|integration| integration.id.as_str() == id.as_str());
    let integration =
        integration.ok_or_else(|| Exit::failed(format!("the configuration has no integration {id:?}")))?;
    if given.is_empty() && !known.with_secrets {
        let why = format!(
            "the secrets of the integration {id} can't be read here: set what gatepost check names, or give --secret-file"
        );
        return Err(Exit::failed(why));
    }
    let secrets = match given.is_empty() {
        true => own_secrets(&known.config, integration, subject.capture.request.connection.as_deref()),
        false => given,
    };
    if known.with_secrets {
        for (name, value) in &integration.values {
            set.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Ok(Means { provider: integration.provider.clone(), secrets, values: set })
}

/// The secrets of the connection that a URL names, where the file gives it its own, else the integration's.
fn own_secrets(config: &Config, integration: &Integration, connection: Option<&str>) -> Vec<Secret> {
    let mut connections = config.connections.iter().filter(|connection| connection.integration == integration.id);
    let named = connections.find(|known| connection == Some(known.id.as_str()) && !known.secrets.is_empty());
    named.map_or_else(|| integration.secrets.clone(), |connection| connection.secrets.clone())
}

/// Everything that is configured, with its secrets but for those given.
fn others(config: &Config, given: &[Secret]) -> Vec<Other> {
    let strangers = |secrets: &[Secret]| -> Vec<Secret> {
        let mut secrets = secrets.to_vec();
        secrets.retain(|secret| given.iter().all(|given| given.expose() != secret.expose()));
        secrets
    };
    let other = |name: String, integration: &Integration, secrets: &[Secret]| Other {
        name,
        secrets: strangers(secrets),
        provider: integration.provider.clone(),
        values: integration.values.clone(),
    };
    let integrations = config
        .integrations
        .iter()
        .map(|integration| other(format!("integration {}", integration.id), integration, &integration.secrets));
    let connections = config.connections.iter().filter_map(|connection| {
        let integration = config.integrations.iter().find(|integration| integration.id == connection.integration)?;
        let name = format!("connection {} of integration {}", connection.id, connection.integration);
        Some(other(name, integration, &connection.secrets))
    });
    integrations.chain(connections).filter(|other| !other.secrets.is_empty()).collect()
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
