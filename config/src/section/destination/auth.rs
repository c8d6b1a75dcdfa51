//! `auth = { .. }`: how Gatepost says who it is, for backends that ask before they look at the signature.

use crate::{
    Secret,
    read::{Node, Read},
};

/// What stands in `authorization`.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A user name and a password.
    Basic {
        /// Without a colon.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

const REMEDY: &str = "write { bearer = { env = \"TOKEN\" } } or \
    { basic = { user = \"gatepost\", password = { env = \"PASSWORD\" } } }";

/// `{ bearer = <secret> }` or `{ basic = { user = "..", password = <secret> } }`.
pub(super) fn auth(node: &Node<'_>) -> Option<Option<Auth>> {
    let table = node.table()?;
    let bearer = table.optional("bearer", |node| token(node).map(Some));
    let basic = table.optional("basic", |node| basic(node).map(Some));
    table.finish();
    match (bearer?, basic?) {
        (Some(token), None) => Some(Some(Auth::Bearer(token))),
        (None, Some(basic)) => Some(Some(basic)),
        (Some(_), Some(_)) => {
            node.error("has both bearer and basic", "keep one of them");
            None
        }
        (None, None) => {
            node.error("has neither bearer nor basic", REMEDY);
            None
        }
    }
}

fn basic(node: &Node<'_>) -> Option<Auth> {
    let table = node.table()?;
    let user = table.required_like("user", "\"gatepost\"", user);
    let password = table.required_like("password", "{ env = \"PASSWORD\" }", |node| {
        checked(node, "is no password that can be sent", |byte| !byte.is_ascii_control())
    });
    table.finish();
    Some(Auth::Basic { user: user?, password: password? })
}

fn user(node: &Node<'_>) -> Option<String> {
    let user = String::read(node)?;
    if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
        node.error("is no user name", "write at least one character, and no colon");
        return None;
    }
    Some(user)
}

pub(in crate::section) fn token(node: &Node<'_>) -> Option<Secret> {
    checked(node, "is no token", |byte| byte.is_ascii_graphic())
}

fn checked(node: &Node<'_>, message: &str, fits: impl Fn(u8) -> bool) -> Option<Secret> {
    let secret = Secret::read(node)?;
    if !node.spot.sheet.is_without_secrets() && !secret.expose().iter().all(|byte| fits(*byte)) {
        let message = format!("{message} in {}: it has a space, a line break or the like", secret.source());
        node.error(message, "copy it again, on one line");
        return None;
    }
    Some(secret)
}
