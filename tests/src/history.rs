//! What several callers saw of one notebook, and whether one order of all edits explains it (linearizability: Herlihy and
//! Wing, 1990). Since every edit is given a revision, there is no order to search for: there is one, to be checked.

use std::collections::BTreeMap;

/// One caller's read, write or deletion: when it was begun and ended, on a clock that all share, and what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was begun.
    pub begun: u64,
    /// When it was answered.
    pub ended: u64,
    /// The notebook's life, which is another one after each time that it was deleted and made again.
    pub life: String,
    /// The revision that it was told, within the life.
    pub revision: i64,
    /// What it did.
    pub kind: Kind,
}

/// The kinds of operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wrote a value into a cell, and was given the revision.
    Write {
        /// The cell.
        cell: String,
        /// Its new value.
        value: String,
    },
    /// Read all cells at the revision.
    Read {
        /// The value of each cell.
        cells: BTreeMap<String, String>,
    },
    /// Deleted the notebook as it was at the revision.
    Delete,
    /// Was told that this life is over; the revision says nothing.
    Gone,
}

/// What is checked.
type Checked = Result<(), String>;

impl Operation {
    /// Place among the operations of one revision.
    fn rank(&self) -> u8 {
        match self.kind {
            Kind::Write { .. } => 0,
            Kind::Read { .. } => 1,
            Kind::Delete => 2,
            Kind::Gone => 3,
        }
    }
}

/// Checks a history of a notebook, each life of which begins at revision 0 with these cells.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(start: &BTreeMap<String, String>, history: &[Operation]) -> Checked {
    let mut lives: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in history.iter().filter(|operation| operation.kind != Kind::Gone) {
        lives.entry(&operation.life).or_default().push(operation);
    }
    for operations in lives.values_mut() {
        // A read of a revision comes after the write that made it; reads of one revision are in the order of their
        // beginnings, which contradicts nothing.
        operations.sort_by_key(|operation| (operation.revision, operation.rank(), operation.begun));
        check_life(start, operations)?;
    }
    // One life must be before another when an operation of it was over as one of the other began: when its earliest end is
    // before the other's latest beginning. Where that holds one way only, the sums are in that order too.
    let mut in_order: Vec<_> = lives.values().cloned().collect();
    in_order.sort_by_key(|operations| {
        let earliest_end = operations.iter().map(|operation| operation.ended).min();
        let latest_beginning = operations.iter().map(|operation| operation.begun).max();
        earliest_end.zip(latest_beginning).map(|(end, beginning)| end + beginning)
    });
    check_times(&in_order.concat())?;
    let of = |life: &str| lives.get(life).map_or(&[][..], Vec::as_slice);
    history
        .iter()
        .filter(|operation| operation.kind == Kind::Gone)
        .try_for_each(|gone| check_gone(gone, of(&gone.life)))
}

/// Checks what the operations of one life, in order, were told.
fn check_life(start: &BTreeMap<String, String>, order: &[&Operation]) -> Checked {
    let (mut cells, mut revision, mut deleted) = (start.clone(), 0, None);
    for operation in order {
        if let Some(deleted) = deleted {
            return Err(format!("it was deleted before: {deleted:?}: {operation:?}"));
        }
        match &operation.kind {
            Kind::Write { cell, value } => {
                revision += 1;
                if operation.revision != revision {
                    return Err(format!("revision {revision} is missing or was given out twice: {operation:?}"));
                }
                cells.insert(cell.clone(), value.clone());
            }
            Kind::Read { .. } | Kind::Delete if operation.revision > revision => {
                return Err(format!("nobody was given the revision that was seen: {operation:?}"));
            }
            Kind::Read { cells: read } if *read != cells => {
                return Err(format!("at this revision the cells are {cells:?}: {operation:?}"));
            }
            Kind::Delete => deleted = Some(operation),
            Kind::Read { .. } | Kind::Gone => {}
        }
    }
    Ok(())
}

/// Checks that a life was deleted that is said to be over, and that nothing was done in it later.
fn check_gone(gone: &Operation, of_life: &[&Operation]) -> Checked {
    if !of_life.iter().any(|operation| operation.kind == Kind::Delete) {
        return Err(format!("nobody has deleted what was said to be gone: {gone:?}"));
    }
    let late = of_life.iter().find(|operation| operation.begun > gone.ended);
    late.map_or(Ok(()), |late| Err(format!("this was done when it was gone: {late:?}: {gone:?}")))
}

/// Checks that what ended before another began comes before it in the order.
fn check_times(order: &[&Operation]) -> Checked {
    // From the end, the earliest end of all that come later is before no beginning.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(cell, value)| ((*cell).to_owned(), (*value).to_owned())).collect()
    }

    fn write(begun: u64, ended: u64, revision: i64, cell: &str, value: &str) -> Operation {
        Operation {
            begun,
            ended,
            life: "first".to_owned(),
            revision,
            kind: Kind::Write { cell: cell.to_owned(), value: value.to_owned() },
        }
    }

    fn read(begun: u64, ended: u64, revision: i64, pairs: &[(&str, &str)]) -> Operation {
        Operation { begun, ended, life: "first".to_owned(), revision, kind: Kind::Read { cells: cells(pairs) } }
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

    fn in_life(life: &str, operation: Operation) -> Operation {
        Operation { life: life.to_owned(), ..operation }
    }

    fn delete(begun: u64, ended: u64, revision: i64) -> Operation {
        Operation { kind: Kind::Delete, ..write(begun, ended, revision, "", "") }
    }

    fn gone(begun: u64, ended: u64) -> Operation {
        Operation { kind: Kind::Gone, ..write(begun, ended, 0, "", "") }
    }

    /// A sound history, a deletion, and another life.
    fn two_lives() -> Vec<Operation> {
        let more = [
            delete(20, 24, 3),
            gone(21, 26),
            gone(40, 41),
            in_life("another", read(23, 25, 0, &[("a", ""), ("b", "")])),
            in_life("another", write(26, 27, 1, "a", "x")),
            in_life("another", read(28, 29, 1, &[("a", "x"), ("b", "")])),
        ];
        sound().into_iter().chain(more).collect()
    }

    fn checked(history: &[Operation]) -> Checked {
        check(&cells(&[("a", ""), ("b", "")]), history)
    }

    #[test]
    fn a_sound_history_of_two_lives_passes() {
        assert_eq!(checked(&two_lives()), Ok(()));
    }

    #[test]
    fn bad_histories_of_two_lives_are_refused() {
        let refused = |operation: Operation, why: &str| {
            let history: Vec<_> = two_lives().into_iter().chain([operation]).collect();
            let error = checked(&history).expect_err(why);
            assert!(error.contains(why), "{error}");
        };
        // A stale read of the life before, and of this one.
        refused(read(30, 31, 3, &[("a", "two"), ("b", "three")]), "this was over");
        refused(in_life("another", read(30, 31, 0, &[("a", ""), ("b", "")])), "this was over");
        // What was gone was written, or deleted twice, or never deleted.
        refused(write(30, 31, 4, "a", "late"), "it was deleted before");
        refused(delete(22, 23, 3), "it was deleted before");
        refused(in_life("another", gone(30, 31)), "nobody has deleted");
        refused(in_life("never", gone(30, 31)), "nobody has deleted");
        refused(gone(1, 2), "this was done when it was gone");
        // A deletion of a state that nobody made.
        refused(in_life("another", delete(50, 51, 2)), "nobody was given");
        // The new life was read before the old one was deleted.
        refused(in_life("another", read(10, 11, 0, &[("a", ""), ("b", "")])), "this was over");
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
}
