//! `[catalogue]`

use std::path::PathBuf;

use super::declare::section;
use crate::read::Node;

section! {
    /// Providers of your own, a file each, beside those that come with Gatepost.
    #[derive(Debug, Clone, PartialEq)]
    pub struct CatalogueFolder {
        /// The folder; a relative path starts at this file. Each acme.toml in it is the provider acme and takes the place of
        /// one of that name. `gatepost providers check FILE` proves a file.
        pub path: Option<PathBuf> = optional("providers") by path,
    }
}

fn path(node: &Node<'_>) -> Option<Option<PathBuf>> {
    node.parsed("a folder, such as \"providers\"", |text| match text {
        "" => Err("is empty; name a folder".to_owned()),
        text => Ok(Some(node.spot.sheet.path(text))),
    })
}
