//! Each line of the contract about editing and about messages, by name.

use serde_json::{Value, json};

use crate::ws_client::Listening;

async fn insert(listening: &Listening, notebook: &str, kind: &str, after: Option<&str>) -> String {
    let body = json!({"type": kind, "after_cell_id": after}).to_string();
    let created = listening.server.post(&format!("{notebook}/cells"), &body).await.ok();
    created["cell_id"].as_str().unwrap().to_owned()
}

async fn update(listening: &Listening, notebook: &str, cell: &str, code: &str) {
    listening.server.put(&format!("{notebook}/cells/{cell}"), &json!({"code": code}).to_string()).await.ok();
}

/// "`cell_created`, `cell_updated`, `cell_deleted` go to every watcher, the requester included, exactly once, in commit
/// order, promptly, the code byte for byte."
#[actix_web::test]
async fn every_watcher_hears_of_every_edit_exactly_once_in_commit_order_byte_for_byte() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let first = listening.server.first_cell(&notebook).await;
    let mut clients = [listening.watch(&notebook).await, listening.watch(&notebook).await];
    let code = "x = '\u{0}\u{1}\t\r\n\\ \" ä \u{2028} \u{1F600}\u{FDD0}'\r\n  ";
    update(&listening, &notebook, &first, code).await;
    let second = insert(&listening, &notebook, "sql", None).await;
    let between = insert(&listening, &notebook, "python", Some(&first)).await;
    update(&listening, &notebook, &between, "y = x").await;
    listening.server.delete(&format!("{notebook}/cells/{second}")).await.ok();
    let created = |id: &str, kind: &str, revision: i64, index: usize| {
        json!({"type": "cell_created", "cellId": id, "index": index, "cell": {
            "id": id, "type": kind, "code": "", "status": "idle", "stdout": "", "outputs": [], "error": null,
            "stale": false, "started_at": null, "finished_at": null, "reads": [], "writes": [], "revision": revision}})
    };
    let updated = |id: &str, code: &str, reads: Value, writes: Value| {
        json!({"type": "cell_updated", "cellId": id, "cell": {
            "code": code, "reads": reads, "writes": writes, "status": "idle", "error": null}})
    };
    let expected = [
        updated(&first, code, json!([]), json!([])),
        created(&second, "sql", 2, 1),
        created(&between, "python", 3, 1),
        updated(&between, "y = x", json!(["x"]), json!(["y"])),
        json!({"type": "cell_deleted", "cellId": second}),
    ];
    for client in &mut clients {
        assert_eq!(client.hear_many(5).await, expected);
        client.is_served().await;
    }
    listening.stop().await;
}

/// "A PUT follows 500 ms after the last keystroke; several may be in flight", and "the last cell is never deleted but
/// emptied": each PUT has its echo, one that changes nothing too.
#[actix_web::test]
async fn every_put_has_its_echo() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let cell = listening.server.first_cell(&notebook).await;
    let mut client = listening.watch(&notebook).await;
    for code in ["a", "a", "ab", ""] {
        update(&listening, &notebook, &cell, code).await;
        let heard = client.hear().await;
        assert_eq!((&heard["type"], &heard["cell"]["code"]), (&json!("cell_updated"), &json!(code)));
    }
    listening.stop().await;
}

