//! A notebook that is too large to be written at once, written while its client reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use quire_domain::CycleTexts;
use quire_service::{PinnedMemory, Published};

use crate::limiters::byte_budget::Hold;
use crate::wire::{CellOut, NotebookOut, cell_size};

/// Bytes written before they are given on; a cell is written whole.
const PIECE: usize = 64 * 1024;
/// What the cells are put into.
const END: &[u8] = b"]}";

/// The JSON text of a notebook, of which some cells are written at a time.
pub(crate) struct StreamedNotebook {
    published: Arc<Published>,
    next: Next,
    cycles: CycleTexts,
    /// What the state takes of the memory of notebooks, whatever becomes of the notebook meanwhile.
    _pin: PinnedMemory,
    /// What the largest piece counts.
    _hold: Hold,
}

enum Next {
    Head,
    Cell(usize),
    Nothing,
}

impl StreamedNotebook {
    /// The text of this state.
    pub(crate) fn new(published: Arc<Published>, pin: PinnedMemory, hold: Hold) -> Self {
        let cycles = published.notebook.cycle_texts();
        Self { published, next: Next::Head, cycles, _pin: pin, _hold: hold }
    }

    /// Bytes of the largest piece, about.
    pub(crate) fn piece_size(published: &Published) -> usize {
        PIECE + published.notebook.cells.iter().map(|cell| cell_size(cell)).max().unwrap_or_default()
    }

    fn write(&mut self) -> serde_json::Result<Option<Bytes>> {
        let notebook = &self.published.notebook;
        let mut piece = Vec::with_capacity(PIECE);
        let mut index = match self.next {
            Next::Head => {
                serde_json::to_writer(&mut piece, &NotebookOut::without_cells(&self.published))?;
                piece.truncate(piece.len().saturating_sub(END.len()));
                0
            }
            Next::Cell(index) => index,
            Next::Nothing => return Ok(None),
        };
        let mut cells = notebook.cells.iter().skip(index);
        while piece.len() < PIECE {
            let Some(cell) = cells.next() else {
                piece.extend_from_slice(END);
                self.next = Next::Nothing;
                return Ok(Some(piece.into()));
            };
            if index > 0 {
                piece.push(b',');
            }
            serde_json::to_writer(&mut piece, &CellOut::new(notebook, cell, &self.cycles))?;
            index += 1;
        }
        self.next = Next::Cell(index);
        Ok(Some(piece.into()))
    }
}

impl MessageBody for StreamedNotebook {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.write().map_err(Into::into).transpose())
    }
}
