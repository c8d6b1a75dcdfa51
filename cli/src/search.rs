//! `gatepost search`: events by anything that is known of them.

use crate::{
    api,
    args::{ApiArgs, ListArgs},
    events,
    exit::Exit,
};

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// An id (evt_, req_, dlv_, the provider's own), an account, a connection, or words; a star behind a word stands for
    /// its rest
    #[arg(required = true)]
    pub(crate) text: Vec<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

/// Lists what is found.
pub(crate) async fn search(args: &SearchArgs) -> Result<(), Exit> {
    let query = [
        ("q", Some(args.text.join(" "))),
        ("limit", args.list.limit.map(|limit| limit.to_string())),
        ("cursor", args.list.cursor.clone()),
    ];
    api::print_page(&args.api, &api::get(&args.api, &["search"], &query).await?, events::line);
    Ok(())
}
