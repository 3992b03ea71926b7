//! The cells of a notebook in their order and by id, cheap to clone: a clone shares every chunk that is not changed.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::{Cell, CellId, OrderKey};

/// Maximum cells of a chunk: small enough to copy on an edit, and large enough that a clone of 10,000 cells counts up some
/// hundred references.
const MAX_CHUNK: usize = 128;

/// Cells sorted by order key, then id; and the same cells sorted by id, so that a lookup takes O(log n).
#[derive(Clone, Debug, Default)]
pub struct Cells {
    ordered: Chunks,
    by_id: Chunks,
}

impl Cells {
    /// Returns the number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ordered.len
    }

    /// Returns `true` if there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates in document order.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Cell>> {
        self.ordered.iter()
    }

    /// Returns the cell with this id. O(log n) for n cells.
    #[must_use]
    pub fn find(&self, id: &CellId) -> Option<&Arc<Cell>> {
        let (chunk, place) = self.by_id.locate(|cell| cell.id.cmp(id));
        self.by_id.chunks.get(chunk)?.get(place.ok()?)
    }

    /// Returns the cell at this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Arc<Cell>> {
        let mut left = index;
        for chunk in &self.ordered.chunks {
            if left < chunk.len() {
                return chunk.get(left);
            }
            left -= chunk.len();
        }
        None
    }

    /// Iterates over the cells from `index` on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &Arc<Cell>> {
        (index..self.len()).filter_map(|i| self.get(i))
    }

    /// Iterates over the cells before `index`, the nearest first.
    pub(crate) fn iter_back_from(&self, index: usize) -> impl Iterator<Item = &Arc<Cell>> {
        (0..index).rev().filter_map(|i| self.get(i))
    }

    /// Returns the index of the cell with this key and id, or as an error the index at which it would be.
    pub(crate) fn position(&self, order: &OrderKey, id: &CellId) -> Result<usize, usize> {
        let (chunk, place) = self.ordered.locate(by_order(order, id));
        let before: usize = self.ordered.chunks.iter().take(chunk).map(|c| c.len()).sum();
        place.map(|i| before + i).map_err(|i| before + i)
    }

    /// Adds a cell, or replaces the one with its key and id. A cell with its id and another key must have been removed.
    pub(crate) fn put(&mut self, cell: &Arc<Cell>) {
        self.ordered.put(Arc::clone(cell), by_order(&cell.order, &cell.id));
        self.by_id.put(Arc::clone(cell), |other| other.id.cmp(&cell.id));
    }

    /// Removes the cell with this key and id, if there is one.
    pub(crate) fn remove(&mut self, order: &OrderKey, id: &CellId) -> Option<Arc<Cell>> {
        let removed = self.ordered.remove(by_order(order, id))?;
        self.by_id.remove(|cell| cell.id.cmp(id));
        Some(removed)
    }
}

/// Compares cells with the one that has this key and id, in document order.
fn by_order(order: &OrderKey, id: &CellId) -> impl Fn(&Cell) -> Ordering {
    move |cell| (&cell.order, &cell.id).cmp(&(order, id))
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Cells {}

impl FromIterator<Cell> for Cells {
    fn from_iter<I: IntoIterator<Item = Cell>>(cells: I) -> Self {
        cells.into_iter().map(Arc::new).collect()
    }
}

impl FromIterator<Arc<Cell>> for Cells {
    fn from_iter<I: IntoIterator<Item = Arc<Cell>>>(cells: I) -> Self {
        let mut cells: Vec<Arc<Cell>> = cells.into_iter().collect();
        cells.sort_by(|a, b| a.id.cmp(&b.id));
        let by_id = Chunks::of(&cells);
        cells.sort_by(|a, b| (&a.order, &a.id).cmp(&(&b.order, &b.id)));
        Self { ordered: Chunks::of(&cells), by_id }
    }
}

/// Cells in a sort order, in chunks that clones share. Lookups take a function that compares a cell with the one sought.
#[derive(Clone, Debug, Default)]
struct Chunks {
    /// The chunks, none of which is empty.
    chunks: Vec<Arc<Vec<Arc<Cell>>>>,
    len: usize,
}

impl Chunks {
    fn of(sorted: &[Arc<Cell>]) -> Self {
        Self { chunks: sorted.chunks(MAX_CHUNK / 2).map(|chunk| Arc::new(chunk.to_vec())).collect(), len: sorted.len() }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Cell>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    fn put(&mut self, cell: Arc<Cell>, compare: impl Fn(&Cell) -> Ordering) {
        let (chunk, place) = self.locate(compare);
        let Some(cells) = self.chunks.get_mut(chunk).map(Arc::make_mut) else {
            self.chunks.push(Arc::new(vec![cell]));
            self.len += 1;
            return;
        };
        match place {
            Ok(index) => cells[index] = cell,
            Err(index) => {
                cells.insert(index, cell);
                self.len += 1;
                if cells.len() > MAX_CHUNK {
                    let tail = cells.split_off(MAX_CHUNK / 2);
                    self.chunks.insert(chunk + 1, Arc::new(tail));
                }
            }
        }
    }

    fn remove(&mut self, compare: impl Fn(&Cell) -> Ordering) -> Option<Arc<Cell>> {
        let (chunk, place) = self.locate(compare);
        let index = place.ok()?;
        let cells = Arc::make_mut(self.chunks.get_mut(chunk)?);
        let cell = cells.remove(index);
        if cells.is_empty() {
            self.chunks.remove(chunk);
        }
        self.len -= 1;
        Some(cell)
    }

    /// Returns the chunk that holds or would hold the cell, and the index in it. Without chunks, it is chunk 0, which does not exist.
    fn locate(&self, compare: impl Fn(&Cell) -> Ordering) -> (usize, Result<usize, usize>) {
        let after = self.chunks.partition_point(|c| c.first().is_some_and(|cell| compare(cell).is_le()));
        let chunk = after.saturating_sub(1);
        let place = self.chunks.get(chunk).map_or(Err(0), |cells| cells.binary_search_by(|cell| compare(cell)));
        (chunk, place)
    }
}
