use serde_json::{Value, json};

use crate::support::Server;

fn ids(notebook: &Value) -> Vec<String> {
    let cells = notebook["cells"].as_array().unwrap();
    cells.iter().map(|cell| cell["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_cell_is_appended_or_put_behind_another() {
    let server = Server::start();
    let path = server.notebook().await;
    let first = server.first_cell(&path).await;
    let cells = format!("{path}/cells");
    let mut made = Vec::new();
    for body in [
        r#"{"type": "sql"}"#.to_owned(),
        r#"{"type": "python", "after_cell_id": null}"#.to_owned(),
        r#"{"type": "python", "after_cell_id": ""}"#.to_owned(),
        format!(r#"{{"type": "sql", "after_cell_id": "{first}", "more": 1}}"#),
    ] {
        let answer = server.post(&cells, &body).await.ok();
        assert_eq!(answer.as_object().unwrap().len(), 1);
        made.push(answer["cell_id"].as_str().unwrap().to_owned());
    }
    let notebook = server.get(&path).await.ok();
    assert_eq!(ids(&notebook), [&first, &made[3], &made[0], &made[1], &made[2]].map(Clone::clone));
    assert_eq!((&notebook["cells"][1]["type"], &notebook["cells"][3]["type"]), (&json!("sql"), &json!("python")));
    assert_eq!(notebook["revision"], 4);
}

#[actix_web::test]
async fn a_cell_behind_an_unknown_one_is_404() {
    let server = Server::start();
    let cells = format!("{}/cells", server.notebook().await);
    for after in ["none", "a\\u0000b", &"x".repeat(201)] {
        let body = format!(r#"{{"type": "python", "after_cell_id": "{after}"}}"#);
        server.post(&cells, &body).await.problem(404, "unknown_cell");
    }
}

#[actix_web::test]
async fn a_new_cell_must_have_a_type_that_exists() {
    let server = Server::start();
    let cells = format!("{}/cells", server.notebook().await);
    for (body, detail) in [
        ("{}", "The body does not fit: missing field `type` at line 1 column 2."),
        (
            r#"{"type": "markdown"}"#,
            "The field `type` does not fit: unknown variant `markdown`, expected `python` or `sql`",
        ),
        (r#"{"type": null}"#, "The field `type` does not fit: invalid type: null, expected a string"),
        (r#"{"type": {"sql": null}}"#, "The field `type` does not fit: invalid type: map, expected a string"),
        (r#"{"type": "Python"}"#, "The field `type` does not fit: unknown variant `Python`"),
        (r#"{"type": "sql", "after_cell_id": 1}"#, "The field `after_cell_id` does not fit: invalid type: integer `1`"),
    ] {
        let problem = server.post(&cells, body).await.problem(422, "does_not_fit");
        assert!(problem["detail"].as_str().unwrap().starts_with(detail), "{problem}");
    }
}

#[actix_web::test]
async fn code_is_kept_byte_for_byte_and_analysed() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    for (revision, code) in
        ["y = x + 1\r\n", "", "\u{0}\u{2028}𝒳\u{feff}", "y = x + 1\n", "y = x + 1\n"].iter().enumerate()
    {
        let answer = server.put(&cell, &json!({ "code": code }).to_string()).await.ok();
        assert_eq!(answer, json!({"status": "ok", "revision": revision + 1}));
        assert_eq!(server.get(&path).await.ok()["cells"][0]["code"], *code);
    }
    let notebook = server.get(&path).await.ok();
    assert_eq!((&notebook["cells"][0]["reads"], &notebook["cells"][0]["writes"]), (&json!(["x"]), &json!(["y"])));
    assert_eq!(notebook["cells"][0]["revision"], 5);
}

#[actix_web::test]
async fn a_stale_expected_revision_is_409_and_says_the_current_one() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    server.put(&cell, r#"{"code": "1", "expected_revision": 0}"#).await.ok();
    let problem = server.put(&cell, r#"{"code": "2", "expected_revision": 0}"#).await.problem(409, "revision_conflict");
    assert_eq!(problem["current_revision"], 1);
    assert_eq!(server.get(&path).await.ok()["cells"][0]["code"], "1");
    server.put(&cell, r#"{"code": "3", "expected_revision": null}"#).await.ok();
    assert_eq!(server.put(&cell, r#"{"code": "4"}"#).await.ok()["revision"], 3, "the last write wins");
    for number in ["1.0", "1e0", "\"3\"", "true", "99999999999999999999"] {
        let body = format!(r#"{{"code": "5", "expected_revision": {number}}}"#);
        server.put(&cell, &body).await.problem(422, "does_not_fit");
    }
}

#[actix_web::test]
async fn the_last_cell_may_be_deleted() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    assert_eq!(server.delete(&cell).await.ok(), json!({"status": "ok", "revision": 1}));
    assert_eq!(server.get(&path).await.ok()["cells"], json!([]));
    server.delete(&cell).await.problem(404, "unknown_cell");
    server.put(&cell, r#"{"code": ""}"#).await.problem(404, "unknown_cell");
    server.post(&format!("{path}/cells"), r#"{"type": "python"}"#).await.ok();
}

#[actix_web::test]
async fn cells_on_a_cycle_show_the_error_and_the_edit_succeeds() {
    let server = Server::start();
    let path = server.notebook().await;
    let one = server.first_cell(&path).await;
    let two = server.post(&format!("{path}/cells"), r#"{"type": "python"}"#).await.ok();
    let two = two["cell_id"].as_str().unwrap();
    server.put(&format!("{path}/cells/{one}"), r#"{"code": "a = b"}"#).await.ok();
    server.put(&format!("{path}/cells/{two}"), r#"{"code": "b = a"}"#).await.ok();
    let notebook = server.get(&path).await.ok();
    for cell in notebook["cells"].as_array().unwrap() {
        assert_eq!(cell["status"], "error", "{cell}");
        assert!(cell["error"].is_string(), "{cell}");
    }
}
