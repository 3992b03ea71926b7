//! The messages of an event.

use std::collections::{HashMap, HashSet};

use bytestring::ByteString;
use quire_domain::{Cell, CellChange, CellId, CellStatus, Change, Notebook, Output, StaleChange};
use quire_service::{Event, EventKind, RunUpdate, RunUpdateKind, Told};

use super::messages::{ServerMessage, UpdatedOut, add_position, resync, text};
use crate::wire::{CellOut, OutputOut, Reads, Writes};

/// Writes the messages of an event, each with its position. There are none when the event changed nothing that clients show.
pub(crate) fn write(event: &Event) -> Result<Vec<ByteString>, serde_json::Error> {
    let mut texts = Vec::new();
    match &event.kind {
        EventKind::Changed(change) => write_change(&mut texts, change, event)?,
        EventKind::Transient(update) => texts.push(run_update(update)?),
        EventKind::Resync => return Ok(vec![resync(event.seq)?]),
        EventKind::Recovered(copy) => {
            texts.push(text(&ServerMessage::NotebookRecovered { cell_id: "", notebook_id: copy.as_str() })?);
        }
        EventKind::Deleted => {}
    }
    let count = texts.len();
    let with_position = |(index, text)| add_position(text, event.seq, (index + 1 < count).then_some(index + 1));
    Ok(texts.into_iter().enumerate().map(with_position).collect())
}

/// Writes the message of an update that a run tells while it goes on.
fn run_update(RunUpdate { cell, kind }: &RunUpdate) -> Result<String, serde_json::Error> {
    let cell_id = cell.as_str();
    text(&match kind {
        RunUpdateKind::Status(status) => ServerMessage::CellStatus { cell_id, status: *status },
        RunUpdateKind::Stdout(data) => ServerMessage::CellStdout { cell_id, data },
        RunUpdateKind::Error(error) => ServerMessage::CellError { cell_id, error },
        RunUpdateKind::Output(output) => ServerMessage::CellOutput { cell_id, output: OutputOut::new(output) },
    })
}

/// Writes the messages of a change: of deleted cells, then of created ones, each with its index by then, then of changed ones.
fn write_change(texts: &mut Vec<String>, change: &Change, event: &Event) -> Result<(), serde_json::Error> {
    let notebook = &event.notebook;
    let cycles = notebook.cycle_texts_of(change.cells.iter().map(|cell| &cell.id));
    for cell in change.cells.iter().filter(|cell| cell.before.is_some() && is_replaced(cell)) {
        texts.push(text(&ServerMessage::CellDeleted { cell_id: cell.id.as_str() })?);
    }
    // Cells whose status has been written.
    let mut written = HashSet::new();
    for CellChange { after, index, .. } in change.cells.iter().filter(|cell| is_replaced(cell)) {
        // As the notebook shows it: a cell that was moved while it runs has its results so far.
        if let Some(cell) = after.as_ref().and_then(|cell| notebook.cells.find(&cell.id)) {
            let (cell_id, out) = (cell.id.as_str(), CellOut::new(notebook, cell, &cycles));
            texts.push(text(&ServerMessage::CellCreated { cell_id, cell: out, index: *index })?);
            written.insert(&cell.id);
        }
    }
    for cell in change.cells.iter().filter(|cell| !is_replaced(cell)) {
        if let (Some(before), Some(after)) = (&cell.before, &cell.after) {
            let as_shown = notebook.cells.find(&after.id).unwrap_or(after);
            let shown = ShownCell {
                cell: after,
                status: notebook.shown_status(as_shown),
                error: notebook.shown_error(as_shown, &cycles),
            };
            write_edit(texts, before, &shown)?;
            // Of a run whose results are as before, clients may have been told a part meanwhile.
            if before.results != after.results || change.is_results() {
                let told = event.told.iter().find(|told| told.cell == after.id);
                write_results(texts, &shown, told)?;
                written.insert(&after.id);
            }
        }
    }
    write_cycles(texts, change, notebook, &written)?;
    write_stale(texts, change)
}

/// Returns whether a client must replace the cell: clients cannot move a cell or change its type.
fn is_replaced(cell: &CellChange) -> bool {
    match (&cell.before, &cell.after) {
        (Some(before), Some(after)) => cell.moved || before.cell_type != after.cell_type,
        _ => true,
    }
}

