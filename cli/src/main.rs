//! The one binary: a role per subcommand, and the operator's commands beside them.

mod address;
mod api;
mod args;
mod check;
mod client;
mod connections;
mod deliveries;
mod destinations;
mod dev;
mod erase;
mod events;
mod exit;
mod explain;
mod files;
mod heal;
mod http;
mod incident;
mod init;
mod jobs;
mod keys;
mod load;
mod logging;
mod ops;
mod process;
mod providers;
mod quarantine;
mod reload;
mod replays;
mod routes;
mod run;
mod search;
mod secret;
mod send;
mod signals;
mod store;
mod style;
mod syncs;
mod trace;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;
use exit::Exit;
use secret::SecretCommand;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Exit::failed(format!("can't start the async runtime: {error}")).report(),
    };
    match runtime.block_on(dispatch(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}

async fn dispatch(args: Args) -> Result<(), Exit> {
    let config = args.config;
    match args.command {
        Command::Run(run) => run::run(&config, run).await,
        Command::Dev(dev) => dev::dev(dev).await,
        Command::Init(init) => init::init(&config, &init),
        Command::Check(check) => check::check(&config, &check),
        Command::Secret(SecretCommand::New(args)) => secret::new(&args),
        Command::Secret(SecretCommand::Show { integration, connection }) => {
            secret::show(&config, integration, connection).await
        }
        Command::Send(send) => send::send(&config, &send).await,
        Command::Explain(args) => explain::explain(&config, &args).await,
        Command::Providers(command) => providers::providers(&config, &command),
        Command::Connections(command) => connections::connections(&command).await,
        Command::Unmatched(command) => connections::unmatched(&command).await,
        Command::Deliveries(command) => deliveries::deliveries(&command).await,
        Command::Destinations(command) => destinations::destinations(&command).await,
        Command::Events(command) => events::events(&command).await,
        Command::Keys(command) => keys::keys(&command).await,
        Command::Audit(command) => keys::audit(&command).await,
        Command::Syncs(command) => syncs::syncs(&command).await,
        Command::Search(search) => search::search(&search).await,
        Command::Trace(args) => trace::trace(&args).await,
        Command::Replays(command) => replays::replays(&command).await,
        Command::Quarantine(command) => quarantine::quarantine(&command).await,
        Command::Heal(args) => heal::heal(&args).await,
        Command::Erase(args) => erase::erase(&args).await,
        Command::Incident(args) => incident::incident(&args).await,
        Command::Routes(command) => routes::routes(&config, &command).await,
        Command::Store(store) => store::store(&config, &store).await,
    }
}
