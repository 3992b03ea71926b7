//! Check that one order of all edits explains the observations of several callers (linearizability: Herlihy and Wing, 1990).
//! Since every edit is given a revision, there is no order to search for: there is one, to be checked.

use std::collections::BTreeMap;

/// One caller's read or write: when it was begun and ended, on a clock that all share, and what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) revision: i64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Wrote a value into a cell, and was given the revision.
    Write { cell: String, value: String },
    /// Read all cells at the revision.
    Read { cells: BTreeMap<String, String> },
}

impl Operation {
    fn is_write(&self) -> bool {
        matches!(self.kind, Kind::Write { .. })
    }
}

/// Checks a history that begins at revision 0 with these cells; says what is wrong with it.
pub(crate) fn check(start: &BTreeMap<String, String>, history: &[Operation]) -> Result<(), String> {
    let mut order: Vec<&Operation> = history.iter().collect();
    // A read of a revision comes after the write that made it; reads of one revision are in the order of their beginnings,
    // which contradicts nothing.
    order.sort_by_key(|operation| (operation.revision, !operation.is_write(), operation.begun));
    let (mut cells, mut revision) = (start.clone(), 0);
    for operation in &order {
        match &operation.kind {
            Kind::Write { cell, value } => {
                revision += 1;
                if operation.revision != revision {
                    return Err(format!("revision {revision} is missing or was given out twice: {operation:?}"));
                }
                cells.insert(cell.clone(), value.clone());
            }
            Kind::Read { .. } if operation.revision > revision => {
                return Err(format!("nobody was given the revision that was read: {operation:?}"));
            }
            Kind::Read { cells: read } if *read != cells => {
                return Err(format!("at this revision the cells are {cells:?}: {operation:?}"));
            }
            Kind::Read { .. } => {}
        }
    }
    // What ended before another began comes before it in the order: from the end, the earliest end of all that come
    // later is before no beginning.
    let mut later: Option<&Operation> = None;
    for operation in order.iter().rev() {
        if let Some(later) = later.filter(|later| later.ended < operation.begun) {
            return Err(format!("this was over: {later:?}, when this, which is before it, began: {operation:?}"));
        }
        if later.is_none_or(|later| operation.ended < later.ended) {
            later = Some(operation);
        }
    }
    Ok(())
}

fn cells(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(cell, value)| ((*cell).to_owned(), (*value).to_owned())).collect()
}

fn write(begun: u64, ended: u64, revision: i64, cell: &str, value: &str) -> Operation {
    Operation { begun, ended, revision, kind: Kind::Write { cell: cell.to_owned(), value: value.to_owned() } }
}

fn read(begun: u64, ended: u64, revision: i64, pairs: &[(&str, &str)]) -> Operation {
    Operation { begun, ended, revision, kind: Kind::Read { cells: cells(pairs) } }
}

/// Two writers at once, the later revision begun first, and readers between: all in order.
fn sound() -> Vec<Operation> {
    vec![
        read(0, 1, 0, &[("a", ""), ("b", "")]),
        write(1, 8, 2, "a", "two"),
        write(2, 4, 1, "b", "one"),
        read(3, 7, 1, &[("a", ""), ("b", "one")]),
        read(5, 9, 2, &[("a", "two"), ("b", "one")]),
        read(10, 11, 2, &[("a", "two"), ("b", "one")]),
        read(12, 13, 2, &[("a", "two"), ("b", "one")]),
        write(14, 15, 3, "b", "three"),
    ]
}

/// The sound history with one operation in the place of another, or one more.
fn with(index: usize, operation: Operation) -> Result<(), String> {
    let mut history = sound();
    match history.get_mut(index) {
        Some(place) => *place = operation,
        None => history.push(operation),
    }
    check(&cells(&[("a", ""), ("b", "")]), &history)
}

#[test]
fn a_sound_history_passes() {
    assert_eq!(check(&cells(&[("a", ""), ("b", "")]), &sound()), Ok(()));
    assert_eq!(check(&cells(&[]), &[]), Ok(()));
}

#[test]
fn bad_histories_are_refused() {
    let refused = |answer: Result<(), String>, why: &str| {
        let error = answer.expect_err(why);
        assert!(error.contains(why), "{error}");
    };
    // A lost update: its revision was given out, and a later read does not show it.
    refused(with(5, read(10, 11, 2, &[("a", "two"), ("b", "")])), "the cells are");
    // One revision for two writes, and a gap.
    refused(with(2, write(2, 4, 2, "b", "one")), "nobody was given");
    refused(with(3, write(2, 4, 1, "a", "other")), "given out twice");
    refused(with(8, write(16, 17, 3, "a", "again")), "given out twice");
    refused(with(7, write(14, 15, 4, "b", "three")), "revision 3 is missing");
    // A stale read: the second write was acknowledged before it began.
    refused(with(6, read(12, 13, 1, &[("a", ""), ("b", "one")])), "this was over");
    refused(with(8, read(16, 17, 2, &[("a", "two"), ("b", "one")])), "this was over");
    // A read of what was not begun yet.
    refused(with(6, read(12, 13, 3, &[("a", "two"), ("b", "three")])), "this was over");
    refused(with(6, read(12, 13, 9, &[("a", "two"), ("b", "one")])), "nobody was given");
    // Swapped: the write that came later in time has the smaller revision.
    refused(with(2, write(9, 10, 1, "b", "one")), "this was over");
}
