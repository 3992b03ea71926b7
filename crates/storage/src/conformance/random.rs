//! Random notebooks and edits, the same for the same seed.

use std::fmt::Write as _;
use std::sync::Arc;

use quire_domain::{
    Cell, CellId, CellStatus, CellType, Edit, Extra, Json, Notebook, Output, Place, Results, Revision, Timestamp,
};

use super::Failure;
use super::check::time;
use super::samples::{cell, empty, sealed};

/// Characters that some program treats in a way of its own.
const CHARS: [char; 32] = [
    'a',
    'Z',
    '0',
    ' ',
    '_',
    '\n',
    '\r',
    '\t',
    '\0',
    '"',
    '\'',
    '\\',
    '/',
    '{',
    '}',
    '[',
    ']',
    '%',
    '$',
    '#',
    '\u{7f}',
    '\u{85}',
    'é',
    '\u{301}',
    '\u{2028}',
    '\u{FEFF}',
    '\u{FDD0}',
    '\u{FFFF}',
    '中',
    '😀',
    '\u{10FFFF}',
    '\u{1b}',
];

/// A generator of pseudo-random numbers (xorshift; George Marsaglia, "Xorshift RNGs", 2003).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap_or_default() % bound.max(1)
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn text(&mut self, longest: usize) -> String {
        let length = self.below(longest + 1);
        (0..length).filter_map(|_| CHARS.get(self.below(CHARS.len()))).collect()
    }

    fn json(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => ["null", "true", "false"].get(self.below(3)).copied().unwrap_or("null").to_owned(),
            1 => format!("-{}", self.below(1_000_000)),
            2 => format!("{}.{}e{}", self.below(10), self.below(1_000), self.below(40)),
            3 => format!("{}{}", self.below(9) + 1, "0123456789".repeat(self.below(4))),
            4 => self.string(),
            5 => {
                let length = self.below(4);
                let elements: Vec<_> = (0..length).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", elements.join(if self.chance() { "," } else { " ,\n" }))
            }
            _ => {
                let length = self.below(4);
                let fields: Vec<_> =
                    (0..length).map(|_| format!("{}: {}", self.string(), self.json(depth - 1))).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    /// A JSON string, some of its characters escaped though they need not be.
    fn string(&mut self) -> String {
        let mut json = String::from("\"");
        for c in self.text(8).chars() {
            if c < ' ' || matches!(c, '"' | '\\') || self.below(4) == 0 {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(json, "\\u{unit:04x}"); // writing to a String cannot fail
                }
            } else {
                json.push(c);
            }
        }
        json.push('"');
        json
    }

    fn results(&mut self) -> Result<Results, Failure> {
        let statuses =
            [CellStatus::Idle, CellStatus::Running, CellStatus::Success, CellStatus::Error, CellStatus::Blocked];
        let length = self.below(3);
        let output = |random: &mut Self| {
            Ok::<_, Failure>(Output {
                mime_type: "application/json".into(),
                data: Json::parse(&random.json(3))?,
                metadata: Json::parse(&format!("{{\"k\":{}}}", random.json(1)))?,
            })
        };
        Ok(Results {
            status: statuses.get(self.below(5)).copied().unwrap_or_default(),
            stdout: self.text(40),
            error: self.chance().then(|| self.text(40)),
            outputs: (0..length).map(|_| output(self)).collect::<Result<_, _>>()?,
            code_digest: self.chance().then(|| "0f".repeat(32)),
            run_digest: if self.chance() { Some("f0".repeat(16).parse()?) } else { None },
            started_at: self.time()?,
            finished_at: self.time()?,
        })
    }

    fn time(&mut self) -> Result<Option<Timestamp>, Failure> {
        Ok(if self.chance() { Some(time(i64::try_from(self.below(1_000_000_000))?)) } else { None })
    }

    /// Unknown fields, of ASCII only: elsewhere it is tested that others are kept too, but perhaps written otherwise.
    fn extra(&mut self) -> Result<Extra, Failure> {
        let length = self.below(3);
        let field = |random: &mut Self, index| {
            let json: String = random.json(2).chars().filter(char::is_ascii).collect();
            Ok::<_, Failure>((format!("field{index}").into_boxed_str(), Json::parse(&json)?))
        };
        Ok(Extra::new((0..length).map(|index| field(self, index)).collect::<Result<_, _>>()?))
    }

    /// A notebook with this id.
    pub(super) fn notebook(&mut self, id: &str) -> Result<Notebook, Failure> {
        let mut notebook = empty(id)?;
        notebook.name = Notebook::name_from(&self.text(12).replace('\0', ""))?;
        notebook.connection = sealed(&self.text(12).replace('\0', ""))?;
        notebook.revision = Revision(i64::try_from(self.below(1_000))?);
        notebook.updated_at = time(i64::try_from(self.below(1_000_000_000))?);
        notebook.extra = self.extra()?;
        notebook.reactive = self.chance();
        let mut cells = Vec::new();
        for index in 0..self.below(8) {
            let mut cell = cell(index, &format!("cell{index}"), &self.text(60))?;
            cell.cell_type = if self.chance() { CellType::Python } else { CellType::Sql };
            cell.revision = Revision(i64::try_from(self.below(1_000))?);
            let mut name = || self.text(5).replace('\0', "");
            cell.analysis = Cell::stored_names(vec![name()], vec![name(), name()]);
            cell.extra = self.extra()?;
            if self.chance() {
                cell.results = Arc::new(self.results()?);
            }
            cells.push(cell);
        }
        notebook.cells = cells.into_iter().collect();
        Ok(notebook)
    }

    /// An edit that the notebook allows.
    pub(super) fn edit(&mut self, notebook: &Notebook) -> Result<Edit, Failure> {
        let some_cell = notebook.cells.get(self.below(notebook.cells.len())).map(|cell| cell.id.clone());
        let Some(id) = some_cell else { return self.insertion(notebook) };
        Ok(match self.below(9) {
            0 => self.insertion(notebook)?,
            1 => Edit::UpdateCell { id, code: self.text(60).into() },
            2 => Edit::SetCellType { id, cell_type: if self.chance() { CellType::Python } else { CellType::Sql } },
            3 => Edit::MoveCell { id, place: self.place(notebook) },
            4 => Edit::DeleteCell { id },
            5 => Edit::Rename { name: self.text(12).replace('\0', "") },
            6 => Edit::SetConnection { connection: sealed(&self.text(12).replace('\0', ""))? },
            7 => Edit::SetReactive { reactive: self.chance() },
            _ => Edit::SetResults { id, results: Arc::new(self.results()?) },
        })
    }

    fn insertion(&mut self, notebook: &Notebook) -> Result<Edit, Failure> {
        let free = (0..).map(|index| CellId::new(format!("new{index}")));
        let mut free = free.filter_map(Result::ok).filter(|id| notebook.cells.find(id).is_none());
        let id = free.next().ok_or_else(|| Failure::new("no free id"))?;
        let place = self.place(notebook);
        Ok(Edit::InsertCell { id, cell_type: CellType::Python, code: self.text(60).into(), place })
    }

    fn place(&mut self, notebook: &Notebook) -> Place {
        match (self.below(3), notebook.cells.get(self.below(notebook.cells.len()))) {
            (0, _) => Place::Start,
            (1, Some(cell)) => Place::After(cell.id.clone()),
            _ => Place::End,
        }
    }
}
