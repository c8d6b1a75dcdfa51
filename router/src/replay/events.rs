//! Stored events, through the present routes.

use std::sync::Arc;

use gatepost_event::{
    Store, StoreError,
    replay::{Job, Source},
};

use super::{Step, anew, wanted::Wanted};
use crate::{own::OwnDestinations, plan::Plan, work::Desk};

/// Events read at a time.
const PAGE: usize = 64;

/// One source per partition: what is stored there now, from the job's time on.
pub(super) async fn sources(store: &Store, job: &Job) -> Result<Vec<Source>, StoreError> {
    let mut sources = Vec::new();
    for partition in 0..store.partitions() {
        let span = store.span(partition, job.wish.since).await?;
        sources.push(Source { after: span.after, through: span.through });
    }
    Ok(sources)
}

/// Deals with the next events of the first partition that has some left.
pub(super) async fn step(
    desk: &Desk,
    plan: &Arc<Plan>,
    job: &mut Job,
    wanted: &Wanted,
    own: &mut OwnDestinations,
) -> Result<Step, StoreError> {
    let left = |source: &&Source| source.after < source.through;
    let Some(at) = job.place.sources.iter().position(|source| left(&source)) else { return Ok(Step::End) };
    let (partition, Some(source)) = (u16::try_from(at).unwrap_or_default(), job.place.sources.get(at).copied()) else {
        return Ok(Step::End);
    };
    let limit = job.wish.rate.map_or(PAGE, |rate| PAGE.min(rate.max(1) as usize));
    let page = desk.store.events(partition, source.after, limit).await?;
    let mut progress = job.progress;
    let mut tasks = Vec::new();
    // The end of the log, although its last place is not reached: its rest has ended meanwhile.
    let mut after = if page.is_empty() { source.through } else { source.after };
    for stored in page {
        after = stored.at.sequence;
        if after > source.through {
            break;
        }
        progress.examined += 1;
        let Ok(mut event) = stored.event else { continue };
        if !wanted.wants_event(&job.wish, &event) {
            continue;
        }
        let id = event.meta.id;
        own.refresh(&desk.store, plan, &mut event).await?;
        let mut owed = anew::of_event(plan, job, stored.at, event).await?;
        let is_routed = !owed.is_empty();
        owed.retain(|task| wanted.wants_delivery(&job.wish, &id, &task.destination));
        if is_routed && owed.is_empty() {
            continue;
        }
        progress.matched += 1;
        progress.skipped += u64::from(owed.is_empty());
        tasks.extend(owed);
    }
    let owed = tasks.len() as u64;
    if !job.wish.dry_run && owed > 0 {
        desk.store.enqueue(tasks).await?;
    }
    progress.owed += owed;
    job.progress = progress;
    if let Some(source) = job.place.sources.get_mut(at) {
        source.after = after;
    }
    Ok(Step::More(owed))
}
