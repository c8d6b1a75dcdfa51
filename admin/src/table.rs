//! Every route of the API, once: the router, the guard and the document are made of this table.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use gatepost_event::Act;
use http::Method;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::{
        Access::{self, Anyone, Open, Operator},
        Scope,
    },
    audit,
    connections::{self, import, own_secret, write},
    deliveries,
    destinations::{self, make, settings},
    docs, erasures, etag, events, heals,
    history::query::Hit,
    incidents, keys, quarantine, replays, requests, search,
    serve::Admin,
    syncs, tenants, unmatched,
};

/// A route.
pub(crate) struct Route {
    /// Its method.
    pub(crate) method: Method,
    /// Its path, with parameters in braces.
    pub(crate) path: &'static str,
    /// What it needs.
    pub(crate) access: Access,
    /// What it does.
    pub(crate) handler: MethodRouter<Arc<Admin>>,
    /// Longest body, where it is not the usual.
    pub(crate) body_bytes_max: Option<usize>,
    /// What is said of it.
    pub(crate) doc: Doc,
}

/// What the document says of a route.
#[derive(Default)]
pub(crate) struct Doc {
    /// In one sentence.
    pub(crate) about: &'static str,
    /// Parameters of the query and the head.
    pub(crate) parameters: Vec<Value>,
    /// The request's content type and schema.
    pub(crate) body: Option<(&'static str, Value)>,
    /// What a good answer is: statuses, content type and schema.
    pub(crate) answer: (Vec<u16>, Option<(&'static str, Value)>),
    /// Statuses of bad answers beside those that follow from the rest.
    pub(crate) errors: Vec<u16>,
    /// Schemas that are referred to.
    pub(crate) schemas: BTreeMap<String, Value>,
}

/// What is asked in JSON.
const JSON: &str = "application/json";

/// Every route.
pub(crate) fn table() -> Vec<Route> {
    use Scope::{Admin, Read, Replay, Write};
    vec![
        get("/docs", Open, docs::page).about("This document, for people").raw("text/html"),
        get("/v1/openapi.json", Open, docs::document).about("This document").raw(JSON),
        get("/v1/audit", Operator(Admin), audit::list)
            .about("What was changed through the API, by whom, newest first")
            .query::<audit::Ask>()
            .page::<Act>(),
        get("/v1/connections", Anyone(Read), connections::list)
            .about("Connections: the file's, then those made, in the order of their last changes")
            .query::<connections::Ask>()
            .page::<connections::View>(),
        post("/v1/connections/import", Operator(Write), import::import)
            .about("Put many connections, one JSON object a line, at most 1,000 at a time")
            .lines(import::BODY_BYTES_MAX)
            .gives::<import::Report>(200),
        get("/v1/connections/{integration}/{connection}", Anyone(Read), connections::show)
            .about("A connection")
            .gives::<connections::View>(200),
        put("/v1/connections/{integration}/{connection}", Anyone(Write), write::put)
            .about("Make or replace a connection")
            .query::<write::Moves>()
            .guarded(true)
            .takes::<write::Wish>()
            .gives::<connections::View>(200)
            .or(201)
            .refuses(&[409]),
        delete("/v1/connections/{integration}/{connection}", Anyone(Write), write::delete)
            .about("Remove a connection; its account keys are free again")
            .guarded(false)
            .gives_nothing()
            .refuses(&[409]),
        post("/v1/connections/{integration}/{connection}/disable", Anyone(Write), write::disable)
            .about("Let its events wait")
            .gives::<connections::View>(200)
            .refuses(&[409]),
        post("/v1/connections/{integration}/{connection}/enable", Anyone(Write), write::enable)
            .about("Release what waited, and let events through")
            .gives::<connections::View>(200)
            .refuses(&[409]),
        post("/v1/connections/{integration}/{connection}/confirm", Operator(Write), write::confirm)
            .about("Say whose a connection is that announced itself, and release what waited for it")
            .takes::<write::Confirmation>()
            .gives::<connections::View>(200)
            .refuses(&[409]),
        post("/v1/connections/{integration}/{connection}/secrets", Anyone(Write), own_secret::add)
            .about("One more signing secret of its own")
            .takes::<write::NewSecret>()
            .gives::<connections::View>(200)
            .refuses(&[409]),
        delete("/v1/connections/{integration}/{connection}/secrets/{own_secret}", Anyone(Write), own_secret::end)
            .about("Accept a secret no more, or until a time")
            .query::<own_secret::End>()
            .gives_nothing()
            .refuses(&[409]),
        get("/v1/deliveries", Anyone(Read), deliveries::list)
            .about("Deliveries and how they stand, newest event first; without a history dead letters, oldest first")
            .query::<deliveries::Ask>()
            .page::<deliveries::Delivery>()
            .refuses(&[409]),
        get("/v1/deliveries/{delivery}", Anyone(Read), deliveries::show)
            .about("A delivery and how it stands; a dead letter with its body")
            .gives::<deliveries::Delivery>(200),
        get("/v1/deliveries/{delivery}/attempts", Anyone(Read), deliveries::attempts)
            .about("The attempts of a delivery, oldest first")
            .page::<gatepost_event::Attempt>()
            .refuses(&[409]),
        get("/v1/destinations", Anyone(Read), destinations::list)
            .about("Destinations and how they stand, by id")
            .query::<destinations::Ask>()
            .page::<destinations::View>(),
        get("/v1/destinations/{destination}", Anyone(Read), destinations::show)
            .about("A destination and how it stands")
            .gives::<destinations::View>(200),
        put("/v1/destinations/{destination}", Anyone(Write), make::put)
            .about("Make or replace a destination, with the settings of a [[destination]]; secrets are taken and never shown")
            .guarded(true)
            .takes::<settings::Wish>()
            .gives::<destinations::View>(200)
            .or(201)
            .refuses(&[409]),
        delete("/v1/destinations/{destination}", Anyone(Write), make::delete)
            .about("Remove a destination; what waits for it waits until there is one of its id again, or expires")
            .guarded(false)
            .gives_nothing()
            .refuses(&[409]),
        post("/v1/destinations/{destination}/rotate", Anyone(Write), make::rotate)
            .about("Sign with a new secret, and for a while with the old ones too")
            .takes::<make::Rotation>()
            .gives::<make::Rotated>(200)
            .refuses(&[409]),
        post("/v1/destinations/{destination}/test", Anyone(Write), make::test)
            .about("Deliver a signed sample, by the way that everything goes")
            .gives::<make::Tested>(202),
        post("/v1/destinations/{destination}/pause", Anyone(Write), destinations::pause)
            .about("Let its deliveries wait")
            .gives::<destinations::View>(200),
        post("/v1/destinations/{destination}/resume", Anyone(Write), destinations::resume)
            .about("Let its deliveries go on, also when its answers had disabled it")
            .gives::<destinations::View>(200),
        get("/v1/erasures", Operator(Admin), erasures::list)
            .about("Erasures, newest first: what is gone of connections and tenants")
            .query::<erasures::Ask>()
            .page::<erasures::View>(),
        post("/v1/erasures", Operator(Admin), erasures::create)
            .about("Erase everything that is stored of a connection or a tenant: hidden at once, then overwritten on disk")
            .takes::<gatepost_event::erasure::Wish>()
            .gives::<erasures::View>(202)
            .refuses(&[409, 429]),
        get("/v1/erasures/{erasure}", Operator(Admin), erasures::show)
            .about("How far an erasure is")
            .gives::<erasures::View>(200),
        get("/v1/events", Anyone(Read), events::list)
            .about("Stored events and how they stand, newest first; or as the log holds them, in stored order")
            .query::<events::Ask>()
            .page::<events::Item>()
            .refuses(&[409]),
        get("/v1/events/{event}", Anyone(Read), events::show)
            .about("A stored event, its deliveries, and what became of them")
            .query::<events::At>()
            .gives::<events::Shown>(200),
        get("/v1/events/{event}/body", Anyone(Read), events::body)
            .about("The provider's exact bytes")
            .query::<events::At>()
            .raw("application/octet-stream"),
        get("/v1/heals", Operator(Read), heals::list)
            .about("Heals, newest first: what providers could not deliver, had from them later")
            .query::<heals::Ask>()
            .page::<heals::View>(),
        post("/v1/heals", Operator(Write), heals::create)
            .about("Have from a provider what it could not deliver in a time, or find out what that is")
            .takes::<gatepost_event::heal::Wish>()
            .gives::<heals::View>(202)
            .refuses(&[404, 409, 429]),
        get("/v1/heals/{heal}", Operator(Read), heals::show).about("How far a heal is").gives::<heals::View>(200),
        get("/v1/incidents", Operator(Read), incidents::show)
            .about("What was turned away or missed in a time, by integration, and what to do about it")
            .query::<incidents::Ask>()
            .gives::<incidents::View>(200)
            .refuses(&[404, 422]),
        get("/v1/keys", Operator(Admin), keys::list)
            .about("Keys of the API, oldest first")
            .query::<keys::Ask>()
            .page::<keys::View>(),
        post("/v1/keys", Operator(Admin), keys::create)
            .about("Make a key; it is shown in this answer and never again")
            .takes::<keys::Wish>()
            .gives::<keys::New>(201)
            .refuses(&[409]),
        get("/v1/keys/{key}", Operator(Admin), keys::show).about("A key").gives::<keys::View>(200),
        delete("/v1/keys/{key}", Operator(Admin), keys::revoke).about("Refuse a key from now on").gives_nothing(),
        get("/v1/quarantine", Operator(Read), quarantine::list)
            .about("Requests that were refused, newest first, without what was posted")
            .query::<quarantine::Ask>()
            .page::<quarantine::Item>(),
        post("/v1/quarantine/release", Operator(Write), quarantine::release)
            .about("Verify refused requests again and let in those that pass now; the rest stay")
            .takes::<gatepost_event::release::Wish>()
            .gives::<quarantine::View>(202)
            .refuses(&[409, 429]),
        get("/v1/quarantine/{refused}", Operator(Read), quarantine::show)
            .about("A refused request with what was posted, secrets masked")
            .gives::<quarantine::Whole>(200),
        get("/v1/releases", Operator(Read), quarantine::list_releases)
            .about("Releases of refused requests, newest first")
            .query::<quarantine::AskReleases>()
            .page::<quarantine::View>(),
        get("/v1/releases/{release}", Operator(Read), quarantine::show_release)
            .about("How far a release is")
            .gives::<quarantine::View>(200),
        get("/v1/replays", Anyone(Read), replays::list)
            .about("Replays, newest first")
            .query::<replays::Ask>()
            .page::<replays::View>(),
        post("/v1/replays", Anyone(Replay), replays::create)
            .about("Ask for a replay: of dead letters, or with reroute of stored events")
            .takes::<gatepost_event::replay::Wish>()
            .gives::<replays::View>(202)
            .refuses(&[409, 429]),
        get("/v1/replays/{replay}", Anyone(Read), replays::show)
            .about("How far a replay is")
            .gives::<replays::View>(200),
        post("/v1/replays/{replay}/cancel", Anyone(Replay), replays::cancel)
            .about("Owe no further delivery; what is owed already is delivered")
            .gives::<replays::View>(200)
            .or(202),
        get("/v1/requests/{request}", Anyone(Read), requests::show)
            .about("The events that came of a request, or why it was refused")
            .gives::<requests::View>(200)
            .refuses(&[409]),
        get("/v1/search", Anyone(Read), search::search)
            .about("Events by any id, an account, a connection, or words of the body, newest first")
            .query::<search::Ask>()
            .page::<Hit>()
            .refuses(&[409]),
        get("/v1/syncs", Operator(Read), syncs::list::list)
            .about("Syncs that have been run, in the order of their last changes, then those that never were")
            .query::<syncs::list::Ask>()
            .page::<syncs::View>(),
        get("/v1/syncs/{engine}", Operator(Read), syncs::engines::show)
            .about("A sync engine, and whether it is paused")
            .gives::<syncs::engines::View>(200),
        post("/v1/syncs/{engine}/pause", Operator(Write), syncs::engines::pause)
            .about("Let its runs wait; what asks for one meanwhile is owed it")
            .gives::<syncs::engines::View>(200),
        post("/v1/syncs/{engine}/resume", Operator(Write), syncs::engines::resume)
            .about("Let its runs go on")
            .gives::<syncs::engines::View>(200),
        get("/v1/syncs/{engine}/{integration}/{connection}/{sync}", Operator(Read), syncs::show)
            .about("When a sync was run last, and when it is next")
            .gives::<syncs::View>(200),
        post("/v1/syncs/{engine}/{integration}/{connection}/{sync}/trigger", Operator(Write), syncs::trigger)
            .about("Ask for a run, which begins soon and surely")
            .gives::<syncs::View>(202),
        get("/v1/tenants", Anyone(Read), tenants::list)
            .about("What is known of tenants, by id")
            .query::<tenants::Ask>()
            .page::<tenants::Record>(),
        get("/v1/tenants/{tenant}", Anyone(Read), tenants::show).about("A tenant").gives::<tenants::Record>(200),
        put("/v1/tenants/{tenant}", Operator(Write), tenants::put)
            .about("Make or replace a tenant")
            .guarded(true)
            .takes::<tenants::Wish>()
            .gives::<tenants::Record>(200)
            .or(201),
        delete("/v1/tenants/{tenant}", Operator(Write), tenants::delete)
            .about("Forget what is known of a tenant; what it owns stays")
            .guarded(false)
            .gives_nothing(),
        get("/v1/unmatched", Operator(Read), unmatched::list)
            .about("Events that no connection claims, in stored order")
            .query::<unmatched::Ask>()
            .page::<unmatched::Item>()
            .refuses(&[422]),
        get("/v1/unmatched/accounts", Operator(Read), unmatched::counts)
            .about("How many events wait under which account key")
            .query::<unmatched::AskCounts>()
            .gives::<unmatched::Counts>(200),
        post("/v1/unmatched/release", Operator(Write), unmatched::release)
            .about("Release everything that waits under a connection's account keys, however old")
            .takes::<unmatched::Wish>()
            .gives::<unmatched::Released>(200)
            .refuses(&[404, 409]),
    ]
}

fn get<H: Handler<T, Arc<Admin>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::GET, MethodFilter::GET, path, access, handler)
}

fn post<H: Handler<T, Arc<Admin>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::POST, MethodFilter::POST, path, access, handler)
}

