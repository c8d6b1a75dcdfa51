//! `id`: how what names an event is read.

use super::{in_table, some};
use crate::{
    provider::{Identity, Location},
    read::{Node, Read},
};

const EXPECTED: &str =
    "write a place, { all = [\"json:/id\", \"json:/state\"] } or { content_dated_by = \"item:/timestamp\" }";

impl Read for Identity {
    fn read(node: &Node<'_>) -> Option<Self> {
        if !node.is_table() {
            return Location::read(node).map(Self::Place);
        }
        in_table(node, |table| {
            let together = table.optional("all", some::<Location>)?;
            let dated_by = table.optional("content_dated_by", some::<Location>)?;
            match (together.as_slice(), dated_by.as_slice()) {
                ([_, _, ..], []) => Some(Self::Together(together)),
                ([], [_, ..]) => Some(Self::Content { dated_by }),
                ([_], []) => {
                    node.error("names one place alone in `all`", "write the place itself");
                    None
                }
                _ => {
                    node.error("says neither or both of all and content_dated_by", EXPECTED);
                    None
                }
            }
        })
    }
}
