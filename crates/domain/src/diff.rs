//! The difference between two states of a notebook, when the edits between them are not known.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::graph::work;
use crate::{Cell, CellChange, CellId, Change, Cycle, CycleChange, Notebook, Replaced, StaleChange};

impl Change {
    /// Returns the net difference between two states of one notebook; `None` when there is none. Cells that keep their place among
    /// the others do not count as moved, even if their order keys differ.
    #[must_use]
    pub fn between(before: &Notebook, after: &Notebook) -> Option<Self> {
        let replaced = |changed: bool| changed.then_some(());
        let (stale, run_digests_changed) = digest_changes(before, after);
        let change = Self {
            revision: Replaced { before: before.revision, after: after.revision },
            updated_at: Replaced { before: before.updated_at, after: after.updated_at },
            name: replaced(before.name != after.name)
                .map(|()| Replaced { before: before.name.clone(), after: after.name.clone() }),
            connection: replaced(before.connection != after.connection)
                .map(|()| Replaced { before: before.connection.clone(), after: after.connection.clone() }),
            reactive: replaced(before.reactive != after.reactive)
                .map(|()| Replaced { before: before.reactive, after: after.reactive }),
            cells: cell_changes(before, after),
            stale,
            run_digests_changed,
            cycles: {
                let there: HashSet<&CellId> = after.cells.iter().map(|cell| &cell.id).collect();
                cycle_changes(&before.cycles, &after.cycles, |id| there.contains(id))
            },
        };
        let same = change.revision.before == change.revision.after
            && change.name.is_none()
            && change.connection.is_none()
            && change.reactive.is_none()
            && change.cells.is_empty()
            && change.cycles.is_empty()
            && change.stale.is_empty();
        if same { None } else { Some(change) }
    }
}

fn cell_changes(before: &Notebook, after: &Notebook) -> Vec<CellChange> {
    let mut old: HashMap<&CellId, (usize, &Arc<Cell>)> =
        before.cells.iter().enumerate().map(|(index, cell)| (&cell.id, (index, cell))).collect();
    let common = after.cells.iter().filter_map(|cell| {
        let (place, was) = old.get(&cell.id)?;
        Some((*place, was.revision == cell.revision))
    });
    let common: Vec<_> = common.collect();
    let mut stay = staying(&common).into_iter().peekable();
    let mut kept = Vec::new();
    for (index, cell) in after.cells.iter().enumerate() {
        let was = old.remove(&cell.id);
        let moved = was.is_some_and(|(place, _)| stay.next_if_eq(&place).is_none());
        let same = was.is_some_and(|(_, was)| {
            **was == Cell { order: was.order.clone(), run_digest: was.run_digest, ..(**cell).clone() }
        });
        if moved || !same {
            let before = was.map(|(_, was)| Arc::clone(was));
            let after = Some(Arc::clone(cell));
            kept.push(CellChange { id: cell.id.clone(), before, after, moved, index: Some(index) });
        }
    }
    let mut deleted: Vec<_> = old.into_values().collect();
    deleted.sort_unstable_by_key(|(index, _)| *index);
    let deleted = deleted.into_iter().map(|(_, was)| CellChange {
        id: was.id.clone(),
        before: Some(Arc::clone(was)),
        after: None,
        moved: false,
        index: None,
    });
    deleted.chain(kept).collect()
}

/// Returns the cells that turned stale or are no longer stale, and the number of cells that have another run digest.
fn digest_changes(before: &Notebook, after: &Notebook) -> (Vec<StaleChange>, usize) {
    let was: HashMap<&CellId, &Arc<Cell>> = before.cells.iter().map(|cell| (&cell.id, cell)).collect();
    let both = || after.cells.iter().filter_map(|cell| Some((*was.get(&cell.id)?, cell)));
    let mut stale: Vec<_> = both().filter_map(|(was, cell)| stale_change(was, cell)).collect();
    sort_stale(&mut stale);
    (stale, both().filter(|(was, cell)| was.run_digest != cell.run_digest).count())
}

/// Returns the change of a cell that turned stale or is no longer stale.
pub(crate) fn stale_change(before: &Cell, after: &Cell) -> Option<StaleChange> {
    let is_stale = after.is_stale();
    (is_stale != before.is_stale()).then(|| StaleChange { id: after.id.clone(), is_stale })
}

