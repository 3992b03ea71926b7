//! Notebooks out as files, and in.

use actix_web::test::TestRequest;
use quire_domain::{NotebookId, UserId};
use serde_json::{Value, json};

use crate::described::DOCUMENT;
use crate::support::{Reply, Server, get, send, to, with_json};

const IMPORT: &str = "/api/notebooks/import";
const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const SECRET: &str = "postgresql://ann:hunter2@db.example/sales";

/// A notebook with something of everything.
fn ipynb() -> Value {
    json!({
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"title": "Analysis", "kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {"cell_type": "markdown", "id": "intro", "metadata": {}, "source": ["# Hello\n", "world"]},
            {"cell_type": "code", "id": "calc", "metadata": {"tags": ["x"]}, "execution_count": 2, "source": ["x = 1\n", "x"], "outputs": [
                {"output_type": "stream", "name": "stderr", "text": ["careful\n"]},
                {"output_type": "execute_result", "execution_count": 2, "metadata": {},
                    "data": {"text/plain": ["1"], "text/html": ["<b>1</b>"]}},
            ]},
        ],
    })
}

async fn import(server: &Server, file: &Value) -> Value {
    server.post(IMPORT, &file.to_string()).await.ok()
}

async fn read(server: &Server, imported: &Value) -> Value {
    server.get(&path_of(imported)).await.ok()
}

fn path_of(imported: &Value) -> String {
    format!("/api/notebooks/{}", imported["notebook_id"].as_str().unwrap())
}

fn file(reply: &Reply, media_type: &str) -> Value {
    reply.check_envelope();
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(media_type)), "{reply:?}");
    reply.json()
}

async fn exported(server: &Server, path: &str, format: &str) -> Value {
    let media_type = if format == "ipynb" { "application/x-ipynb+json" } else { "application/json" };
    file(&server.get(&format!("{path}/export?format={format}")).await, media_type)
}

#[actix_web::test]
async fn the_examples_of_the_description_come_in() {
    let server = Server::start();
    let content = DOCUMENT["paths"][IMPORT]["post"]["requestBody"]["content"].as_object().unwrap();
    assert_eq!(content.len(), 2);
    for (media_type, described) in content {
        let request = with_json(TestRequest::post(), IMPORT, &described["example"].to_string());
        server.send(request.insert_header(("Content-Type", media_type.as_str()))).await.ok();
    }
}

