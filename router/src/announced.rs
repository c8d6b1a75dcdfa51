//! What verified events said of connections: new ones are made, to be confirmed or trusted as the operator said, and those
//! whose account is no more are disabled. One router does this for all, the one that binds connections.
//!
//! Every step may be repeated: an announcement is removed once it is dealt with, and dealt with again otherwise.

mod begin;
mod crowd;
mod end;

use std::sync::Arc;

use gatepost_config::{Config, Integration, Timestamp};
use gatepost_event::{
    Act, ActId, Announcement, Linked, StoreError,
    announcement::{self, What},
    registry::Kind,
    store::Watch,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::crowd::Crowd;
use crate::{backoff::Backoff, lease::Held, plan::Plan, work::Desk};

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dealt {
    /// A connection waits for its confirmation.
    Pending,
    /// A connection receives events.
    Trusted,
    /// Somebody has the account already, or has lost it already.
    Known,
    /// The connection's id is another's.
    Taken,
    /// What was said is no connection's id.
    Unfit,
    /// Too many announced themselves.
    Full,
    /// The connection is disabled.
    Disabled,
    /// A connection that waited for its confirmation is gone.
    Forgotten,
    /// The account's connection stands in the file.
    Declared,
    /// The integration doesn't heed such announcements (any more).
    Ignored,
}

/// Deals with announcements until the lease ends or is to be given up.
pub(crate) async fn follow(desk: &Desk, plan: watch::Receiver<Arc<Plan>>, held: Held) {
    let mut backoff = Backoff::store();
    let mut crowd = Crowd::default();
    loop {
        tokio::select! {
            () = held.stopped() => return,
            worked = work(desk, &plan, &mut crowd) => {
                if let Err(error) = worked {
                    tracing::debug!(%error, "announcements can't be dealt with now; trying again");
                }
            }
        }
        tokio::select! {
            () = held.stopped() => return,
            () = backoff.wait() => {}
        }
    }
}

/// Returns only when the store can't be asked.
async fn work(desk: &Desk, plan: &watch::Receiver<Arc<Plan>>, crowd: &mut Crowd) -> Result<(), StoreError> {
    let mut watch: Watch = desk.store.watch(Kind::Announcement).await?;
    loop {
        for (entry, announcement) in announcement::waiting(&desk.store).await? {
            match announcement {
                Ok(announcement) => {
                    let config = Arc::clone(&plan.borrow().config);
                    let dealt = deal(desk, &config, &announcement, crowd).await?;
                    desk.metrics.announced(announcement.integration.as_str(), dealt.word());
                }
                Err(error) => tracing::error!(%error, "an announcement can't be read; it is dropped"),
            }
            announcement::forget(&desk.store, &entry).await?;
        }
        watch.next().await?;
    }
}

async fn deal(desk: &Desk, config: &Config, told: &Announcement, crowd: &mut Crowd) -> Result<Dealt, StoreError> {
    let Some(integration) = config.integrations.iter().find(|integration| integration.id == told.integration) else {
        return Ok(Dealt::Ignored);
    };
    let heeded = integration.heeds();
    let is_heeded = match told.what {
        What::Begins => !heeded.begins.is_empty(),
        What::Ends => !heeded.ends.is_empty(),
    };
    if !is_heeded {
        return Ok(Dealt::Ignored);
    }
    let dealt = match told.what {
        What::Begins => begin::deal(desk, config, integration, told, crowd).await?,
        What::Ends => end::deal(desk, config, told).await?,
    };
    log(integration, told, dealt);
    Ok(dealt)
}

fn log(integration: &Integration, told: &Announcement, dealt: Dealt) {
    let (integration, account, request) = (integration.id.as_str(), told.account.as_str(), told.request);
    let (what, result) = (told.what.word(), dealt.word());
    match dealt {
        Dealt::Pending | Dealt::Trusted | Dealt::Disabled | Dealt::Forgotten => {
            tracing::info!(integration, account, what, result, %request, "a connection was announced");
        }
        Dealt::Known | Dealt::Ignored => {
            tracing::debug!(integration, account, what, result, %request, "a connection was announced");
        }
        Dealt::Taken | Dealt::Unfit | Dealt::Full | Dealt::Declared => {
            tracing::warn!(integration, account, what, result, %request, "an announcement changed nothing");
        }
    }
}

/// Writes into the audit log what an announcement changed.
async fn audit(
    desk: &Desk,
    told: &Announcement,
    status: u16,
    before: Option<&Linked>,
    after: Option<&Linked>,
) -> Result<(), StoreError> {
    let Some(linked) = after.or(before) else { return Ok(()) };
    let now = Timestamp::now();
    let act = Act {
        id: ActId::fresh(now),
        at: now,
        who: format!("announcement {}", told.request),
        tenant: None,
        action: told.what.word().to_owned(),
        target: format!("/v1/connections/{}/{}", linked.integration, linked.id),
        status,
        before: before.map(shown),
        after: after.map(shown),
    };
    desk.store.note_act(&act).await
}

/// What of a connection an announcement may change.
fn shown(linked: &Linked) -> Value {
    json!({ "tenant": linked.tenant, "accounts": linked.accounts, "state": linked.phase, "disabled": linked.disabled })
}

impl Dealt {
    /// Its word in metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Trusted => "trusted",
            Self::Known => "known",
            Self::Taken => "taken",
            Self::Unfit => "unfit",
            Self::Full => "full",
            Self::Disabled => "disabled",
            Self::Forgotten => "forgotten",
            Self::Declared => "declared",
            Self::Ignored => "ignored",
        }
    }
}
