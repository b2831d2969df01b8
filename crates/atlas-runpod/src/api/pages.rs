//! A listing that comes in pages, walked to its end: the whole answer or an error, never less.

use std::collections::{BTreeSet, HashMap};

use atlas_auth::Clock;
use atlas_core::http::{Lane, Request};
use atlas_core::{CallContext, Effect, Error, ErrorKind, Result};
use serde_json::Value;
use url::Url;

use super::Api;
use crate::deadline::Deadline;

/// How many a page holds: the most that the cloud gives.
const PAGE: &str = "1000";

/// How often a walk is begun anew because the cloud no longer knows a cursor that it gave.
const RESTARTS: u32 = 3;

/// No walk is longer: a cloud that goes on for ever is not believed.
const LONGEST: usize = 1000;

/// What is listed.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) url: Url,
    /// Under which name the things stand in a page.
    pub(crate) field: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) lane: Lane,
}

/// Where a walk goes after a page.
enum Next {
    Page(String),
    End,
}

impl Api {
    /// All things of a listing, each once.
    ///
    /// New things come first, so a thing may move to the next page while it is walked: it is then seen twice, and the later
    /// reading counts. A cursor that the cloud refuses (422) begins the walk anew.
    pub(crate) async fn walk(&self, clock: &dyn Clock, context: &CallContext, listing: &Listing) -> Result<Vec<Value>> {
        let deadline = Deadline::of(clock, context);
        let mut restarts = 0;
        loop {
            match self.walk_once(&deadline, listing).await? {
                Some(things) => return Ok(things),
                None if restarts == RESTARTS => {
                    return Err(self.incomplete(listing, "the cloud forgot its cursor each time"));
                }
                None => restarts += 1,
            }
        }
    }

    /// One walk; `None` if the cloud no longer knew a cursor.
    async fn walk_once(&self, deadline: &Deadline<'_>, listing: &Listing) -> Result<Option<Vec<Value>>> {
        let mut things = Things::default();
        let mut cursors = BTreeSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..LONGEST {
            let mut url = listing.url.clone();
            url.query_pairs_mut().append_pair("limit", PAGE);
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let request = Request::get(url, listing.operation).lane(listing.lane);
            let page = match self.object(&deadline.context()?, request, &[]).await {
                Err(error) if cursor.is_some() && error.status() == Some(422) => return Ok(None),
                page => page?,
            };
            let next = next(&page).map_err(|why| self.incomplete(listing, why))?;
            things.take(page, listing.field).map_err(|why| self.incomplete(listing, why))?;
            match next {
                Next::End => return Ok(Some(things.all)),
                Next::Page(next) if !cursors.insert(next.clone()) => {
                    return Err(self.incomplete(listing, "the cloud gave the same cursor twice"));
                }
                Next::Page(next) => cursor = Some(next),
            }
        }
        Err(self.incomplete(listing, "it has no end"))
    }

    fn incomplete(&self, listing: &Listing, why: &str) -> Error {
        Error::new(ErrorKind::Provider, format!("the list of {} is not complete: {why}", listing.field))
            .with_effect(Effect::Rejected)
            .with_provider(&self.provider)
            .with_operation(listing.operation)
    }
}

/// Where it goes on. A page that says nothing of pages is the only one.
fn next(page: &Value) -> Result<Next, &'static str> {
    let Some(pagination) = page.get("pagination").filter(|value| !value.is_null()) else { return Ok(Next::End) };
    let cursor = pagination.get("nextCursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
    match (pagination.get("hasNextPage").and_then(Value::as_bool), cursor) {
        (Some(true) | None, Some(cursor)) => Ok(Next::Page(cursor.to_owned())),
        (Some(false), _) | (None, None) => Ok(Next::End),
        (Some(true), None) => Err("there is a next page and no cursor to it"),
    }
}

/// What was found so far, each thing once.
#[derive(Debug, Default)]
struct Things {
    all: Vec<Value>,
    places: HashMap<String, usize>,
}

impl Things {
    fn take(&mut self, mut page: Value, field: &str) -> Result<(), &'static str> {
        let Some(Value::Array(found)) = page.get_mut(field).map(Value::take) else {
            return Err("a page holds no list");
        };
        for thing in found {
            let Some(id) = thing.get("id").and_then(Value::as_str) else {
                return Err("something in it has no id");
            };
            if let Some(place) = self.places.get(id) {
                self.all[*place] = thing;
            } else {
                self.places.insert(id.to_owned(), self.all.len());
                self.all.push(thing);
            }
        }
        Ok(())
    }
}
