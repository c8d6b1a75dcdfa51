//! `gatepost dev`: every role on the embedded store, a demo configuration, a sample backend, and a genuine sample per
//! provider with each of its steps printed.

mod backend;
mod demo;
mod narrate;
mod samples;
mod steps;

pub(crate) use demo::private;

use std::{net::SocketAddr, sync::Arc};

use gatepost_config::Config;
use gatepost_event::Store;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::{narrate::Narrator, samples::Samples, steps::Report};
use crate::{
    exit::Exit,
    http, load,
    process::{self, Process},
    signals,
    style::{self, DIM},
};

#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Deliver to your own program instead of the built-in sample backend
    #[arg(long, value_name = "URL")]
    pub(crate) forward: Option<Url>,
    /// End after the samples: 0 if every one was delivered and verified
    #[arg(long)]
    pub(crate) once: bool,
    /// One JSON object per step, for machines
    #[arg(long)]
    pub(crate) json: bool,
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}

/// Runs everything, posts the samples, and stays up unless asked for once.
pub(crate) async fn dev(args: DevArgs) -> Result<(), Exit> {
    let (report, steps) = steps::listen();
    let shutdown = signals::shutdown()?;
    let gateway = process::bind(args.listen, "--listen").await?;
    let address = process::bound(&gateway);
    let home = demo::Home::create(&address)?;

    let backend = match &args.forward {
        Some(url) => url.clone(),
        None => start_backend(&home, report, shutdown.clone()).await?,
    };
    home.write(&backend)?;
    let config = Arc::new(load::load(&home.config())?);
    let admin = process::bind(([127, 0, 0, 1], 0).into(), "the admin API").await?;
    let api = process::bound(&admin);
    let running = start(config.clone(), gateway, admin, shutdown.clone()).await?;

    let narrator = Narrator::new(args.json);
    narrator.remark(&format!("Gatepost receives at http://{address}/webhooks/... and delivers to {backend}"));
    let mut samples = Samples::new(&config, narrator, steps, args.forward.is_none());
    let outcome = samples.post_all(&shutdown).await;
    if !args.once && !shutdown.is_cancelled() {
        samples.narrator().remark(&more(&home, &config, &api));
        samples.follow(&shutdown).await;
    }
    shutdown.cancel();
    running.await.map_err(|error| Exit::failed(format!("the process crashed: {error}")))??;
    if args.once { outcome } else { Ok(()) }
}

async fn start_backend(home: &demo::Home, report: Report, shutdown: CancellationToken) -> Result<url::Url, Exit> {
    let listener = process::bind(([127, 0, 0, 1], 0).into(), "the sample backend").await?;
    let url = format!("http://{}/webhooks", process::bound(&listener));
    tokio::spawn(http::serve(listener, backend::router(home.signing_key(), report), shutdown));
    url.parse().map_err(|error| Exit::failed(format!("{url}: {error}")))
}

async fn start(
    config: Arc<Config>,
    gateway: TcpListener,
    admin: TcpListener,
    shutdown: CancellationToken,
) -> Result<JoinHandle<Result<(), Exit>>, Exit> {
    let store = Store::open(&config.store, &*config).await.map_err(|error| Exit::failed(error.to_string()))?;
    let (keep, config) = watch::channel(config);
    let process =
        Process { config, store, gateway: Some(gateway), router: true, admin: Some(admin), ops: None, shutdown };
    Ok(tokio::spawn(async move {
        let ended = process.run().await;
        drop(keep);
        ended
    }))
}

/// How to send more.
fn more(home: &demo::Home, config: &Config, api: &str) -> String {
    let file = home.config();
    let lines = config.integrations.iter().flat_map(|integration| {
        let file = file.display();
        integration
            .provider
            .samples
            .iter()
            .map(move |sample| format!("  gatepost --config {file} send {} {}", integration.id, sample.event))
    });
    let lines: Vec<_> = lines.collect();
    let note = style::paint(DIM, "Ctrl-C ends; the demo's files go with it.");
    let key = home.api_key_file();
    let look = format!("  GATEPOST_URL=http://{api} GATEPOST_API_KEY=$(cat {}) gatepost events list", key.display());
    format!("\nSend more, from another terminal:\n{}\nLook at what is stored:\n{look}\n{note}", lines.join("\n"))
}
