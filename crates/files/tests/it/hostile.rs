//! Files that somebody made to do harm, or that go beyond a limit.

use quire_files::{ParseErrorKind, jupyter};
use serde_json::{Value, json};

use crate::support::import;

fn notebook(cells: &Value) -> String {
    json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).to_string()
}

fn code(source: &str, outputs: &Value) -> Value {
    json!({"cell_type": "code", "metadata": {}, "execution_count": null, "source": source, "outputs": outputs})
}

#[test]
fn beyond_a_limit_is_told_by_name_and_cell() {
    let display = |data: Value| json!([{"output_type": "display_data", "metadata": {}, "data": data}]);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let deep_in =
        |field: &str| notebook(&json!([code("", &json!([]))])).replace(field, &format!("{field}{deep}, \"x\":"));
    let cases = [
        (
            notebook(&json!([code("", &json!([])), code(&"#".repeat(262_145), &json!([]))])),
            "cell 2: the cell's source has 262145 bytes, more than the 262144 allowed",
        ),
        (
            notebook(&json!([{"cell_type": "raw", "metadata": {}, "source": "x\n".repeat(100_000)}])),
            "cell 1: the cell's source has 400012 bytes, more than the 262144 allowed",
        ),
        (
            notebook(&json!([code(
                "",
                &json!([{"output_type": "stream", "name": "stdout", "text": "x".repeat(1_000_001)}])
            )])),
            "cell 1: the cell's standard output has 1000001 bytes, more than the 1000000 allowed",
        ),
        (
            notebook(&json!([code("", &display(json!({"text/plain": "x".repeat(8_000_000)})))])),
            "cell 1: the cell's outputs has 8000004 bytes, more than the 8000000 allowed",
        ),
        (
            notebook(&(0..10_001).map(|_| code("", &json!([]))).collect::<Value>()),
            "the notebook has 10001 cells, more than the 10000 allowed",
        ),
        (
            json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {"title": "x".repeat(256)}, "cells": []})
                .to_string(),
            "the notebook's name has 256 characters, more than the 255 allowed",
        ),
        (deep_in("\"nbformat\":").replace("\"nbformat\":", "\"nbformat\":4,\"y\":"), "more than the 128 allowed"),
        (
            notebook(&json!([code("", &display(json!({"application/json": 0})))]))
                .replace(":0}", &format!(":{deep}}}")),
            "cell 1: JSON nested 200 levels deep, more than the 128 allowed",
        ),
        (
            notebook(&json!([code("", &display(json!({"a/b": 0, "text/plain": ""})))]))
                .replace(":0,", &format!(":{deep},")),
            "cell 1: JSON nested 205 levels deep, more than the 128 allowed",
        ),
    ];
    for (text, reason) in cases {
        let damage = import(&text).unwrap_err();
        assert!(damage.reason.ends_with(reason), "{damage}, not {reason}");
        assert_eq!(damage.kind, ParseErrorKind::Limit, "{damage}");
    }
}

