//! Code that is made to overflow the stack or to take very long.
//!
//! All tests here run on a thread with a stack of 2 MiB, as `tokio`'s threads have. A stack overflow ends the whole
//! test process, so a failure looks like a crash.

use std::thread;
use std::time::{Duration, Instant};

use quire_analysis::{Analysis, CellType, analyse};

use crate::shapes::{PYTHON_SHAPES, SQL_DEEP_SHAPES, SQL_SHAPES, WRAPPED_SHAPES, nested};

/// Size in bytes of the largest cell that the service accepts.
const LARGEST: usize = 256 * 1024;

/// Deadline for one analysis: generous, for unoptimised builds on busy machines. It only has to catch quadratic work.
const LONGEST: Duration = Duration::from_secs(20);

fn on_a_small_stack(cell_type: CellType, code: String) -> Analysis {
    let run = move || analyse(cell_type, &code);
    thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().expect("no panic")
}

fn check(cell_type: CellType, what: &str, code: String) -> Analysis {
    let shown: String = what.chars().take(40).collect();
    let bytes = code.len();
    let start = Instant::now();
    let analysis = on_a_small_stack(cell_type, code);
    let took = start.elapsed();
    eprintln!("{took:>10.1?} {bytes:>8} bytes {shown:?}");
    assert!(took < LONGEST, "{shown:?} of {bytes} bytes took {took:?}");
    assert!(analysis.diagnostics.len() <= 50);
    analysis
}

/// Returns statements nested by indentation, which costs bytes quadratic in the depth.
fn blocks(head: &str, bytes: usize) -> String {
    let mut code = String::new();
    for depth in 0.. {
        if code.len() + depth + head.len() + 1 > bytes {
            code += &" ".repeat(depth);
            code += "x = y\n";
            break;
        }
        code += &" ".repeat(depth);
        code += head;
        code.push('\n');
    }
    code
}

/// Tests the shapes that use the most stack and time, at full size.
#[test]
fn the_worst_python_shapes_of_the_largest_size() {
    for (left, middle, right) in [
        ("-", "x", ""),
        ("(", "", ""),
        ("(", "x", ")"),
        ("[", "x", "]"),
        ("[*", "x", "]"),
        ("{", "", ""),
        ("f(", "", ""),
        ("{0:", "", ""),
        ("lambda a=", "x", ":0"),
        ("", "x", ".a"),
        ("\u{a0}", "x", ""),
    ] {
        check(CellType::Python, left, nested(left, middle, right, LARGEST));
    }
}

/// Tests all shapes at a third of that size, which is still tens of times what the stack would hold.
#[test]
fn python_shapes() {
    const BYTES: usize = 80_000;
    for &(left, middle, right) in PYTHON_SHAPES {
        check(CellType::Python, left, nested(left, middle, right, BYTES));
    }
    for &(head, left, middle, right) in WRAPPED_SHAPES {
        check(CellType::Python, left, head.to_owned() + &nested(left, middle, right, BYTES));
    }
}

#[test]
fn python_blocks() {
    for head in [
        "if 1:",
        "while x:",
        "def f(x):",
        "class A:",
        "with a as b:",
        "for x in y:",
        "try:",
        "@a\n",
        "async def f():",
        "if 1:\n pass\nelse:",
        "match x:\n case y:",
        "def f():\n global x",
    ] {
        check(CellType::Python, head, blocks(head, 80_000));
    }
}

#[test]
fn what_the_issue_names() {
    let code = |code: String| check(CellType::Python, "named", code);
    assert!(code("[".repeat(100_000)).error().is_some());
    assert!(code("(".repeat(100_000)).error().is_some());
    assert!(code("-".repeat(50_000) + "x").error().is_some(), "CPython does not compile it either");
    assert_eq!(code("-".repeat(500) + "x").reads[0].name, "x");
    assert_eq!(code(format!("{}x{}", "[".repeat(500), "]".repeat(500))).reads[0].name, "x");
    assert_eq!(code(format!("x = {}1", "y + ".repeat(65_000))).reads[0].name, "y");
    assert!(code("\0".repeat(1000)).error().is_some());
    assert!(code("\r".to_owned()).error().is_none());
    assert!(code("def f(:".to_owned()).error().is_some());
}

