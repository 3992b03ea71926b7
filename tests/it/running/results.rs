//! Results of runs: streamed while they come, and kept.

use quire_tests::neighbour::Wire;
use serde_json::json;

use super::notebook::{Notebook, server};

#[test]
fn what_is_printed_comes_while_the_cell_runs_and_once() {
    let code = "import time\nfor n in range(5):\n    print(n, flush=True)\n    time.sleep(0.25)\n'end'";
    let notebook = Notebook::of(&[code, ""]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 0);
    let told = notebook.told(&mut wire, (0, "success"));
    let of = |prefix: &str| told.iter().filter(|text| text.starts_with(prefix)).count();
    assert_eq!((of("0 running"), of("0 success"), of("0 shows")), (1, 1, 1), "{told:?}");
    assert!(of("0 prints") >= 3, "{told:?}");
    let printed: String = told.iter().filter_map(|text| text.strip_prefix("0 prints ")).map(unquoted).collect();
    assert_eq!(printed, "0\n1\n2\n3\n4\n");
    assert_eq!(notebook.stdout(0), printed);
}

#[test]
fn a_reader_and_a_late_watcher_see_what_has_come_so_far() {
    let code = "import time\nprint('first', flush=True)\nwhile not __import__('os').path.exists(flag): time.sleep(0.02)\nprint('last')";
    let notebook = Notebook::of(&["", code, ""]);
    let flag = notebook.directory.path().join("flag");
    notebook.edit(0, &format!("flag = {:?}", flag.to_str().unwrap()));
    let mut early = notebook.watch();
    notebook.run_cell(&mut early, 1);
    while early.message()["data"] != "first\n" {}
    let shown = notebook.cell(1);
    assert_eq!((&shown["status"], &shown["stdout"]), (&json!("running"), &json!("first\n")));
    let mut late = notebook.watch();
    std::fs::write(flag, "").unwrap();
    let rest = |wire: &mut Wire| {
        let mut data = String::new();
        while !data.ends_with("last\n") {
            let message = wire.message();
            data.push_str(message["data"].as_str().unwrap_or_default());
        }
        data
    };
    assert_eq!(rest(&mut early), "last\n");
    assert_eq!(rest(&mut late), "first\nlast\n", "a watcher that has missed the beginning is told everything");
}

#[test]
fn outputs_that_are_replaced_end_as_they_are_last() {
    let code = "from IPython.display import clear_output\nimport time\nfor n in range(4):\n    clear_output(wait=True)\n    print('step', n, flush=True)\n    time.sleep(0.3)";
    let notebook = Notebook::of(&[code, ""]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 0);
    let told = notebook.told(&mut wire, (0, "success"));
    let begin = told.iter().rposition(|text| text == "0 running").unwrap();
    let printed: String =
        told[begin..].iter().filter_map(|text| text.strip_prefix("0 prints ")).map(unquoted).collect();
    assert_eq!((printed, notebook.stdout(0)), ("step 3\n".to_owned(), "step 3\n".to_owned()), "{told:?}");
}

#[test]
fn results_outlive_the_server_and_nothing_runs_when_it_starts() {
    let notebook =
        Notebook::of(&["x = 1\nprint(x)\nx", "import time\nprint('begun', flush=True)\ntime.sleep(300)", ""]);
    notebook.run(&[0]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 1);
    // Results so far are stored after a second.
    let log = notebook.directory.path().join(".quire");
    while !holds(&log, "begun") {
        std::thread::yield_now();
    }
    let Notebook { server: first, directory, path, .. } = notebook;
    first.kill();
    let again = server(directory.path(), &[]);
    let shown = again.ok("GET", &path, None);
    let [one, other] = [&shown["cells"][0], &shown["cells"][1]];
    assert_eq!((&one["status"], &one["stdout"], &one["stale"]), (&json!("success"), &json!("1\n"), &json!(false)));
    assert_eq!(one["outputs"][0]["data"], "1");
    assert_eq!((&other["status"], &other["stdout"]), (&json!("idle"), &json!("begun\n")));
    assert_eq!(again.ok("GET", &format!("{path}/kernel"), None)["status"], "none");
}