pub(crate) fn sort_stale(changes: &mut [StaleChange]) {
    changes.sort_unstable_by(|one, other| one.id.cmp(&other.id));
}

/// Returns the places, among those before, of the cells that did not move. The cells that both states have come in their present
/// order: each with its place before, and whether no edit has touched it. Of two neighbours that have changed places, the one
/// that an edit has touched is the one that was moved.
fn staying(common: &[(usize, bool)]) -> Vec<usize> {
    let places = |only_untouched: bool| common.iter().filter(move |(_, is_untouched)| *is_untouched || !only_untouched);
    let untouched: Vec<usize> = places(true).map(|(place, _)| *place).collect();
    // A program that edits files may move cells without giving them revisions.
    if !untouched.is_sorted() {
        return longest_increasing(&places(false).map(|(place, _)| *place).collect::<Vec<_>>());
    }
    let mut passed = 0;
    let fitting = places(false).filter(|(place, is_untouched)| {
        let (is_behind, is_ahead) =
            (untouched[..passed].last() < Some(place), untouched.get(passed).is_none_or(|next| place < next));
        passed += usize::from(*is_untouched);
        *is_untouched || is_behind && is_ahead
    });
    longest_increasing(&fitting.map(|(place, _)| *place).collect::<Vec<_>>())
}

/// Returns a longest increasing subsequence of distinct numbers (Fredman 1975: patience sorting with links back).
fn longest_increasing(numbers: &[usize]) -> Vec<usize> {
    let mut tails: Vec<usize> = Vec::new(); // indexes into `numbers`: the smallest end of a run of each length
    let mut previous = vec![None; numbers.len()];
    for (index, number) in numbers.iter().enumerate() {
        let length = tails.partition_point(|&tail| numbers[tail] < *number);
        previous[index] = length.checked_sub(1).map(|shorter| tails[shorter]);
        if length == tails.len() {
            tails.push(index);
        } else {
            tails[length] = index;
        }
    }
    let mut run: Vec<usize> =
        std::iter::successors(tails.last().copied(), |&index| previous[index]).map(|index| numbers[index]).collect();
    run.reverse();
    run
}

/// The cells that are on a cycle, each with it.
pub(crate) type Cycles = BTreeMap<CellId, Arc<Cycle>>;

