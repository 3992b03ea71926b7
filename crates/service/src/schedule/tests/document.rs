//! What the cells of a document take from each other, and what each of them comes to: by the rules, without the graph and the
//! schedule.

use std::collections::{BTreeMap, BTreeSet};

use quire_domain::CellId;

use super::programs::{Failure, Mentions, Names, Statement, Value, execute, mentions};

/// A cell, with the statements of its last code that parses.
#[derive(Clone, Debug)]
pub(super) struct DocumentCell {
    pub(super) id: CellId,
    pub(super) statements: Vec<Statement>,
    pub(super) is_broken: bool,
}

/// The values that a cell writes, or the reason why it writes none.
type Ideal = Result<BTreeMap<&'static str, Option<Value>>, Failure>;

/// A document in one state. Cells are numbered from the top.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) cells: Vec<DocumentCell>,
    mentions: Vec<Mentions>,
    /// `depends[a][b]` if `a` depends on `b`, in whatever way.
    depends: Vec<Vec<bool>>,
    is_on_cycle: Vec<bool>,
}

impl Document {
    pub(super) fn new(cells: &[DocumentCell]) -> Self {
        let mentions = cells.iter().map(|cell| mentions(&cell.statements)).collect();
        let mut document = Self { cells: cells.to_vec(), mentions, depends: Vec::new(), is_on_cycle: Vec::new() };
        let hard = document.closure(|is_deferred| !is_deferred);
        document.is_on_cycle = document.all().map(|cell| hard[cell][cell]).collect();
        document.depends = document.closure(|_| true);
        document
    }

    pub(super) fn all(&self) -> std::ops::Range<usize> {
        0..self.cells.len()
    }

    pub(super) fn number(&self, id: &CellId) -> usize {
        self.cells.iter().position(|cell| cell.id == *id).unwrap()
    }

