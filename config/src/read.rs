//! The reader: from TOML to values, gathering every problem on the way.
//!
//! Reading a value gives `None` when it is wrong; why is then already noted on the [`Sheet`].

mod near;
mod node;
mod reference;
mod secret;
mod sheet;
mod table;
mod value;

pub(crate) use near::near;
pub(crate) use node::{Node, Spot};
pub(crate) use reference::read_referred;
pub(crate) use sheet::{Sheet, Surroundings};
pub(crate) use table::Table;
pub(crate) use value::{Read, all};
