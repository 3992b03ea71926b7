//! The order of runs, and of what watchers are told of them.

use serde_json::json;

use super::notebook::Notebook;

/// Leaves out that cells become stale and fresh.
fn without_stale(told: Vec<String>) -> Vec<String> {
    told.into_iter().filter(|text| !text.contains(" stale ")).collect()
}

#[test]
fn a_cell_and_what_depends_on_it_run_in_order_and_are_told_as_the_client_expects() {
    let notebook = Notebook::of(&["x = 2\nprint('a')", "y = x * 3\ny", "print(y + 1)\ny + 2", ""]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 0);
    let told = without_stale(notebook.told(&mut wire, (2, "success")));
    let expected = [
        "0 running",
        "0 success",
        "0 prints \"a\\n\"",
        "1 running",
        "1 success",
        "1 shows \"6\"",
        "2 running",
        "2 success",
        "2 prints \"7\\n\"",
        "2 shows \"8\"",
    ];
    assert_eq!(told, expected);
    for cell in 0..3 {
        let cell = notebook.cell(cell);
        assert_eq!((&cell["status"], &cell["stale"], &cell["error"]), (&json!("success"), &json!(false), &json!(null)));
        assert!(cell["started_at"].is_string() && cell["finished_at"].is_string(), "{cell}");
    }
}

#[test]
fn what_depends_on_a_failed_cell_is_blocked_and_the_rest_goes_on() {
    let notebook = Notebook::of(&["a = 1/0", "b = a", "c = b", "d = 4\nprint(d)", ""]);
    let mut wire = notebook.watch();
    let ends = notebook.run_body(&json!({"scope": "all"}));
    let words: Vec<_> = ends.iter().map(|(cell, end)| format!("{cell} {end}")).collect();
    assert_eq!(words, ["0 error", "1 blocked", "2 blocked", "3 success", "4 success"]);
    let told = without_stale(notebook.told(&mut wire, (4, "success")));
    assert_eq!(
        told[..5],
        ["0 running", "0 error", "0 fails: ZeroDivisionError: division by zero", "1 blocked", "2 blocked"]
    );
    assert_eq!(told[5..8], ["3 running", "3 success", "3 prints \"4\\n\""]);
    assert_eq!(notebook.cell(1)["status"], "blocked");
}

#[test]
fn cells_of_a_cycle_are_told_as_errors_and_do_not_run() {
    let notebook = Notebook::of(&["a = b", "b = a", "c = a", ""]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 0);
    let told = notebook.told(&mut wire, (2, "blocked"));
    let [status, error] = &told[..2] else { panic!("{told:?}") };
    assert_eq!(status, "0 error");
    assert!(error.starts_with("0 fails: Circular dependency: "), "{error}");
    assert!(!told.iter().any(|text| text.contains("running")), "{told:?}");
}

#[test]
fn a_writer_whose_value_was_overwritten_runs_first() {
    let notebook = Notebook::of(&["x = 1\nprint('one')", "print(x)", "x = 2", "print(x)", ""]);
    notebook.run_body(&json!({"scope": "all"}));
    assert_eq!((notebook.stdout(1), notebook.stdout(3)), ("1\n".to_owned(), "2\n".to_owned()));
    let mut wire = notebook.watch();
    assert_eq!(notebook.run(&[1]), [(1, "success".to_owned())]);
    let told = without_stale(notebook.told(&mut wire, (1, "success")));
    assert_eq!(told[..2], ["0 running", "0 success"]);
    assert_eq!((notebook.stdout(1), notebook.stdout(3)), ("1\n".to_owned(), "2\n".to_owned()));
    notebook.run(&[3]);
    assert_eq!(notebook.stdout(3), "2\n");
}

#[test]
fn a_name_that_several_cells_rewrite_goes_through_them_in_order() {
    let notebook =
        Notebook::of(&["d = [1, None, 2]", "d = [v for v in d if v]", "d = sorted(d, reverse=True)", "print(d)", ""]);
    notebook.run(&[0]);
    assert_eq!(notebook.stdout(3), "[2, 1]\n");
    notebook.run(&[2]);
    assert_eq!(notebook.stdout(3), "[2, 1]\n");
    notebook.edit(0, "d = [3, None, 4]");
    assert_eq!(notebook.cell(3)["stale"], true);
    notebook.edit(0, "d = [1, None, 2]");
    assert_eq!(notebook.cell(3)["stale"], false, "undoing an edit clears it");
    notebook.edit(0, "d = [3, None, 4]");
    notebook.run_body(&json!({"scope": "stale"}));
    assert_eq!(notebook.stdout(3), "[4, 3]\n");
}

#[test]
fn a_deleted_cell_takes_its_names_along() {
    let notebook = Notebook::of(&["x = 1", "print(x)", ""]);
    notebook.run(&[0]);
    assert_eq!(notebook.stdout(1), "1\n");
    notebook.delete(0);
    assert_eq!(notebook.run(&[1]), [(1, "error".to_owned())]);
    assert!(notebook.cell(1)["error"].as_str().unwrap().contains("NameError"), "{}", notebook.cell(1));
}
