//! `[[handshake]]`: how a request that is answered without an event is read.

use super::{condition, header_name, in_table, some, status};
use crate::{
    provider::{Compute, Echo, Encoding, Handshake, Hash, Key, KeyForm, Location, Method, Respond, Template, Visit},
    read::{Node, Read, Table, all},
};

/// Most characters of an echoed text, where the file doesn't say.
const ECHO_CHARS_MAX: u64 = 256;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn read(table: &Table<'_>) -> Option<Handshake> {
    let method = table.or("method", Method::Post);
    // Other methods than POST carry no events.
    let when = match method {
        Some(Method::Post | Method::Put) | None => {
            let example = "{ \"json:/type\" = \"url_verification\" }";
            table.required_like("when", example, condition::conditions)
        }
        Some(Method::Get | Method::Head | Method::Options) => table.optional("when", condition::conditions),
    };
    let verified = table.required_like("verified", "true", bool::read);
    let capture = table.optional("capture", Option::<Location>::read);
    let visit = table.optional("visit", |node| in_table(node, visit).map(Some));
    let respond = match table.get("respond") {
        Some(node) => in_table(&node, respond),
        None => Some(usual()),
    };
    Some(Handshake {
        method: method?,
        when: when?,
        verified: verified?,
        capture: capture?,
        visit: visit?,
        respond: respond?,
    })
}

fn visit(table: &Table<'_>) -> Option<Visit> {
    let url = table.required_like("url", "\"json:/SubscribeURL\"", Location::read);
    let hosts = table.required_like("hosts", "[\"api.example.com\"]", some);
    Some(Visit { url: url?, hosts: hosts? })
}

fn usual() -> Respond {
    Respond {
        status: 200,
        content_type: TEXT.to_owned(),
        body: Template::default(),
        headers: Vec::new(),
        compute: None,
        echo: Echo::Word,
        echo_chars_max: 256,
    }
}

fn respond(table: &Table<'_>) -> Option<Respond> {
    let status = status(table, "status", 200, 200..=499);
    let content_type = table.or("content_type", TEXT.to_owned());
    let body = table.or("body", Template::default());
    let headers = table.optional("headers", headers);
    let compute = table.optional("compute", |node| in_table(node, compute).map(Some));
    let echo = table.or("echo", Echo::Word);
    let chars = |node: &Node<'_>| node.number(1, 4_096);
    let echo_chars_max = table.get("echo_chars_max").map_or(Some(ECHO_CHARS_MAX), |node| chars(&node));
    Some(Respond {
        status: status?,
        content_type: content_type?,
        body: body?,
        headers: headers?,
        compute: compute?,
        echo: echo?,
        echo_chars_max: usize::try_from(echo_chars_max?).ok()?,
    })
}

/// Headers of an answer, each with what it is made of.
pub(super) fn headers(node: &Node<'_>) -> Option<Vec<(String, Template)>> {
    all(node.table()?.entries().into_iter().map(|(name, node)| {
        let value = Template::read(&node);
        match header_name(&name) {
            Ok(name) => Some((name, value?)),
            Err(why) => {
                node.error(why, "write the header's name in lower case");
                None
            }
        }
    }))
}

fn compute(table: &Table<'_>) -> Option<Compute> {
    let hash = table.required_like("hash", "\"sha256\"", Hash::read);
    let keyed = table.or("keyed", true);
    let key = table.or("key", Key::from(KeyForm::Utf8));
    let encoding = table.required_like("encoding", "\"hex\"", Encoding::read);
    let text = table.required_like("text", "\"{query:challenge}\"", Template::read);
    let key = if keyed? { Some(key?) } else { None };
    Some(Compute { hash: hash?, key, encoding: encoding?, text: text? })
}

impl Read for Echo {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.one_of(&[("word", Self::Word), ("hex", Self::Hex), ("text", Self::Text)])
    }
}
