use serde_json::json;

use crate::support::{Server, to, with_json};
use actix_web::test::TestRequest;
use quire_service::{Options, Quota};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[actix_web::test]
async fn a_body_over_its_routes_limit_is_413_whether_announced_or_not() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let filled = |fields: &str, bytes: usize| {
        let body = format!(r#"{{{fields}, "more": ""}}"#);
        body.replace(r#""more": ""#, &format!(r#""more": "{}"#, "x".repeat(bytes - body.len())))
    };
    for (route, fields, most) in [
        (&cell, r#""code": """#, 2 * MIB),
        (&format!("{path}/name"), r#""name": """#, 64 * KIB),
        (&format!("{path}/db"), r#""connection_string": """#, 64 * KIB),
    ] {
        server.put(route, &filled(fields, most)).await.ok();
        let larger = filled(fields, most + 1);
        assert_eq!(larger.len(), most + 1);
        let problem = server.put(route, &larger).await.problem(413, "too_large");
        assert_eq!(problem["detail"], format!("The body is larger than the {most} bytes allowed."));
        let chunked = to(TestRequest::put(), route)
            .insert_header(("Content-Type", "application/json"))
            .insert_header(("Transfer-Encoding", "chunked"))
            .set_payload(larger);
        server.send(chunked).await.problem(413, "too_large");
    }
    let cells = format!("{path}/cells");
    server.post(&cells, &filled(r#""type": "sql""#, 2 * MIB)).await.ok();
    server.post(&cells, &filled(r#""type": "sql""#, 2 * MIB + 1)).await.problem(413, "too_large");
}

#[actix_web::test]
async fn a_body_over_16_mib_is_413_on_every_route() {
    let server = Server::start();
    let path = server.notebook().await;
    server.post("/api/notebooks", &"x".repeat(16 * MIB)).await.ok();
    let larger = "x".repeat(16 * MIB + 1);
    for path in ["/api/notebooks", &format!("{path}/cells")] {
        let problem = server.post(path, &larger).await.problem(413, "too_large");
        assert_eq!(problem["detail"], "The body is larger than the 16777216 bytes allowed.");
        let chunked = to(TestRequest::post(), path)
            .insert_header(("Content-Type", "application/json"))
            .insert_header(("Transfer-Encoding", "chunked"))
            .set_payload(larger.clone());
        server.send(chunked).await.problem(413, "too_large");
    }
    let announced =
        with_json(TestRequest::delete(), &path, "{}").insert_header(("Content-Length", (17 * MIB).to_string()));
    server.send(announced).await.problem(413, "too_large");
}

#[actix_web::test]
async fn the_longest_source_fits_however_it_is_escaped() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let body = format!(r#"{{"code": "{}"}}"#, r"\u0023".repeat(256 * KIB));
    server.put(&cell, &body).await.ok();
    assert_eq!(server.get(&path).await.ok()["cells"][0]["code"], "#".repeat(256 * KIB));
}

#[actix_web::test]
async fn source_over_256_kib_is_413() {
    let server = Server::start();
    let path = server.notebook().await;
    let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
    let code = |bytes: usize| json!({ "code": format!("#{}", "x".repeat(bytes - 1)) }).to_string();
    server.put(&cell, &code(256 * 1024)).await.ok();
    let problem = server.put(&cell, &code(256 * 1024 + 1)).await.problem(413, "too_large");
    assert_eq!(problem["detail"], "The cell's source has 262145 bytes, more than the 262144 allowed.");
    assert_eq!(server.get(&path).await.ok()["revision"], 1);
}

#[actix_web::test]
async fn long_names_and_connection_strings_are_422() {
    let server = Server::start();
    let path = server.notebook().await;
    let cases = [
        ("name", "name", 255, "The notebook's name has 256 characters, more than the 255 allowed."),
        ("db", "connection_string", 2_048, "The connection string has 2049 characters, more than the 2048 allowed."),
    ];
    for (route, field, limit, detail) in cases {
        let route = format!("{path}/{route}");
        let body = |characters: usize| json!({ field: "ä".repeat(characters) }).to_string();
        server.put(&route, &body(limit)).await.ok();
        assert_eq!(server.put(&route, &body(limit + 1)).await.problem(422, "beyond_limit")["detail"], detail);
        server.put(&route, &json!({ field: "a\0b" }).to_string()).await.problem(422, "beyond_limit");
    }
}

#[actix_web::test]
async fn the_ten_thousand_and_first_cell_is_422() {
    let cells: Vec<_> = (0..10_000)
        .map(|i| json!({"id": format!("c{i}"), "type": "sql", "code": "", "reads": [], "writes": []}))
        .collect();
    let file = json!({"id": "n", "user_id": "me", "name": "n", "db_conn_string": null, "revision": 0, "cells": cells});
    let server = Server::over(&[("n.json", &file.to_string())]);
    let problem = server.post("/api/notebooks/n/cells", r#"{"type": "sql"}"#).await.problem(422, "beyond_limit");
    assert_eq!(problem["detail"], "The notebook has 10001 cells, more than the 10000 allowed.");
}

#[actix_web::test]
async fn json_nested_deeper_than_128_is_422_even_in_unknown_fields() {
    let server = Server::start();
    let path = format!("{}/name", server.notebook().await);
    let body = |levels: usize| format!(r#"{{"name": "x", "more": {}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    server.put(&path, &body(127)).await.ok();
    server.put(&path, &body(128)).await.problem(422, "beyond_limit");
    server.put(&path, &body(32_000)).await.problem(422, "beyond_limit");
    let brackets = json!({ "name": "[".repeat(200) }).to_string();
    server.put(&path, &brackets).await.ok();
}

#[actix_web::test]
async fn a_compressed_body_is_refused_by_name_and_a_byte_order_mark_means_nothing() {
    let server = Server::start();
    let path = server.notebook().await;
    let name = format!("{path}/name");
    for encoding in ["gzip", "br", "deflate, gzip"] {
        let request = with_json(TestRequest::put(), &name, r#"{"name": "x"}"#);
        let reply = server.send(request.insert_header(("content-encoding", encoding))).await;
        reply.problem(415, "encoded_body");
        assert!(reply.json()["detail"].as_str().unwrap().contains(&format!("{encoding:?}")), "{}", reply.json());
    }
    let import = with_json(TestRequest::post(), "/api/notebooks/import", "{}");
    server.send(import.insert_header(("content-encoding", "gzip"))).await.problem(415, "encoded_body");
    for none in ["Identity", "", "identity, ,identity"] {
        let plain = with_json(TestRequest::put(), &name, r#"{"name": "plain"}"#);
        server.send(plain.insert_header(("content-encoding", none))).await.ok();
    }
    server.put(&name, "\u{feff}{\"name\": \"marked\"}").await.ok();
    assert_eq!(server.get(&path).await.ok()["name"], "marked");
    let exported = "\u{feff}{\"nbformat\": 4, \"nbformat_minor\": 5, \"metadata\": {}, \"cells\": []}";
    server.post("/api/notebooks/import", exported).await.ok();
}

#[actix_web::test]
async fn bodies_that_are_not_json_objects_that_fit_are_422() {
    let server = Server::start();
    let path = server.notebook().await;
    let (name, db) = (format!("{path}/name"), format!("{path}/db"));
    for body in ["", " ", "null", "1", "\"x\"", "[]", r#"["x"]"#, "x", "\u{feff}{}"] {
        server.put(&name, body).await.problem(422, "does_not_fit");
    }
    for body in
        ["{", "{\"name\": \"x\"", "{'name': 1}", r#"{"name": "\ud800"}"#, r#"{"name": "x"} x"#, r#"{"name": NaN}"#]
    {
        server.put(&name, body).await.problem(422, "malformed_json");
    }
    let latin = with_json(TestRequest::put(), &name, "").set_payload(&b"{\"name\": \"\xe4\"}"[..]);
    server.send(latin).await.problem(422, "malformed_json");
    for (route, body, detail) in [
        (&name, "{}", "The body does not fit: missing field `name` at line 1 column 2."),
        (
            &name,
            "{\n \"name\": 1}",
            "The field `name` does not fit: invalid type: integer `1`, expected a string at line 2 column 10.",
        ),
        (&name, r#"{"name": "a", "name": "b"}"#, "The body does not fit: duplicate field `name` at line 1 column 20."),
        (
            &db,
            "{\"Connection_string\": \"x\"}",
            "The body does not fit: missing field `connection_string` at line 1 column 26.",
        ),
        (
            &db,
            r#"{"connection_string": 4711}"#,
            "The field `connection_string` does not fit: it must be a string or null at line 1 column 27.",
        ),
    ] {
        assert_eq!(server.put(route, body).await.problem(422, "does_not_fit")["detail"], detail);
    }
    assert_eq!(server.get(&path).await.ok()["revision"], 0);
}

#[actix_web::test]
async fn who_keeps_as_much_as_one_may_is_told_so() {
    let server = Server::with(Options { quota: Quota { notebooks: Some(1), bytes: None }, ..Options::default() }, &[]);
    server.notebook().await;
    let refused = server.post("/api/notebooks", "").await;
    assert_eq!(
        refused.problem(403, "over_quota")["detail"],
        "You may keep 1 notebooks at most and have 1; delete notebooks or cells to make room."
    );
}
