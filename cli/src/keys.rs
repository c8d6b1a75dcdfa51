//! `gatepost keys` and `gatepost audit`, through the API.

use clap::Subcommand;
use serde_json::{Map, Value};

use crate::{
    api::{self, field},
    args::{ApiArgs, ListArgs},
    exit::Exit,
    style,
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key; it is printed now and never shown again
    Create {
        /// What it is for
        name: String,
        /// What it may do: read, write, replay, admin; may be given several times
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// The tenant that it is bound to; it sees and touches nothing else
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// When it stops being accepted (RFC 3339)
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// All, oldest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Refuse a key from now on
    Revoke {
        /// Its id (gpk_...)
        id: String,
        #[command(flatten)]
        api: ApiArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// Makes, lists or revokes.
pub(crate) async fn keys(command: &KeysCommand) -> Result<(), Exit> {
    match command {
        KeysCommand::Create { name, scopes, tenant, expires, api } => {
            let mut wish = Map::from_iter([
                ("name".to_owned(), Value::from(name.clone())),
                ("scopes".to_owned(), scopes.clone().into()),
            ]);
            wish.extend(tenant.clone().map(|tenant| ("tenant".to_owned(), tenant.into())));
            wish.extend(expires.clone().map(|at| ("expires_at".to_owned(), at.into())));
            let made = api::post(api, &["keys"], &wish.into()).await?;
            match api.json {
                true => api::print(&made),
                false => {
                    style::line(&field(&made, "key"));
                    style::note("It is not kept: store it now, for example in GATEPOST_API_KEY.");
                }
            }
        }
        KeysCommand::List { list, api } => {
            let query = [("limit", list.limit.map(|limit| limit.to_string())), ("cursor", list.cursor.clone())];
            api::print_page(api, &api::get(api, &["keys"], &query).await?, |key| {
                ["id", "name", "scopes", "tenant", "created_at", "expires_at"].map(|word| field(key, word)).join("  ")
            });
        }
        KeysCommand::Revoke { id, api } => {
            api::delete(api, &["keys", id]).await?;
            if !api.json {
                style::line(&format!("{id} is refused from now on"));
            }
        }
    }
    Ok(())
}

/// Lists.
pub(crate) async fn audit(command: &AuditCommand) -> Result<(), Exit> {
    let AuditCommand::List { list, api } = command;
    let query = [("limit", list.limit.map(|limit| limit.to_string())), ("cursor", list.cursor.clone())];
    api::print_page(api, &api::get(api, &["audit"], &query).await?, |act| {
        ["at", "who", "action", "target", "status"].map(|word| field(act, word)).join("  ")
    });
    Ok(())
}