/// "Name and connection changes send no event in the old protocol."
#[actix_web::test]
async fn names_and_connections_are_not_told() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let mut client = listening.watch(&notebook).await;
    listening.server.put(&format!("{notebook}/name"), r#"{"name": "other"}"#).await.ok();
    listening.server.put(&format!("{notebook}/db"), r#"{"connection_string": "postgres://db.example/x"}"#).await.ok();
    listening.server.put(&format!("{notebook}/reactive"), r#"{"reactive": false}"#).await.ok();
    client.is_served().await;
    listening.stop().await;
}

/// "A move or a change of type is `cell_deleted` then `cell_created`."
#[actix_web::test]
async fn a_move_or_a_change_of_type_is_a_deletion_and_a_creation() {
    use quire_domain::{CellId, CellType, Edit, NotebookId, Place, UserId};
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let first = listening.server.first_cell(&notebook).await;
    let second = insert(&listening, &notebook, "python", None).await;
    update(&listening, &notebook, &first, "x = 1").await;
    let mut client = listening.watch(&notebook).await;
    let user = UserId::new("me").unwrap();
    let id = NotebookId::new(notebook.rsplit('/').next().unwrap()).unwrap();
    let cell = CellId::new(&*first).unwrap();
    let edit = |edit| listening.server.service.edit(&user, &id, None, edit);
    edit(Edit::MoveCell { id: cell.clone(), place: Place::After(CellId::new(&*second).unwrap()) }).await.unwrap();
    edit(Edit::SetCellType { id: cell, cell_type: CellType::Sql }).await.unwrap();
    let heard = client.hear_many(4).await;
    let brief = |message: &Value| {
        let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (of(&message["type"]), of(&message["cellId"]), message["index"].as_u64(), of(&message["cell"]["type"]))
    };
    let deleted = ("cell_deleted".to_owned(), first.clone(), None, String::new());
    let created = |kind: &str| ("cell_created".to_owned(), first.clone(), Some(1), kind.to_owned());
    let expected = [deleted.clone(), created("python"), deleted, created("sql")];
    assert_eq!(heard.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(heard[1]["cell"]["code"], "x = 1");
    client.is_served().await;
    listening.stop().await;
}

/// "Cycle found by an edit: the PUT succeeds, `cell_updated` and `cell_status` say `error`; no `cell_error`", and "texts name
/// cells by position and first line, never by id".
#[actix_web::test]
async fn a_cycle_is_told_of_every_cell_on_it_and_so_is_its_end() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let first = listening.server.first_cell(&notebook).await;
    let second = insert(&listening, &notebook, "python", None).await;
    update(&listening, &notebook, &first, "x = y").await;
    let mut client = listening.watch(&notebook).await;
    update(&listening, &notebook, &second, "y = x").await;
    let heard = client.hear_many(3).await;
    let error = listening.server.get(&notebook).await.ok()["cells"][0]["error"].clone();
    assert_eq!(error, "Circular dependency: cell 1 (`x = y`) → x → cell 2 (`y = x`) → y → cell 1 (`x = y`)");
    assert_eq!(
        heard[0],
        json!({"type": "cell_updated", "cellId": second, "cell": {
            "code": "y = x", "reads": ["x"], "writes": ["y"], "status": "error", "error": error}})
    );
    let mut rest = heard[1..].to_vec();
    for cell in [&first, &second] {
        let at = rest.iter().position(|message| message["cellId"] == **cell).unwrap();
        assert_eq!(rest.remove(at), json!({"type": "cell_status", "cellId": cell, "status": "error"}));
    }
    update(&listening, &notebook, &second, "y = 1").await;
    let heard = client.hear_many(3).await;
    assert_eq!((&heard[0]["type"], &heard[0]["cell"]["status"]), (&json!("cell_updated"), &json!("idle")));
    for message in &heard[1..] {
        assert_eq!((&message["type"], &message["status"]), (&json!("cell_status"), &json!("idle")));
    }
    client.is_served().await;
    listening.stop().await;
}

/// "Any order works when `running` comes first and once", and `cell_error` "not beside an output of the same text".
#[actix_web::test]
async fn results_that_others_wrote_are_told_as_a_run() {
    use quire_domain::{CellId, CellStatus, Edit, Json, NotebookId, Output, Results, UserId};
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let cell = listening.server.first_cell(&notebook).await;
    let mut client = listening.watch(&notebook).await;
    let (user, id) = (UserId::new("me").unwrap(), NotebookId::new(notebook.rsplit('/').next().unwrap()).unwrap());
    let output = |data: &str| Output {
        mime_type: "text/plain".to_owned(),
        data: Json::parse(data).unwrap(),
        metadata: Json::parse("{}").unwrap(),
    };
    for (error, outputs) in [("Boom", vec![output("\"1e2\""), output("1e2")]), ("Boom", vec![output("\"Boom\"")])] {
        let results = Results {
            status: CellStatus::Error,
            stdout: "out".to_owned(),
            error: Some(error.to_owned()),
            outputs,
            ..Results::default()
        };
        let edit = Edit::SetResults { id: CellId::new(&*cell).unwrap(), results: results.into() };
        listening.server.service.edit(&user, &id, None, edit).await.unwrap();
    }
    let status = |status: &str| json!({"type": "cell_status", "cellId": cell, "status": status});
    let stdout = json!({"type": "cell_stdout", "cellId": cell, "data": "out"});
    let error = json!({"type": "cell_error", "cellId": cell, "error": "Boom"});
    let heard = client.hear_many(4).await;
    assert_eq!(heard, [status("running"), status("error"), stdout.clone(), error]);
    let text = client.next().await.into_text().unwrap();
    assert!(text.starts_with(r#"{"type":"cell_output","cellId":""#), "{text}");
    assert!(text.contains(r#""output":{"mime_type":"text/plain","data":"1e2","metadata":{}}"#), "{text}");
    let text = client.next().await.into_text().unwrap();
    assert!(text.contains(r#""data":1e2,"#), "exact, not a number read and written: {text}");
    let heard = client.hear_many(4).await;
    assert_eq!(heard[..3], [status("running"), status("error"), stdout]);
    assert_eq!(heard[3]["type"], "cell_output");
    client.is_served().await;
    listening.stop().await;
}

/// A run is told as it goes on, one message for each thing that it tells.
#[actix_web::test]
async fn a_run_that_goes_on_is_told_as_it_comes() {
    use quire_domain::{CellId, CellStatus, Json, NotebookId, Output, UserId};
    use quire_service::{RunUpdate, RunUpdateKind};
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let cell = listening.server.first_cell(&notebook).await;
    let mut client = listening.watch(&notebook).await;
    let (user, id) = (UserId::new("me").unwrap(), NotebookId::new(notebook.rsplit('/').next().unwrap()).unwrap());
    let json_text = |text: &str| Json::parse(text).unwrap();
    let output = Output { mime_type: "text/plain".to_owned(), data: json_text("1e2"), metadata: json_text("{}") };
    let mut seqs = Vec::new();
    for kind in [
        RunUpdateKind::Status(CellStatus::Running),
        RunUpdateKind::Stdout("one ".to_owned()),
        RunUpdateKind::Stdout("two".to_owned()),
        RunUpdateKind::Output(output),
        RunUpdateKind::Error("Boom".to_owned()),
    ] {
        let update = RunUpdate { cell: CellId::new(&*cell).unwrap(), kind };
        seqs.push(listening.server.service.tell(&user, &id, update).await.unwrap());
    }
    let heard = client.hear_many(3).await;
    assert_eq!(heard[0], json!({"type": "cell_status", "cellId": cell, "status": "running"}));
    assert_eq!(heard[1], json!({"type": "cell_stdout", "cellId": cell, "data": "one "}));
    assert_eq!(heard[2], json!({"type": "cell_stdout", "cellId": cell, "data": "two"}));
    let text = client.next().await.into_text().unwrap();
    assert!(text.starts_with(r#"{"type":"cell_output","cellId":""#), "{text}");
    assert!(text.contains(r#""output":{"mime_type":"text/plain","data":1e2,"metadata":{}}"#), "{text}");
    assert!(text.contains(&format!(r#""seq":"{}""#, seqs[3])), "{text}");
    assert_eq!(client.hear_many(1).await, [json!({"type": "cell_error", "cellId": cell, "error": "Boom"})]);
    assert_eq!(
        listening.server.get(&notebook).await.ok()["cells"][0]["status"],
        "running",
        "it is shown, and not stored"
    );
    client.is_served().await;
    listening.stop().await;
}

/// A client that has heard a part of a run hears the rest of its results, also when they are those of the run before.
#[actix_web::test]
async fn results_as_before_are_told_too() {
    use quire_domain::{CellId, CellStatus, NotebookId, Results, UserId};
    use quire_service::{RunUpdate, RunUpdateKind};
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let cell = listening.server.first_cell(&notebook).await;
    let mut client = listening.watch(&notebook).await;
    let (user, id) = (UserId::new("me").unwrap(), NotebookId::new(notebook.rsplit('/').next().unwrap()).unwrap());
    let cell_id = CellId::new(&*cell).unwrap();
    let published = listening.server.service.get(&user, &id).await.unwrap();
    let digest = published.notebook.cells.get(0).unwrap().code_digest();
    let results = Results { status: CellStatus::Success, stdout: "1".to_owned(), ..Results::default() };
    for _ in 0..2 {
        let update = RunUpdate { cell: cell_id.clone(), kind: RunUpdateKind::Status(CellStatus::Running) };
        listening.server.service.tell(&user, &id, update).await.unwrap();
        let of = (&cell_id, &*digest);
        assert!(listening.server.service.commit_results(&user, &id, of, results.clone()).await.unwrap());
        let heard = client.hear_many(3).await;
        let last: Vec<_> = heard.iter().map(|message| &message["type"]).collect();
        assert_eq!(last, ["cell_status", "cell_status", "cell_stdout"]);
        assert_eq!((&heard[0]["status"], &heard[1]["status"]), (&json!("running"), &json!("success")));
    }
    listening.stop().await;
}

/// "An unknown cell or type gets no answer."
#[actix_web::test]
async fn unknown_cells_and_types_get_no_answer() {
    let listening = Listening::start();
    let notebook = listening.server.notebook().await;
    let cell = listening.server.first_cell(&notebook).await;
    let mut client = listening.watch(&notebook).await;
    for message in [
        json!({"type": "run_cell", "cellId": "unknown"}),
        json!({"type": "run_cell", "cellId": 7}),
        json!({"type": "run_cell"}),
        json!({"type": "make_tea", "cellId": cell, "more": [1, {}]}),
    ] {
        client.say(&message).await;
    }
    client.is_served().await;
    assert_eq!(listening.server.get(&notebook).await.ok()["cells"][0]["status"], "idle");
    listening.stop().await;
}

/// A deleted notebook ends its sockets for good: "the client never reconnects after 1000 or 1008".
#[actix_web::test]
async fn deleting_the_notebook_closes_its_sockets() {
    let listening = Listening::start();
    let (notebook, other) = (listening.server.notebook().await, listening.server.notebook().await);
    let (mut client, mut elsewhere) = (listening.watch(&notebook).await, listening.watch(&other).await);
    listening.server.delete(&notebook).await.ok();
    let (code, error) = client.end().await;
    assert_eq!((code, error.as_deref()), (1008, Some("The notebook is gone: it was deleted.")));
    elsewhere.is_served().await;
    listening.stop().await;
}
