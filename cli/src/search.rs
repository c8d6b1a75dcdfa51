//! `gatepost search`: events by anything that is known of them.

use crate::{api, args::SearchArgs, events, exit::Exit};

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