/// Returns the changes of the cells whose cycle differs between `was` and `now`. Two cycles are compared once, not once for each
/// of their cells.
pub(crate) fn cycle_changes(was: &Cycles, now: &Cycles, exists: impl Fn(&CellId) -> bool) -> Vec<CycleChange> {
    let mut compared: HashMap<(*const Cycle, *const Cycle), bool> = HashMap::new();
    let mut is_same = |was: &Arc<Cycle>, now: &Arc<Cycle>| {
        Arc::ptr_eq(was, now)
            || *compared.entry((Arc::as_ptr(was), Arc::as_ptr(now))).or_insert_with(|| {
                work::step();
                was == now
            })
    };
    let gone = was.keys().filter(|id| !now.contains_key(*id) && exists(id));
    let mut changes: Vec<_> = gone.map(|id| CycleChange { id: id.clone(), cycle: None }).collect();
    for (id, cycle) in now.iter().filter(|(id, cycle)| !was.get(*id).is_some_and(|was| is_same(was, cycle))) {
        changes.push(CycleChange { id: id.clone(), cycle: Some(Arc::clone(cycle)) });
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CellType, Edit, NotebookId, OpenNotebook, OrderKey, Place, Timestamp, UserId};

    fn notebook(cells: &[(&str, &str)]) -> OpenNotebook {
        let at = Timestamp::default();
        let empty =
            Notebook::new(NotebookId::new("n").unwrap(), crate::Life::UNRECORDED, UserId::new("u").unwrap(), at);
        let mut open = OpenNotebook::open(empty);
        for (id, code) in cells {
            let edit = Edit::InsertCell {
                id: CellId::new(id).unwrap(),
                cell_type: CellType::Python,
                code: Arc::from(*code),
                place: Place::End,
            };
            open.apply(&edit, None, at).unwrap();
        }
        open
    }

    #[test]
    fn only_the_cell_that_moved_counts_as_moved() {
        let before = notebook(&[("a", "x = 1"), ("b", "y = x"), ("c", "z = y"), ("d", "")]);
        let mut after = before.clone();
        let edit = Edit::MoveCell { id: CellId::new("d").unwrap(), place: Place::Start };
        after.apply(&edit, None, Timestamp::default()).unwrap();
        // As a file store gives it: every key new.
        let mut renumbered = after.notebook().clone();
        renumbered.cells = (renumbered.cells.iter().enumerate())
            .map(|(index, cell)| Cell { order: OrderKey::at(index), ..(**cell).clone() })
            .collect();
        let change = Change::between(before.notebook(), &renumbered).unwrap();
        let cells: Vec<_> = change.cells.iter().map(|cell| (cell.id.as_str(), cell.moved, cell.index)).collect();
        assert_eq!(cells, [("d", true, Some(0))]);
    }

    /// Neighbours that change places could both be the one that moved; the edit says which.
    #[test]
    fn the_cell_that_an_edit_moved_is_the_one_that_moved() {
        let before = notebook(&[("a", ""), ("b", ""), ("c", "")]);
        let [a, b, c] = ["a", "b", "c"].map(|id| CellId::new(id).unwrap());
        for (id, place) in [
            (&a, Place::After(b.clone())),
            (&b, Place::Start),
            (&b, Place::End),
            (&c, Place::After(a.clone())),
            (&a, Place::End),
            (&c, Place::Start),
        ] {
            let mut after = before.clone();
            let edit = Edit::MoveCell { id: id.clone(), place };
            let change = after.apply(&edit, None, Timestamp::default()).unwrap();
            assert_eq!(Change::between(before.notebook(), after.notebook()), change, "{edit:?}");
        }
    }

    /// Two states that know nothing of each other, as when a notebook is read again.
    #[test]
    fn a_long_cycle_is_compared_once_not_once_for_each_cell() {
        const CELLS: usize = 500;
        let cells: Vec<_> =
            (0..CELLS).map(|n| (format!("c{n}"), format!("x{n} = x{}", (n + CELLS - 1) % CELLS))).collect();
        let cells: Vec<_> = cells.iter().map(|(id, code)| (id.as_str(), code.as_str())).collect();
        let (before, after) = (notebook(&cells), notebook(&cells));
        assert_eq!(before.notebook().cycles.len(), CELLS);
        let steps = work::steps();
        assert_eq!(cycle_changes(&before.notebook().cycles, &after.notebook().cycles, |_| true), []);
        assert_eq!(work::steps() - steps, 1);
    }

    #[test]
    fn equal_states_have_no_difference() {
        let open = notebook(&[("a", "x = 1")]);
        assert_eq!(Change::between(open.notebook(), open.notebook()), None);
    }

    proptest! {
        /// Deleting what left or moved, then putting in what is new or moved at its index, gives the new order.
        #[test]
        fn a_watcher_who_follows_the_changes_ends_with_the_same_cells(
            old in Just((0..12).collect::<Vec<u8>>()).prop_shuffle(),
            new in Just((0..12).collect::<Vec<u8>>()).prop_shuffle(),
            lengths in (0..12_usize, 0..12_usize),
        ) {
            let name = |n: &u8| (format!("c{n}"), String::new());
            let make = |ids: &[u8]| {
                let cells: Vec<_> = ids.iter().map(name).collect();
                let cells: Vec<_> = cells.iter().map(|(id, code)| (id.as_str(), code.as_str())).collect();
                notebook(&cells).notebook().clone()
            };
            let (old, new) = (make(&old[..lengths.0]), make(&new[..lengths.1]));
            let mut seen: Vec<CellId> = old.cells.iter().map(|cell| cell.id.clone()).collect();
            let cells = Change::between(&old, &new).map(|change| change.cells).unwrap_or_default();
            for cell in cells.iter().filter(|cell| cell.moved || cell.after.is_none()) {
                seen.retain(|id| *id != cell.id);
            }
            for cell in cells.iter().filter(|cell| cell.moved || cell.before.is_none()) {
                seen.insert(cell.index.unwrap(), cell.id.clone());
            }
            prop_assert_eq!(seen, new.cells.iter().map(|cell| cell.id.clone()).collect::<Vec<_>>());
        }
    }
}
