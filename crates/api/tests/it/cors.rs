use actix_web::http::Method;
use actix_web::test::TestRequest;

use crate::support::{Reply, Server, get, to};

const ORIGIN: &str = "https://quire.example";

fn check_told(reply: &Reply) {
    assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(
        reply.header("access-control-expose-headers"),
        Some("Content-Disposition, ETag, Idempotency-Replayed, Retry-After, X-Request-Id")
    );
    reply.check_envelope();
}

fn preflight(path: &str, origin: &str) -> TestRequest {
    to(TestRequest::default().method(Method::OPTIONS), path)
        .insert_header(("Origin", origin))
        .insert_header(("Access-Control-Request-Method", "PUT"))
        .insert_header(("Access-Control-Request-Headers", "authorization,content-type"))
}

#[actix_web::test]
async fn a_preflight_is_answered_on_every_path() {
    let server = Server::start();
    for path in ["/api/notebooks", "/api/notebooks/x/cells/y", "/nowhere"] {
        let reply = server.send(preflight(path, ORIGIN)).await;
        assert_eq!((reply.status, &*reply.body), (200, &b""[..]));
        check_told(&reply);
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST, PUT, DELETE"));
        let headers = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key";
        assert_eq!(reply.header("access-control-allow-headers"), Some(headers));
        assert_eq!(reply.header("access-control-max-age"), Some("600"));
    }
    server.send(preflight("/api/notebooks", "https://evil.example")).await.problem(403, "forbidden_origin");
    let elsewhere = preflight("/api/notebooks", ORIGIN).insert_header(("Host", "evil.example"));
    server.send(elsewhere).await.problem(403, "forbidden_host");
}

#[actix_web::test]
async fn options_without_a_preflight_is_a_method_that_routes_do_not_have() {
    let server = Server::start();
    let options = || to(TestRequest::default().method(Method::OPTIONS), "/api/notebooks");
    server.send(options()).await.problem(405, "method_not_allowed");
    server.send(options().insert_header(("Origin", ORIGIN))).await.problem(405, "method_not_allowed");
}

#[actix_web::test]
async fn errors_too_can_be_read_by_allowed_pages() {
    let server = Server::start();
    let with_origin = |request: TestRequest| request.insert_header(("Origin", ORIGIN));
    check_told(&server.send(with_origin(get("/api/notebooks"))).await);
    for (request, status) in [
        (get("/nowhere"), 404),
        (get("/api/notebooks/none"), 404),
        (to(TestRequest::patch(), "/api/notebooks"), 405),
        (get("/api/notebooks").insert_header(("Host", "evil.example")), 403),
        (to(TestRequest::post(), "/api/notebooks").insert_header(("Content-Length", "3")), 403),
        (get("/api/notebooks?limit=x"), 422),
    ] {
        let reply = server.send(with_origin(request)).await;
        assert_eq!(reply.status, status);
        check_told(&reply);
    }
}
