use serde_json::{Value, json};

use crate::support::{Server, get, send};

fn ids(list: &Value) -> Vec<&str> {
    list["notebooks"].as_array().unwrap().iter().map(|notebook| notebook["id"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn a_new_user_gets_blank_first_and_demo_second() {
    let server = Server::start();
    let expected = json!({"notebooks": [
        {"id": "blank-me", "name": "Blank Notebook"},
        {"id": "demo-me", "name": "demo-me"},
    ]});
    for _ in 0..2 {
        assert_eq!(server.get("/api/notebooks").await.ok(), expected);
    }
}

#[actix_web::test]
async fn two_first_lists_at_once_end_with_one_of_each() {
    let server = Server::start();
    let api = server.api();
    let (a, b) = tokio::join!(send(&api, get("/api/notebooks")), send(&api, get("/api/notebooks")));
    for list in [a.ok(), b.ok(), server.get("/api/notebooks").await.ok()] {
        assert_eq!(ids(&list), ["blank-me", "demo-me"]);
    }
}

#[actix_web::test]
async fn the_list_is_the_callers_oldest_first_and_complete() {
    let server = Server::start();
    server.get("/api/notebooks").await.ok();
    let mut expected = vec!["blank-me".to_owned(), "demo-me".to_owned()];
    for _ in 0..20 {
        expected.push(server.notebook().await.rsplit('/').next().unwrap().to_owned());
    }
    let list = server.get("/api/notebooks").await.ok();
    assert_eq!(ids(&list), expected);
    assert_eq!(list.as_object().unwrap().len(), 1, "no cursor and no damage where there is none");
    let other = send(&server.as_user("other"), get("/api/notebooks")).await.ok();
    assert_eq!(ids(&other), ["blank-other", "demo-other"]);
}

#[actix_web::test]
async fn pages_join_to_the_whole() {
    let server = Server::start();
    for _ in 0..5 {
        server.notebook().await;
    }
    let whole = server.get("/api/notebooks").await.ok();
    let (mut joined, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = server.get(&format!("/api/notebooks{query}")).await.ok();
        joined.extend(page["notebooks"].as_array().unwrap().clone());
        assert!(page.as_object().unwrap().contains_key("next_cursor"), "{page}");
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=3&cursor={cursor}");
    }
    assert_eq!(json!({"notebooks": joined}), whole);
}

#[actix_web::test]
async fn lists_are_sorted_as_asked_page_by_page() {
    let server = Server::start();
    server.get("/api/notebooks").await.ok();
    for name in ["beta", "Alpha", "gamma"] {
        let path = server.notebook().await;
        server.put(&format!("{path}/name"), &json!({ "name": name }).to_string()).await.ok();
    }
    server.put("/api/notebooks/blank/name", r#"{"name": "delta"}"#).await.ok();
    for (sort, expected) in [
        ("name", ["Alpha", "beta", "delta", "demo-me", "gamma"]),
        ("-name", ["gamma", "demo-me", "delta", "beta", "Alpha"]),
        ("updated", ["demo-me", "beta", "Alpha", "gamma", "delta"]),
        ("-updated", ["delta", "gamma", "Alpha", "beta", "demo-me"]),
        ("created", ["delta", "demo-me", "beta", "Alpha", "gamma"]),
        ("-created", ["gamma", "Alpha", "beta", "demo-me", "delta"]),
    ] {
        let whole = server.get(&format!("/api/notebooks?sort={sort}")).await.ok();
        assert!(!whole.as_object().unwrap().contains_key("next_cursor"), "{whole}");
        let (mut joined, mut query) = (Vec::new(), format!("?sort={sort}&limit=2"));
        loop {
            let page = server.get(&format!("/api/notebooks{query}")).await.ok();
            joined.extend(page["notebooks"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("?sort={sort}&limit=2&cursor={cursor}");
        }
        assert_eq!(json!({ "notebooks": joined }), whole, "{sort}");
        let names: Vec<_> = joined.iter().map(|notebook| notebook["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{sort}");
    }
}

#[actix_web::test]
async fn a_query_that_does_not_fit_is_422() {
    let server = Server::start();
    let limits = ["limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=", "limit=1&limit=2"];
    for query in limits.iter().chain(&[
        "cursor=x",
        "cursor=",
        "sort=size",
        "sort=",
        "sort=--name",
        "sort=name&cursor=x",
        "sort=name&cursor=updated_1_a",
    ]) {
        let problem = server.get(&format!("/api/notebooks?{query}")).await.problem(422, "does_not_fit");
        assert!(problem["detail"].as_str().unwrap().starts_with("The query does not fit: "), "{problem}");
    }
    server.get("/api/notebooks?other=1&limit=99999999").await.ok();
}

#[actix_web::test]
async fn damaged_files_are_listed_and_harm_nothing_else() {
    let server = Server::over(&[("bad.json", r#"{"id": "bad", "user_id": "me", "cells": "#)]);
    let list = server.get("/api/notebooks").await.ok();
    assert_eq!(ids(&list), ["blank-me", "demo-me"]);
    let [damaged] = list["damaged"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&damaged["file"], &damaged["id"]), (&json!("bad.json"), &json!("bad")), "{damaged}");
    assert!(damaged["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{damaged}");
}
