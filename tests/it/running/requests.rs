//! Requests to run cells, over HTTP and sockets.

use serde_json::json;

use super::notebook::Notebook;

#[test]
fn a_run_can_be_waited_for_and_read_again() {
    let notebook = Notebook::of(&["import time; time.sleep(1.5); print('late')", ""]);
    let client = notebook.server.client();
    let body = json!({"cells": [notebook.cells[0]]});
    let begun = client.send("POST", &format!("{}/run", notebook.path), &[], Some(&body)).unwrap();
    assert_eq!((begun.status, &begun.body["done"], &begun.body["cells"][0]["end"]), (202, &json!(false), &json!(null)));
    let address = begun.location.clone().unwrap();
    assert_eq!(address, format!("{}/runs/{}", notebook.path, begun.body["run_id"].as_str().unwrap()));
    assert_eq!(client.send("GET", &address, &[], None).unwrap().status, 202);
    let ended = client.send("GET", &format!("{address}?wait=20"), &[], None).unwrap();
    assert_eq!((ended.status, &ended.body["cells"][0]["end"]), (200, &json!("success")));
    assert_eq!(notebook.stdout(0), "late\n");
    for (body, status, code) in [
        (json!({}), 422, "does_not_fit"),
        (json!({"scope": "some"}), 422, "does_not_fit"),
        (json!({"cells": [], "scope": "all"}), 422, "does_not_fit"),
        (json!({"cells": ["none"]}), 404, "unknown_cell"),
    ] {
        let refused = client.send("POST", &format!("{}/run", notebook.path), &[], Some(&body)).unwrap();
        assert_eq!((refused.status, &refused.body["code"]), (status, &json!(code)), "{body}");
    }
    let unknown = format!("{}/runs/00000000-0000-4000-8000-000000000000", notebook.path);
    assert_eq!(client.send("GET", &unknown, &[], None).unwrap().body["code"], "unknown_run");
}

#[test]
fn the_text_that_is_on_its_way_is_the_one_that_runs() {
    let notebook = Notebook::of(&["print(0)", ""]);
    let mut wire = notebook.watch();
    let path = format!("{}/cells/{}", notebook.path, notebook.cells[0]);
    for n in 1..=20 {
        // The head of the edit is at the server, its body is not.
        let mut edit = quire_tests::neighbour::Wire::connect(notebook.server.address(), "any");
        let body = json!({"code": format!("print({n})")}).to_string();
        let length = body.len();
        let headers = format!("Content-Type: application/json\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n");
        edit.head("PUT", &path, &headers);
        assert_eq!(edit.status(), 100, "the server has read the head");
        notebook.run_cell(&mut wire, 0);
        edit.say(body);
        assert_eq!(edit.answer().0, 200);
        let expected = format!("{n}\n");
        while wire.message()["data"] != expected.as_str() {}
    }
}

#[test]
fn a_second_request_for_a_running_cell_means_again_afterwards() {
    let notebook = Notebook::of(&["import time; time.sleep(0.3); print('done')", ""]);
    let mut wire = notebook.watch();
    notebook.run_cell(&mut wire, 0);
    while wire.message()["status"] != "running" {}
    notebook.run_cell(&mut wire, 0);
    let ends = |status: &str, wire: &mut quire_tests::neighbour::Wire| while wire.message()["status"] != status {};
    ends("success", &mut wire);
    ends("running", &mut wire);
    ends("success", &mut wire);
}

#[test]
fn two_clients_are_told_the_same() {
    let notebook = Notebook::of(&["x = 1\nprint(x)", "print(x + 1)", ""]);
    let (mut one, mut other) = (notebook.watch(), notebook.watch());
    notebook.run_cell(&mut one, 0);
    notebook.run_cell(&mut other, 0);
    let texts = |wire: &mut quire_tests::neighbour::Wire| {
        let mut texts = Vec::new();
        while texts
            .iter()
            .filter(|text: &&String| text.contains("\"cell_stdout\"") && text.contains(r#""2\n""#))
            .count()
            < 1
        {
            texts.push(wire.next_text().unwrap());
        }
        texts
    };
    assert_eq!(texts(&mut one), texts(&mut other));
}
