//! Saving without false conflicts: expected revisions, `If-Match`, merging, entity tags.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use crate::support::{Reply, Server, get, send, to, with_json};

/// A notebook with these cells' ids, the first of them empty and the others as inserted.
async fn with_cells(server: &Server, count: usize) -> (String, Vec<String>) {
    let path = server.notebook().await;
    let mut cells = vec![server.first_cell(&path).await];
    for number in 1..count {
        let body = json!({"type": "python", "code": format!("n = {number}")}).to_string();
        let made = server.post(&format!("{path}/cells"), &body).await.ok();
        cells.push(made["cell_id"].as_str().unwrap().to_owned());
    }
    (path, cells)
}

async fn etag(server: &Server, path: &str) -> String {
    server.get(path).await.header("etag").unwrap().to_owned()
}

async fn put_if(server: &Server, path: &str, body: &str, etag: &str) -> Reply {
    server.send(with_json(TestRequest::put(), path, body).insert_header(("If-Match", etag))).await
}

async fn delete_with(server: &Server, path: &str, body: &str) -> Reply {
    server.send(with_json(TestRequest::delete(), path, body)).await
}

async fn codes(server: &Server, path: &str) -> Vec<String> {
    let notebook = server.get(path).await.ok();
    notebook["cells"].as_array().unwrap().iter().map(|cell| cell["code"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_conflict_names_the_cells_that_changed_and_those_that_are_gone() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 4).await;
    let cell = |index: usize| format!("{path}/cells/{}", cells[index]);
    server.put(&cell(0), r#"{"code": "changed"}"#).await.ok();
    server.delete(&cell(1)).await.ok();
    server.post(&format!("{}/move", cell(2)), r#"{"after_cell_id": null}"#).await.ok();
    let stale = r#"{"code": "stale", "expected_revision": 3}"#;
    let problem = server.put(&cell(3), stale).await.problem(409, "revision_conflict");
    assert_eq!(problem["current_revision"], 6);
    let expected = json!([
        {"cell_id": cells[2], "revision": 6, "deleted": false},
        {"cell_id": cells[0], "revision": 4, "deleted": false},
        {"cell_id": cells[1], "revision": 5, "deleted": true},
    ]);
    assert_eq!((&problem["changed_cells"], &problem["changed_cells_complete"]), (&expected, &json!(true)));
    let later = r#"{"code": "stale", "expected_revision": 5}"#;
    let problem = server.put(&cell(3), later).await.problem(409, "revision_conflict");
    assert_eq!(problem["changed_cells"], json!([{"cell_id": cells[2], "revision": 6, "deleted": false}]));
}

/// Deletions before the notebook was opened here are unknown, and the response says so.
#[actix_web::test]
async fn a_conflict_says_when_it_does_not_know_every_deletion() {
    let file = r#"{"id": "old", "user_id": "me", "name": null, "db_conn_string": null, "revision": 7,
        "cells": [{"id": "a", "type": "python", "code": "", "reads": [], "writes": [], "revision": 2}]}"#;
    let server = Server::over(&[("old.json", file)]);
    let body = |expected: i64| json!({"code": "x", "expected_revision": expected}).to_string();
    let cell = "/api/notebooks/old/cells/a";
    let problem = server.put(cell, &body(6)).await.problem(409, "revision_conflict");
    assert_eq!((&problem["changed_cells"], &problem["changed_cells_complete"]), (&json!([]), &json!(false)));
    server.put(cell, &body(7)).await.ok();
    assert_eq!(server.put(cell, &body(7)).await.problem(409, "revision_conflict")["changed_cells_complete"], true);
    let unheard_of = server.put(cell, &body(99)).await.problem(409, "revision_conflict");
    assert_eq!(unheard_of["changed_cells_complete"], false);
}

#[actix_web::test]
async fn with_merge_edits_of_other_cells_are_no_conflict() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 5).await;
    let cell = |index: usize| format!("{path}/cells/{}", cells[index]);
    server.put(&cell(0), r#"{"code": "newer"}"#).await.ok(); // revision 5
    let known = r#""expected_revision": 4, "merge": true"#;
    server.put(&cell(1), &format!(r#"{{"code": "merged", {known}}}"#)).await.ok();
    server.post(&format!("{}/move", cell(2)), &format!(r#"{{"after_cell_id": null, {known}}}"#)).await.ok();
    server.put(&format!("{}/type", cell(3)), &format!(r#"{{"type": "sql", {known}}}"#)).await.ok();
    delete_with(&server, &cell(4), &format!("{{{known}}}")).await.ok();
    assert_eq!(codes(&server, &path).await, ["n = 2", "newer", "merged", "n = 3"]);
    // Now each of them has been touched since revision 4, or is gone.
    for index in 0..4 {
        let late = format!(r#"{{"code": "late", {known}}}"#);
        server.put(&cell(index), &late).await.problem(409, "revision_conflict");
        let late = format!(r#"{{"after_cell_id": null, {known}}}"#);
        server.post(&format!("{}/move", cell(index)), &late).await.problem(409, "revision_conflict");
        delete_with(&server, &cell(index), &format!("{{{known}}}")).await.problem(409, "revision_conflict");
    }
    let gone = server.put(&cell(4), &format!(r#"{{"code": "late", {known}}}"#)).await.problem(409, "revision_conflict");
    let deleted = gone["changed_cells"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&deleted["cell_id"], &deleted["deleted"]), (&json!(cells[4]), &json!(true)));
    // With the revision that is current, a cell that is not there is simply unknown.
    let current = r#"{"code": "late", "expected_revision": 9, "merge": true}"#;
    server.put(&cell(4), current).await.problem(404, "unknown_cell");
    let invented = r#"{"code": "late", "expected_revision": 99, "merge": true}"#;
    server.put(&cell(1), invented).await.problem(409, "revision_conflict");
    assert_eq!(codes(&server, &path).await, ["n = 2", "newer", "merged", "n = 3"]);
}

#[actix_web::test]
async fn merge_without_an_expected_revision_is_422() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 1).await;
    let cell = format!("{path}/cells/{}", cells[0]);
    server.put(&cell, r#"{"code": "", "merge": true}"#).await.problem(422, "does_not_fit");
    server
        .post(&format!("{cell}/move"), r#"{"after_cell_id": null, "merge": true}"#)
        .await
        .problem(422, "does_not_fit");
    server.put(&format!("{cell}/type"), r#"{"type": "sql", "merge": true}"#).await.problem(422, "does_not_fit");
    delete_with(&server, &cell, r#"{"merge": true}"#).await.problem(422, "does_not_fit");
    server.put(&cell, r#"{"code": "", "merge": false}"#).await.ok();
    delete_with(&server, &cell, r#"{"expected_revision": 0}"#).await.problem(409, "revision_conflict");
    delete_with(&server, &cell, r#"{"expected_revision": 1}"#).await.ok();
}

#[actix_web::test]
async fn if_match_refuses_with_412_what_expected_revision_refuses_with_409() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 1).await;
    let cell = format!("{path}/cells/{}", cells[0]);
    let first = etag(&server, &path).await;
    put_if(&server, &cell, r#"{"code": "1"}"#, &first).await.ok();
    let problem = put_if(&server, &cell, r#"{"code": "2"}"#, &first).await.problem(412, "precondition_failed");
    let changed = json!([{"cell_id": cells[0], "revision": 1, "deleted": false}]);
    assert_eq!((&problem["current_revision"], &problem["changed_cells"]), (&json!(1), &changed));
    // Equal in the body is the same, different contradicts itself.
    put_if(&server, &cell, r#"{"code": "2", "expected_revision": 0}"#, &first)
        .await
        .problem(412, "precondition_failed");
    put_if(&server, &cell, r#"{"code": "2", "expected_revision": 1}"#, &first).await.problem(400, "bad_request");
    put_if(&server, &cell, r#"{"code": "2"}"#, "*").await.ok();
    let second = etag(&server, &path).await;
    let weak = format!("W/{second}");
    let other = "\"1-2-00000000000000000000000000000000\"";
    for foreign in [weak.as_str(), "\"x\"", other] {
        let problem = put_if(&server, &cell, r#"{"code": "3"}"#, foreign).await.problem(412, "precondition_failed");
        assert_eq!(problem["current_revision"], 2, "{foreign}");
    }
    put_if(&server, &cell, r#"{"code": "3"}"#, "2").await.problem(400, "bad_request");
    for (route, body) in [("name", r#"{"name": "n"}"#), ("db", r#"{"connection_string": ""}"#)] {
        put_if(&server, &format!("{path}/{route}"), body, &first).await.problem(412, "precondition_failed");
        put_if(&server, &format!("{path}/{route}"), body, &etag(&server, &path).await).await.ok();
    }
    let delete = |etag: String| to(TestRequest::delete(), &path).insert_header(("If-Match", etag));
    server.send(delete(first)).await.problem(412, "precondition_failed");
    server.send(delete(etag(&server, &path).await)).await.ok();
}

/// Another user's notebook is refused before any precondition is checked.
#[actix_web::test]
async fn a_strangers_precondition_tells_nothing() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 1).await;
    let cell = format!("{path}/cells/{}", cells[0]);
    let stranger = server.as_user("stranger");
    for etag in [etag(&server, &path).await.as_str(), "\"x\"", "*"] {
        let request = with_json(TestRequest::put(), &cell, r#"{"code": "2"}"#).insert_header(("If-Match", etag));
        send(&stranger, request).await.problem(403, "foreign_notebook");
        send(&stranger, get(&path).insert_header(("If-None-Match", etag))).await.problem(403, "foreign_notebook");
    }
}

#[actix_web::test]
async fn an_unchanged_notebook_is_304() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 1).await;
    let first = etag(&server, &path).await;
    let ask = |tags: String| get(&path).insert_header(("If-None-Match", tags));
    for tags in [first.clone(), format!("\"x\", W/{first}"), "*".to_owned()] {
        let reply = server.send(ask(tags)).await;
        reply.check_envelope();
        assert_eq!((reply.status, reply.body.len(), reply.header("etag")), (304, 0, Some(&*first)));
    }
    server.put(&format!("{path}/cells/{}", cells[0]), r#"{"code": "1"}"#).await.ok();
    let reply = server.send(ask(first.clone())).await;
    reply.ok();
    assert_ne!(reply.header("etag"), Some(&*first));
}

#[actix_web::test]
async fn a_notebook_that_was_edited_since_is_not_deleted() {
    let server = Server::start();
    let (path, cells) = with_cells(&server, 1).await;
    let known = server.get(&path).await.ok()["revision"].clone();
    let expecting = |revision: &Value| json!({ "expected_revision": revision }).to_string();
    server.put(&format!("{path}/cells/{}", cells[0]), r#"{"code": "later"}"#).await.ok();
    delete_with(&server, &path, &expecting(&known)).await.problem(409, "revision_conflict");
    let now = server.get(&path).await.ok()["revision"].clone();
    delete_with(&server, &path, &expecting(&now)).await.ok();
    server.get(&path).await.problem(404, "unknown_notebook");
}

/// Two clients edit one notebook, each knowing only what it has last read or been told, and ask for merging: whatever is
/// answered with success is there at the end, and nothing else.
#[actix_web::test]
async fn two_clients_with_merge_lose_nothing() {
    const EDITS: usize = 500;
    let server = Server::start();
    let (path, cells) = with_cells(&server, 8).await;
    let client = async |name: &str, mut random: u64| {
        let mut known = server.get(&path).await.ok()["revision"].as_i64().unwrap();
        let mut accepted = Vec::new();
        for number in 0..EDITS {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let index = usize::try_from(random >> 33).unwrap() % cells.len();
            let code = format!("{name} = {number}");
            loop {
                let body = json!({"code": code, "expected_revision": known, "merge": true}).to_string();
                let reply = server.put(&format!("{path}/cells/{}", cells[index]), &body).await;
                if reply.status == 200 {
                    accepted.push((reply.json()["revision"].as_i64().unwrap(), index, code));
                    break;
                }
                // Somebody else has touched this very cell, and the answer says so; a person would look and save again.
                let problem = reply.problem(409, "revision_conflict");
                let changed = problem["changed_cells"].as_array().unwrap();
                assert!(changed.iter().any(|cell| cell["cell_id"] == json!(cells[index])), "{problem}");
                known = problem["current_revision"].as_i64().unwrap();
            }
        }
        accepted
    };
    let (mut accepted, others) = tokio::join!(client("a", 1), client("b", 2));
    accepted.extend(others);
    accepted.sort_unstable();
    let revisions: Vec<_> = accepted.iter().map(|(revision, ..)| *revision).collect();
    assert_eq!(revisions, (8..8 + 2 * 500).collect::<Vec<_>>(), "every success is a revision of its own");
    let mut expected: Vec<String> = vec![String::new(); cells.len()];
    for (_, index, code) in accepted {
        expected[index] = code;
    }
    let notebook: Value = server.get(&path).await.ok();
    assert_eq!(notebook["revision"], 7 + 2 * 500);
    assert_eq!(codes(&server, &path).await, expected);
}

/// `blank-…` comes back with the next list, at the revision at which it was deleted; what was known of the first one must
/// neither change nor delete the second.
#[actix_web::test]
async fn what_is_known_of_a_deleted_notebook_matches_nothing_of_the_one_made_again() {
    let server = Server::start();
    let path = "/api/notebooks/blank";
    let first_cell = format!("{path}/cells/{}", server.first_cell(path).await);
    server.put(&first_cell, r#"{"code": "first"}"#).await.ok();
    let known = etag(&server, path).await;
    server.delete(path).await.ok();
    let cell = format!("{path}/cells/{}", server.first_cell(path).await);
    server.put(&cell, r#"{"code": "second"}"#).await.ok();
    assert_ne!(etag(&server, path).await, known);

    let delete = |etag: String| to(TestRequest::delete(), path).insert_header(("If-Match", etag));
    let problem = server.send(delete(known.clone())).await.problem(412, "precondition_failed");
    assert_eq!(problem["current_revision"], 1);
    put_if(&server, &cell, r#"{"code": "stale"}"#, &known).await.problem(412, "precondition_failed");
    put_if(&server, &cell, r#"{"code": "stale", "merge": true}"#, &known).await.problem(412, "precondition_failed");
    assert_eq!(server.send(get(path).insert_header(("If-None-Match", known.clone()))).await.status, 200);

    // The body may hold the text of an ETag, where the number alone cannot tell the two apart.
    let with = |expected: Value| json!({"code": "third", "expected_revision": expected}).to_string();
    let problem = server.put(&cell, &with(json!(known))).await.problem(409, "revision_conflict");
    assert!(problem["detail"].as_str().unwrap().contains("deleted and made again"), "{problem}");
    assert_eq!(problem["changed_cells_complete"], false);
    assert_eq!(codes(&server, path).await, ["second"]);
    server.put(&cell, &with(json!(etag(&server, path).await))).await.ok();
    server.put(&cell, &with(json!(2))).await.ok();
    for none in [json!("2"), json!(""), json!(true), json!(1.5)] {
        server.put(&cell, &with(none)).await.problem(422, "does_not_fit");
    }
    server.send(delete(etag(&server, path).await)).await.ok();
}
