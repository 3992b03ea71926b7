//! Rules for the placeholders and the result names of SQL cells.

use quire_analysis::{Analysis, CellType, analyse};

/// Returns the names of reads, separated by blanks.
pub(crate) fn names(analysis: &Analysis) -> String {
    let names: Vec<&str> = analysis.reads.iter().map(|read| read.name.as_str()).collect();
    names.join(" ")
}

/// Checks the placeholders of a cell, separated by blanks.
#[track_caller]
fn reads(code: &str, expected: &str) {
    assert_eq!(names(&analyse(CellType::Sql, code)), expected, "in {code:?}");
}

#[test]
fn placeholders() {
    reads("select {x}", "x");
    reads("select {b}, {a}, {b}", "a b");
    reads("select * from t where a={x}and b={y}", "x y");
    reads("select {_x1}, {été}, {ﬁ}", "_x1 fi été");
    reads("select {match}, {case}, {type}, {_}", "_ case match type");
    reads("select {id}, {list}", "id list");
    reads("select {x}::int, a[{i}], f({y})", "i x y");
    reads("{x}", "x");
    reads("select t_{x}, {x}y, 1{z}", "x z");
}

#[test]
fn braces_that_are_text() {
    for code in [
        "select {}",
        "select {1a}",
        "select { x }",
        "select {x }",
        "select {x y}",
        "select {'k': 1}",
        "select {x.y}",
        "select {x!r}",
        "select {x:>3}",
        "select {x+1}",
        "select {x",
        "select x}",
        "select {if}, {None}, {lambda}, {True}, {async}",
        "select {a-b}",
        "select {a$b}",
        "select {\n}",
        "select {{x}}",
    ] {
        reads(code, "");
    }
    reads("select {{{x}}}", "x");
    reads("select {{ {x} }}", "x");
    reads("select {'k': {v}}", "v");
    reads("select {{x}", "");
}

#[test]
fn strings_and_quoted_identifiers() {
    reads("select '{a}', {b}", "b");
    reads("select 'it''s {a}', {b}", "b");
    reads("select '\\', {b}", "b");
    reads("select 'a\\'' {a}', {b}", "b");
    reads("select E'\\' {a}', {b}", "b");
    reads("select e'\\\\', {b}", "b");
    reads("select E'it''s {a}', {b}", "b");
    reads("select nameE'\\', {b}", "b");
    reads("select _e'\\', {b}", "b");
    reads("select U&'{a}', B'{a}', N'{a}', {b}", "b");
    reads("select \"{a}\", \"x\"\"{a}\", {b}", "b");
    reads("select `{a}`, `x``{a}`, {b}", "b");
    reads("select \"it's\", {b}", "b");
    reads("select '\"', {b}, '\"'", "b");
    reads("select 'é{a}', E'\\é{a}', {b}", "b");
    reads("select '\n{a}\n', {b}", "b");
}

#[test]
fn comments() {
    reads("select 1 -- {a}\n, {b}", "b");
    reads("select 1 -- {a}\r, {b}", "b");
    reads("select 1 -- it's\n, {b}", "b");
    reads("select /* {a} */ {b}", "b");
    reads("select /* /* {a} */ {a} */ {b}", "b");
    reads("select /* it's -- */ {b}", "b");
    reads("select 1 - - {b}", "b");
    reads("select '--', {b}", "b");
    reads("select '/*', {b}", "b");
    reads("select 1 --", "");
}

#[test]
fn dollar_quotes() {
    reads("select $$ {a} $$, {b}", "b");
    reads("select $t$ {a} $$ {a} $T$ {a} $t$, {b}", "b");
    reads("select $été$ {a} $été$, {b}", "b");
    reads("select $1, {b}, $2", "b");
    reads("select $1$ {b} $1$", "b");
    reads("select a$${b}", "b");
    reads("select a$t${b}$t$", "b");
    reads("select 1$${b}", "b");
    reads("select $ {b}", "b");
    reads("select $t {b}", "b");
    reads("do $$ begin raise notice '{a}'; end $$; select {b}", "b");
}

#[test]
fn other_parameter_styles_are_no_placeholders() {
    reads("select :named, ?, %(x)s, @v, $1, a::text", "");
}

#[test]
fn what_is_not_closed_extends_to_the_end() {
    for code in
        ["select 'a {x}", "select \"a {x}", "select `a {x}", "select /* {x}", "select /* /* */ {x}", "select $a$ {x}"]
    {
        let analysis = analyse(CellType::Sql, code);
        assert_eq!(names(&analysis), "", "in {code:?}");
        let error = analysis.error().expect("an error");
        assert_eq!((error.line, error.column, error.offset), (1, 8, 7), "in {code:?}");
        assert_eq!(analysis.diagnostics.len(), 1, "in {code:?}");
    }
}

#[test]
fn the_result_can_be_named() {
    let writes = |code: &str| analyse(CellType::Sql, code).writes.join(" ");
    assert_eq!(writes("-- name: res\nselect 1"), "res");
    assert_eq!(writes("--name:res\r\nselect 1"), "res");
    assert_eq!(writes("  --  name:  res  \nselect 1"), "res");
    assert_eq!(writes("\u{feff}-- name: res"), "res");
    assert_eq!(writes("-- name: ﬁ\nselect 1"), "fi");
    for code in [
        "-- name: two words\nselect 1",
        "-- name: 1a\nselect 1",
        "-- name: class\nselect 1",
        "-- name:\nselect 1",
        "-- Name: x\nselect 1",
        "select 1\n-- name: x",
        "\n-- name: x",
        "/* name: x */",
        "select 1 -- name: x",
        "",
    ] {
        assert_eq!(writes(code), "", "in {code:?}");
    }
}
