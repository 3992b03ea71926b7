//! What the tests share.

use quire_domain::{Notebook, NotebookId, Timestamp, UserId};
use quire_files::quire::Defaults;
use quire_files::{Imported, ParseError, jupyter};
use serde_json::Value;

pub(crate) fn defaults() -> Defaults {
    let id = Some(NotebookId::new("given").unwrap());
    Defaults { id, owner: UserId::new("ann").unwrap(), time: Timestamp::default() }
}

pub(crate) fn import(text: &str) -> Result<Imported, ParseError> {
    quire_files::import(text.as_bytes(), None, &defaults())
}

pub(crate) fn written(notebook: &Notebook) -> Value {
    serde_json::from_str(&jupyter::write(notebook, jupyter::Identity::LeftOut)).unwrap()
}