#[actix_web::test]
async fn a_jupyter_notebook_comes_in_is_worked_on_and_goes_out() {
    let server = Server::start();
    let made = import(&server, &ipynb()).await;
    assert_eq!((&made["name"], &made["cells"], &made["notices"]), (&json!("Analysis"), &json!(2), &json!([])));
    let shown = read(&server, &made).await;
    assert_eq!((&shown["revision"], &shown["name"]), (&json!(0), &json!("Analysis")));
    let cells = &shown["cells"];
    assert_eq!(cells[0]["code"], "# %% [markdown]\n# # Hello\n# world");
    assert_eq!((&cells[0]["reads"], &cells[0]["writes"]), (&json!([]), &json!([])));
    assert_eq!(
        (&cells[1]["id"], &cells[1]["writes"], &cells[1]["status"]),
        (&json!("calc"), &json!(["x"]), &json!("success"))
    );
    assert_eq!(cells[1]["outputs"], json!([{"mime_type": "text/html", "data": "<b>1</b>", "metadata": {}}]));
    // Fields that are stored for Jupyter are not shown.
    assert!(!shown.to_string().contains("careful") && !shown.to_string().contains("kernelspec"), "{shown}");

    let path = path_of(&made);
    assert_eq!(exported(&server, &path, "ipynb").await, ipynb());
    server.put(&format!("{path}/cells/calc"), r#"{"code": "x = 2"}"#).await.ok();
    server.put(&format!("{path}/cells/intro"), "{\"code\": \"# %% [markdown]\\n# Bye\"}").await.ok();
    server.put(&format!("{path}/name"), r#"{"name": "Ü/1"}"#).await.ok();
    let reply = server.get(&format!("{path}/export?format=ipynb")).await;
    let disposition = "attachment; filename=\"__1.ipynb\"; filename*=UTF-8''%C3%9C_1.ipynb";
    assert_eq!(reply.header("content-disposition"), Some(disposition));
    let later = file(&reply, "application/x-ipynb+json");
    assert_eq!((&later["metadata"]["title"], &later["cells"][0]["source"]), (&json!("Ü/1"), &json!(["Bye"])));
    assert_eq!(
        (&later["cells"][1]["source"], &later["cells"][1]["execution_count"]),
        (&json!(["x = 2"]), &json!(null))
    );
}

#[actix_web::test]
async fn our_own_format_goes_out_and_in_as_it_is() {
    let server = Server::start();
    let made = import(&server, &ipynb()).await;
    let path = path_of(&made);
    server.post(&format!("{path}/cells"), r#"{"type": "sql", "code": "SELECT 1"}"#).await.ok();
    let reply = server.get(&format!("{path}/export")).await;
    assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"Analysis.json\""));
    let ours = file(&reply, "application/json");
    let again = import(&server, &ours).await;
    assert_eq!((&again["name"], &again["cells"]), (&json!("Analysis"), &json!(3)));
    assert_ne!(again["notebook_id"], made["notebook_id"]);
    let (first, second) = (server.get(&path).await.ok(), read(&server, &again).await);
    let content = |notebook: &Value| {
        let cells = notebook["cells"].as_array().unwrap().iter().cloned().map(|mut cell| {
            cell["revision"].take();
            cell
        });
        cells.collect::<Vec<_>>()
    };
    assert_eq!(content(&first), content(&second));
    assert_eq!(second["revision"], 0);
    // What was Jupyter's is still there, and an SQL cell is one again.
    let (one, other) = (exported(&server, &path, "ipynb").await, exported(&server, &path_of(&again), "ipynb").await);
    assert_eq!(one, other);
    assert_eq!(one["cells"][2]["metadata"], json!({"vscode": {"languageId": "sql"}, "quire": {"type": "sql"}}));
    let third = import(&server, &one).await;
    assert_eq!(read(&server, &third).await["cells"][2]["type"], "sql");
}

#[actix_web::test]
async fn an_export_is_read_anew_only_when_it_is_another() {
    let server = Server::start();
    let path = server.notebook().await;
    let export = format!("{path}/export?format=ipynb");
    let etag = server.get(&export).await.header("etag").unwrap().to_owned();
    let known = get(&export).insert_header(("If-None-Match", etag.clone()));
    assert_eq!(server.send(known).await.status, 304);
    server.put(&format!("{path}/name"), r#"{"name": "x"}"#).await.ok();
    assert_eq!(server.send(get(&export).insert_header(("If-None-Match", etag))).await.status, 200);
    let head = server.send(to(TestRequest::default().method(actix_web::http::Method::HEAD), &export)).await;
    assert_eq!(head.status, 200);
}

#[actix_web::test]
async fn the_owner_alone_exports_and_whoever_imports_owns() {
    let server = Server::start();
    let made = import(&server, &ipynb()).await;
    let export = format!("{}/export", path_of(&made));
    let stranger = server.as_user("stranger");
    send(&stranger, get(&export)).await.problem(403, "foreign_notebook");
    send(&stranger, get(&format!("{export}?format=pdf"))).await.problem(403, "foreign_notebook");
    send(&stranger, get("/api/notebooks/unknown/export")).await.problem(404, "unknown_notebook");
    let ours = file(&server.get(&export).await, "application/json");
    assert_eq!(ours["user_id"], "me");
    let theirs = send(&stranger, with_json(TestRequest::post(), IMPORT, &ours.to_string())).await.ok();
    server.get(&path_of(&theirs)).await.problem(403, "foreign_notebook");
    send(&stranger, get(&path_of(&theirs))).await.ok();
}

#[actix_web::test]
async fn connection_strings_go_nowhere_and_come_in_sealed() {
    let server = Server::with_key(Some(KEY), &[]);
    let file = |string: &str| json!({"id": "x", "name": "S", "db_conn_string": string, "cells": []});
    let made = import(&server, &file(SECRET)).await;
    assert_eq!(made["notices"], json!([]));
    let id = NotebookId::new(made["notebook_id"].as_str().unwrap()).unwrap();
    let published = server.service.get(&UserId::new("me").unwrap(), &id).await.unwrap();
    assert!(published.notebook.connection.as_ref().unwrap().is_sealed());
    assert_eq!(server.service.connection(&published).unwrap().unwrap().expose(), SECRET);
    for format in ["json", "ipynb"] {
        let text = exported(&server, &path_of(&made), format).await.to_string();
        assert!(!text.contains("hunter2") && !text.contains("q1."), "{text}");
    }
    let shown = read(&server, &made).await;
    assert!(shown["db_conn_string"].as_str().unwrap().contains('\u{2022}'));
    let sealed = published.notebook.connection.as_ref().unwrap().expose().to_owned();
    for (string, reason) in [
        (sealed.as_str(), "The connection string was left out: it is sealed for another notebook."),
        (shown["db_conn_string"].as_str().unwrap(), "The connection string was left out: its password is masked."),
    ] {
        let made = import(&server, &file(string)).await;
        assert_eq!(made["notices"], json!([reason]));
        assert_eq!(read(&server, &made).await["db_conn_string"], json!(null));
    }
    let problem = server.post(IMPORT, &file(&format!("hunter2{}", "x".repeat(2_048))).to_string()).await;
    let problem = problem.problem(422, "beyond_limit");
    assert!(problem["detail"].as_str().unwrap().contains("2055 characters, more than the 2048"), "{problem}");
    assert!(!problem.to_string().contains("hunter2"));
}

#[actix_web::test]
async fn nothing_that_was_imported_can_run_in_a_page() {
    let server = Server::start();
    let evil = "<img src=x onerror=alert(1)><script>alert(2)</script><p>fine</p>";
    let outputs = |kind: &str| {
        json!([
            {"mime_type": kind, "data": evil, "metadata": {}},
            {"mime_type": "TEXT/HTML;x", "data": ["<scr", "ipt>alert(3)</script>"], "metadata": {}},
            {"mime_type": "text/html", "data": {"__html": evil}, "metadata": {}},
            {"mime_type": "image/png", "data": "x\" onerror=\"alert(4)", "metadata": {}},
            {"mime_type": "application/vnd.vegalite.v5+json", "data": {"usermeta": {"embedOptions": {"sourceHeader": evil}}}, "metadata": {}},
            {"mime_type": "text/plain", "data": evil, "metadata": {}},
        ])
    };
    let ours = json!({"cells": [{"id": "a", "type": "python", "code": "x", "outputs": outputs("text/html")}]});
    let made = import(&server, &ours).await;
    assert_eq!(
        made["notices"],
        json!([
            "2 outputs lost what could have run in a page.",
            "2 outputs could not be made safe to show and had to be left out.",
            "1 output had no type that is shown, and will be in an export only."
        ])
    );
    let shown = read(&server, &made).await["cells"][0]["outputs"].clone();
    let data: Vec<_> = shown.as_array().unwrap().iter().map(|output| output["data"].clone()).collect();
    assert_eq!(data, [json!("<img><p>fine</p>"), json!({"usermeta": {}}), json!(evil)]);

    let jupyter = json!({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, "source": "", "outputs": [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": evil, "text/plain": "p"}},
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>x</script>", "text/plain": "p"}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": "x\" onerror=\"alert(4)", "text/plain": "p"}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": "<svg onload=alert(5)>"}},
    ]}]});
    let made = import(&server, &jupyter).await;
    let shown = read(&server, &made).await["cells"][0]["outputs"].clone();
    let shown: Vec<_> =
        shown.as_array().unwrap().iter().map(|it| (it["mime_type"].clone(), it["data"].clone())).collect();
    let expected = [("text/html", "<img><p>fine</p>"), ("text/plain", "p"), ("text/plain", "p")];
    assert_eq!(shown, expected.map(|(kind, data)| (json!(kind), json!(data))));
    assert!(!server.get(&path_of(&made)).await.json().to_string().contains("<script"));
}

