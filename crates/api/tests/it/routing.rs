use actix_web::body::to_bytes;
use actix_web::dev::{ServiceResponse, fn_service};
use actix_web::http::Method;
use actix_web::http::header::ORIGIN;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{HttpResponse, error, web};

use crate::support::{Reply, Server, get, to};

#[actix_web::test]
async fn unknown_routes_are_404() {
    let server = Server::start();
    let unknown = [
        "/api",
        "/api/",
        "/api/notebooks/",
        "/api/notebooks/x/",
        "/api/notebooks//cells",
        "/api/chat/x",
        "/api/notebooks/x/cells/y/z",
        "/api/docs/",
        "/api/docs/index.html",
        "/health/",
        "/API/notebooks",
        "//",
    ];
    for path in unknown {
        server.get(path).await.problem(404, "unknown_route");
        server.post(path, "{").await.problem(404, "unknown_route");
    }
}

#[actix_web::test]
async fn wrong_methods_are_405_and_name_the_right_ones() {
    let server = Server::start();
    let routes = [
        ("/api/notebooks", "GET, HEAD, POST"),
        ("/api/notebooks/x", "GET, HEAD, DELETE"),
        ("/api/notebooks/import", "POST"),
        ("/api/notebooks/x/export", "GET, HEAD"),
        ("/api/notebooks/x/name", "PUT"),
        ("/api/notebooks/x/db", "PUT"),
        ("/api/notebooks/x/reactive", "PUT"),
        ("/api/notebooks/x/cells", "POST"),
        ("/api/notebooks/x/cells/y", "PUT, DELETE"),
        ("/health", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ];
    for (path, allowed) in routes {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"] {
            if allowed.split(", ").any(|name| name == method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = server.send(to(TestRequest::default().method(method), path)).await;
            reply.problem(405, "method_not_allowed");
            assert_eq!(reply.header("allow"), Some(allowed), "{path}");
        }
    }
}

#[actix_web::test]
async fn head_is_get() {
    let server = Server::start();
    let reply = server.send(to(TestRequest::default().method(Method::HEAD), "/api/notebooks")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
}

#[actix_web::test]
async fn request_ids_are_ours_and_differ() {
    let server = Server::start();
    let api = server.api();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let request = get("/livez").insert_header(("X-Request-Id", "mine"));
        let reply = crate::support::send(&api, request).await;
        reply.check_envelope();
        assert!(seen.insert(reply.header("x-request-id").unwrap().to_owned()));
    }
}

#[actix_web::test]
async fn a_route_that_fails_without_an_answer_gets_one_like_all_others() {
    let fail = fn_service(|_| async { Err::<ServiceResponse, _>(error::ErrorBadRequest("not for clients")) });
    let app = Server::start().api().app().service(web::service("/fails").finish(fail));
    let request = get("/fails").insert_header((ORIGIN, "http://localhost:3000")).to_request();
    let error = try_call_service(&init_service(app).await, request).await.unwrap_err();
    let response = HttpResponse::from_error(error);
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let reply = Reply { status, headers, body: to_bytes(response.into_body()).await.unwrap() };
    reply.problem(400, "other");
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert!(!reply.detail().contains("not for clients"));
}