#[test]
fn larger_than_any_cell() {
    for (left, middle, right) in [("-", "x", ""), ("[", "", ""), ("(", "x", ")"), ("lambda:", "x", ""), ("", "x", ".a")]
    {
        check(CellType::Python, left, nested(left, middle, right, 4 * LARGEST));
    }
    for (left, middle, right) in [("(", "1", ")"), ("1+", "1", ""), ("{x}", "", ""), ("select ", "1", ";")] {
        check(CellType::Sql, left, "select ".to_owned() + &nested(left, middle, right, 4 * LARGEST));
    }
}

#[test]
fn many_names_and_scopes_are_not_quadratic() {
    let numbered = |pattern: &dyn Fn(usize) -> String| {
        let mut code = String::new();
        for number in 0.. {
            let line = pattern(number);
            if code.len() + line.len() > LARGEST {
                break;
            }
            code += &line;
        }
        code
    };
    for (what, code) in [
        ("assignments", numbered(&|n| format!("a{n}=b{n}\n"))),
        ("functions", numbered(&|n| format!("def f{n}(): return f{}\n", n + 1))),
        ("class members", format!("class A:\n{}", numbered(&|n| format!(" a{n}=b{n}\n")))),
        ("globals", format!("def f():\n{}", numbered(&|n| format!(" global a{n};a{n}=1\n")))),
        ("locals", format!("def f():\n{} return 1\n", numbered(&|n| format!(" a{n}=b{n}\n")))),
        ("handlers", numbered(&|_| "try: a\nexcept E as e: e\n".to_owned())),
        ("lambdas around loads", "lambda:".repeat(18_000) + &numbered(&|n| format!("a{n},"))[..LARGEST / 2]),
        ("lambdas with parameters", numbered(&|n| format!("lambda a{n}:"))),
        ("comprehensions", numbered(&|n| format!("[a{n} for a{n} in "))),
        ("global classes", numbered(&|n| format!("class A{n}:\n global x{n}\n __y{n}=1\n"))),
    ] {
        check(CellType::Python, what, code);
    }
}

#[test]
fn sql_shapes() {
    const BYTES: usize = 100_000;
    for &(head, left, middle, right) in SQL_SHAPES {
        check(CellType::Sql, left, head.to_owned() + &nested(left, middle, right, BYTES));
    }
}

/// Tests the depths at which `sqlparser` does not give up, where trying a bracket in several ways might be exponential.
#[test]
fn sql_nested_as_deep_as_the_parser_goes() {
    for &(left, middle, right) in SQL_DEEP_SHAPES {
        for depth in [5, 12, 24, 45, 99] {
            for (head, tail) in [("select ", ""), ("select * from ", ""), ("select * from a where ", "")] {
                let code = format!("{head}{}{middle}{}{tail}", left.repeat(depth), right.repeat(depth));
                check(CellType::Sql, left, code);
                check(CellType::Sql, left, format!("{head}{}", left.repeat(depth)));
            }
        }
    }
}

/// Tests code on which Ruff's parser panics in its `IPython` mode.
#[test]
fn what_makes_the_parser_panic_is_answered() {
    for code in ["){lambda 1.5-- name: r\n,", "x = lambda\n?x"] {
        let analysis = check(CellType::Python, code, code.to_owned());
        assert!(analysis.error().is_some());
    }
    // Unwinding drops a deep tree.
    let deep = nested("", "a", ".a", LARGEST);
    check(CellType::Python, "deep and panicking", format!("{deep}\n{deep}+){{lambda 1.5-- name: r\n,"));
    check(CellType::Python, "deep and panicking", format!("({deep}+lambda 1.5-- name: r\n,"));
}