#[actix_web::test]
async fn names_come_from_the_file_or_the_request() {
    let server = Server::start();
    let named = |path: &str, body: Value| {
        let path = format!("{IMPORT}{path}");
        let server = &server;
        async move { server.post(&path, &body.to_string()).await.ok()["name"].clone() }
    };
    let jupyter = |metadata: Value| json!({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": []});
    assert_eq!(named("", jupyter(json!({}))).await, json!(null));
    assert_eq!(named("?name=%20Mine%20", jupyter(json!({"title": " "}))).await, "Mine");
    assert_eq!(named("?name=Mine", jupyter(json!({"title": " Its own "}))).await, "Its own");
    assert_eq!(named("", jupyter(json!({"name": "old"}))).await, "old");
    assert_eq!(named("?name=Mine", json!({"cells": []})).await, "Mine");
    assert_eq!(named("?name=Mine", json!({"name": "Its own", "cells": []})).await, "Its own");
    assert_eq!(named("?format=json", json!({"nbformat": 4, "cells": []})).await, json!(null));
    server.post(&format!("{IMPORT}?name={}", "x".repeat(256)), "{}").await.problem(422, "beyond_limit");
    server.post(&format!("{IMPORT}?format=pdf"), "{}").await.problem(422, "does_not_fit");
    server.get(&format!("{}/export?format=", server.notebook().await)).await.problem(422, "does_not_fit");
}

#[actix_web::test]
async fn what_is_no_notebook_is_told_with_its_place() {
    let server = Server::start();
    let code = |code: &str| json!({"cells": [{"id": "a", "type": "sql", "code": ""}, {"id": "b", "type": "sql", "code": code}]});
    for (body, code, detail) in [
        (String::new(), "malformed_json", "Line 1, column 1 (byte 0): EOF while parsing a value."),
        ("{".to_owned(), "malformed_json", "Line 1, column 1 (byte 0): EOF while parsing an object."),
        ("[]".to_owned(), "does_not_fit", "Line 1, column 1 (byte 0): not an object."),
        ("{}".to_owned(), "does_not_fit", "Line 1, column 1 (byte 0): `cells` is missing."),
        (
            r#"{"nbformat": 2, "cells": []}"#.to_owned(),
            "does_not_fit",
            "Line 1, column 14 (byte 13): `nbformat` is another version than 3 and 4, which can be read.",
        ),
        (
            code(&"#".repeat(262_145)).to_string(),
            "beyond_limit",
            "cell 2: the cell's source has 262145 bytes, more than the 262144 allowed.",
        ),
        (format!(r#"{{"nbformat": 4, "cells": {0}}}"#, "[".repeat(3_000_000)), "malformed_json", "."),
        (
            format!(r#"{{"cells": [], "x": {}{}}}"#, "[".repeat(3_000_000), "]".repeat(3_000_000)),
            "beyond_limit",
            "more than the 128 allowed.",
        ),
    ] {
        let problem = server.post(IMPORT, &body).await.problem(422, code);
        assert!(problem["detail"].as_str().unwrap().ends_with(detail), "{problem}");
    }
    let latin = with_json(TestRequest::post(), IMPORT, "").set_payload(&b"{\"name\": \"\xe4\"}"[..]);
    server.send(latin).await.problem(422, "malformed_json");
    let text = to(TestRequest::post(), IMPORT).insert_header(("Content-Type", "text/plain")).set_payload("{}");
    server.send(text.insert_header(("Content-Length", "2"))).await.problem(403, "forbidden_content_type");
    let larger = server.post(IMPORT, &" ".repeat(16 * 1024 * 1024 + 1)).await;
    assert_eq!(larger.problem(413, "too_large")["detail"], "The body is larger than the 16777216 bytes allowed.");
    let list = server.get("/api/notebooks").await.ok();
    assert_eq!(list["notebooks"].as_array().unwrap().len(), 2);
    // Other methods, and cells of a notebook of that name, are none of its.
    assert_eq!(
        server.get(IMPORT).await.problem(405, "method_not_allowed")["detail"],
        "This route has the methods POST."
    );
    let jupyter = with_json(TestRequest::post(), IMPORT, r#"{"cells": []}"#);
    server.send(jupyter.insert_header(("Content-Type", "application/x-ipynb+json"))).await.ok();
}

#[actix_web::test]
async fn words_that_are_not_json_are_read_as_null() {
    let server = Server::start();
    let body = r#"{"nbformat": 4, "metadata": {"x": NaN}, "cells": [{"cell_type": "code", "source": "", "outputs": [
        {"output_type": "display_data", "data": {"application/json": [NaN, -Infinity, 123456789012345678901234567890]}}]}]}"#;
    let made = server.post(IMPORT, body).await.ok();
    assert_eq!(made["notices"], json!(["`NaN` and `Infinity`, which JSON has not, were read as null."]));
    let shown = server.get(&path_of(&made)).await;
    assert!(std::str::from_utf8(&shown.body).unwrap().contains("[null,null,123456789012345678901234567890]"));
}

#[actix_web::test]
async fn a_large_file_is_taken_and_given() {
    let server = Server::start();
    let text = "x".repeat(3_000_000);
    let output = json!({"output_type": "display_data", "metadata": {}, "data": {"text/plain": text}});
    let cell = json!({"cell_type": "code", "metadata": {}, "execution_count": null, "source": "", "outputs": [output]});
    let file = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell, cell, cell, cell, cell]});
    let made = import(&server, &file).await;
    let back = exported(&server, &path_of(&made), "ipynb").await;
    assert_eq!(back["cells"][4]["outputs"][0]["data"]["text/plain"][0].as_str().unwrap().len(), 3_000_000);
    let bomb: Vec<String> = (0..200_000).map(|n| format!("<p><b a={n}></p>")).collect();
    let bomb = bomb.concat();
    let output = json!({"output_type": "display_data", "metadata": {}, "data": {"text/html": bomb, "text/plain": "p"}});
    let cell = json!({"cell_type": "code", "metadata": {}, "source": "", "outputs": [output]});
    let made = import(&server, &json!({"nbformat": 4, "metadata": {}, "cells": [cell]})).await;
    let shown = read(&server, &made).await["cells"][0]["outputs"][0].clone();
    assert_eq!((&shown["mime_type"], &shown["data"]), (&json!("text/plain"), &json!("p")));
}

#[actix_web::test]
async fn a_read_only_server_exports_and_does_not_import() {
    let mut server = Server::start();
    let path = server.notebook().await;
    let dir = tempfile::tempdir().unwrap();
    let store =
        quire_storage_json::JsonNotebookStore::open(dir.path(), quire_storage_json::Options::default()).unwrap();
    let store = std::sync::Arc::new(store);
    let options = quire_service::Options { read_only: true, ..quire_service::Options::default() };
    server.get(&format!("{path}/export")).await.ok();
    server.service = quire_service::NotebookService::new(store, options).unwrap();
    server.post(IMPORT, "{}").await.problem(503, "read_only");
}
