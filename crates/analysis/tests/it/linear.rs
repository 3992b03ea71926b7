//! The work for a cell grows at most linearly with its size, whatever the nesting.
//!
//! Work is counted in allocations, which the parsers make for every node and every error: the number is the same on
//! every machine. The tests measure no time. The stack suffices, as in `hostile.rs`, because a failure would look like
//! a crash.

use std::thread;

use allocation_counter::measure;
use proptest::prelude::*;
use quire_analysis::{CellType, analyse};

use crate::shapes::{PYTHON_SHAPES, SQL_DEEP_SHAPES, SQL_SHAPES, WRAPPED_SHAPES, nested};

/// Maximum cost of a byte of code, and of any code, in allocations and in bytes allocated: about twice the cost of the
/// worst known code. For SQL, the budget of its parser determines the cost.
///
/// Nesting that doubles the work with every level exceeds this from a depth of about 15 on. Quadratic work exceeds it
/// at the sizes below.
struct Bounds {
    allocations: u64,
    bytes: u64,
}

const BASE: Bounds = Bounds { allocations: 2_000, bytes: 1_000_000 };

fn per_byte(cell_type: CellType) -> Bounds {
    match cell_type {
        CellType::Python => Bounds { allocations: 50, bytes: 2_000 },
        // A statement is parsed unchanged and, if that fails, without the clauses that the parser does not know.
        CellType::Sql => Bounds { allocations: 2 * 200, bytes: 2 * 60_000 },
    }
}

fn check(cell_type: CellType, code: String) {
    let run = move || {
        let length = code.len() as u64;
        let info = measure(|| drop(analyse(cell_type, &code)));
        let most = per_byte(cell_type);
        let shown: String = code.chars().take(60).collect();
        for (what, taken, most) in [
            ("allocations", info.count_total, most.allocations * length + BASE.allocations),
            ("bytes", info.bytes_total, most.bytes * length + BASE.bytes),
        ] {
            assert!(taken <= most, "{taken} {what} for {length} bytes, more than {most}: {shown:?}");
        }
    };
    thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn every_shape_of_every_size() {
    for bytes in [100, 2_000, 20_000] {
        for &(left, middle, right) in PYTHON_SHAPES {
            check(CellType::Python, nested(left, middle, right, bytes));
        }
        for &(head, left, middle, right) in WRAPPED_SHAPES {
            check(CellType::Python, head.to_owned() + &nested(left, middle, right, bytes));
        }
        for &(head, left, middle, right) in SQL_SHAPES {
            check(CellType::Sql, head.to_owned() + &nested(left, middle, right, bytes));
        }
    }
}

#[test]
fn sql_that_the_parser_tries_in_more_than_one_way() {
    for &(left, middle, right) in SQL_DEEP_SHAPES {
        for depth in [12, 45, 99, 500] {
            for head in ["select ", "select * from "] {
                check(CellType::Sql, format!("{head}{}{middle}{}", left.repeat(depth), right.repeat(depth)));
                check(CellType::Sql, format!("{head}{}", left.repeat(depth)));
            }
        }
    }
}

/// Tests shapes that were once exponential, as deep as a cell can be.
#[test]
fn nesting_that_was_exponential_ends_in_a_result() {
    for (head, left, middle, right) in [
        ("select ", "position(", "1", ")"),
        ("select ", "a.position(", "1", ")"),
        ("select ", "x in (values (", "1", "), 1)"),
    ] {
        for depth in [12, 45, 1_000, 50_000] {
            let code = format!("{head}{{n}}, {}{middle}{}", left.repeat(depth), right.repeat(depth));
            let analysis = analyse(CellType::Sql, &code);
            assert_eq!(analysis.reads[0].name, "n", "{left} {depth}");
            assert!(analysis.diagnostics.len() <= 1);
            check(CellType::Sql, code);
        }
    }
}

/// Returns some shapes nested in each other, each a few times, around a middle part.
fn mixture(
    shapes: &'static [(&'static str, &'static str, &'static str)],
) -> impl Strategy<Value = (Vec<(&'static str, &'static str, &'static str)>, usize)> {
    (prop::collection::vec(prop::sample::select(shapes), 1..5), 1..60_usize)
}

fn nest(cycle: &[(&str, &str, &str)], depth: usize, is_closed: bool) -> String {
    let levels = || cycle.iter().cycle().take(depth);
    let middle = cycle.last().map_or("", |shape| shape.1);
    let mut code: String = levels().map(|shape| shape.0).collect();
    code += middle;
    if is_closed {
        let closing: Vec<&str> = levels().map(|shape| shape.2).collect();
        code.extend(closing.into_iter().rev());
    }
    code
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mixture_of_sql((cycle, depth) in mixture(SQL_DEEP_SHAPES), is_closed in any::<bool>(), many in any::<bool>()) {
        let depth = if many { depth * 50 } else { depth };
        check(CellType::Sql, format!("select {}", nest(&cycle, depth, is_closed)));
        check(CellType::Sql, format!("select * from {}", nest(&cycle, depth, is_closed)));
    }

    #[test]
    fn any_mixture_of_python((cycle, depth) in mixture(PYTHON_SHAPES), is_closed in any::<bool>(), many in any::<bool>()) {
        let depth = if many { depth * 50 } else { depth };
        check(CellType::Python, nest(&cycle, depth, is_closed));
        check(CellType::Python, format!("match x:\n case {}: pass", nest(&cycle, depth, is_closed)));
        check(CellType::Python, format!("with ({}", nest(&cycle, depth, is_closed)));
    }
}