/// A cell with the status and error that it shows.
struct ShownCell<'a> {
    cell: &'a Cell,
    status: CellStatus,
    error: Option<String>,
}

fn write_edit(texts: &mut Vec<String>, before: &Cell, shown: &ShownCell<'_>) -> Result<(), serde_json::Error> {
    // An edit is sent even when the code stays the same, because the client that made it waits for its echo. A cell whose order
    // key alone was changed, to make room for another, keeps its revision.
    let after = shown.cell;
    let names_stay = before.reads().eq(after.reads()) && before.writes().eq(after.writes());
    if before.revision != after.revision || before.code != after.code || !names_stay {
        let cell = UpdatedOut {
            code: &after.code,
            reads: Reads(after),
            writes: Writes(after),
            status: shown.status,
            error: shown.error.as_deref(),
        };
        texts.push(text(&ServerMessage::CellUpdated { cell_id: after.id.as_str(), cell })?);
    }
    Ok(())
}

/// Writes new results in the order of every run: `running`, which clears the earlier results; the final status; printed text; the error;
/// outputs. What clients have been told of them already is left out.
fn write_results(
    texts: &mut Vec<String>,
    ShownCell { cell, status, error }: &ShownCell<'_>,
    told: Option<&Told>,
) -> Result<(), serde_json::Error> {
    let (cell_id, results) = (cell.id.as_str(), &cell.results);
    // A blocked cell did not run, and keeps its earlier outputs.
    if told.is_none() && *status != CellStatus::Blocked {
        texts.push(text(&ServerMessage::CellStatus { cell_id, status: CellStatus::Running })?);
    }
    if *status != CellStatus::Running {
        texts.push(text(&ServerMessage::CellStatus { cell_id, status: *status })?);
    }
    if *status == CellStatus::Blocked {
        return Ok(());
    }
    let stdout = results.stdout.get(told.map_or(0, |told| told.stdout)..).unwrap_or_default();
    if !stdout.is_empty() {
        texts.push(text(&ServerMessage::CellStdout { cell_id, data: stdout })?);
    }
    // Clients show an error's text as an output, so that it is not sent beside an equal output.
    let is_output = |error: &str| {
        let says =
            |output: &Output| serde_json::from_str::<String>(output.data.as_str()).is_ok_and(|data| data == error);
        results.outputs.iter().any(says)
    };
    if *status == CellStatus::Error
        && let Some(error) = error.as_deref().filter(|error| !is_output(error))
    {
        texts.push(text(&ServerMessage::CellError { cell_id, error })?);
    }
    for output in results.outputs.iter().skip(told.map_or(0, |told| told.outputs)) {
        texts.push(text(&ServerMessage::CellOutput { cell_id, output: OutputOut::new(output) })?);
    }
    Ok(())
}

/// Writes the status of cells that came onto a cycle or off it, unless it has been written. The status alone: clients append
/// every `cell_error` to the outputs until the cell runs again.
fn write_cycles(
    texts: &mut Vec<String>,
    change: &Change,
    notebook: &Notebook,
    written: &HashSet<&CellId>,
) -> Result<(), serde_json::Error> {
    if change.cycles.is_empty() {
        return Ok(());
    }
    let cells: HashMap<&CellId, _> = notebook.cells.iter().map(|cell| (&cell.id, cell)).collect();
    for cycle in change.cycles.iter().filter(|cycle| !written.contains(&cycle.id)) {
        if let Some(cell) = cells.get(&cycle.id) {
            let status = notebook.shown_status(cell);
            texts.push(text(&ServerMessage::CellStatus { cell_id: cell.id.as_str(), status })?);
        }
    }
    Ok(())
}

