//! The two notebooks that every user has.

use std::sync::Arc;

use chrono::TimeDelta;
use quire_domain::{Cell, CellId, CellType, Extra, Notebook, NotebookId, OrderKey, Timestamp, UserId};
use quire_storage::{NotebookStore, StoreError, Summary};

use crate::ServiceError;
use crate::context::Sources;

/// The demo's cells: a number, a computed number, and four ways to show them.
const DEMO: [&str; 6] = [
    include_str!("demo/1_number.py"),
    include_str!("demo/2_computed.py"),
    include_str!("demo/3_matplotlib.py"),
    include_str!("demo/4_pandas.py"),
    include_str!("demo/5_plotly.py"),
    include_str!("demo/6_altair.py"),
];

/// The known ones of the two notebooks that every user has.
#[derive(Debug, Default)]
pub(crate) struct FirstTwo {
    /// The creation time of the oldest notebook that counts as the blank one.
    pub(crate) blank_made_at: Option<Timestamp>,
    pub(crate) has_demo: bool,
}

impl FirstTwo {
    /// Finds the two in the next part of the user's list.
    pub(crate) fn observe(&mut self, user: &UserId, part: &[Summary]) -> Result<(), ServiceError> {
        let demo = NotebookId::demo_of(user)?;
        self.has_demo |= part.iter().any(|summary| summary.id == demo);
        let mut blanks = part.iter().filter(|summary| summary.id.as_str().starts_with("blank-"));
        self.blank_made_at = self.blank_made_at.or_else(|| Some(blanks.next()?.created_at));
        Ok(())
    }

    /// Returns `true` if none is missing.
    pub(crate) fn are_there(&self) -> bool {
        self.has_demo && self.blank_made_at.is_some()
    }
}

/// Creates the missing ones of a user's first two notebooks. Concurrent calls are safe, because the store decides on the
/// creation.
pub(crate) async fn provision(
    store: &dyn NotebookStore,
    sources: &Sources,
    user: &UserId,
    FirstTwo { blank_made_at, has_demo }: FirstTwo,
) -> Result<(), ServiceError> {
    let mut made_at = blank_made_at;
    // If one cannot be created, for example because its file is damaged, the user still gets the other.
    let mut failed = None;
    if blank_made_at.is_none() {
        let mut notebook = notebook_of(sources, (NotebookId::blank_of(user)?, user), sources.now(), &[""])?;
        notebook.name = Some(Arc::from("Blank Notebook"));
        match create(store, &notebook).await {
            Ok(at) => made_at = Some(at),
            Err(error) => failed = Some(error),
        }
    }
    if !has_demo {
        // Lists are in the order of creation and begin with the blank one, also if a server with another clock created it.
        let after = made_at.and_then(|at| at.checked_add_signed(TimeDelta::microseconds(1)));
        let at = after.map_or(sources.now(), |after| sources.now().max(after));
        let notebook = notebook_of(sources, (NotebookId::demo_of(user)?, user), at, &DEMO)?;
        failed = failed.or(create(store, &notebook).await.err());
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Stores a notebook, unless it exists already. Returns the creation time of the stored one.
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

/// Creates a notebook of this user with these Python cells.
pub(crate) fn notebook_of(
    sources: &Sources,
    (id, owner): (NotebookId, &UserId),
    at: Timestamp,
    codes: &[&str],
) -> Result<Notebook, ServiceError> {
    let mut notebook = Notebook::new(id, sources.life(), owner.clone(), at);
    let cell = |(index, code): (usize, &&str)| Ok(new_cell(sources.cell_id()?, index, code));
    let cells: Result<Vec<Cell>, ServiceError> = codes.iter().enumerate().map(cell).collect();
    notebook.cells = cells?.into_iter().collect();
    Ok(notebook)
}

fn new_cell(id: CellId, index: usize, code: &str) -> Cell {
    let code = code.trim_end();
    let analysis = Arc::new(quire_domain::analyse(CellType::Python, code));
    Cell {
        id,
        order: OrderKey::at(index),
        cell_type: CellType::Python,
        code: Arc::from(code),
        revision: quire_domain::Revision(0),
        analysis,
        broken: None,
        results: Arc::default(),
        extra: Extra::default(),
        run_digest: quire_domain::RunDigest::default(),
    }
}
