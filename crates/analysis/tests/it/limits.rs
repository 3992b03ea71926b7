//! Limits of the contents of an analysis, and its size.

use std::fmt::Write as _;

use quire_analysis::{Analysis, CellType, Severity, analyse, limits};

/// Returns a cell of numbered lines.
fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

fn is_too_complex(analysis: &Analysis) -> bool {
    analysis.diagnostics.first().is_some_and(|diagnostic| {
        (diagnostic.severity, diagnostic.line, diagnostic.column) == (Severity::Warning, 1, 1)
            && diagnostic.message.starts_with("too complex to analyse: ")
    })
}

#[test]
fn names_have_a_limit() {
    let python = |count| analyse(CellType::Python, &numbered(count, |n| format!("a{n} = 1\n")));
    assert_eq!((python(limits::NAMES).names(), python(limits::NAMES).diagnostics), (limits::NAMES, Vec::new()));
    let over = python(limits::NAMES + 1);
    assert!(is_too_complex(&over) && over.error().is_none(), "{:?}", over.diagnostics);
    assert_eq!(over.names(), 0);
    assert!(over.dynamic, "it touches names that are not listed");

    // A name that is read and written counts twice; built-ins, deletions and tables count as well.
    let half = limits::NAMES / 2;
    assert!(is_too_complex(&analyse(CellType::Python, &numbered(half + 1, |n| format!("a{n} += 1\n")))));
    assert!(is_too_complex(&analyse(CellType::Python, &numbered(half + 1, |n| format!("del a{n}\n")))));
    let sql = |count| analyse(CellType::Sql, &numbered(count, |n| format!("drop table a{n};")));
    assert_eq!(sql(limits::NAMES).tables_written.len(), limits::NAMES);
    let over = sql(limits::NAMES + 1);
    assert!(is_too_complex(&over) && over.changes_data && over.names() == 0);
    let over = analyse(CellType::Sql, &format!("select {}1", numbered(limits::NAMES + 1, |n| format!("{{a{n}}},"))));
    assert!(is_too_complex(&over) && !over.changes_data && over.names() == 0);
}

/// Tests that `__x` in a class, which is `_Class__x`, does not repeat a long class name for each of them.
#[test]
fn mangled_names_do_not_multiply_the_code() {
    let class = "A".repeat(20_000);
    let code = format!("x = 1\nclass {class}:\n{}", numbered(5_000, |n| format!(" __y{n} = __z{n}\n")));
    let analysis = analyse(CellType::Python, &code);
    assert!(is_too_complex(&analysis) && analysis.error().is_none());
    assert!(analysis.bytes() < 1_000, "{}", analysis.bytes());
    let analysis = analyse(CellType::Python, "class _A:\n __y = __z\n");
    assert_eq!(analysis.reads[0].name, "_A__z");
}

#[test]
fn a_statement_that_is_too_complex_hides_no_other() {
    let deep = format!("select {}1{} from hidden", "(".repeat(500), ")".repeat(500));
    let long = format!("select 1{} from hidden", "+1".repeat(20_000));
    let nested = format!("select {}1{} from hidden", "f(1,".repeat(90), ")".repeat(90));
    for statement in [&deep, &long] {
        let analysis =
            analyse(CellType::Sql, &format!("select {{x}} from a;\n{statement};\ninsert into b values ({{y}})"));
        assert_eq!(analysis.diagnostics.len(), 1);
        let warning = &analysis.diagnostics[0];
        assert_eq!((warning.severity, warning.line, warning.column), (Severity::Warning, 2, 1));
        assert_eq!(warning.message, "too complex to analyse: no tables known");
        assert_eq!(analysis.tables_read, ["public.a", "public.b"]);
        assert_eq!(analysis.tables_written, ["public.b"]);
        assert_eq!(analysis.reads.len(), 2, "placeholders are found everywhere");
        assert!(!analyse(CellType::Sql, statement).changes_data);
    }
    assert_eq!(analyse(CellType::Sql, &nested).tables_read, ["public.hidden"], "deep, but not too deep");
    // Many short expressions do not make a deep tree.
    let wide = format!("select {}1 from wide", "1 + 1,".repeat(20_000));
    assert_eq!(analyse(CellType::Sql, &wide).tables_read, ["public.wide"]);
}

#[test]
fn bytes_are_those_of_names_and_messages() {
    assert_eq!(analyse(CellType::Python, "").bytes(), 0);
    let bytes = |count| {
        let mut code = String::new();
        for number in 0..count {
            let _ = writeln!(code, "name_of_a_variable_{number:04} = other_variable_{number:04}");
        }
        analyse(CellType::Python, &code).bytes()
    };
    let (ten, thousand) = (bytes(10), bytes(1_000));
    assert!((95..=105).contains(&(thousand / ten)), "{ten} {thousand}");
    // The names have 23 and 19 characters; a `String` takes 24 bytes and a `Read` 32.
    assert!((10 * (23 + 19 + 24 + 32)..10 * 200).contains(&ten), "{ten}");
    assert!(analyse(CellType::Python, "x = = 1").bytes() > 50, "the diagnostic");
}