    pub(super) fn writes(&self, cell: usize) -> &BTreeSet<&'static str> {
        &self.mentions[cell].writes
    }

    pub(super) fn is_on_cycle(&self, cell: usize) -> bool {
        self.is_on_cycle[cell]
    }

    pub(super) fn depends(&self, cell: usize, on: usize) -> bool {
        self.depends[cell][on]
    }

    /// The writer that a cell takes a name from: the nearest above, else the nearest below, which does not count for a cell that
    /// writes the name too when that one reads it as well.
    fn writer(&self, reader: usize, name: &str) -> Option<usize> {
        let writes = |cell: &usize| *cell != reader && self.mentions[*cell].writes.contains(name);
        let above = self.all().filter(|cell| *cell < reader).rfind(writes);
        let below = self.all().filter(|cell| *cell > reader).find(writes);
        let below = below.filter(|below| {
            !self.mentions[reader].writes.contains(name) || !self.mentions[*below].reads.contains_key(name)
        });
        above.or(below)
    }

    /// All edges to a cell: the name, the writer, and whether only functions read it.
    pub(super) fn edges_to(&self, cell: usize) -> Vec<(&'static str, usize, bool)> {
        let reads = self.mentions[cell].reads.iter();
        reads.filter_map(|(name, is_deferred)| Some((*name, self.writer(cell, name)?, *is_deferred))).collect()
    }

    /// The needs of a cell's run: each name with its writer; `None` for a name whose value is left to chance.
    pub(super) fn needs(&self, cell: usize) -> BTreeMap<&'static str, Option<usize>> {
        if self.cells[cell].is_broken {
            return BTreeMap::new();
        }
        // A name whose readers have no writer can hold what its readers themselves left there.
        let is_chance = |name: &str| self.mentions.iter().any(|cell| cell.writes.contains(name));
        let is_excepted = |writer: usize| writer == cell || self.depends[writer][cell];
        let mut own = BTreeMap::new();
        let mut functions = BTreeSet::new();
        for (name, is_deferred) in &self.mentions[cell].reads {
            match self.writer(cell, name).filter(|writer| !is_deferred || !is_excepted(*writer)) {
                Some(writer) => {
                    own.insert(*name, Some(writer));
                    functions.insert(writer);
                }
                None if is_chance(name) => {
                    own.insert(*name, None);
                }
                None => {}
            }
        }
        // Its own functions may be called before the cell writes the name.
        for name in &self.mentions[cell].hidden_in_functions {
            own.entry(*name).or_default();
        }
        let mut others: BTreeMap<&'static str, Option<usize>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        while let Some(function) = functions.pop_first() {
            if !seen.insert(function) || self.cells[function].is_broken {
                continue;
            }
            // No edge says that functions use these names, which another cell may have overwritten since.
            for name in &self.mentions[function].hidden_in_functions {
                others.entry(name).or_default();
            }
            for (name, _) in self.mentions[function].reads.iter().filter(|(_, is_deferred)| **is_deferred) {
                match self.writer(function, name).filter(|writer| !is_excepted(*writer)) {
                    Some(writer) => {
                        functions.insert(writer);
                        let last = others.entry(name).or_default();
                        *last = (*last).max(Some(writer));
                    }
                    None if is_chance(name) => {
                        others.entry(name).or_default();
                    }
                    None => {}
                }
            }
        }
        for (name, writer) in own {
            others.insert(name, writer);
        }
        others
    }

    /// What the cells come to when each read takes its value from the writer that it binds to. A cell that needs one that fails
    /// fails.
    pub(super) fn ideals(&self) -> Vec<Ideal> {
        let mut ideals = vec![None; self.cells.len()];
        self.all().map(|cell| self.ideal(cell, &mut ideals)).collect()
    }

    fn ideal(&self, cell: usize, known: &mut Vec<Option<Ideal>>) -> Ideal {
        if known[cell].is_none() {
            known[cell] = Some(self.ideal_of(cell, known));
        }
        known[cell].clone().unwrap()
    }

    fn ideal_of(&self, cell: usize, known: &mut Vec<Option<Ideal>>) -> Ideal {
        if self.is_on_cycle[cell] || self.cells[cell].is_broken {
            return Err(Failure::Raised);
        }
        let mut names = Names::new();
        let mut failure = None;
        for (name, writer) in self.needs(cell) {
            match writer.map(|writer| self.ideal(writer, known)) {
                None => {
                    names.insert(name, None);
                }
                Some(Ok(values)) => {
                    names.insert(name, values[name].clone());
                }
                // A writer that certainly fails blocks the cell, whatever the others do.
                Some(Err(Failure::Raised)) => failure = Some(Failure::Raised),
                Some(Err(Failure::Unknown)) => failure = failure.or(Some(Failure::Unknown)),
            }
        }
        match failure {
            Some(failure) => Err(failure),
            None => execute(&self.cells[cell].statements, &mut names).map(|_| {
                names.retain(|name, _| self.mentions[cell].writes.contains(name));
                names
            }),
        }
    }

    fn closure(&self, counts: impl Fn(bool) -> bool) -> Vec<Vec<bool>> {
        let mut depends = vec![vec![false; self.cells.len()]; self.cells.len()];
        for cell in self.all() {
            for (_, writer, _) in self.edges_to(cell).into_iter().filter(|(_, _, is_deferred)| counts(*is_deferred)) {
                depends[cell][writer] = true;
            }
        }
        for through in self.all() {
            for cell in self.all().filter(|&cell| depends[cell][through]).collect::<Vec<_>>() {
                for on in self.all() {
                    depends[cell][on] |= depends[through][on];
                }
            }
        }
        depends
    }

    /// The order of a queue: of the cells that wait for no other the first in the document comes next, with those that are on a
    /// cycle with it. Deferred edges count unless they go round.
    pub(super) fn order(&self, queue: &BTreeSet<usize>) -> Vec<usize> {
        let inside = |cell: usize| {
            self.edges_to(cell).into_iter().filter(|(_, writer, _)| queue.contains(writer)).collect::<Vec<_>>()
        };
        let reaches = |from: usize, to: usize, counts: &dyn Fn(bool) -> bool| {
            let mut seen = BTreeSet::from([to]);
            let mut waiting = vec![to];
            while let Some(cell) = waiting.pop() {
                for (_, writer, _) in inside(cell).into_iter().filter(|(_, _, is_deferred)| counts(*is_deferred)) {
                    if seen.insert(writer) {
                        waiting.push(writer);
                    }
                }
            }
            seen.contains(&from)
        };
        let is_hard = |is_deferred: bool| !is_deferred;
        let are_together = |a: usize, b: usize| reaches(a, b, &is_hard) && reaches(b, a, &is_hard);
        let mut left = queue.clone();
        let mut order = Vec::new();
        while !left.is_empty() {
            let unit =
                |cell: usize| left.iter().copied().filter(|&other| are_together(cell, other)).collect::<Vec<_>>();
            let is_free = |cell: usize| {
                inside(cell).into_iter().all(|(_, writer, is_deferred)| {
                    let goes_round = is_deferred && reaches(cell, writer, &|_| true);
                    !left.contains(&writer) || goes_round || are_together(cell, writer)
                })
            };
            let next = left.iter().map(|&cell| unit(cell)).find(|unit| unit.iter().all(|&cell| is_free(cell))).unwrap();
            left.retain(|cell| !next.contains(cell));
            order.extend(next);
        }
        order
    }
}