#[test]
fn results_of_other_code_are_dropped() {
    let notebook = Notebook::of(&[
        "",
        "import os, time\nprint('began', flush=True)\nwhile not os.path.exists(flag): time.sleep(0.02)",
        "",
    ]);
    let flag = notebook.directory.path().join("flag");
    notebook.edit(0, &format!("flag = {:?}", flag.to_str().unwrap()));
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 1);
    while wire.message()["data"] != "began\n" {}
    notebook.edit(1, "print('newer')");
    std::fs::write(flag, "").unwrap();
    notebook.run(&[1]);
    assert_eq!(notebook.stdout(1), "newer\n");
}

fn holds(directory: &std::path::Path, text: &str) -> bool {
    let entries = std::fs::read_dir(directory).unwrap().filter_map(Result::ok);
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            holds(&path, text)
        } else {
            std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
        }
    })
}

fn unquoted(text: &str) -> String {
    text.trim_matches('"').replace("\\n", "\n")
}

#[test]
fn the_demo_runs_whole_with_its_charts() {
    let notebook = Notebook::of(&[""]);
    let run = notebook.server.ok("POST", "/api/notebooks/demo/run?wait=50", Some(&json!({"scope": "all"})));
    let demo = notebook.server.ok("GET", "/api/notebooks/demo", None);
    let cells = demo["cells"].as_array().unwrap();
    assert!(run["cells"].as_array().unwrap().iter().all(|cell| cell["end"] == "success"), "{run} {demo}");
    let types: Vec<Vec<_>> = cells
        .iter()
        .map(|cell| {
            cell["outputs"].as_array().unwrap().iter().map(|output| output["mime_type"].as_str().unwrap()).collect()
        })
        .collect();
    let charts =
        ["image/png", "application/json", "application/vnd.plotly.v1+json", "application/vnd.vegalite.v6+json"];
    assert_eq!(types[2..], charts.map(|chart| vec![chart]), "{types:?}");
    assert_eq!(cells[3]["outputs"][0]["data"]["type"], "table");
}

#[test]
fn what_is_printed_all_the_time_is_told_once_while_it_is_stored() {
    let code = "import time\nfor n in range(250):\n    print(n, flush=True)\n    time.sleep(0.01)";
    let notebook = Notebook::of(&[code, ""]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 0);
    let told = notebook.told(&mut wire, (0, "success"));
    assert_eq!(told.iter().filter(|text| *text == "0 running").count(), 1, "{told:?}");
    let printed: String = told.iter().filter_map(|text| text.strip_prefix("0 prints ")).map(unquoted).collect();
    let expected = (0..250).fold(String::new(), |text, n| text + &format!("{n}\n"));
    assert_eq!((printed, notebook.stdout(0)), (expected.clone(), expected));
}

#[test]
fn a_cell_that_is_edited_after_its_results_so_far_were_stored_does_not_run_for_ever() {
    let code = "import os, time\nprint('began', flush=True)\nwhile not os.path.exists(flag): time.sleep(0.02)";
    let notebook = Notebook::of(&["", code, ""]);
    let flag = notebook.directory.path().join("flag");
    notebook.edit(0, &format!("flag = {:?}", flag.to_str().unwrap()));
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 1);
    while wire.message()["data"] != "began\n" {}
    while !holds(&notebook.directory.path().join(".quire"), "began") {
        std::thread::yield_now();
    }
    notebook.edit(1, "print('newer')");
    std::fs::write(flag, "").unwrap();
    while wire.message()["status"] != "idle" {}
    let cell = notebook.cell(1);
    assert_eq!((&cell["status"], &cell["stale"], &cell["stdout"]), (&json!("idle"), &json!(true), &json!("began\n")));
}
