use actix_web::test::TestRequest;
use serde_json::json;

use crate::support::{Server, get, send, to, with_json};

#[actix_web::test]
async fn a_new_notebook_holds_one_empty_python_cell() {
    let server = Server::start();
    let path = server.notebook().await;
    let notebook = server.get(&path).await.ok();
    assert_eq!(notebook["name"], json!(null));
    assert_eq!(notebook["db_conn_string"], json!(null));
    assert_eq!(notebook["revision"], 0);
    assert!(path.ends_with(notebook["id"].as_str().unwrap()));
    let (epoch, number) = notebook["seq"].as_str().unwrap().split_once('-').unwrap();
    assert_eq!((epoch.len(), number.parse::<u64>().is_ok()), (32, true));
    for time in ["created_at", "updated_at"] {
        let time = notebook[time].as_str().unwrap();
        assert!(time.contains('T') && time.ends_with('Z'), "RFC 3339: {time}");
    }
    let [cell] = notebook["cells"].as_array().unwrap().as_slice() else { panic!("{notebook}") };
    let expected = json!({
        "id": cell["id"], "type": "python", "code": "", "status": "idle", "stdout": "", "outputs": [], "error": null,
        "stale": false, "started_at": null, "finished_at": null, "reads": [], "writes": [], "revision": 0,
    });
    assert_eq!(*cell, expected);
}

#[actix_web::test]
async fn making_a_notebook_ignores_any_body() {
    let server = Server::start();
    for body in ["", "{}", "[1]", "not json", r#"{"name": 1}"#] {
        let answer = server.post("/api/notebooks", body).await.ok();
        assert_eq!(answer.as_object().unwrap().len(), 1, "{body}");
    }
    let listed = server.get("/api/notebooks").await.ok();
    assert_eq!(listed["notebooks"].as_array().unwrap().len(), 5 + 2);
}

