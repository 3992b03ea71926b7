//! What real notebooks hold that no description of the format mentions, each in the smallest file that has it.

use quire_files::jupyter::{self, Identity};
use quire_files::{Imported, ParseErrorKind};
use serde_json::{Value, json};

use crate::support::{import, written};

/// A notebook of one cell, as texts of JSON, whose escapes and repetitions count.
fn cell(cell: &str) -> String {
    format!(r#"{{"nbformat":4,"nbformat_minor":5,"metadata":{{}},"cells":[{cell}]}}"#)
}

/// A notebook of one code cell with one output.
fn output(output: &str) -> String {
    cell(&format!(
        r#"{{"cell_type":"code","id":"a","metadata":{{}},"execution_count":1,"source":"x","outputs":[{output}]}}"#
    ))
}

/// What one output is written as, with the text of the export, since values lose how they were written.
fn back(imported: &Imported) -> (Value, String) {
    let text = jupyter::write(&imported.notebook, Identity::LeftOut);
    // Once more, and nothing changes any more.
    let again = import(&text).unwrap();
    assert_eq!(jupyter::write(&again.notebook, Identity::LeftOut), text);
    let readable = text.replace("\\ud800", "HALF");
    (serde_json::from_str::<Value>(&readable).unwrap()["cells"][0].clone(), text)
}

/// As after a merge.
#[test]
fn of_a_field_that_is_there_twice_the_last_counts() {
    let same = r#"{"nbformat":4,"nbformat_minor":5,"nbformat":4,"metadata":{"a":{"b":1},"a": {"b": 1}},"cells":[],"cells":[ ]}"#;
    assert_eq!(import(same).unwrap().notices, Vec::<String>::new());
    let twice = "fields were there twice with different values: the last were taken";
    for (text, source, count) in [
        (cell(r#"{"cell_type":"raw","cell_type":"code","source":"a","source":"b","outputs":[]}"#), "b", 2),
        (
            cell(r#"{"cell_type":"code","id":"a","metadata":{"x":1,"x":2,"y":1,"y":2},"source":"b","outputs":[]}"#),
            "b",
            2,
        ),
        (output(r#"{"output_type":"stream","name":"stderr","name":"stdout","text":"a","text":"b"}"#), "x", 2),
        (
            output(
                r#"{"output_type":"display_data","metadata":{},"data":{},"data":{"text/plain":"a","text/plain":"b"}}"#,
            ),
            "x",
            2,
        ),
        (r#"{"nbformat":3,"nbformat":4,"cells":[],"cells":[{"cell_type":"code","source":"b"}]}"#.to_owned(), "b", 2),
    ] {
        let imported = import(&text).unwrap();
        assert_eq!(imported.notices, [format!("{count} {twice}")], "{text}");
        assert_eq!(back(&imported).0["source"], json!([source]), "{text}");
    }
    let shown = import(&output(r#"{"output_type":"stream","text":"a","text":"b"}"#)).unwrap();
    assert_eq!(shown.notebook.cells.get(0).unwrap().results.stdout, "b");
    assert_eq!(shown.notices, ["1 field was there twice with different values: the last was taken"]);
    // Our own files are written again by a server that would lose what it does not take.
    let ours = |code: &str| format!(r#"{{"id":"n","cells":[{{"id":"a","type":"python","code":"x","code":{code}}}]}}"#);
    assert!(import(&ours("\"x\"")).is_ok());
    let damage = import(&ours("\"y\"")).unwrap_err();
    assert!(damage.reason.ends_with("cell 1: `code` is there twice, with different values"), "{damage}");
}

#[test]
fn half_a_surrogate_pair_refuses_no_file_and_comes_back() {
    let half = |text: &str| text.replace("HALF", "\\ud800");
    for (text, shown) in [
        (r#"{"output_type":"stream","name":"stdout","text":"a HALF"}"#, "a \u{FFFD}"),
        (r#"{"output_type":"stream","name":"stdout","text":["a\n","HALF\n"],"x":1}"#, "a\n\u{FFFD}\n"),
        (r#"{"output_type":"stream","name":"stderr","text":"HALF"}"#, ""),
        (r#"{"output_type":"error","ename":"HALF","evalue":"HALF","traceback":["t HALF"]}"#, "t \u{FFFD}"),
        (r#"{"output_type":"error","ename":"HALF","evalue":"v","traceback":[]}"#, "\u{FFFD}: v"),
        (r#"{"output_type":"display_data","metadata":{"x":"HALF"},"data":{"text/plain":"HALF"}}"#, ""),
        (r#"{"output_type":"display_data","metadata":{},"data":{"image/x":"HALF","text/plain":"b"}}"#, ""),
    ] {
        let imported = import(&half(&output(text))).unwrap_or_else(|damage| panic!("{text}: {damage}"));
        let results = &imported.notebook.cells.get(0).unwrap().results;
        assert_eq!(results.error.as_deref().unwrap_or(&results.stdout), shown, "{text}");
        assert_eq!(back(&imported).1.matches("\\ud800").count(), text.matches("HALF").count(), "{text}");
    }
    for kind in ["code", "markdown", "raw"] {
        let text = format!(r#"{{"cell_type":"{kind}","id":"a","metadata":{{}},"source":["a\n","\ud800"]}}"#);
        let imported = import(&cell(&text)).unwrap();
        assert_eq!(imported.notices, ["1 text held half a surrogate pair, which is shown as \u{FFFD}"]);
        assert_eq!(back(&imported).0["source"], json!(["a\n", "HALF"]));
        // Other code is written as it is.
        let mut notebook = imported.notebook;
        notebook.cells = notebook
            .cells
            .iter()
            .map(|cell| quire_domain::Cell {
                code: cell.code.replace("a\n", "b\n").into(),
                ..quire_domain::Cell::clone(cell)
            })
            .collect();
        assert_eq!(written(&notebook)["cells"][0]["source"], json!(["b\n", "\u{FFFD}"]));
    }
    let html = r#"{"output_type":"display_data","metadata":{},"data":{"text/html":"<b>\ud800</b>"}}"#;
    let shown = import(&output(html)).unwrap().notebook.cells.get(0).unwrap().results.outputs[0].data.clone();
    assert_eq!(shown.as_str(), "\"<b>\u{FFFD}</b>\"");
    for name in [
        r#"{"nbformat":4,"metadata":{"title":"\ud800","\ud800":1},"cells":[]}"#.to_owned(),
        r#"{"nbformat":4,"\udfff":1,"cells":[]}"#.to_owned(),
        output(r#"{"output_type":"stream","\ud800":1,"text":"a"}"#),
        output(r#"{"output_type":"display_data","data":{"\ud800":"a","text/plain":"b"}}"#),
    ] {
        assert!(import(&name).is_ok(), "{name}");
    }
}

/// [`crate::corpus`] and `scripts/test-jupyter` have what is true of all outputs.
#[test]
fn what_the_format_needs_is_filled_in() {
    for (read, written) in [
        (
            r#"{"output_type":"display_data","metadata":null,"data":{"text/plain":"a"}}"#,
            json!({"output_type": "display_data", "metadata": {}, "data": {"text/plain": ["a"]}}),
        ),
        (
            r#"{"output_type":"display_data","metadata":["x"],"data":{"image/x":"a"}}"#,
            json!({"output_type": "display_data", "metadata": {}, "data": {"image/x": "a"}}),
        ),
        (
            r#"{"output_type":"execute_result","data":{"text/plain":"a"}}"#,
            json!({"output_type": "execute_result", "metadata": {}, "data": {"text/plain": ["a"]}, "execution_count": null}),
        ),
        (
            r#"{"output_type":"error","ename":"E","evalue":"v"}"#,
            json!({"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}),
        ),
        (
            r#"{"output_type":"error","ename":"E","evalue":"v","traceback":"a\nb"}"#,
            json!({"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["a\nb"]}),
        ),
        (
            r#"{"output_type":"stream","name":null,"text":null}"#,
            json!({"output_type": "stream", "name": "stdout", "text": []}),
        ),
        (
            r#"{"output_type":"stream","name":"stdout","text":7}"#,
            json!({"output_type": "stream", "name": "stdout", "text": ["7"]}),
        ),
    ] {
        let imported = import(&output(read)).unwrap_or_else(|damage| panic!("{read}: {damage}"));
        assert_eq!(back(&imported).0["outputs"], json!([written]), "{read}");
    }
    let text = import(&output(r#"{"output_type":"error","traceback":"a\nb"}"#)).unwrap();
    assert_eq!(text.notebook.cells.get(0).unwrap().results.error.as_deref(), Some("a\nb"));
    let no_objects = cell(r#"{"cell_type":"code","id":"a","metadata":[],"source":"x"}"#)
        .replace("\"metadata\":{}", "\"metadata\":7");
    let imported = import(&no_objects).unwrap();
    assert_eq!(imported.notices, ["2 `metadata` were not objects, and are left out"]);
    assert_eq!(back(&imported).0["metadata"], json!({}));
}

#[test]
fn what_the_format_does_not_allow_is_noted_and_comes_back() {
    let text = r#"{"nbformat":4,"nbformat_minor":5,"metadata":{"title":7,"kernelspec":{"name":"k"}},"more":1,"cells":[
        {"cell_type":"code","id":"a","metadata":{"tags":["t","t"],"mine":1},"execution_count":"1","source":"x","outputs":[],"attachments":{}}]}"#;
    let imported = import(text).unwrap();
    let (cell, export) = back(&imported);
    assert_eq!((&cell["execution_count"], &cell["attachments"]), (&json!(null), &json!(null)));
    assert_eq!(cell["metadata"]["mine"], 1);
    assert_eq!(cell["metadata"]["quire"]["metadata"], json!({"tags": ["t", "t"]}));
    assert_eq!(cell["metadata"]["quire"]["other"], json!({"attachments": {}}));
    let export: Value = serde_json::from_str(&export).unwrap();
    let kernel = json!({"display_name": "k", "name": "k"});
    let noted = json!({"metadata": {"title": 7}, "other": {"more": 1}});
    assert_eq!(export["metadata"], json!({"kernelspec": kernel, "quire": noted}));
    // A later version may have more.
    let later = import(&text.replace("\"nbformat_minor\":5", "\"nbformat_minor\":6")).unwrap();
    assert_eq!(written(&later.notebook)["more"], 1);
}

#[test]
fn html_that_shows_nothing_does_not_hide_the_text_beside_it() {
    for html in [
        "<div></div>",
        "<div id='v'></div><script>draw()</script>",
        "<iframe src='x'></iframe>",
        "<style>b{}</style><p>&nbsp;</p>",
    ] {
        let bundle = json!({"text/html": format!("{html}<script></script>"), "text/plain": "Chart()"});
        let imported = import(&output(&json!({"output_type": "display_data", "data": bundle}).to_string())).unwrap();
        let shown = &imported.notebook.cells.get(0).unwrap().results.outputs;
        assert_eq!((&*shown[0].mime_type, shown[0].data.as_str()), ("text/plain", "\"Chart()\""), "{html}");
    }
}

#[test]
fn what_is_of_no_type_that_is_shown_is_there_for_an_export_only() {
    let notice = "1 output had no type that is shown, and will be in an export only";
    for mime_type in [
        "image/svg+xml",
        "application/xhtml+xml",
        "text/markdown",
        "application/javascript",
        "text/html,x",
        "text/html; charset=utf-8",
        "Text/HTML",
    ] {
        let hostile = json!({"output_type": "display_data", "metadata": {}, "data": {mime_type: "<script>x</script>"}});
        let imported = import(&output(&hostile.to_string())).unwrap();
        assert_eq!(imported.notices, [notice]);
        assert_eq!(imported.notebook.cells.get(0).unwrap().results.outputs, []);
        assert_eq!(back(&imported).0["outputs"], json!([hostile]));
        // In our own format, too, which another server may have written.
        let shown = json!({"mime_type": "text/plain", "data": "b", "metadata": {}});
        let hidden = json!({"mime_type": mime_type, "data": "<script>x</script>", "metadata": {}});
        let ours = json!({"id": "n", "cells": [{"id": "a", "type": "python", "code": "x", "stdout": "a", "outputs": [shown, hidden], "error": "E: v"}]});
        let imported = import(&ours.to_string()).unwrap();
        assert_eq!(imported.notices, [notice]);
        let outputs = &imported.notebook.cells.get(0).unwrap().results.outputs;
        assert_eq!(outputs.iter().map(|output| &*output.mime_type).collect::<Vec<_>>(), ["text/plain"]);
        let (cell, _) = back(&imported);
        let types: Vec<_> =
            cell["outputs"].as_array().unwrap().iter().map(|it| it["output_type"].as_str().unwrap()).collect();
        assert_eq!(types, ["stream", "display_data", "display_data", "error"]);
        assert_eq!(cell["outputs"][2]["data"], json!({mime_type: ["<script>x</script>"]}));
    }
}

#[test]
fn a_version_may_be_a_text() {
    for version in ["4", "\"4\"", "4.0"] {
        let text = format!(r#"{{"nbformat":{version},"nbformat_minor":"5","metadata":{{}},"cells":[]}}"#);
        assert_eq!(written(&import(&text).unwrap().notebook)["nbformat"], 4, "{version}");
    }
    let three = r#"{"nbformat":"3","nbformat_minor":"0","metadata":{},"worksheets":[{"cells":[{"cell_type":"code","input":"x"}]}]}"#;
    assert_eq!(written(&import(three).unwrap().notebook)["cells"][0]["source"], json!(["x"]));
}

#[test]
fn a_picture_that_is_longer_than_a_text_may_be_becomes_an_attachment() {
    let picture = "A".repeat(262_144);
    let source = format!("# T\n![p](data:image/png;base64,{picture})\n![q](attachment:picture-1.png)");
    let there = json!({"picture-1.png": {"image/png": "BB"}});
    let markdown = json!({"cell_type": "markdown", "id": "a", "metadata": {}, "source": source, "attachments": there});
    let imported = import(&cell(&markdown.to_string())).unwrap();
    assert_eq!(imported.notices, ["1 picture in Markdown became an attachment, since its cell was too long"]);
    let code = "# %% [markdown]\n# # T\n# ![p](attachment:picture-2.png)\n# ![q](attachment:picture-1.png)";
    assert_eq!(&*imported.notebook.cells.get(0).unwrap().code, code);
    let attachments = json!({"picture-1.png": {"image/png": "BB"}, "picture-2.png": {"image/png": picture}});
    assert_eq!(back(&imported).0["attachments"], attachments);
    // Only Markdown has attachments everywhere, and what is too long without pictures stays too long.
    for (kind, source) in
        [("raw", source.clone()), ("code", source.clone()), ("markdown", source.replace("base64", "x"))]
    {
        let text = json!({"cell_type": kind, "metadata": {}, "source": source});
        assert_eq!(import(&cell(&text.to_string())).unwrap_err().kind, ParseErrorKind::Limit, "{kind}");
    }
    let short = json!({"cell_type": "markdown", "id": "a", "metadata": {}, "source": "![](data:image/png;base64,AA)"});
    assert_eq!(
        back(&import(&cell(&short.to_string())).unwrap()).0,
        json!({"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["![](data:image/png;base64,AA)"]})
    );
}
