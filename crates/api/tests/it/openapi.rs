//! The API's description: it is the one that is checked in, it has every route, and the page of statuses has every code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::Value;

use crate::described::{DOCUMENT, resolve};
use crate::support::{Server, ask, get, patterns, to};

#[actix_web::test]
async fn it_is_the_one_that_is_checked_in() {
    let (_, _, served) = ask(&Server::start().api(), get("/api/openapi.json")).await;
    let served = std::str::from_utf8(&served.body).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("QUIRE_WRITE_OPENAPI").is_some() {
        std::fs::write(&file, served).unwrap();
    }
    let is_current = std::fs::read_to_string(&file).unwrap() == served;
    let command = "QUIRE_WRITE_OPENAPI=1 cargo test -p quire-api --test it openapi::it_is_the_one";
    assert!(is_current, "docs/openapi.json is not what the code says any more; this brings it up to date: {command}");
}

#[actix_web::test]
async fn it_has_every_route_with_its_methods_and_no_other() {
    let server = Server::start();
    // Pages are for people, and no part of the API.
    let is_page = |path: &str| path == "/" || path.starts_with("/api/docs");
    let mut routes = BTreeMap::new();
    for pattern in patterns(&server.api()).await.into_iter().filter(|pattern| !is_page(pattern)) {
        let pattern = pattern.replace("{id:.+}", "{id}");
        let path = pattern.replace("{id}", "x").replace("{cell_id}", "y").replace("{run_id}", "z");
        // No route has this method, and the refusal names those that it has.
        let refused = server.send(to(TestRequest::default().method(Method::PATCH), &path)).await;
        // The patterns' own parts stand among them, which are no routes.
        if refused.status == 404 {
            refused.problem(404, "unknown_route");
            continue;
        }
        refused.problem(405, "method_not_allowed");
        let methods = refused.header("allow").unwrap().split(", ").filter(|method| *method != "HEAD");
        routes.insert(pattern, methods.map(str::to_lowercase).collect::<BTreeSet<_>>());
    }
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let described = paths.map(|(path, item)| (path.clone(), item.as_object().unwrap().keys().cloned().collect()));
    assert_eq!(described.collect::<BTreeMap<_, BTreeSet<_>>>(), routes);
}

#[actix_web::test]
async fn every_operation_has_a_name_of_its_own_and_words() {
    let mut names = BTreeSet::new();
    for operation in operations() {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{operation}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].as_str().unwrap().ends_with('.'), "{parameter}");
        }
    }
}

#[actix_web::test]
async fn everything_that_it_refers_to_is_there() {
    fn look(value: &'static Value) -> usize {
        let here = usize::from(!std::ptr::eq(resolve(value), value));
        let below = value.as_object().into_iter().flat_map(|fields| fields.values());
        here + below.chain(value.as_array().into_iter().flatten()).map(look).sum::<usize>()
    }
    assert!(look(&DOCUMENT) > 100);
}

#[actix_web::test]
async fn the_page_of_statuses_has_every_code() {
    let page = include_str!("../../../../docs/http-status-codes.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let mut written = BTreeSet::new();
    for (status, rest) in rows.filter(|(status, _)| status.parse::<u16>().is_ok()) {
        let codes = rest.split(" | ").next().unwrap().split(", ");
        written.extend(codes.map(|code| (status.to_owned(), code.trim_matches('`').to_owned())));
    }
    let mut described = BTreeSet::new();
    for (status, answer) in operations().flat_map(|operation| operation["responses"].as_object().unwrap()) {
        let narrowed = &resolve(answer)["content"]["application/problem+json"]["schema"]["allOf"][1];
        let codes = narrowed["properties"]["code"]["enum"].as_array().into_iter().flatten();
        described.extend(codes.map(|code| (status.clone(), code.as_str().unwrap().to_owned())));
    }
    // What no operation answers, because it is there.
    described.insert(("404".to_owned(), "unknown_route".to_owned()));
    described.insert(("405".to_owned(), "method_not_allowed".to_owned()));
    assert_eq!(written, described);
    let mut codes: BTreeSet<_> = described.into_iter().map(|(_, code)| code).collect();
    codes.insert("other".to_owned()); // of any status: the HTTP library's own
    let all = DOCUMENT["components"]["schemas"]["Code"]["enum"].as_array().unwrap().iter();
    assert_eq!(all.map(|code| code.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), codes);
}

fn operations() -> impl Iterator<Item = &'static Value> {
    DOCUMENT["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
}
