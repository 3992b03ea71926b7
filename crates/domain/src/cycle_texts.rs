//! Texts about cycles for people, which name cells by their places and their code, not by their ids.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::{Cell, CellId, CellStatus, Cycle, Notebook};

/// Maximum steps of a cycle that its text shows. Every cell of the cycle carries the text, so that one of thousands of
/// cells would otherwise make millions of steps.
const MAX_SHOWN_STEPS: usize = 20;
/// Maximum characters of a line of code or a name that a text shows: either can be as long as a cell's source.
const MAX_SHOWN_CHARS: usize = 40;
/// Bytes of text after which no more steps are shown: those of twenty ordinary steps.
const MAX_SHOWN_BYTES: usize = 1_024;

/// The texts of cycles in one state of a notebook. A cell's place and first line may change while its cycle stays the same.
#[derive(Clone, Debug, Default)]
pub struct CycleTexts {
    /// The texts by the first cell of the cycle: no cell is on two cycles.
    by_first: HashMap<CellId, Arc<str>>,
}

impl Notebook {
    /// Returns `true` if the cell is on a cycle.
    fn is_on_cycle(&self, cell: &Cell) -> bool {
        self.cycles.contains_key(&cell.id)
    }

    /// Returns the status that a cell shows: `error` when it is on a cycle, else that of its last run.
    #[must_use]
    pub fn shown_status(&self, cell: &Cell) -> CellStatus {
        if self.is_on_cycle(cell) { CellStatus::Error } else { cell.results.status }
    }

    /// Returns the error that a cell shows: its cycle's text when it is on one, none when it is blocked, else that of its last run. `texts` are of this
    /// notebook and hold the text of that cycle.
    #[must_use]
    pub fn shown_error(&self, cell: &Cell, texts: &CycleTexts) -> Option<String> {
        match self.cycles.get(&cell.id) {
            Some(cycle) => Some(texts.of(cycle).to_owned()),
            None if cell.results.status == CellStatus::Blocked => None,
            None => cell.results.error.clone(),
        }
    }

    /// Returns a cell's name for people: its place, from 1, and its first line that is not blank; `None` for an unknown cell.
    #[must_use]
    pub fn cell_title(&self, id: &CellId) -> Option<String> {
        let cell = self.cells.find(id)?;
        let index = self.cells.position(&cell.order, id).ok()?;
        Some(title(index, cell))
    }

    /// Makes the texts of all cycles. O(n) for n cells when there is a cycle, else O(1).
    #[must_use]
    pub fn cycle_texts(&self) -> CycleTexts {
        self.cycle_texts_of(self.cycles.keys())
    }

    /// Makes the texts of the cycles that these cells are on. O(n) for all n cells of the notebook when there is one.
    #[must_use]
    pub fn cycle_texts_of<'a>(&self, cells: impl IntoIterator<Item = &'a CellId>) -> CycleTexts {
        let cycles = cells.into_iter().filter_map(|id| self.cycles.get(id));
        let cycles: HashMap<&CellId, &Cycle> =
            cycles.filter_map(|cycle| Some((cycle.cells.first()?, &**cycle))).collect();
        if cycles.is_empty() {
            return CycleTexts::default();
        }
        let shown = cycles.values().flat_map(|cycle| cycle.path.iter().take(MAX_SHOWN_STEPS).map(|(id, _)| id));
        let shown: HashSet<&CellId> = shown.collect();
        let titles = self.cells.iter().enumerate().filter(|(_, cell)| shown.contains(&cell.id));
        let titles = titles.map(|(index, cell)| (&cell.id, title(index, cell))).collect();
        let texts = cycles.into_iter().map(|(first, cycle)| (first.clone(), text(cycle, &titles).into()));
        CycleTexts { by_first: texts.collect() }
    }
}

impl CycleTexts {
    /// Returns the text of a cycle; an empty one if it is not among these.
    #[must_use]
    pub fn of(&self, cycle: &Cycle) -> &str {
        cycle.cells.first().and_then(|first| self.by_first.get(first)).map_or("", |text| text)
    }
}

/// Makes a cell's name for people: its place, from 1, and its first line that is not blank.
fn title(index: usize, cell: &Cell) -> String {
    let mut title = format!("cell {}", index + 1);
    if let Some(line) = cell.code.split(['\n', '\r']).map(str::trim).find(|line| !line.is_empty()) {
        title.push_str(" (`");
        push_short(&mut title, line);
        title.push_str("`)");
    }
    title
}

