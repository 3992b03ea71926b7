//! What a user expects of the notebook that they edit, and what they are told when it is not so.

use std::collections::VecDeque;
use std::sync::Arc;

use quire_domain::{Base, CellId, Change, Edit, Life, Notebook, Revision};

/// Deletions that an active notebook remembers.
const REMEMBERED: usize = 1_000;

/// The state of a notebook that a user knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownState {
    /// Its revision.
    pub revision: Revision,
    /// Its life; a user who knows the revision alone cannot tell the notebook from one that was made again under its id.
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
    /// Returns `true` if it is a state of the notebook with this life, as far as the user knows.
    fn is_of(self, life: Life) -> bool {
        self.life.is_none_or(|known| known == life)
    }
}

/// At which state an edit may be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// At any: the last write wins.
    #[default]
    Any,
    /// At this one alone.
    Exactly(KnownState),
    /// At this one; at a later one too, if the edit is of one cell that is still there and that nobody has touched since.
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

    /// Returns `true` if the user has a state from another server that this one has not seen: a later one, or one of another life.
    pub(crate) fn is_unseen(self, current: Base) -> bool {
        self.state().is_some_and(|known| known.revision > current.revision || !known.is_of(current.life))
    }

    /// Returns `true` if an edit may be tried although the state may be another one: `revision_of` says at which revision the cell
    /// was touched last, if it is there. One that is not there is for whoever applies the edit to find.
    pub(crate) fn allows(self, edit: &Edit, current: Base, revision_of: impl Fn(&CellId) -> Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(_) => !self.is_other(current),
            // One that this notebook never had, as when it was brought back from a backup: nothing can be said of it.
            Self::Untouched(_) if self.is_unseen(current) => false,
            Self::Untouched(known) if known.revision == current.revision => true,
            Self::Untouched(known) => {
                merged_cell(edit).is_some_and(|id| revision_of(id).is_none_or(|revision| revision <= known.revision))
            }
        }
    }
}

/// The one cell that an edit touches, and that makes it independent of all others.
fn merged_cell(edit: &Edit) -> Option<&CellId> {
    match edit {
        Edit::UpdateCell { id, .. }
        | Edit::SetCellType { id, .. }
        | Edit::MoveCell { id, .. }
        | Edit::DeleteCell { id } => Some(id),
        _ => None,
    }
}

/// A cell that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedCell {
    /// The cell.
    pub id: CellId,
    /// The revision of its last edit, or of its deletion.
    pub revision: Revision,
    /// `true` when the cell is gone.
    pub deleted: bool,
}

/// Which cells are not as they were at some revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedSince {
    /// Those that were made, changed or moved, in document order; then those that were deleted, in order of deletion.
    pub cells: Vec<ChangedCell>,
    /// `true` when those are all. Deletions are remembered only while a notebook is active, and not endlessly.
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
    /// Those of a notebook that has just been loaded: nothing is known of what was before.
    pub(crate) fn from(loaded: Revision) -> Self {
        Self { complete_above: loaded, latest: VecDeque::new() }
    }

    /// Remembers what a change has deleted, now that it is durable.
    pub(crate) fn note(&mut self, change: &Change) {
        if change.revision.after < change.revision.before {
            // The store was brought back to an older state, and its numbers are given out anew.
            *self = Self::from(change.revision.after);
        }
        for deleted in deleted_by(change) {
            if self.latest.len() == REMEMBERED
                && let Some((_, revision)) = self.latest.pop_front()
            {
                self.complete_above = self.complete_above.max(revision);
            }
            self.latest.push_back(deleted);
        }
    }

    /// Lists the cells of `notebook` that are different since `known`; `pending` are changes that led to it and are not noted yet.
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
        // One that was deleted may have been put back, by a file brought back for example.
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
