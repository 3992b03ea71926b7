//! `IPython`'s syntax: reads, code and bindings of magics, help lines, and prefixes of pasted lines.

use quire_analysis::{Analysis, CellType, Read, analyse};

/// Returns the names of reads separated by blanks, with `?` after a deferred one.
fn text(reads: &[Read]) -> String {
    let names: Vec<String> =
        reads.iter().map(|read| format!("{}{}", read.name, if read.deferred { "?" } else { "" })).collect();
    names.join(" ")
}

fn analysed(code: &str) -> Analysis {
    let analysis = analyse(CellType::Python, code);
    assert_eq!(analysis.error(), None, "in {code:?}");
    analysis
}

/// Checks `reads` without built-ins and `writes`, both separated by blanks.
#[track_caller]
fn check(code: &str, reads: &str, writes: &str) {
    let analysis = analysed(code);
    assert_eq!((text(&analysis.reads).as_str(), analysis.writes.join(" ").as_str()), (reads, writes), "in {code:?}");
}

#[test]
fn magics_that_run_python() {
    check("%time x = f(y)", "f y", "x");
    check("x = 1\n%time y = x", "", "x y");
    check("%time --no-raise-error x = y", "y", "x");
    check("%time for i in xs: f(i)", "f xs", "i");
    check("%time -x", "x", "");
    check("%timeit y = g(d)", "d g", "");
    check("%timeit -n 10 -r3 -o g(d)", "d g", "");
    check("r = %timeit -o g(d)", "d g", "r");
    check("x = %time f(y)", "f y", "x");
    check("%prun -s cumulative -l 20 x = f(y)", "f y", "x");
    check("%debug f(y)", "f y", "");
    check("%memit x = f(y)", "f y", "x");
    check("%lprun -f f -f m.g x = f(y)", "f m y", "x");
    check("%%memit\nx = y", "y", "x");
    check("%%lprun -f f\nx = y", "y", "x");
    check("%time", "", "");
    check("%time x = = 1", "", "x");
    check("%time def f(): return y", "y?", "f");
    check("%time %time x = y", "y", "x");
    check("%time del x", "x", "");
    check("def f():\n    %time x = y\n", "y?", "f");
    check("/f a b", "a b f", "");
    check(",f a b", "f", "");
    check(";f a b", "f", "");
    assert_eq!(text(&analysed("%time print(list(x))").builtins_read), "list print");
    let nested = "%time x = ".repeat(100) + "y";
    assert!(analysed(&nested).dynamic, "nobody knows what is that deep");
}

#[test]
fn magics_that_bind_or_read_names() {
    check("%store -r x y", "", "x y");
    check("%store x y", "x y", "");
    check("%store x > file.txt", "x", "");
    check("%store -d x", "", "");
    assert!(analysed("%store -r").dynamic && !analysed("%store -r x").dynamic);
    check("%macro m 1-3", "", "m");
    check("x = %pwd", "", "x");
    check("x = !ls {y}", "", "x");
    check("%sql r << select * from t", "", "r");
    check("%%sql r <<\nselect 1", "", "r");
    check("%%sql postgresql://h/d r <<\nselect 1", "", "r");
    check("%%sql\nselect 1 << 2", "", "");
    check("%%sql --output df\nselect 1", "", "df");
    check("%%bigquery df\nselect 1", "", "df");
    check("%%bigquery df --project p --params $q\nselect 1", "q", "df");
    check("%%bigquery --project p\nselect 1", "", "");
    check("%%R -i df -o res -w 400\nres <- f(df)", "df", "res");
    check("%%R -i a,b --input c --output=d\nx", "a b c", "d");
    check("%R -o res res <- f(x)", "", "res");
    check("%R -i df df$x - i", "df", "");
    check("%%spark -o df\nselect", "", "df");
    check("%%send_to_spark -i df -n name", "df", "");
    check("%%local\nx = y", "y", "x");
    check("%%bash --out=listing\nls", "", "listing");
    check("%%bash -o pipefail\nls", "", "");
    assert!(analysed("%%cython\ndef f(): pass").dynamic);
}

#[test]
fn help_lines() {
    for code in ["f?", "f??", "?f", "np.*load*?", "a[-1]?", "a[0].b??", "m = f?", "print(x).y?", "%time?"] {
        check(&format!("{code}\nz = w"), "w", "z");
        check(&format!("if c:\n    {code}\nz = w"), "c w", "z");
    }
    for code in ["f()?", "f ?", "f???", "1?", "a[b]?", "f? g", "x.y? # c"] {
        assert!(analyse(CellType::Python, code).error().is_some(), "{code:?}");
    }
    check("x = 'what?' # why?\ny", "y", "x");
}

#[test]
fn pasted_indentation() {
    check(" # c\nx = 1", "", "x");
    check("  x = 1\n  if x:\n    y = x", "", "x y");
    check("\n\n    x = 1\n\n    y = x\n", "", "x y");
    check("\tx = 1\n\ty = 2", "", "x y");
    check("  x = y\r\n  z = x\r  w = 1", "y", "w x z");
    check("%%time\n  x = y", "y", "x");
    for code in [
        " x = 1\nelse:\n y = 2",
        "x = 1\n  y = 2",
        "# c\n  x = 1",
        " # c\n  x = 1",
        "  x = \"\"\"\nflush\n\"\"\"\n  y = z",
        "  x = 1\n    y = 2",
    ] {
        assert!(analyse(CellType::Python, code).error().is_some(), "{code:?}");
    }
}

#[test]
fn pasted_prompts() {
    check(">>> x = y\n>>> for i in x:\n...     f(i)\n...\n>>> z = 1", "f y", "i x z");
    check("    >>> x = 1\n    >>> y = x", "", "x y");
    check(">>> %time x = f()\n", "f", "x");
    check("In [1]: x = y\n\nIn [2]: for i in x:\n   ...:     f(i)\n   ...: \n", "f y", "i x");
    check("s = '''\n>>> a\n'''\nx = y", "y", "s x");
    check("x = a >>2>> b", "a b", "x");
    check("x = ...\n...", "", "x");
}

#[test]
fn places_are_those_of_the_cell() {
    let place = |code: &str| {
        let analysis = analyse(CellType::Python, code);
        let error = analysis.error().expect("an error").clone();
        (error.line, error.column, error.offset)
    };
    assert_eq!(place(">>> x = 1\n>>> y = )"), (2, 9, 18));
    assert_eq!(place("  x = 1\n  y = )"), (2, 7, 14));
    assert_eq!(place("%%time\n  x = 1\n  y = )"), (3, 7, 21));
    assert_eq!(place("f?\ny = )"), (2, 5, 7));
}
