//! How long an exported file may be.

use quire_files::{ExportError, Format, TooLong, export, quire};
use serde_json::json;

use crate::support::defaults;

/// Many cells whose characters take up to six bytes each when they are written.
fn notebook() -> quire_domain::Notebook {
    let cell = |cell: usize| {
        json!({"id": format!("c{cell}"), "type": "python", "code": "\u{7f}\n\"".repeat(300), "reads": [], "writes": [],
            "stdout": "\u{1}".repeat(500), "outputs": [], "error": null})
    };
    let file = json!({"cells": (0..100).map(cell).collect::<Vec<_>>()}).to_string();
    quire::import(file.as_bytes(), &defaults()).unwrap().notebook
}

/// The bytes of the file count, not those of what is in the notebook; and no more is written than tells that they are too many.
#[test]
fn a_file_has_at_most_the_bytes_that_it_may_have() {
    let notebook = notebook();
    let held: usize = notebook.cells.iter().map(|cell| cell.code.len() + cell.results.bytes()).sum();
    for format in [Format::Json, Format::Ipynb] {
        let whole = export(&notebook, format, usize::MAX).unwrap();
        assert!(whole.len() > 2 * held, "{format:?}: {}, {held}", whole.len());
        assert_eq!(export(&notebook, format, whole.len()).unwrap(), whole, "{format:?}");
        for max in [whole.len() - 1, held, whole.len() / 10, 1] {
            let Err(ExportError::TooLong(TooLong { at_least, max_bytes })) = export(&notebook, format, max) else {
                panic!("{format:?}: {max} of {}", whole.len());
            };
            // A cell of the file is written at once.
            let cell = whole.len() / 50;
            assert!(max_bytes == max && at_least > max && at_least <= max + cell, "{format:?}: {at_least} of {max}");
        }
    }
}
