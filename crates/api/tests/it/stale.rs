//! Which cells are stale, when they ran, and whether runs go on to the cells that depend on what ran.

use std::sync::Arc;

use quire_domain::{CellId, CellStatus, Edit, NotebookId, Results, Timestamp, UserId};
use serde_json::{Value, json};

use crate::support::Server;
use crate::ws_client::Listening;

async fn insert(server: &Server, path: &str, code: &str) -> String {
    let body = json!({"type": "python", "code": code}).to_string();
    server.post(&format!("{path}/cells"), &body).await.ok()["cell_id"].as_str().unwrap().to_owned()
}

async fn update(server: &Server, path: &str, cell: &str, code: &str) {
    server.put(&format!("{path}/cells/{cell}"), &json!({ "code": code }).to_string()).await.ok();
}

/// Leaves results as a run of the present code does.
async fn run(server: &Server, path: &str, cell: &str) {
    let (user, id) = (UserId::new("me").unwrap(), NotebookId::new(path.rsplit('/').next().unwrap()).unwrap());
    let cell = CellId::new(cell).unwrap();
    let run_digest = server.service.get(&user, &id).await.unwrap().notebook.cells.find(&cell).unwrap().run_digest;
    let results = Results {
        status: CellStatus::Success,
        run_digest: Some(run_digest),
        started_at: Timestamp::from_timestamp_micros(1_000_001),
        finished_at: Timestamp::from_timestamp_micros(2_000_000),
        ..Results::default()
    };
    server.service.edit(&user, &id, None, Edit::SetResults { id: cell, results: Arc::new(results) }).await.unwrap();
}

/// The values of a field of all cells.
async fn of_cells(server: &Server, path: &str, field: &str) -> Vec<Value> {
    server.get(path).await.ok()["cells"].as_array().unwrap().iter().map(|cell| cell[field].clone()).collect()
}

#[actix_web::test]
async fn a_cell_is_stale_until_it_has_run_with_what_is_there() {
    let server = Server::start();
    let path = server.notebook().await;
    let (a, b) = (insert(&server, &path, "x = 1").await, insert(&server, &path, "y = x").await);
    assert_eq!(of_cells(&server, &path, "stale").await, [false, true, true], "blank code has nothing to run");
    assert_eq!(of_cells(&server, &path, "started_at").await, [Value::Null, Value::Null, Value::Null]);
    for cell in [&a, &b] {
        run(&server, &path, cell).await;
    }
    assert_eq!(of_cells(&server, &path, "stale").await, [false, false, false]);
    let started = of_cells(&server, &path, "started_at").await;
    assert_eq!(started[1..], ["1970-01-01T00:00:01.000001Z", "1970-01-01T00:00:01.000001Z"]);
    assert_eq!(of_cells(&server, &path, "finished_at").await[1], "1970-01-01T00:00:02Z");
    update(&server, &path, &a, "x = 2").await;
    assert_eq!(of_cells(&server, &path, "stale").await, [false, true, true]);
    update(&server, &path, &a, "x = 1").await;
    assert_eq!(of_cells(&server, &path, "stale").await, [false, false, false], "the edit was taken back");
}

#[actix_web::test]
async fn watchers_hear_which_cells_turned_stale_after_what_changed() {
    let listening = Listening::start();
    let server = &listening.server;
    let path = server.notebook().await;
    let (a, b) = (insert(server, &path, "x = 1").await, insert(server, &path, "y = x").await);
    run(server, &path, &a).await;
    run(server, &path, &b).await;
    let mut client = listening.watch(&path).await;
    update(server, &path, &a, "x = 2").await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(client.hear_any().await);
    }
    assert_eq!(heard[0]["type"], "cell_updated");
    let told = |stale: bool, heard: &[Value]| {
        let mut told: Vec<_> = heard.iter().map(|message| message["cellId"].as_str().unwrap().to_owned()).collect();
        told.sort();
        let mut both = vec![a.clone(), b.clone()];
        both.sort();
        assert_eq!(told, both);
        for message in heard {
            assert_eq!((&message["type"], &message["stale"]), (&json!("cell_stale"), &json!(stale)));
            assert!(message["seq"].is_string());
        }
    };
    told(true, &heard[1..]);
    // What is stale already is not told again, and what is taken back is.
    update(server, &path, &a, "x = 3").await;
    update(server, &path, &a, "x = 1").await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(client.hear_any().await);
    }
    assert_eq!([&heard[0]["type"], &heard[1]["type"]], ["cell_updated", "cell_updated"]);
    told(false, &heard[2..]);
    // A new cell says so itself.
    insert(server, &path, "z = x").await;
    let heard = client.hear_any().await;
    assert_eq!((&heard["type"], &heard["cell"]["stale"]), (&json!("cell_created"), &json!(true)));
    client.is_served().await;
    listening.stop().await;
}

#[actix_web::test]
async fn a_notebook_says_whether_runs_go_on_to_dependent_cells() {
    let server = Server::start();
    let path = server.notebook().await;
    let reactive = format!("{path}/reactive");
    assert_eq!(server.get(&path).await.ok()["reactive"], true);
    for _ in 0..2 {
        assert_eq!(server.put(&reactive, r#"{"reactive": false}"#).await.ok(), json!({"status": "ok"}));
        let notebook = server.get(&path).await.ok();
        assert_eq!((&notebook["reactive"], &notebook["revision"]), (&json!(false), &json!(1)));
    }
    server.put(&reactive, r#"{"reactive": true, "expected_revision": 0}"#).await.problem(409, "revision_conflict");
    for body in ["{}", r#"{"reactive": null}"#, r#"{"reactive": "no"}"#] {
        server.put(&reactive, body).await.problem(422, "does_not_fit");
    }
    server.put("/api/notebooks/none/reactive", r#"{"reactive": true}"#).await.problem(404, "unknown_notebook");

    // Copies and files keep it.
    let copy = server.post(&format!("{path}/duplicate"), "").await.ok();
    let copy = format!("/api/notebooks/{}", copy["notebook_id"].as_str().unwrap());
    assert_eq!(server.get(&copy).await.ok()["reactive"], false);
    for format in ["json", "ipynb"] {
        let file = server.get(&format!("{path}/export?format={format}")).await.json();
        let read = server.post("/api/notebooks/import", &file.to_string()).await.ok();
        let read = format!("/api/notebooks/{}", read["notebook_id"].as_str().unwrap());
        assert_eq!(server.get(&read).await.ok()["reactive"], false, "{format}");
    }
    server.put(&reactive, r#"{"reactive": true, "expected_revision": 1}"#).await.ok();
    assert_eq!(server.get(&path).await.ok()["reactive"], true);
}
