//! Tests that verification finds every difference and names its place.

use serde_json::{Value, json};

use crate::support::{Move, notebook};

#[test]
fn one_changed_byte_among_many_is_found_and_named() {
    let this = Move::new();
    for number in 0..10_000 {
        let code = format!("x{number} = 'some text'");
        this.notebook(&format!("n{number:04}"), 1, &["first = 1", &code, "last = 1"]);
    }
    this.expect(0, &["run", "--verify", "--jobs", "8"]);
    // The change bypasses everything that would keep the digest correct.
    this.sql(
        "UPDATE cells SET code = overlay(code PLACING 'S' FROM position('some' IN code)) \
              WHERE notebook_id = 'n7177' AND id = 'cell1'",
    );
    let verify = this.expect(3, &["verify", "--jobs", "8"]);
    let wrong: Vec<_> = verify.results().into_iter().filter(|(_, result)| result != "same").collect();
    assert_eq!(wrong, [("n7177.json".to_owned(), "different".to_owned())]);
    assert_eq!(verify.line("n7177.json")["reason"], "different: cell 2 (cell1): code");
    let shown = this.run(&["verify"]);
    assert!(shown.out.contains("different n7177.json: different: cell 2 (cell1): code"), "{shown:?}");
    assert!(shown.out.contains("9999 same, 0 newer, 1 different, 0 missing"), "{shown:?}");
}

/// The verification's name for a change, and the change.
type Change = (&'static str, fn(&mut Value));

#[test]
fn every_field_counts() {
    let mut whole = notebook("n", 7, &["a = 1", "b = 2", "c = 3"]);
    whole["name"] = "Name".into();
    whole["theme"] = json!({"dark": true});
    whole["cells"][1]["folded"] = json!([1]);
    whole["cells"][1]["stdout"] = "out".into();
    whole["cells"][1]["error"] = "err".into();
    whole["cells"][1]["outputs"] = json!([{"mime_type": "text/plain", "data": "1", "metadata": {}}, {"mime_type": "text/html", "data": "2", "metadata": {}}]);
    let changes: &[Change] = &[
        ("owner", |it| it["user_id"] = "user_bob".into()),
        ("name", |it| it["name"] = "name".into()),
        ("unknown fields", |it| it["theme"]["dark"] = false.into()),
        ("revision 7 in the database, 8 in the file", |it| it["revision"] = 8.into()),
        ("cell 2 (cell1): type", |it| it["cells"][1]["type"] = "sql".into()),
        ("cell 2 (cell1): code", |it| it["cells"][1]["code"] = "b = 2 ".into()),
        ("cell 2 (cell1): unknown fields", |it| it["cells"][1]["folded"] = json!([2])),
        ("cell 2 (cell1): stdout", |it| it["cells"][1]["stdout"] = "Out".into()),
        ("cell 2 (cell1): error", |it| it["cells"][1]["error"] = "Err".into()),
        ("cell 2 (cell1): output 2: MIME type", |it| it["cells"][1]["outputs"][1]["mime_type"] = "a/b".into()),
        ("cell 2 (cell1): output 2: data", |it| it["cells"][1]["outputs"][1]["data"] = "3".into()),
        ("cell 2 (cell1): output 2: metadata", |it| it["cells"][1]["outputs"][1]["metadata"]["a"] = 1.into()),
        ("cell 2 (cell1): number of outputs", |it| drop(it["cells"][1]["outputs"].as_array_mut().unwrap().pop())),
        ("the order of the cells", |it| it["cells"].as_array_mut().unwrap().swap(0, 2)),
        ("cell cell2 is in the database only", |it| drop(it["cells"].as_array_mut().unwrap().pop())),
        ("cell 4 (new) is not in the database", |it| {
            it["cells"].as_array_mut().unwrap().push(json!({"id": "new", "type": "sql", "code": ""}));
        }),
    ];
    let this = Move::new();
    this.write("n.json", whole.to_string());
    this.expect(0, &["run"]);
    this.expect(0, &["verify"]);
    for (what, change) in changes {
        let mut other = whole.clone();
        change(&mut other);
        this.write("n.json", other.to_string());
        let verify = this.expect(3, &["verify"]);
        assert_eq!(verify.line("n.json")["reason"], format!("different: {what}"));
    }
}

#[test]
fn what_was_edited_since_is_newer_and_what_is_not_there_is_missing() {
    let this = Move::new();
    this.notebook("edited", 3, &["x = 1"]);
    this.notebook("renumbered", 3, &["x = 1"]);
    this.notebook("gone", 3, &["x = 1"]);
    this.expect(0, &["run"]);
    this.sql(
        "UPDATE notebooks SET revision = 9 WHERE id IN ('edited', 'renumbered'); \
              UPDATE cells SET code = 'x = 2' WHERE notebook_id = 'edited'",
    );
    let newer = this.expect(0, &["verify"]);
    assert_eq!(newer.line("edited.json")["result"], "newer");
    let reason = newer.line("edited.json")["reason"].as_str().unwrap().to_owned();
    assert_eq!(reason, "edited since: revision 9 in the database, 3 in the file; changed: cell 1 (cell0): code");
    assert_eq!(newer.line("renumbered.json")["result"], "same");
    this.sql("DELETE FROM notebooks WHERE id = 'gone'");
    this.write("broken.json", "{");
    let missing = this.expect(3, &["verify"]);
    assert_eq!(missing.line("gone.json")["result"], "missing");
    assert_eq!(missing.line("broken.json")["result"], "invalid");
    std::fs::remove_file(this.dir.path().join("gone.json")).unwrap();
    this.expect(1, &["verify"]);
}

/// A higher revision proves an edit only of the same notebook. It proves nothing for a notebook of another owner, or
/// one that was deleted and created again.
#[test]
fn what_does_not_come_from_the_file_is_different_whatever_its_revision() {
    let this = Move::new();
    for id in ["another-owner", "another-life"] {
        this.notebook(id, 3, &["x = 1"]);
    }
    this.expect(0, &["run"]);
    this.sql(
        "INSERT INTO users (id) VALUES ('user_bob'); \
              UPDATE notebooks SET revision = 9; \
              UPDATE cells SET code = 'x = 2'; \
              UPDATE notebooks SET user_id = 'user_bob' WHERE id = 'another-owner'; \
              UPDATE notebooks SET life = gen_random_uuid() WHERE id = 'another-life'",
    );
    let verify = this.expect(3, &["verify"]);
    for (file, what) in [("another-owner.json", "owner"), ("another-life.json", "life: it was deleted and made again")]
    {
        assert_eq!(verify.line(file)["result"], "different");
        let reason = verify.line(file)["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(what) && !reason.contains("edited since"), "{reason}");
    }
}

#[test]
fn derived_names_are_information() {
    let this = Move::new();
    this.notebook("n", 1, &["x = y"]);
    this.expect(0, &["run"]);
    this.sql("UPDATE cells SET reads = '{print}'");
    let verify = this.expect(0, &["verify"]);
    let line = verify.line("n.json");
    assert_eq!(line["result"], "same");
    assert!(line["reason"].as_str().unwrap().contains("reads or writes of 1 cells"), "{line}");
}