fn put<H: Handler<T, Arc<Admin>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::PUT, MethodFilter::PUT, path, access, handler)
}

fn delete<H: Handler<T, Arc<Admin>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    route(Method::DELETE, MethodFilter::DELETE, path, access, handler)
}

fn route<H, T>(method: Method, filter: MethodFilter, path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<Admin>>,
    T: 'static,
{
    Route { method, path, access, handler: on(filter, handler), body_bytes_max: None, doc: Doc::default() }
}

impl Route {
    fn about(mut self, about: &'static str) -> Self {
        self.doc.about = about;
        self
    }

    /// Parameters of its query.
    fn query<T: IntoParams + ToSchema>(mut self) -> Self {
        let parameters = T::into_params(|| None);
        self.doc.parameters.extend(parameters.iter().filter_map(|parameter| serde_json::to_value(parameter).ok()));
        self.nested::<T>();
        self
    }

    /// A write over what was seen; it may be new, or not.
    fn guarded(mut self, may_be_new: bool) -> Self {
        self.doc.parameters.extend(etag::parameters(may_be_new));
        self.doc.errors.push(412);
        self
    }

    /// A body of lines of JSON.
    fn lines(mut self, bytes_max: usize) -> Self {
        let schema =
            serde_json::json!({ "description": "A JSON object a line: ConnectionWish with `integration` and `id`" });
        self.doc.body = Some(("application/x-ndjson", schema));
        self.body_bytes_max = Some(bytes_max);
        self
    }

    /// A body in JSON.
    fn takes<T: ToSchema>(mut self) -> Self {
        self.doc.body = Some((JSON, self.schema::<T>()));
        self
    }

    /// An answer in JSON.
    fn gives<T: ToSchema>(mut self, status: u16) -> Self {
        self.doc.answer = (vec![status], Some((JSON, self.schema::<T>())));
        self
    }

    /// The same answer under another status.
    fn or(mut self, status: u16) -> Self {
        self.doc.answer.0.push(status);
        self
    }

    fn page<T: ToSchema>(mut self) -> Self {
        let item = self.schema::<T>();
        let page = serde_json::json!({
            "type": "object", "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": item },
                "lag_seconds": { "type": "number", "description": "Seconds that the history may be behind the store; absent where the \
                    store itself was read" },
                "next": { "type": ["string", "null"], "description": "What to ask with as `cursor` for more; null at the end" },
            },
        });
        self.doc.answer = (vec![200], Some((JSON, page)));
        self
    }

    /// An answer that is not described.
    fn raw(mut self, content_type: &'static str) -> Self {
        self.doc.answer = (vec![200], Some((content_type, Value::Object(Default::default()))));
        self
    }

    fn gives_nothing(mut self) -> Self {
        self.doc.answer = (vec![204], None);
        self
    }

    fn refuses(mut self, statuses: &[u16]) -> Self {
        self.doc.errors.extend(statuses);
        self
    }

    /// Refers to a schema.
    fn schema<T: ToSchema>(&mut self) -> Value {
        self.nested::<T>();
        let name = T::name().into_owned();
        let reference = serde_json::json!({ "$ref": format!("#/components/schemas/{name}") });
        self.doc.schemas.insert(name, serde_json::to_value(T::schema()).unwrap_or_default());
        reference
    }

    /// Keeps what a schema refers to.
    fn nested<T: ToSchema>(&mut self) {
        let mut nested = Vec::new();
        T::schemas(&mut nested);
        for (name, schema) in nested {
            self.doc.schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
    }
}
