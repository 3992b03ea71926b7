//! Properties for any text: the analysis returns, deterministically, sorted lists with positions inside the code.

use proptest::prelude::*;
use quire_analysis::{Analysis, CellType, Read, analyse};

/// Fragments of Python, `IPython` and SQL, so that random code gets past the first token.
const SOUP: &[&str] = &[
    "x",
    "y",
    "__z",
    "_",
    "é",
    "print",
    "e",
    "self",
    "1",
    "0x",
    "1.5",
    "'",
    "\"",
    "'''",
    "f'",
    "f\"{",
    "t'{",
    "rb'",
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{{",
    "}}",
    "{x}",
    "{1a}",
    ",",
    ":",
    ";",
    ".",
    "...",
    "=",
    ":=",
    "==",
    "+=",
    "->",
    "+",
    "-",
    "*",
    "**",
    "/",
    "//",
    "@",
    "~",
    "!",
    "!=",
    "?",
    "??",
    "%",
    "%%",
    "%%time\n",
    "%%capture out\n",
    "%%timeit ",
    "%%bash\n",
    "$",
    "$$",
    "$t$",
    "$1",
    "::",
    "--",
    "/*",
    "*/",
    "-- name: r\n",
    "#",
    "\n",
    "\r",
    "\r\n",
    "\n    ",
    "\n  ",
    "\n\t",
    " ",
    "\0",
    "\u{feff}",
    "\u{a0}",
    "\u{200b}",
    "and ",
    "as ",
    "async ",
    "await ",
    "case ",
    "class A",
    "class ",
    "def f",
    "def ",
    "del ",
    "elif ",
    "else",
    "except ",
    "except E as e",
    "finally",
    "for ",
    "from ",
    "global x",
    "if ",
    "import ",
    "in ",
    "is ",
    "lambda ",
    "match ",
    "nonlocal x",
    "not ",
    "or ",
    "pass",
    "return ",
    "try",
    "type ",
    "while ",
    "with ",
    "yield ",
    "select ",
    "insert into ",
    "update ",
    "delete ",
    "with recursive ",
    "union ",
    "values ",
    "create table ",
    "drop ",
    "copy ",
    "explain ",
    "E'",
    "`",
    "set ",
    "join ",
    "on ",
    "where ",
    "table ",
    "only ",
    "a.b",
    "\"T\"",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(SOUP), 0..60).prop_map(|tokens| tokens.concat())
}

/// Whole statements, which share a few names.
const STATEMENTS: &[&str] = &[
    "x = y\n",
    "y = x + z\n",
    "z += 1\n",
    "del x\n",
    "import x\n",
    "def f(a=y): return x + g(a)\n",
    "def g():\n    global y\n    y = z\n",
    "class x(y):\n    z = z\n    def f(self): return z\n",
    "for x in z: y\n",
    "try: z\nexcept E as y: y\n",
    "w = [x for x in y if (z := x)]\n",
    "h = lambda x=w: x + y\n",
    "x: y = z\n",
    "y: int\n",
    "match x:\n    case [z, *w]: y\n",
    "with x as y: z\n",
    "print(f'{x:{y}}')\n",
    "%time x\n",
    "x = !ls\n",
];

fn is_sorted_set(names: &[String]) -> bool {
    names.is_sorted_by(|a, b| a < b)
}

fn check(cell_type: CellType, code: &str) -> Result<Analysis, TestCaseError> {
    let analysis = analyse(cell_type, code);
    prop_assert_eq!(&analysis, &analyse(cell_type, code));
    for reads in [&analysis.reads, &analysis.builtins_read] {
        prop_assert!(reads.is_sorted_by(|a: &Read, b: &Read| a.name < b.name));
        prop_assert!(reads.iter().all(|read| !read.name.is_empty()));
    }
    for names in [&analysis.writes, &analysis.deletes, &analysis.tables_read, &analysis.tables_written] {
        prop_assert!(is_sorted_set(names), "{:?}", names);
        prop_assert!(names.iter().all(|name| !name.is_empty()));
    }
    prop_assert!(analysis.diagnostics.is_sorted_by_key(|diagnostic| diagnostic.offset));
    for diagnostic in &analysis.diagnostics {
        prop_assert!(diagnostic.offset <= code.len() && diagnostic.line >= 1 && diagnostic.column >= 1);
        prop_assert!(!diagnostic.message.is_empty() && !diagnostic.message.contains('\n'), "{:?}", diagnostic.message);
    }
    Ok(analysis)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(code in any::<String>()) {
        check(CellType::Python, &code)?;
        check(CellType::Sql, &code)?;
    }

    #[test]
    fn any_soup_of_tokens_is_answered(code in soup()) {
        check(CellType::Python, &code)?;
        check(CellType::Sql, &code)?;
    }

    /// Tests that statements after a cell add their own names and change nothing else.
    #[test]
    fn a_statement_more_adds_its_names(statements in prop::collection::vec(prop::sample::select(STATEMENTS), 0..12)) {
        let code = statements.concat();
        let before = check(CellType::Python, &code)?;
        prop_assert_eq!(before.error(), None);
        let after = check(CellType::Python, &format!("{code}unused = elsewhere\n"))?;
        let mut writes = before.writes;
        writes.push("unused".to_owned());
        writes.sort();
        prop_assert_eq!(after.writes, writes);
        let reads: Vec<_> = after.reads.iter().filter(|read| read.name != "elsewhere").cloned().collect();
        prop_assert_eq!(reads, before.reads);
        // A cell that has run once has bound all its names: a second run reads no more.
        let twice = check(CellType::Python, &format!("{code}{code}"))?;
        prop_assert_eq!(twice.reads, after.reads.into_iter().filter(|read| read.name != "elsewhere").collect::<Vec<_>>());
    }

    /// Tests prefixes of valid code, as while it is typed.
    #[test]
    fn half_typed_code_is_answered(end in 0..CODE.len()) {
        check(CellType::Python, CODE.get(..end).unwrap_or_default())?;
        check(CellType::Sql, CODE.get(..end).unwrap_or_default())?;
    }
}

const CODE: &str = r#"
import numpy as np
%matplotlib inline
class Model(Base, metaclass=Meta):
    """Text."""
    rate: float = 0.1
    def fit[T](self, xs: list[T], *args, seed=default, **kw) -> "Model":
        global fitted
        fitted = [f"{x:>{width}}" for x in xs if (y := x) not in self.seen]
        try:
            match kw:
                case {"a": [b, *_], **rest} if rest: return lambda q=b: q + y
        except (KeyError, ValueError) as e:
            raise RuntimeError(f'{e!r}') from e
        return self
files = !ls *.csv
with open(path) as f, lock: data = {k: v async for k, v in f}
df[df.a > 1], (t, *u) = data, files
-- select '{a}' from t where x = {x} and $$ y $$ = E'\'' /* /* c */ */
"#;
