//! Expectations of an edit about the state of its notebook, and the changes that a conflict reports.

use std::collections::VecDeque;
use std::sync::Arc;

use quire_domain::{Base, CellId, Change, Edit, Life, Notebook, Revision};

/// Maximum deletions that an active notebook remembers.
const MAX_DELETIONS: usize = 1_000;

/// The state of a notebook that a user knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownState {
    /// Its revision.
    pub revision: Revision,
    /// Its life. Without it, the notebook cannot be told from one that was created again under its id.
    pub life: Option<Life>,
}

impl From<Revision> for KnownState {
    fn from(revision: Revision) -> Self {
        Self { revision, life: None }
    }
}

impl From<Base> for KnownState {
    fn from(Base { life, revision }: Base) -> Self {
        Self { revision, life: Some(life) }
    }
}

impl KnownState {
    /// Returns `true` if the state may belong to this life: it has the same one, or none.
    fn is_of(self, life: Life) -> bool {
        self.life.is_none_or(|known| known == life)
    }
}

/// The states at which an edit may be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any state: the last write wins.
    #[default]
    Any,
    /// This state alone.
    Exactly(KnownState),
    /// This state, or a later one if the edit concerns one cell that exists and has not been edited since.
    Untouched(KnownState),
}

impl From<Option<Revision>> for Expected {
    fn from(expected: Option<Revision>) -> Self {
        expected.map_or(Self::Any, |revision| Self::Exactly(revision.into()))
    }
}

impl Expected {
    /// The state that the user knows.
    #[must_use]
    pub fn state(self) -> Option<KnownState> {
        match self {
            Self::Any => None,
            Self::Exactly(state) | Self::Untouched(state) => Some(state),
        }
    }

    /// Returns `true` if the user knows another state than this one.
    pub(crate) fn is_other(self, current: Base) -> bool {
        self.state().is_some_and(|known| known.revision != current.revision || !known.is_of(current.life))
    }

    /// Returns `true` if the user knows a state that this server has not seen: a later one, or one of another life.
    pub(crate) fn is_unseen(self, current: Base) -> bool {
        self.state().is_some_and(|known| known.revision > current.revision || !known.is_of(current.life))
    }

    /// Returns `true` if an edit may be applied at the current state. `revision_of` returns the revision of a cell's last edit,
    /// if the cell exists. For a missing cell this returns `true`, and the application of the edit fails.
    pub(crate) fn allows(self, edit: &Edit, current: Base, revision_of: impl Fn(&CellId) -> Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(_) => !self.is_other(current),
            // The notebook never had this state, for example after a restore from a backup, so it cannot be compared.
            Self::Untouched(_) if self.is_unseen(current) => false,
            Self::Untouched(known) if known.revision == current.revision => true,
            Self::Untouched(known) => {
                merged_cell(edit).is_some_and(|id| revision_of(id).is_none_or(|revision| revision <= known.revision))
            }
        }
    }
}

/// Returns the one cell that an edit concerns, if it is independent of all other cells.
fn merged_cell(edit: &Edit) -> Option<&CellId> {
    match edit {
        Edit::UpdateCell { id, .. }
        | Edit::SetCellType { id, .. }
        | Edit::MoveCell { id, .. }
        | Edit::DeleteCell { id } => Some(id),
        _ => None,
    }
}

/// A cell that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedCell {
    /// The cell.
    pub id: CellId,
    /// The revision of its last edit, or of its deletion.
    pub revision: Revision,
    /// `true` if the cell was deleted.
    pub deleted: bool,
}

/// The cells that have changed since some revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedSince {
    /// Created, edited and moved cells in document order, then deleted cells in the order of deletion.
    pub cells: Vec<ChangedCell>,
    /// `true` if the list is complete. A limited number of deletions is remembered, while a notebook is active.
    pub complete: bool,
}

/// The latest deletions of an active notebook.
#[derive(Debug)]
pub(crate) struct Deletions {
    /// Every deletion above this revision is remembered.
    complete_above: Revision,
    latest: VecDeque<(CellId, Revision)>,
}

impl Deletions {
    /// Creates the list for a loaded notebook, whose earlier deletions are unknown.
    pub(crate) fn from(loaded: Revision) -> Self {
        Self { complete_above: loaded, latest: VecDeque::new() }
    }

    /// Records the deletions of a durable change.
    pub(crate) fn record(&mut self, change: &Change) {
        if change.revision.after < change.revision.before {
            // The store was restored to an older state, so its revisions are assigned again.
            *self = Self::from(change.revision.after);
        }
        for deleted in deleted_by(change) {
            if self.latest.len() == MAX_DELETIONS
                && let Some((_, revision)) = self.latest.pop_front()
            {
                self.complete_above = self.complete_above.max(revision);
            }
            self.latest.push_back(deleted);
        }
    }

    /// Lists the cells of `notebook` that have changed since `known`; `pending` are changes before it that are not recorded yet.
    pub(crate) fn changed_since(
        &self,
        known: KnownState,
        notebook: &Notebook,
        pending: &[Arc<Change>],
    ) -> ChangedSince {
        if !known.is_of(notebook.life) {
            let all = notebook.cells.iter();
            let cells = all.map(|cell| ChangedCell { id: cell.id.clone(), revision: cell.revision, deleted: false });
            return ChangedSince { cells: cells.collect(), complete: false };
        }
        let expected = known.revision;
        let there = notebook.cells.iter().filter(|cell| cell.revision > expected);
        let mut cells: Vec<_> =
            there.map(|cell| ChangedCell { id: cell.id.clone(), revision: cell.revision, deleted: false }).collect();
        let latest = self.latest.iter().cloned().chain(pending.iter().flat_map(|change| deleted_by(change)));
        let deleted: Vec<_> = latest.filter(|(_, revision)| *revision > expected).collect();
        // A deleted cell may exist again, for example after the restore of a file.
        let gone = deleted.into_iter().filter(|(id, _)| notebook.cells.find(id).is_none());
        cells.extend(gone.map(|(id, revision)| ChangedCell { id, revision, deleted: true }));
        let complete = expected >= self.complete_above && expected <= notebook.revision;
        ChangedSince { cells, complete }
    }
}

fn deleted_by(change: &Change) -> impl Iterator<Item = (CellId, Revision)> {
    let deleted = change.cells.iter().filter(|cell| cell.before.is_some() && cell.after.is_none());
    deleted.map(|cell| (cell.id.clone(), change.revision.after))
}
