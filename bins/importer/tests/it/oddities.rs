//! Tests of files that are no notebooks: each is reported with its reason and byte, and stops nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::{Value, json};

use crate::support::{Move, notebook};

/// A file, its outcome, a part of the reason, and the byte.
type Case = (&'static str, Vec<u8>, &'static str, &'static str, Option<u64>);

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut whole = notebook("odd", 1, &["x = 1", "y = 2"]);
    change(&mut whole);
    text(&whole)
}

fn raw(cell_fields: &str) -> Vec<u8> {
    format!(r#"{{"id":"odd","cells":[{{"id":"a","type":"python","code":""{cell_fields}}}]}}"#).into_bytes()
}

fn damaged() -> Vec<Case> {
    let whole = text(&notebook("odd", 1, &["x = 1"]));
    let after = |text: &str, needle: &str| Some((text.find(needle).unwrap() + needle.len()) as u64);
    let mut case = Vec::new();
    let mut add = |name, bytes: Vec<u8>, result, reason, offset| case.push((name, bytes, result, reason, offset));
    add("empty.json", Vec::new(), "invalid", "EOF while parsing a value", Some(0));
    let half = whole[..whole.len() / 2].to_vec();
    let end = half.len() as u64;
    add("half.json", half, "invalid", "EOF while parsing", Some(end - 1));
    let two = [whole.clone(), b"\n".to_vec(), whole.clone()].concat();
    add("two.json", two, "invalid", "trailing characters", Some(whole.len() as u64 + 1));
    let mut marked = b"\xEF\xBB\xBF".to_vec();
    marked.extend(b"{\"id\": 7, \"cells\": []}");
    add("marked.json", marked, "invalid", "`id` is not a text", Some(3 + 7));
    let mut latin = whole.clone();
    let at = latin.iter().position(|byte| *byte == b'x').unwrap();
    latin[at] = 0xE4;
    add("latin.json", latin, "invalid", "is not UTF-8", Some(at as u64));
    let array = b"[1, 2]".to_vec();
    add("array.json", array, "invalid", "not an object", Some(0));
    let no_id = br#"{"cells": []}"#.to_vec();
    add("no-id.json", no_id, "invalid", "`id` is missing", Some(0));
    let no_code = r#"{"id":"odd","cells":[{"id":"a","type":"python"}]}"#;
    add("no-code.json", no_code.into(), "invalid", "cell 1: `code` is missing", after(no_code, "\"cells\":["));
    let twice = r#"{"id":"odd","cells":[{"id":"a","type":"sql","code":""},{"id":"a","type":"sql","code":""}]}"#;
    add("twice.json", twice.into(), "invalid", "cell 2: an earlier cell has the same id", after(twice, "},"));
    let unknown = r#"{"id":"odd","cells":[{"id":"a","type":"markdown","code":""}]}"#;
    add("unknown.json", unknown.into(), "invalid", "`type` is neither python nor sql", after(unknown, "\"type\":"));
    for (name, revision, reason) in [
        ("negative.json", "-1", "`revision` is negative"),
        ("huge.json", "99999999999999999999", "`revision` is not an integer up to 2^53 - 1"),
        ("fraction.json", "1.5", "`revision` is not an integer up to 2^53 - 1"),
    ] {
        let text = format!(r#"{{"id":"odd","cells":[],"revision":{revision}}}"#);
        let offset = after(&text, "\"revision\":");
        add(name, text.into(), "invalid", reason, offset);
    }
    let surrogate = r#"{"id":"odd","cells":[{"id":"a","type":"sql","code":"\ud800 alone"}]}"#;
    add("surrogate.json", surrogate.into(), "invalid", "half a surrogate pair", after(surrogate, r"\ud800 "));
    add("nul-id.json", br#"{"id":"a\u0000b","cells":[]}"#.to_vec(), "invalid", "contains the character NUL", Some(6));
    // The reported byte of a value beyond a limit only has to be within the file.
    let mut limit = |name, bytes, reason| add(name, bytes, "invalid", reason, None);
    limit("long-id.json", with(|it| it["id"] = "i".repeat(201).into()), "201 characters, more than the 200 allowed");
    limit("long-user.json", with(|it| it["user_id"] = "u".repeat(256).into()), "256 characters, more than the 255");
    limit("long-name.json", with(|it| it["name"] = "n".repeat(256).into()), "256 characters, more than the 255");
    let string = |it: &mut Value| it["db_conn_string"] = format!("postgres://hunter2{}", "x".repeat(2_031)).into();
    limit("long-string.json", with(string), "2049 characters, more than the 2048");
    let cell_id = |it: &mut Value| it["cells"][0]["id"] = "c".repeat(201).into();
    limit("long-cell-id.json", with(cell_id), "201 characters, more than the 200");
    let code = |it: &mut Value| it["cells"][1]["code"] = "#".repeat(256 * 1024 + 1).into();
    limit("long-code.json", with(code), "cell 2: the cell's source has 262145 bytes, more than the 262144");
    let stdout = |it: &mut Value| it["cells"][0]["stdout"] = "s".repeat(1_000_001).into();
    limit("long-stdout.json", with(stdout), "1000001 bytes, more than the 1000000");
    let output = |mime: String, data: String| json!([{"mime_type": mime, "data": data, "metadata": {}}]);
    let mime = |it: &mut Value| it["cells"][0]["outputs"] = output("m".repeat(101), String::new());
    limit("long-mime.json", with(mime), "101 characters, more than the 100");
    let outputs = |it: &mut Value| it["cells"][0]["outputs"] = output("a".into(), "o".repeat(8_000_000));
    limit("long-outputs.json", with(outputs), "more than the 8000000 allowed");
    let many: Vec<String> = (0..10_001).map(|n| format!(r#"{{"id":"{n}","type":"sql","code":""}}"#)).collect();
    let many = format!(r#"{{"id":"odd","cells":[{}]}}"#, many.join(","));
    limit("many-cells.json", many.into(), "10001 cells, more than the 10000");
    let deep = format!(r#","outputs":{}{}"#, "[".repeat(10_000), "]".repeat(10_000));
    limit("deep.json", raw(&deep), "10000 levels deep, more than the 128");
    let deep = format!(
        r#"{{"id":"odd","cells":[],"x":{}{}}}"#,
        r#"{"a":"#.repeat(10_000),
        "1".to_owned() + &"}".repeat(10_000)
    );
    limit("deep-extra.json", deep.into(), "10000 levels deep, more than the 128");
    case
}

#[test]
fn what_is_no_notebook_is_named_with_its_reason_and_its_byte() {
    let this = Move::new();
    let cases = damaged();
    for (name, bytes, ..) in &cases {
        this.write(name, bytes);
    }
    this.notebook("zz-sound", 1, &["x = 1"]);
    let plan = this.expect(1, &["run", "--dry-run"]);
    let run = this.expect(1, &["run"]);
    assert_eq!(run.lines(), plan.lines());
    for (name, bytes, result, reason, offset) in cases {
        let line = run.line(name);
        assert_eq!(line["result"], result, "{line}");
        assert!(line["reason"].as_str().unwrap().contains(reason), "{line}");
        match offset {
            Some(offset) => assert_eq!(line["offset"], offset, "{line}"),
            None => assert!(line["offset"].as_u64().unwrap() < bytes.len() as u64, "{line}"),
        }
    }
    assert_eq!(run.line("zz-sound.json")["result"], "imported");
    assert_eq!(this.state().len(), 1);
    assert!(!format!("{run:?}").contains("hunter2"));
    // The output for people is safe as well, whatever bytes are in a name.
    let shown = this.run(&["run"]);
    assert!(shown.out.contains("invalid   half.json: line 1, column "), "{shown:?}");
}

#[test]
fn what_is_odd_but_a_notebook_is_imported_as_it_is() {
    let this = Move::new();
    let marked = [b"\xEF\xBB\xBF".to_vec(), text(&notebook("marked", 1, &["x"]))].concat();
    this.write("marked.json", marked);
    let lines = serde_json::to_string_pretty(&notebook("crlf", 1, &["a\r\nb"])).unwrap().replace('\n', "\r\n");
    this.write("crlf.json", lines);
    let cells: Vec<String> = (0..10_000).map(|n| format!("x{n} = {n}")).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    this.notebook("most-cells", 1, &cells);
    this.write(
        "odd.json",
        r#"{"id":"odd","cells":[{"id":"a","type":"sql","code":"\u0000é\ud83d\ude00","outputs":[
            {"mime_type":"application/json","data":{"n":[NaN,-Infinity,123456789012345678901234567890,1e2,-0,9007199254740993]},"metadata":{}}
        ],"future":{"deep":[[[NaN]]]}}],"big":9007199254740993}"#,
    );
    let plan = this.expect(0, &["run", "--dry-run"]);
    let run = this.expect(0, &["run", "--verify"]);
    assert_eq!(run.lines()[..4], plan.lines());
    assert!(run.results()[4..].iter().all(|(_, result)| result == "same"), "{run:?}");
    let odd = this.load("odd").unwrap();
    let cell = odd.cells.get(0).unwrap();
    assert_eq!(&*cell.code, "\0é😀");
    let data = cell.results.outputs[0].data.as_str();
    assert_eq!(data, r#"{"n":[null,null,123456789012345678901234567890,1e2,-0,9007199254740993]}"#);
    assert_eq!(odd.extra.iter().next().unwrap().1.as_str(), "9007199254740993");
    assert_eq!(this.load("most-cells").unwrap().cells.len(), 10_000);
    assert_eq!(&*this.load("crlf").unwrap().cells.get(0).unwrap().code, "a\r\nb");
}

#[test]
fn what_is_no_file_is_named_and_not_followed() {
    let this = Move::new();
    let dir = this.dir.path();
    fs::create_dir(dir.join("folder.json")).unwrap();
    fs::write(dir.join("folder.json/inside.json"), notebook("inside", 1, &[]).to_string()).unwrap();
    symlink("loop-b.json", dir.join("loop-a.json")).unwrap();
    symlink("loop-a.json", dir.join("loop-b.json")).unwrap();
    symlink(".", dir.join("again")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("pipe.json"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    this.notebook("sound", 1, &[]);
    let flat = this.expect(1, &["run"]);
    let expected = |rows: &[(&str, &str)]| {
        rows.iter().map(|(file, result)| ((*file).to_owned(), (*result).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(
        flat.results(),
        expected(&[
            ("folder.json", "skipped"),
            ("loop-a.json", "failed"),
            ("loop-b.json", "failed"),
            ("pipe.json", "failed"),
            ("sound.json", "imported"),
        ])
    );
    let deep = this.expect(1, &["run", "--recursive"]);
    assert_eq!(
        deep.results(),
        expected(&[
            ("again", "skipped"),
            ("folder.json/inside.json", "imported"),
            ("loop-a.json", "failed"),
            ("loop-b.json", "failed"),
            ("pipe.json", "failed"),
            ("sound.json", "unchanged"),
        ])
    );
    assert_eq!(deep.line("loop-a.json")["reason"], "is a symbolic link");
}

#[test]
fn a_file_that_may_not_be_read_fails_alone() {
    let this = Move::new();
    this.notebook("closed", 1, &[]);
    this.notebook("sound", 1, &[]);
    fs::set_permissions(this.dir.path().join("closed.json"), fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read everything, so a thread gives that right up, and its child inherits the loss. Another user
    // might not reach the importer, which may be below a folder that only root can read.
    let run = std::thread::scope(|scope| {
        let run = || {
            if rustix::process::geteuid().is_root() {
                for right in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
                    remove_capability_from_bounding_set(right).unwrap();
                }
            }
            this.run(&["run", "--json"])
        };
        scope.spawn(run).join().unwrap()
    });
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.line("closed.json")["reason"].as_str().unwrap().starts_with("cannot be read: Permission denied"));
    assert_eq!(run.line("sound.json")["result"], "imported");
}

#[test]
fn a_directory_that_is_not_there_is_said_so() {
    let this = Move::new();
    let run = this.run(&["run", "--notebooks-dir", "/nowhere/at/all"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("cannot list files in the directory /nowhere/at/all: No such file"), "{run:?}");
}
