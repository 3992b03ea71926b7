use actix_web::http::Method;
use actix_web::test::TestRequest;

use crate::support::{Server, get, to};

#[actix_web::test]
async fn unknown_routes_are_404() {
    let server = Server::start();
    let unknown = [
        "/",
        "/api",
        "/api/",
        "/api/notebooks/",
        "/api/notebooks/x/",
        "/api/notebooks//cells",
        "/api/chat/x",
        "/api/notebooks/x/cells/y/z",
        "/api/openapi.json",
        "/api/search?q=x",
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
        ("/api/notebooks/x/name", "PUT"),
        ("/api/notebooks/x/db", "PUT"),
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
