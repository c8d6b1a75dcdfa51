//! Reads what the provider's file says of an event: its type, its id, its account, its time.

use gatepost_config::{
    Provider, Timestamp,
    provider::{Identity, Location, Source},
};

use crate::{
    extract::{Lookup, Trouble},
    identity::bounded,
    reason::Reason,
    verify::read_time,
};

/// Most bytes of an id or account; of longer texts that only tell events apart a hash counts.
pub(crate) const FIELD_BYTES_MAX: usize = 1024;

/// What a request or item says of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    /// The parts of its type, as the provider writes them.
    pub(crate) kind: Vec<String>,
    /// What names it.
    pub(crate) name: Name,
    /// Whose it is.
    pub(crate) account: Account,
    /// What tells it from the other items of its request.
    pub(crate) discriminator: Option<String>,
    /// When it happened.
    pub(crate) occurred_at: Option<Timestamp>,
}

/// What names an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// The provider's id of it.
    Given(String),
    /// Several texts of the provider's, together.
    Together(Vec<String>),
    /// Its own bytes, with the texts that date them.
    Content(Vec<String>),
    /// Nothing.
    Absent,
}

/// An account key, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The provider's key of the account.
    Key(String),
    /// The event carries none.
    Absent,
    /// Where it should be can't be read: not the same as carrying none.
    Unreadable,
}

impl Account {
    /// The key.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// Reads the fields of one event.
pub(crate) fn read(provider: &Provider, lookup: &Lookup<'_>) -> Result<Fields, Reason> {
    let rule = &provider.event;
    let kind: Result<Vec<_>, _> = rule.kind.iter().filter_map(|part| first(lookup, part).transpose()).collect();
    let occurred_at = match &rule.occurred_at {
        Some(at) => one(lookup, &at.from)?.and_then(|text| read_time(at.unit, text.as_bytes())),
        None => None,
    };
    Ok(Fields {
        kind: kind?,
        name: name(lookup, &rule.id)?,
        account: account(provider, lookup)?,
        discriminator: discriminator(provider, lookup)?,
        occurred_at,
    })
}

/// The first of several ways to name an event for which everything is there.
fn name(lookup: &Lookup<'_>, ids: &[Identity]) -> Result<Name, Reason> {
    for id in ids {
        let texts: Vec<_> = id.places().iter().map(|place| one(lookup, place)).collect::<Result<_, _>>()?;
        match id {
            Identity::Place(_) => {
                if let Some(text) = texts.into_iter().flatten().next() {
                    return Ok(Name::Given(short(text)?));
                }
            }
            Identity::Together(_) => {
                if let Some(texts) = texts.into_iter().collect() {
                    return Ok(Name::Together(texts));
                }
            }
            Identity::Content { .. } => {
                let dates: Vec<_> = texts.into_iter().flatten().collect();
                if !dates.is_empty() {
                    return Ok(Name::Content(dates));
                }
            }
        }
    }
    Ok(Name::Absent)
}

fn account(provider: &Provider, lookup: &Lookup<'_>) -> Result<Account, Reason> {
    let mut unreadable = false;
    for place in &provider.event.account {
        match lookup.find_text(place) {
            Ok(Some(text)) if !text.is_empty() => return Ok(Account::Key(short(text)?)),
            Ok(_) => {}
            Err(Trouble::Duplicated) => return Err(Reason::FieldDuplicated),
            Err(Trouble::Unreadable) => unreadable |= expects_json(place, lookup),
        }
    }
    Ok(if unreadable { Account::Unreadable } else { Account::Absent })
}

/// Whether a place that can't be read should have been there: forms and empty bodies never are.
fn expects_json(place: &Location, lookup: &Lookup<'_>) -> bool {
    let request = lookup.request();
    let form = request.is_form() || request.multipart().is_some();
    !matches!(place.source, Source::Json(_)) || !(form || request.body.is_empty())
}

/// The parts that tell items of a request apart, each with its length so that they can't run into each other; none when
/// no part is there.
fn discriminator(provider: &Provider, lookup: &Lookup<'_>) -> Result<Option<String>, Reason> {
    let Some(batch) = &provider.batch else { return Ok(None) };
    let (mut text, mut any) = (String::new(), false);
    for place in &batch.discriminator {
        match one(lookup, place)? {
            Some(part) => {
                any = true;
                text.push_str(&format!("{}:{part};", part.len()));
            }
            None => text.push_str("-;"),
        }
    }
    Ok(any.then(|| bounded(text)))
}

/// The first place that holds something.
fn first(lookup: &Lookup<'_>, places: &[Location]) -> Result<Option<String>, Reason> {
    for place in places {
        if let Some(text) = one(lookup, place)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// What a place holds, if anything; what can't be read is as good as absent.
pub(crate) fn one(lookup: &Lookup<'_>, place: &Location) -> Result<Option<String>, Reason> {
    match lookup.find_text(place) {
        Ok(found) => Ok(found.filter(|text| !text.is_empty())),
        Err(Trouble::Duplicated) => Err(Reason::FieldDuplicated),
        Err(Trouble::Unreadable) => Ok(None),
    }
}

fn short(text: String) -> Result<String, Reason> {
    if text.len() > FIELD_BYTES_MAX { Err(Reason::FieldTooLong) } else { Ok(text) }
}