/// Writes which cells turned stale or are no longer stale. A created cell says so itself.
fn write_stale(texts: &mut Vec<String>, change: &Change) -> Result<(), serde_json::Error> {
    if change.stale.is_empty() {
        return Ok(());
    }
    let created: HashSet<&CellId> = change.cells.iter().filter(|cell| is_replaced(cell)).map(|cell| &cell.id).collect();
    for StaleChange { id, is_stale } in change.stale.iter().filter(|stale| !created.contains(&stale.id)) {
        texts.push(text(&ServerMessage::CellStale { cell_id: id.as_str(), stale: *is_stale })?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quire_domain::{CellType, Edit, NotebookId, OpenNotebook, Place, Results, Timestamp, UserId};
    use quire_service::Seq;
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    /// Returns the messages of edits that come as one change, as from another server: each with its type and cell.
    fn messages(before: &[(&str, &str)], edits: impl IntoIterator<Item = Edit>) -> Vec<(String, String)> {
        let (id, owner) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
        let mut open =
            OpenNotebook::open(Notebook::new(id, quire_domain::Life::UNRECORDED, owner, Timestamp::UNIX_EPOCH));
        let apply = |open: &mut OpenNotebook, edit: &Edit| open.apply(edit, None, Timestamp::UNIX_EPOCH).unwrap();
        for (id, code) in before {
            let (id, code) = (CellId::new(*id).unwrap(), (*code).into());
            apply(&mut open, &Edit::InsertCell { id, cell_type: CellType::Python, code, place: Place::End });
        }
        let before = open.notebook().clone();
        for edit in edits {
            apply(&mut open, &edit);
        }
        let notebook = open.notebook().clone();
        let kind = EventKind::Changed(Arc::new(Change::between(&before, &notebook).unwrap()));
        let seq = Seq { epoch: Uuid::nil(), number: 1 };
        let texts = write(&Event { seq, kind, notebook, told: Vec::new() }).unwrap();
        let brief = |text: &ByteString| {
            let message: Value = serde_json::from_str(text).unwrap();
            let of = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            (format!("{} {}", of("type"), of("status")).trim().to_owned(), of("cellId"))
        };
        texts.iter().map(brief).collect()
    }

    #[test]
    fn a_cell_with_new_results_that_came_onto_a_cycle_is_told_once_how_it_is() {
        let results = Results { status: CellStatus::Success, stdout: "1".to_owned(), ..Results::default() };
        let [a, b] = ["a", "b"].map(|id| CellId::new(id).unwrap());
        let edits =
            [Edit::SetResults { id: a, results: results.into() }, Edit::UpdateCell { id: b, code: "y = x".into() }];
        let expected = [
            ("cell_status running", "a"),
            ("cell_status error", "a"),
            ("cell_stdout", "a"),
            ("cell_error", "a"),
            ("cell_updated", "b"),
            ("cell_status error", "b"),
        ];
        let expected = expected.map(|(message, cell)| (message.to_owned(), cell.to_owned()));
        assert_eq!(messages(&[("a", "x = y"), ("b", "y = 1")], edits), expected);
    }

    /// What a run leaves with the present digests, after edits.
    fn run(before: &[(&str, &str)], cell: &str) -> Edit {
        let cells = before.iter().map(|(id, code)| Edit::InsertCell {
            id: CellId::new(*id).unwrap(),
            cell_type: CellType::Python,
            code: (*code).into(),
            place: Place::End,
        });
        let (id, owner) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
        let mut open =
            OpenNotebook::open(Notebook::new(id, quire_domain::Life::UNRECORDED, owner, Timestamp::UNIX_EPOCH));
        for edit in cells {
            open.apply(&edit, None, Timestamp::UNIX_EPOCH).unwrap();
        }
        let id = CellId::new(cell).unwrap();
        let run_digest = Some(open.cell(&id).unwrap().run_digest);
        Edit::SetResults { id, results: Results { run_digest, ..Results::default() }.into() }
    }

    #[test]
    fn cells_that_turn_stale_or_no_longer_are_are_told_last_and_created_ones_say_so_themselves() {
        let cells = [("a", "x = 1"), ("b", "y = x")];
        let expected = [("cell_status running", "a"), ("cell_status idle", "a"), ("cell_stale", "a")];
        let owned = |(message, cell): (&str, &str)| (message.to_owned(), cell.to_owned());
        assert_eq!(messages(&cells, [run(&cells, "a")]), expected.map(owned));
        // Of what came and went in one change, nothing is left to tell.
        let id = |id: &str| CellId::new(id).unwrap();
        let edits = [run(&cells, "b"), Edit::UpdateCell { id: id("a"), code: "x = 2".into() }];
        let told = messages(&cells, edits);
        assert_eq!(told.last(), Some(&owned(("cell_status idle", "b"))));
        let edits = [run(&cells, "b"), Edit::MoveCell { id: id("b"), place: Place::Start }];
        assert_eq!(messages(&cells, edits), [("cell_deleted", "b"), ("cell_created", "b")].map(owned));
    }
}
