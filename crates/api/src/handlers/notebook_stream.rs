//! A large notebook as JSON, written while the client reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use quire_domain::CycleTexts;
use quire_service::{NotebookView, PinnedMemory, Published};

use crate::limiters::byte_budget::Hold;
use crate::wire::{CellOut, NotebookOut, cell_size};

/// Bytes from which on a chunk is sent. A cell is written whole.
const CHUNK_BYTES: usize = 64 * 1024;
/// The end of the JSON text, after the cells.
const END: &[u8] = b"]}";

/// The JSON text of a notebook, written in chunks of some cells.
pub(crate) struct StreamedNotebook {
    view: NotebookView,
    next: NextPart,
    cycles: CycleTexts,
    /// The state's share of the notebooks' memory, which stays charged when the notebook changes.
    _pin: PinnedMemory,
    /// The reservation of the largest chunk.
    _hold: Hold,
}

enum NextPart {
    Head,
    Cell(usize),
    Nothing,
}

impl StreamedNotebook {
    /// Makes the text of this state.
    pub(crate) fn new(view: NotebookView, pin: PinnedMemory, hold: Hold) -> Self {
        let cycles = view.notebook.cycle_texts();
        Self { view, next: NextPart::Head, cycles, _pin: pin, _hold: hold }
    }

    /// Estimates the bytes of the largest chunk.
    pub(crate) fn chunk_size(published: &Published) -> usize {
        CHUNK_BYTES + published.notebook.cells.iter().map(|cell| cell_size(cell)).max().unwrap_or_default()
    }

    fn write(&mut self) -> serde_json::Result<Option<Bytes>> {
        let notebook = &self.view.notebook;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let mut index = match self.next {
            NextPart::Head => {
                serde_json::to_writer(&mut chunk, &NotebookOut::without_cells(&self.view))?;
                chunk.truncate(chunk.len().saturating_sub(END.len()));
                0
            }
            NextPart::Cell(index) => index,
            NextPart::Nothing => return Ok(None),
        };
        let mut cells = notebook.cells.iter().skip(index);
        while chunk.len() < CHUNK_BYTES {
            let Some(cell) = cells.next() else {
                chunk.extend_from_slice(END);
                self.next = NextPart::Nothing;
                return Ok(Some(chunk.into()));
            };
            if index > 0 {
                chunk.push(b',');
            }
            serde_json::to_writer(&mut chunk, &CellOut::new(notebook, cell, &self.cycles))?;
            index += 1;
        }
        self.next = NextPart::Cell(index);
        Ok(Some(chunk.into()))
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
