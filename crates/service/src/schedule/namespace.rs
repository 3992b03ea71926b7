//! The kernel's namespace, as far as the runs tell: per name, the cell that wrote it last.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use quire_domain::{Analysis, Cell, CellId, RunDigest};

/// The last writer of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    cell: CellId,
    /// The digest at which the cell ran; absent when the run failed, so that the name holds anything.
    digest: Option<RunDigest>,
}

/// The names that cells have written, without those of failed look-ups and of code that hides its names.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    holders: HashMap<Arc<str>, Holder>,
    /// The names of each cell that wrote any of them last.
    names: HashMap<CellId, BTreeSet<Arc<str>>>,
    /// Set when a name that was held came to hold something else, until [`Self::take_overwritten`].
    overwritten: bool,
}

impl Namespace {
    /// Returns `true` if the name holds what this cell writes when it runs as it is now.
    pub(super) fn holds(&self, name: &str, cell: &Cell) -> bool {
        let holder = self.holders.get(name);
        holder.is_some_and(|holder| holder.cell == cell.id && holder.digest == Some(cell.run_digest))
    }

    /// Takes in the end of a run. `digest` is absent when it failed.
    ///
    /// A name that the cell both writes and deletes counts as written: a reader that the name is missing for says so.
    pub(super) fn ran(&mut self, cell: &CellId, analysis: &Analysis, digest: Option<RunDigest>) {
        for name in &analysis.deletes {
            self.remove(name);
        }
        for name in &analysis.writes {
            let name: Arc<str> = Arc::from(&**name);
            let holder = Holder { cell: cell.clone(), digest };
            if let Some(before) = self.holders.insert(Arc::clone(&name), holder.clone()) {
                if before == holder {
                    continue;
                }
                self.overwritten = true;
                self.forget_name_of(&before.cell, &name);
            }
            self.names.entry(cell.clone()).or_default().insert(name);
        }
    }

    /// Removes a name. Returns `true` if it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some((name, holder)) = self.holders.remove_entry(name) else { return false };
        self.forget_name_of(&holder.cell, &name);
        self.overwritten = true;
        true
    }

    /// Returns the names that the cell wrote last and no longer writes, given the cell if it is still there.
    pub(super) fn orphans(&self, id: &CellId, cell: Option<&Cell>) -> Vec<Arc<str>> {
        let names = self.names.get(id).into_iter().flatten();
        let still_written = |name: &str| {
            cell.is_some_and(|cell| cell.analysis.writes.binary_search_by(|written| written.as_str().cmp(name)).is_ok())
        };
        names.filter(|name| !still_written(name)).cloned().collect()
    }

    /// Returns `true` if the cell wrote any name last.
    pub(super) fn has_names_of(&self, cell: &CellId) -> bool {
        self.names.contains_key(cell)
    }

    /// Iterates over the cells that wrote a name last.
    pub(super) fn writers(&self) -> impl Iterator<Item = &CellId> {
        self.names.keys()
    }

    /// Returns `true` if a held name came to hold something else since the last call.
    pub(super) fn take_overwritten(&mut self) -> bool {
        std::mem::take(&mut self.overwritten)
    }

    fn forget_name_of(&mut self, cell: &CellId, name: &str) {
        if let Some(names) = self.names.get_mut(cell) {
            names.remove(name);
            if names.is_empty() {
                self.names.remove(cell);
            }
        }
    }
}
