//! The two notebooks that every user has.

use std::sync::Arc;

use chrono::TimeDelta;
use quire_domain::{Cell, CellId, CellType, Extra, Life, Notebook, NotebookId, OrderKey, Timestamp, UserId};
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
    let has_demo = owned.iter().any(|summary| summary.id == demo);
    let blanks = owned.iter().filter(|summary| summary.id.as_str().starts_with("blank-"));
    let mut made_at = blanks.map(|summary| summary.created_at).min();
    let has_blank = made_at.is_some();
    // Where one cannot be made, its file being damaged for example, the user still gets the other.
    let mut failed = None;
    if !has_blank {
        let mut notebook = notebook_of(blank, user, clock.now(), &[""])?;
        notebook.name = Some(Arc::from("Blank Notebook"));
        match create(store, &notebook).await {
            Ok(at) => made_at = Some(at),
            Err(error) => failed = Some(error),
        }
    }
    if !has_demo {
        // Lists are in the order of creation, and begin with the blank one, whoever made it and by which clock.
        let after = made_at.and_then(|at| at.checked_add_signed(TimeDelta::microseconds(1)));
        let at = after.map_or(clock.now(), |after| clock.now().max(after));
        let notebook = notebook_of(demo, user, at, &DEMO)?;
        failed = failed.or(create(store, &notebook).await.err());
    }
    failed.map_or(Ok(!(has_blank && has_demo)), |error| Err(error.into()))
}

/// Stores a notebook, unless somebody else was faster; returns when the one that is there was made.
async fn create(store: &dyn NotebookStore, notebook: &Notebook) -> Result<Timestamp, StoreError> {
    match store.create(notebook, None).await {
        Ok(_) => Ok(notebook.created_at),
        Err(StoreError::AlreadyExists { .. }) => {
            let there = store.load(&notebook.id).await?;
            Ok(there.map_or(notebook.created_at, |there| there.notebook.created_at))
        }
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
    let mut notebook = Notebook::new(id, new_life(), owner.clone(), at);
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

/// The life of a notebook that is made now.
pub(crate) fn new_life() -> Life {
    Life::new(Uuid::new_v4())
}

/// A fresh cell id.
pub(crate) fn new_cell_id() -> Result<CellId, ServiceError> {
    Ok(CellId::new(Uuid::new_v4().to_string())?)
}
