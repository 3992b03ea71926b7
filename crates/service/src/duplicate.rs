//! Copies of notebooks.

use std::sync::Arc;

use quire_domain::{Cell, Notebook, NotebookId, Revision, limits};
use serde::{Deserialize, Serialize};

use crate::ServiceError;
use crate::context::ServiceContext;

/// Result of a duplication.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Duplicated {
    /// The copy.
    pub id: NotebookId,
    /// Its name.
    pub name: Arc<str>,
    /// `false` if the connection string of the original was left out, because a string that cannot be opened cannot be sealed
    /// for another notebook.
    pub has_connection: bool,
}

impl ServiceContext {
    /// Copies a notebook as a new one, which begins at the first revision. The connection string is sealed for the copy. A string
    /// that cannot be opened is left out, and `false` is returned beside the copy.
    pub(crate) fn copy(
        &self,
        original: &Notebook,
        id: NotebookId,
        name: Arc<str>,
    ) -> Result<(Notebook, bool), ServiceError> {
        let cells = original.cells.iter().map(|cell| Cell { revision: Revision(0), ..Cell::clone(cell) });
        let mut copy = Notebook {
            name: Some(name),
            extra: original.extra.clone(),
            reactive: original.reactive,
            cells: cells.collect(),
            ..Notebook::new(id, self.sources.life(), original.owner.clone(), self.sources.now())
        };
        let Ok(opened) = self.sealing.open(original) else { return Ok((copy, false)) };
        if let Some(connection) = opened {
            copy.connection = self.sealing.seal(&copy, &connection)?;
        }
        Ok((copy, true))
    }
}

/// Returns the first of `name (copy)`, `name (copy 2)`, … that is not taken. The suffix of a copy's name is dropped first.
pub(crate) fn name_of_copy(name: &str, is_taken: impl Fn(&str) -> bool) -> Arc<str> {
    let base = without_suffix(name);
    let mut number = 1_usize;
    loop {
        let suffix = if number == 1 { " (copy)".to_owned() } else { format!(" (copy {number})") };
        let room = limits::NAME_CHARS.saturating_sub(suffix.len());
        let kept: String = base.chars().take(room).collect();
        let candidate = format!("{}{suffix}", kept.trim_end());
        if !is_taken(&candidate) {
            return Arc::from(candidate);
        }
        number += 1;
    }
}

fn without_suffix(name: &str) -> &str {
    let is_suffix = |rest: &str| {
        let number = rest.strip_prefix("copy").and_then(|rest| rest.strip_suffix(')'));
        number.is_some_and(|number| {
            let digits = number.strip_prefix(' ');
            number.is_empty() || digits.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    match name.rsplit_once(" (") {
        Some((base, rest)) if !base.is_empty() && is_suffix(rest) => base,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_numbered() {
        let taken = ["Sales (copy)", "Sales (copy 2)", "x (copy)"];
        for (name, expected) in [
            ("Costs", "Costs (copy)"),
            ("Sales", "Sales (copy 3)"),
            ("Sales (copy 2)", "Sales (copy 3)"),
            ("x (copy)", "x (copy 2)"),
            ("y (copy x)", "y (copy x) (copy)"),
            ("y (copy )", "y (copy ) (copy)"),
            (" (copy)", " (copy) (copy)"),
        ] {
            assert_eq!(&*name_of_copy(name, |name| taken.contains(&name)), expected);
        }
        let long = name_of_copy(&"ä".repeat(limits::NAME_CHARS), |_| false);
        assert_eq!((long.chars().count(), long.ends_with("ä (copy)")), (limits::NAME_CHARS, true));
    }
}