/// Writes one way around the cycle.
fn text(cycle: &Cycle, titles: &HashMap<&CellId, String>) -> String {
    let title = |id: &CellId| titles.get(id).map_or("a cell", String::as_str);
    let mut text = "Circular dependency: ".to_owned();
    let mut steps = 0;
    for (cell, name) in cycle.path.iter().take(MAX_SHOWN_STEPS) {
        if text.len() >= MAX_SHOWN_BYTES {
            break;
        }
        text.push_str(title(cell));
        text.push_str(" → ");
        push_short(&mut text, name);
        text.push_str(" → ");
        steps += 1;
    }
    if let Some(more @ 1..) = cycle.path.len().checked_sub(steps) {
        // Writing to a text cannot fail.
        let _ = write!(text, "… ({more} more) → ");
    }
    if let Some((first, _)) = cycle.path.first() {
        text.push_str(title(first));
    }
    text
}

/// Appends a text, cut where it is longer than [`MAX_SHOWN_CHARS`].
fn push_short(to: &mut String, text: &str) {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => {
            to.push_str(&text[..end]);
            to.push('…');
        }
        None => to.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CellType, Edit, Life, NotebookId, OpenNotebook, Place, Timestamp, UserId};

    fn notebook(cells: &[&str]) -> OpenNotebook {
        let (id, owner) = (NotebookId::new("n").unwrap(), UserId::new("u").unwrap());
        let mut open = OpenNotebook::open(Notebook::new(id, Life::UNRECORDED, owner, Timestamp::default()));
        for (index, code) in cells.iter().enumerate() {
            let id = CellId::new(format!("id-{index}")).unwrap();
            let edit = Edit::InsertCell { id, cell_type: CellType::Python, code: (*code).into(), place: Place::End };
            open.apply(&edit, None, Timestamp::default()).unwrap();
        }
        open
    }

    fn error(notebook: &Notebook, index: usize) -> String {
        notebook.shown_error(notebook.cells.get(index).unwrap(), &notebook.cycle_texts()).unwrap()
    }

    #[test]
    fn a_cycle_is_told_by_places_and_first_lines() {
        let mut open = notebook(&["1", "\r\n  # A\nx = y", "y = x"]);
        let expected = "Circular dependency: cell 2 (`# A`) → x → cell 3 (`y = x`) → y → cell 2 (`# A`)";
        assert_eq!([1, 2].map(|index| error(open.notebook(), index)), [expected; 2]);
        open.apply(&Edit::DeleteCell { id: CellId::new("id-0").unwrap() }, None, Timestamp::default()).unwrap();
        let expected = "Circular dependency: cell 1 (`# A`) → x → cell 2 (`y = x`) → y → cell 1 (`# A`)";
        assert_eq!([0, 1].map(|index| error(open.notebook(), index)), [expected; 2]);
    }

    #[test]
    fn only_the_cycles_asked_for_are_told() {
        let open = notebook(&["a = b", "b = a", "c = d", "d = c"]);
        let notebook = open.notebook();
        let asked = CellId::new("id-3").unwrap();
        assert_eq!(notebook.cycle_texts_of([&asked]).by_first.len(), 1);
        assert_eq!(notebook.cycle_texts().by_first.len(), 2);
    }

    fn long(steps: usize, name: &str) -> String {
        let id = |index: usize| CellId::new(format!("id-{index}")).unwrap();
        let path: Vec<_> = (0..steps).map(|index| (id(index), format!("{name}{index}"))).collect();
        let ids: Vec<_> = (0..steps).map(id).collect();
        let titles = ids.iter().enumerate().map(|(index, id)| (id, format!("cell {}", index + 1))).collect();
        text(&Cycle { cells: Vec::new(), path }, &titles)
    }

    #[test]
    fn a_long_cycle_has_a_short_text() {
        let text = long(10_000, "x");
        assert!(text.starts_with("Circular dependency: cell 1 → x0 → cell 2 → "), "{text}");
        assert!(text.ends_with(" → cell 20 → x19 → … (9980 more) → cell 1"), "{text}");
    }

    #[test]
    fn a_cycle_of_long_names_has_a_short_text() {
        let text = long(20, &"😀".repeat(60_000));
        assert!(text.len() < 2 * MAX_SHOWN_BYTES, "{} bytes", text.len());
        assert!(text.starts_with(&format!("Circular dependency: cell 1 → {}… → cell 2 → ", "😀".repeat(40))), "{text}");
        assert!(text.ends_with("… (14 more) → cell 1"), "{text}");
    }

    #[test]
    fn a_long_first_line_is_cut() {
        let open = notebook(&[&format!("x = y + {}1", "1 + ".repeat(1_000)), "y = x"]);
        assert!(error(open.notebook(), 0).starts_with("Circular dependency: cell 1 (`x = y + 1 + 1"));
        assert!(error(open.notebook(), 0).contains("…`) → x → cell 2 (`y = x`)"));
    }
}
