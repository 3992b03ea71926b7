//! The two notebooks that every user has.

use std::sync::Arc;

use quire_domain::{Cell, CellId, CellType, Extra, Notebook, NotebookId, OrderKey, Timestamp, UserId};
use quire_storage::{NotebookStore, StoreError, Summary};
use uuid::Uuid;

use crate::{Clock, ServiceError};

/// The demo's cells: a number, one computed from it, and four ways to show them.
const DEMO: [&str; 6] = [
    include_str!("demo/1_number.py"),
    include_str!("demo/2_computed.py"),
    include_str!("demo/3_matplotlib.py"),
    include_str!("demo/4_pandas.py"),
    include_str!("demo/5_plotly.py"),
    include_str!("demo/6_altair.py"),
];

/// Makes what is missing of a user's blank and demo notebooks; `owned` is all that the user has. Returns whether
/// anything was missing. Safe to call at once from anywhere: creating is decided by the store.
pub(crate) async fn provision(
    store: &dyn NotebookStore,
    clock: &dyn Clock,
    user: &UserId,
    owned: &[Summary],
) -> Result<bool, ServiceError> {
    let (blank, demo) = (NotebookId::blank_of(user)?, NotebookId::demo_of(user)?);
    let mut wanted = Vec::new();
    if !owned.iter().any(|summary| summary.id.as_str().starts_with("blank-")) {
        let mut notebook = notebook_of(blank, user, clock.now(), &[""])?;
        notebook.name = Some(Arc::from("Blank Notebook"));
        wanted.push(notebook);
    }
    if !owned.iter().any(|summary| summary.id == demo) {
        wanted.push(notebook_of(demo, user, clock.now(), &DEMO)?);
    }
    // Where one cannot be made, its file being damaged for example, the user still gets the other.
    let mut failed = None;
    for notebook in &wanted {
        failed = failed.or(create(store, notebook).await.err());
    }
    failed.map_or(Ok(!wanted.is_empty()), |error| Err(error.into()))
}

async fn create(store: &dyn NotebookStore, notebook: &Notebook) -> Result<(), StoreError> {
    match store.create(notebook, None).await {
        // Somebody else was faster: either way it exists.
        Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new notebook with these Python cells.
pub(crate) fn notebook_of(
    id: NotebookId,
    owner: &UserId,
    at: Timestamp,
    sources: &[&str],
) -> Result<Notebook, ServiceError> {
    let mut notebook = Notebook::new(id, owner.clone(), at);
    let cells: Result<Vec<Cell>, ServiceError> = sources.iter().enumerate().map(|(i, code)| cell(i, code)).collect();
    notebook.cells = cells?.into_iter().collect();
    Ok(notebook)
}

fn cell(index: usize, code: &str) -> Result<Cell, ServiceError> {
    let code = code.trim_end();
    let analysis = Arc::new(quire_domain::analyse(CellType::Python, code));
    Ok(Cell {
        id: new_cell_id()?,
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(code),
        revision: quire_domain::Revision(0),
        analysis,
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
    })
}

/// A fresh cell id.
pub(crate) fn new_cell_id() -> Result<CellId, ServiceError> {
    Ok(CellId::new(Uuid::new_v4().to_string())?)
}
