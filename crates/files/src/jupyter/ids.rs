//! Ids of cells: in Jupyter, 1 to 64 letters, digits, `-` and `_` (JEP 62); in Quire, any text.

use std::collections::HashSet;

use quire_domain::CellId;
use sha2::{Digest as _, Sha256};

/// Returns `true` if a text may be a cell's id in a Jupyter notebook.
pub(super) fn is_valid(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Returns a Jupyter id for a Quire id, other than those that are taken.
pub(super) fn written(id: &CellId, taken: &mut HashSet<String>) -> String {
    let mut written = id.as_str().to_owned();
    let mut round = 0_u32;
    while !is_valid(&written) || taken.contains(&written) {
        let digest = Sha256::digest(format!("{round} {id}"));
        written = format!("q-{}", hex::encode(digest.get(..8).unwrap_or_default()));
        round += 1;
    }
    taken.insert(written.clone());
    written
}

/// Gives each cell a unique id: the first cell with an id keeps it, the others are numbered by their places, so that reading a file
/// again gives the same ids. Returns also the number of cells that lost an id to another one.
pub(super) fn distinct(wanted: Vec<Option<CellId>>) -> (Vec<CellId>, usize) {
    let mut taken: HashSet<CellId> = HashSet::with_capacity(wanted.len());
    let mut lost = 0;
    let mut first = |id: &CellId| {
        let is_first = taken.insert(id.clone());
        lost += usize::from(!is_first);
        is_first
    };
    let firsts: Vec<Option<CellId>> = wanted.into_iter().map(|id| id.filter(&mut first)).collect();
    let numbered = |(index, id): (usize, Option<CellId>)| {
        id.or_else(|| {
            let candidates = (0..).map(|round: usize| match round {
                0 => format!("cell-{}", index + 1),
                _ => format!("cell-{}-{round}", index + 1),
            });
            candidates.filter_map(|text| CellId::new(text).ok()).find(|id| taken.insert(id.clone()))
        })
    };
    (firsts.into_iter().enumerate().filter_map(numbered).collect(), lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keeps_its_id_and_the_others_are_numbered() {
        let ids = ["a", "", "a", "cell-2", ""].map(|id| CellId::new(id).ok());
        let (ids, lost) = distinct(ids.into());
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!((ids, lost), (["a", "cell-2-1", "cell-3", "cell-2", "cell-5"].map(str::to_owned).into(), 1));
    }

    #[test]
    fn odd_ids_get_one_that_jupyter_takes() {
        let mut taken = HashSet::new();
        let id = CellId::new("ä b").unwrap();
        let first = written(&id, &mut taken);
        let second = written(&id, &mut taken);
        assert!(is_valid(&first) && is_valid(&second) && first != second);
        assert_eq!(written(&CellId::new("c-1").unwrap(), &mut taken), "c-1");
    }
}
