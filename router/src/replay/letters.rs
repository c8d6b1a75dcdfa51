//! Dead letters, owed again.

use std::{sync::Arc, time::Duration};

use gatepost_event::{
    DeadLetter, StoreError,
    replay::{Job, Source},
};

use super::{Step, anew, wanted::Wanted};
use crate::{own::OwnDestinations, plan::Plan, work::Desk};

/// Letters read at a time; each has its body.
const PAGE: usize = 16;

/// Letters stand in the order in which they were stored, which is that of their deaths but for so much.
const DISORDER_MAX: Duration = Duration::from_secs(60);

/// One source: all letters.
pub(super) fn sources() -> Vec<Source> {
    vec![Source { after: 0, through: u64::MAX }]
}

/// Deals with the next letters.
pub(super) async fn step(
    desk: &Desk,
    plan: &Arc<Plan>,
    job: &mut Job,
    wanted: &Wanted,
    own: &mut OwnDestinations,
) -> Result<Step, StoreError> {
    if let Some(delivery) = job.wish.delivery {
        if let Some((position, mut letter)) = desk.store.dead_letter(delivery).await? {
            own.refresh_letter(&desk.store, plan, &mut letter).await?;
            one(desk, plan, job, wanted, position, &letter).await?;
        }
        return Ok(Step::End);
    }
    let after = job.place.sources.first().map_or(0, |source| source.after);
    let limit = job.wish.rate.map_or(PAGE, |rate| PAGE.min(rate.max(1) as usize));
    let page = desk.store.dead_letters(after, limit).await?;
    let before = job.progress.owed;
    let is_later = |letter: &DeadLetter| letter.note.died_at > job.created_at.after(DISORDER_MAX);
    if page.first().is_none_or(|(_, letter)| is_later(letter)) {
        return Ok(Step::End);
    }
    for (position, mut letter) in page {
        // What died since then died anew: it would never end.
        if letter.note.died_at <= job.created_at {
            own.refresh_letter(&desk.store, plan, &mut letter).await?;
            one(desk, plan, job, wanted, position, &letter).await?;
        }
        if let Some(source) = job.place.sources.first_mut() {
            source.after = position;
        }
    }
    Ok(Step::More(job.progress.owed - before))
}

async fn one(
    desk: &Desk,
    plan: &Arc<Plan>,
    job: &mut Job,
    wanted: &Wanted,
    position: u64,
    letter: &DeadLetter,
) -> Result<(), StoreError> {
    let is_wanted = wanted.wants_letter(&job.wish, letter);
    let tasks = if is_wanted { anew::of_letter(plan, job, position, letter).await? } else { Vec::new() };
    let owed = tasks.len() as u64;
    let is_owed = owed > 0 && (job.wish.dry_run || desk.store.revive(position, tasks).await?);
    job.progress.examined += 1;
    job.progress.matched += u64::from(is_wanted);
    job.progress.owed += if is_owed { owed } else { 0 };
    job.progress.skipped += u64::from(is_wanted && !is_owed);
    Ok(())
}
