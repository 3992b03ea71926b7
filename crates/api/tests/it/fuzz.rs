//! Random requests: no response is an internal error, and every error has a body.

use actix_web::http::{Method, Uri};
use actix_web::rt::System;
use actix_web::test::TestRequest;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Server, send, to};

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("blank".to_owned()),
        Just("demo".to_owned()),
        Just("blank-me".to_owned()),
        Just("c".to_owned()),
        "[ -~]{0,12}",
        "(%[0-9a-fA-F]{2}){1,6}",
        "[%a-z0-9./+~-]{1,210}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let known = prop_oneof![
        Just("/api/notebooks".to_owned()),
        Just("/api/notebooks/import".to_owned()),
        Just("/health".to_owned()),
        id().prop_map(|id| format!("/api/notebooks/{id}")),
        (id(), "name|db|cells|export").prop_map(|(id, rest)| format!("/api/notebooks/{id}/{rest}")),
        (id(), id()).prop_map(|(id, cell)| format!("/api/notebooks/{id}/cells/{cell}")),
        "/[ -~]{0,40}",
    ];
    let query = prop_oneof![3 => Just(String::new()), 1 => r"\?(limit|cursor|x)=[ -~]{0,20}(&limit=[0-9]{1,30})?"];
    (known, query).prop_map(|(path, query)| path + &query)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just("null".to_owned()),
        "-?[0-9]{1,25}(\\.[0-9]{1,3})?(e[0-9]{1,4})?",
        r#""([ !#-\[\]-~]|\\u[0-9a-f]{4}|\\[nrt"]){0,40}""#,
        "[\\[{\"]{1,140}",
        Just("[]".to_owned()),
        Just(r#""python""#.to_owned()),
    ];
    let field = ("name|connection_string|type|after_cell_id|code|expected_revision|x", value)
        .prop_map(|(name, value)| format!("\"{name}\": {value}"));
    prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(", ")).into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..60),
    ]
}

#[test]
fn no_request_is_our_fault_and_every_refusal_is_a_problem() {
    let system = System::new();
    let (server, api) = system.block_on(async {
        let server = Server::start();
        let api = server.api();
        (server, api)
    });
    let method = "GET|PUT|POST|DELETE|PATCH|OPTIONS|[A-Z]{1,7}";
    let kind = prop_oneof![6 => Just("application/json".to_owned()), 1 => "[a-z]{1,9}/[a-z+]{1,9}(;[ -~]{0,9})?"];
    let host = prop_oneof![9 => Just("localhost".to_owned()), 1 => "[ -~]{0,20}"];
    let mut runner = TestRunner::new(Config { cases: 800, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(method, path(), kind, host, body()), |(method, path, kind, host, body)| {
        prop_assume!(path.parse::<Uri>().is_ok());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = to(TestRequest::default().method(method), &path)
            .insert_header(("Host", host))
            .insert_header(("Content-Type", kind))
            .insert_header(("Content-Length", body.len().to_string()))
            .set_payload(body);
        let reply = system.block_on(send(&api, request));
        reply.check_envelope();
        prop_assert!(reply.status < 500, "{:?}", reply);
        if reply.status >= 400 {
            reply.any_problem();
        }
        Ok(())
    });
    outcome.unwrap();
    drop(server);
}