#[test]
fn what_is_no_notebook_is_told_with_its_place() {
    let cases = [
        (r#"{"nbformat": 4"#.to_owned(), ParseErrorKind::Syntax, "EOF while parsing an object"),
        (r#"{"nbformat": 4}"#.to_owned(), ParseErrorKind::Shape, "line 1, column 1 (byte 0): `cells` is missing"),
        (
            r#"{"nbformat": "5", "cells": []}"#.to_owned(),
            ParseErrorKind::Shape,
            "(byte 13): `nbformat` is another version",
        ),
        (r#"{"nbformat": 5, "cells": []}"#.to_owned(), ParseErrorKind::Shape, "`nbformat` is another version"),
        (r#"{"nbformat": 4, "cells": {}}"#.to_owned(), ParseErrorKind::Shape, "`cells` is not a list"),
        (r#"{"nbformat": 4, "cells": [7]}"#.to_owned(), ParseErrorKind::Shape, "cell 1: not an object"),
        (
            r#"{"nbformat": 3, "worksheets": [{"cells": [{}]}]}"#.to_owned(),
            ParseErrorKind::Shape,
            "cell 1: `cell_type` is missing",
        ),
        (notebook(&json!([{"cell_type": "heading"}])), ParseErrorKind::Shape, "cell 1: `cell_type` is none of code"),
        (
            notebook(&json!([code("", &json!([]))])).replace("\"source\":\"\"", "\"source\":[1]"),
            ParseErrorKind::Shape,
            "cell 1: `source` is neither a text nor a list of texts",
        ),
        (notebook(&json!([code("", &json!([3]))])), ParseErrorKind::Shape, "cell 1: an output is not an object"),
        ("[]".to_owned(), ParseErrorKind::Shape, "not an object"),
        (String::new(), ParseErrorKind::Syntax, "EOF while parsing a value"),
        (format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000)), ParseErrorKind::Shape, "not an object"),
        (
            format!(r#"{{"nbformat": 4, "cells": {}"#, "[".repeat(1_000_000)),
            ParseErrorKind::Syntax,
            "EOF while parsing",
        ),
    ];
    for (text, kind, reason) in cases {
        let damage = import(&text).unwrap_err();
        assert!(damage.reason.contains(reason), "{damage}, not {reason}");
        assert_eq!(damage.kind, kind, "{damage}");
        assert!(damage.offset.is_some_and(|offset| offset <= text.len()), "{damage:?}");
    }
}

#[test]
fn fields_of_ours_in_foreign_metadata_do_no_harm() {
    let long = "x".repeat(300);
    let text = notebook(&json!([
        {"cell_type": "code", "id": "a", "metadata": {"quire": {"id": long, "type": "sql", "code": "x", "run": {"status": "running", "tie": "x"},
            "extra": {"id": 1, "code": 2, "stdout": "x", "outputs": [], "jupyter": {}, "later": 3}}}, "source": "", "outputs": []},
        {"cell_type": "markdown", "id": "b", "metadata": {"quire": {"code": "import os", "type": "sql"}}, "source": "x"},
        {"cell_type": "code", "id": "c", "metadata": {"quire": [1], "name": long, "title": long}, "source": "", "outputs": []},
        {"cell_type": "code", "id": "d", "metadata": {"quire": {"id": "a"}}, "source": "", "outputs": []},
    ]));
    let imported = import(&text).unwrap();
    let cells: Vec<_> = imported.notebook.cells.iter().collect();
    let ids: Vec<_> = cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "cell-4"]);
    let extra: Vec<_> = cells[0].extra.iter().map(|(name, value)| (name, value.as_str())).collect();
    assert_eq!(extra, [("later", "3")]);
    assert_eq!(&*cells[1].code, "# %% [markdown]\n# x");
    assert!(quire_files::quire::write(&imported.notebook).is_ok());
}

/// Were each compared with all others, this would take an hour.
#[test]
fn a_million_unknown_fields_are_written_once_each() {
    let fields = (0..1_000_000).map(|n| format!("\"{n}\":0,")).collect::<Vec<_>>().concat();
    let text = format!("{{{fields}\"7\":1,\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{{}},\"cells\":[]}}");
    let imported = import(&text).unwrap();
    let written = jupyter::write(&imported.notebook, jupyter::Identity::LeftOut);
    assert_eq!(written.lines().filter(|line| line.ends_with("\": 0,") || line.ends_with("\": 0")).count(), 999_999);
    assert_eq!(written.lines().filter(|line| line.trim_start() == "\"7\": 1,").count(), 1);
}

/// Were all earlier ones copied for each, this would take minutes.
#[test]
fn half_a_million_errors_are_put_together_at_once() {
    let text = notebook(&json!([code("", &json!([]))]))
        .replace("\"outputs\":[]", &format!("\"outputs\":[{}{{}}]", r#"{"output_type":"error"},"#.repeat(500_000)));
    let damage = import(&text).unwrap_err();
    assert!(damage.reason.ends_with("an output has no `output_type`"), "{damage}");
}
