//! The cells of a notebook in their order, cheap to clone: a clone shares every chunk that is not changed.

use std::sync::Arc;

use crate::{Cell, CellId, OrderKey};

/// A chunk is split when it would grow beyond this; small enough to copy on an edit, large enough that a notebook of
/// 10,000 cells clones by counting up some hundred references.
const CHUNK: usize = 128;

/// Cells sorted by order key, then id.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    /// None is empty.
    chunks: Vec<Arc<Vec<Arc<Cell>>>>,
    len: usize,
}

impl Cells {
    /// Their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In document order.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Cell>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The cell with this id; looks at every cell, since readers seldom need one alone.
    #[must_use]
    pub fn find(&self, id: &CellId) -> Option<&Arc<Cell>> {
        self.iter().find(|cell| &cell.id == id)
    }

    /// The cell at this index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Arc<Cell>> {
        let mut left = index;
        for chunk in &self.chunks {
            if left < chunk.len() {
                return chunk.get(left);
            }
            left -= chunk.len();
        }
        None
    }

    /// The cells from `index` on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &Arc<Cell>> {
        (index..self.len).filter_map(|i| self.get(i))
    }

    /// The cells before `index`, the nearest first.
    pub(crate) fn iter_back_from(&self, index: usize) -> impl Iterator<Item = &Arc<Cell>> {
        (0..index).rev().filter_map(|i| self.get(i))
    }

    /// The index of the cell with this key and id, or where it would be.
    pub(crate) fn position(&self, order: &OrderKey, id: &CellId) -> Result<usize, usize> {
        let (chunk, place) = self.locate(order, id);
        let before: usize = self.chunks.iter().take(chunk).map(|c| c.len()).sum();
        place.map(|i| before + i).map_err(|i| before + i)
    }

    /// Adds a cell, or replaces the one with its key and id.
    pub(crate) fn put(&mut self, cell: Arc<Cell>) {
        let (chunk, place) = self.locate(&cell.order, &cell.id);
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
                if cells.len() > CHUNK {
                    let tail = cells.split_off(CHUNK / 2);
                    self.chunks.insert(chunk + 1, Arc::new(tail));
                }
            }
        }
    }

    /// Takes the cell with this key and id out, if it is there.
    pub(crate) fn remove(&mut self, order: &OrderKey, id: &CellId) -> Option<Arc<Cell>> {
        let (chunk, place) = self.locate(order, id);
        let cells = Arc::make_mut(self.chunks.get_mut(chunk)?);
        let cell = cells.remove(place.ok()?);
        if cells.is_empty() {
            self.chunks.remove(chunk);
        }
        self.len -= 1;
        Some(cell)
    }

    /// The chunk that holds or would hold the cell, and the index in it. With no chunk at all: chunk 0, which is not there.
    fn locate(&self, order: &OrderKey, id: &CellId) -> (usize, Result<usize, usize>) {
        let key = (order, id);
        let after = self.chunks.partition_point(|c| c.first().is_some_and(|cell| (&cell.order, &cell.id) <= key));
        let chunk = after.saturating_sub(1);
        let place =
            self.chunks.get(chunk).map_or(Err(0), |cells| cells.binary_search_by(|c| (&c.order, &c.id).cmp(&key)));
        (chunk, place)
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Cells {}

impl FromIterator<Cell> for Cells {
    fn from_iter<I: IntoIterator<Item = Cell>>(cells: I) -> Self {
        let mut cells: Vec<Arc<Cell>> = cells.into_iter().map(Arc::new).collect();
        cells.sort_by(|a, b| (&a.order, &a.id).cmp(&(&b.order, &b.id)));
        let len = cells.len();
        let chunks = cells.chunks(CHUNK / 2).map(|chunk| Arc::new(chunk.to_vec())).collect();
        Self { chunks, len }
    }
}