#[actix_web::test]
async fn a_name_is_trimmed_and_blank_becomes_null() {
    let server = Server::start();
    let path = server.notebook().await;
    let name = format!("{path}/name");
    let answer = server.put(&name, r#"{"name": "  Zürich\t", "unknown": [1]}"#).await.ok();
    assert_eq!(answer, json!({"status": "ok", "name": "Zürich"}));
    assert_eq!(server.get(&path).await.ok()["name"], "Zürich");
    assert_eq!(server.put(&name, r#"{"name": " \n "}"#).await.ok(), json!({"status": "ok", "name": null}));
    let notebook = server.get(&path).await.ok();
    assert_eq!((&notebook["name"], &notebook["revision"]), (&json!(null), &json!(2)));
    // As it is read, so it may be written back.
    assert_eq!(server.put(&name, r#"{"name": null}"#).await.ok(), json!({"status": "ok", "name": null}));
}

#[actix_web::test]
async fn a_connection_string_is_kept_and_an_unchanged_one_does_nothing() {
    let server = Server::start();
    let path = server.notebook().await;
    let db = format!("{path}/db");
    let shown = "postgresql://u:••••••••@h/d?x=ä";
    for entered in ["postgresql://u:p%40@h/d?x=ä", "postgresql://u:p%40@h/d?x=ä", shown] {
        let body = json!({ "connection_string": entered }).to_string();
        assert_eq!(server.put(&db, &body).await.ok(), json!({"status": "ok"}));
        let notebook = server.get(&path).await.ok();
        assert_eq!((&notebook["db_conn_string"], &notebook["revision"]), (&json!(shown), &json!(1)));
    }
    let body = json!({ "connection_string": shown.replace("@h", "@other") }).to_string();
    let problem = server.put(&db, &body).await.problem(422, "password_masked");
    let detail = "The connection string holds the mask that stands for a password: beside it only the database and \
        parameters such as application_name can change; enter the password again to change more.";
    assert_eq!(problem["detail"], detail);
    let detail = "A connection string cannot begin with \"q1.\", which marks sealed ones.";
    let problem = server.put(&db, r#"{"connection_string": "q1.a.b"}"#).await.problem(422, "does_not_fit");
    assert_eq!(problem["detail"], detail);
    assert_eq!(server.get(&path).await.ok()["revision"], 1);
    for body in [r#"{"connection_string": ""}"#, r#"{"connection_string": null}"#] {
        let revision = 2;
        server.put(&db, body).await.ok();
        let notebook = server.get(&path).await.ok();
        assert_eq!((&notebook["db_conn_string"], &notebook["revision"]), (&json!(null), &json!(revision)));
    }
}

#[actix_web::test]
async fn a_connection_string_without_a_password_is_shown_as_it_was_entered() {
    let server = Server::start();
    let path = server.notebook().await;
    for entered in ["postgres://me@h:5432/d", "host=h dbname=d", "c"] {
        server.put(&format!("{path}/db"), &json!({ "connection_string": entered }).to_string()).await.ok();
        assert_eq!(server.get(&path).await.ok()["db_conn_string"], entered);
    }
}

#[actix_web::test]
async fn a_deleted_notebook_is_gone() {
    let server = Server::start();
    let path = server.notebook().await;
    assert_eq!(server.delete(&path).await.ok(), json!({"status": "ok"}));
    let id = path.rsplit('/').next().unwrap();
    let detail = server.get(&path).await.problem(404, "unknown_notebook")["detail"].clone();
    assert_eq!(detail, format!("There is no notebook {id}."));
    server.delete(&path).await.problem(404, "unknown_notebook");
}

#[actix_web::test]
async fn an_unknown_notebook_is_404_on_every_route() {
    let server = Server::start();
    for id in ["none", "%C3%A4", "a%2Fb", "x%00y", &"x".repeat(201), ".."] {
        let path = format!("/api/notebooks/{id}");
        server.get(&path).await.problem(404, "unknown_notebook");
        server.delete(&path).await.problem(404, "unknown_notebook");
        server.put(&format!("{path}/name"), r#"{"name": "x"}"#).await.problem(404, "unknown_notebook");
        server.put(&format!("{path}/db"), r#"{"connection_string": "x"}"#).await.problem(404, "unknown_notebook");
        server.post(&format!("{path}/cells"), r#"{"type": "sql"}"#).await.problem(404, "unknown_notebook");
        server.put(&format!("{path}/cells/c"), r#"{"code": ""}"#).await.problem(404, "unknown_notebook");
        server.delete(&format!("{path}/cells/c")).await.problem(404, "unknown_notebook");
    }
}

#[actix_web::test]
async fn somebody_elses_notebook_is_403_on_every_route() {
    let server = Server::start();
    let path = server.notebook().await;
    let other = server.as_user("other");
    let requests = [
        get(&path),
        to(TestRequest::delete(), &path),
        with_json(TestRequest::put(), &format!("{path}/name"), r#"{"name": "x"}"#),
        with_json(TestRequest::put(), &format!("{path}/db"), r#"{"connection_string": "x"}"#),
        with_json(TestRequest::post(), &format!("{path}/cells"), r#"{"type": "sql"}"#),
        with_json(TestRequest::put(), &format!("{path}/cells/c"), r#"{"code": ""}"#),
        to(TestRequest::delete(), &format!("{path}/cells/c")),
    ];
    for request in requests {
        send(&other, request).await.problem(403, "foreign_notebook");
    }
    assert_eq!(server.get(&path).await.ok()["revision"], 0);
}

#[actix_web::test]
async fn blank_and_demo_mean_the_callers_own_on_every_route_and_are_made_on_first_use() {
    let server = Server::start();
    let demo = server.get("/api/notebooks/demo").await.ok();
    assert_eq!((&demo["id"], &demo["name"], &demo["revision"]), (&json!("demo-me"), &json!(null), &json!(0)));
    assert_eq!(demo["cells"].as_array().unwrap().len(), 6);
    let first = server.first_cell("/api/notebooks/blank").await;
    server.put("/api/notebooks/blank/name", r#"{"name": "Mine"}"#).await.ok();
    server.put("/api/notebooks/blank/db", r#"{"connection_string": "c"}"#).await.ok();
    server.post("/api/notebooks/blank/cells", r#"{"type": "python"}"#).await.ok();
    server.put(&format!("/api/notebooks/blank/cells/{first}"), r#"{"code": "1"}"#).await.ok();
    server.delete(&format!("/api/notebooks/blank/cells/{first}")).await.ok();
    let blank = server.get("/api/notebooks/blank-me").await.ok();
    assert_eq!((&blank["name"], &blank["revision"]), (&json!("Mine"), &json!(5)));
    server.delete("/api/notebooks/blank").await.ok();
    assert_eq!(server.get("/api/notebooks/blank").await.ok()["name"], "Blank Notebook", "it comes back");
    let other = server.as_user("other");
    assert_eq!(send(&other, get("/api/notebooks/demo")).await.ok()["id"], "demo-other");
    send(&other, get("/api/notebooks/demo-me")).await.problem(403, "foreign_notebook");
}

#[actix_web::test]
async fn ids_are_opaque_text_percent_encoded_once() {
    let file = r#"{"id": "a/b %2F ä", "user_id": "me", "name": null, "db_conn_string": null, "revision": 3,
        "cells": [{"id": "c/1", "type": "python", "code": "x", "reads": [], "writes": []}]}"#;
    let server = Server::over(&[("odd.json", file)]);
    let path = "/api/notebooks/a%2Fb%20%252F%20%C3%A4";
    assert_eq!(server.get(path).await.ok()["id"], "a/b %2F ä");
    let answer = server.put(&format!("{path}/cells/c%2F1"), r#"{"code": "y"}"#).await.ok();
    assert_eq!(answer, json!({"status": "ok", "revision": 4}));
    for broken in ["/api/notebooks/%zz", "/api/notebooks/%ff", "/api/notebooks/a%2"] {
        server.get(broken).await.problem(400, "bad_request");
    }
    server.delete("/api/notebooks/blank/cells/%ff").await.problem(400, "bad_request");
}

#[actix_web::test]
async fn results_are_given_as_exact_text() {
    let data = r#"{"b":1e2,"a":-0,"a":[12345678901234567890123]}"#;
    let file = format!(
        r#"{{"id": "n", "user_id": "me", "name": "n", "db_conn_string": "", "revision": 1, "cells": [
        {{"id": "c", "type": "sql", "code": "select {{x}}", "stdout": "out\n", "outputs":
        [{{"mime_type": "application/json", "data": {data}, "metadata": {{"k":1.50}}}}], "error": null,
        "reads": ["wrong"], "writes": ["wrong"]}}]}}"#
    );
    let server = Server::over(&[("n.json", &file)]);
    let reply = server.get("/api/notebooks/n").await;
    let cell = &reply.ok()["cells"][0];
    assert_eq!((&cell["stdout"], &cell["type"]), (&json!("out\n"), &json!("sql")));
    assert_eq!((&cell["reads"], &cell["writes"]), (&json!(["x"]), &json!([])), "computed afresh");
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let output = format!(r#""outputs":[{{"mime_type":"application/json","data":{data},"metadata":{{"k":1.50}}}}]"#);
    assert!(text.contains(&output), "{text}");
}

#[actix_web::test]
async fn a_damaged_notebook_is_named_with_its_file_and_place() {
    let file = "{\"id\": \"broken\",\n \"user_id\": \"me\", \"cells\": [{\"id\": \"c\", \"ty";
    let server = Server::over(&[("broken.json", file)]);
    let detail = server.get("/api/notebooks/broken").await.problem(500, "notebook_damaged")["detail"].clone();
    let detail = detail.as_str().unwrap();
    assert!(detail.contains("broken") && detail.contains("line 2"), "{detail}");
    server.get("/api/notebooks").await.ok();
}

#[actix_web::test]
async fn a_kept_answer_is_never_older_than_the_notebook() {
    let server = Server::start();
    let api = server.api();
    let blank = "/api/notebooks/blank";
    for name in ["one", "two"] {
        let first = send(&api, get(blank)).await;
        assert_eq!(send(&api, get(blank)).await.body, first.body);
        let body = json!({ "name": name }).to_string();
        send(&api, with_json(TestRequest::put(), &format!("{blank}/name"), &body)).await.ok();
        assert_eq!(send(&api, get(blank)).await.ok()["name"], name);
    }
    send(&api, to(TestRequest::delete(), blank)).await.ok();
    let again = send(&api, get(blank)).await.ok();
    assert_eq!((&again["name"], &again["revision"]), (&json!("Blank Notebook"), &json!(0)));
}
