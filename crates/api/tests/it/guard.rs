use actix_web::test::TestRequest;

use crate::support::{Server, get, to, with_json};

#[actix_web::test]
async fn the_host_must_be_loopback() {
    let server = Server::start();
    for host in ["localhost", "127.0.0.1:1", "[::1]:8000"] {
        server.send(TestRequest::get().uri("/api/notebooks").insert_header(("Host", host))).await.ok();
    }
    for host in ["evil.example", "localhost.", "LOCALHOST", "u@localhost", "localhost.evil.example:8000", "0.0.0.0"] {
        let request = TestRequest::get().uri("/api/notebooks").insert_header(("Host", host));
        server.send(request).await.problem(403, "forbidden_host");
    }
    server.send(TestRequest::get().uri("/api/notebooks")).await.problem(403, "forbidden_host");
    let twice = get("/api/notebooks").append_header(("Host", "localhost"));
    server.send(twice).await.problem(403, "forbidden_host");
    let absolute = get("http://localhost:8000/api/notebooks");
    server.send(absolute).await.problem(403, "forbidden_host");
    server.send(TestRequest::get().uri("/nowhere").insert_header(("Host", "x"))).await.problem(403, "forbidden_host");
}

#[actix_web::test]
async fn a_present_origin_must_be_allowed() {
    let server = Server::start();
    server.get("/api/notebooks").await.ok();
    server.send(get("/api/notebooks").insert_header(("Origin", "http://localhost:3000"))).await.ok();
    for origin in [
        "null",
        "",
        "http://localhost:8001",
        "http://127.0.0.1:8000",
        "localhost:8000",
        "ftp://localhost:8000",
        "http://localhost:8000/",
        "https://localhost:3000",
        "http://localhost:3000/",
        "http://LOCALHOST:3000",
    ] {
        for path in ["/api/notebooks", "/health", "/nowhere"] {
            let reply = server.send(get(path).insert_header(("Origin", origin))).await;
            reply.problem(403, "forbidden_origin");
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
    }
    // The server's own pages; with `https` where a proxy does the encryption.
    for origin in ["http://localhost:8000", "https://localhost:8000"] {
        let reply = server.send(to(TestRequest::post(), "/api/notebooks").insert_header(("Origin", origin))).await;
        reply.ok();
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let rebound = TestRequest::post().uri("/api/notebooks").insert_header(("Host", "evil.example:8000"));
    let rebound = rebound.insert_header(("Origin", "http://evil.example:8000"));
    server.send(rebound).await.problem(403, "forbidden_host");
    let twice = get("/api/notebooks").append_header(("Origin", "http://localhost:3000"));
    let twice = twice.append_header(("Origin", "http://localhost:3000"));
    server.send(twice).await.problem(403, "forbidden_origin");
}

#[actix_web::test]
async fn a_body_must_be_announced_as_json() {
    let server = Server::start();
    let path = server.notebook().await;
    let name = format!("{path}/name");
    let body = r#"{"name": "x"}"#;
    for kind in ["application/json", "application/json; charset=utf-8", "application/vnd.x+json", "APPLICATION/JSON"] {
        server.send(with_json(TestRequest::put(), &name, body).insert_header(("Content-Type", kind))).await.ok();
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"] {
        for (method, path) in [(TestRequest::put(), &*name), (TestRequest::post(), "/api/notebooks")] {
            let request = with_json(method, path, body).insert_header(("Content-Type", kind));
            server.send(request).await.problem(403, "forbidden_content_type");
        }
    }
    let unannounced = to(TestRequest::put(), &name).insert_header(("Content-Length", "13")).set_payload(body);
    server.send(unannounced).await.problem(403, "forbidden_content_type");
    let twice = with_json(TestRequest::put(), &name, body).append_header(("Content-Type", "application/json"));
    server.send(twice).await.problem(403, "forbidden_content_type");
}

#[actix_web::test]
async fn chunks_count_as_a_body_and_no_body_needs_no_type() {
    let server = Server::start();
    let chunked = || to(TestRequest::post(), "/api/notebooks").insert_header(("Transfer-Encoding", "chunked"));
    server.send(chunked()).await.problem(403, "forbidden_content_type");
    server.send(chunked().insert_header(("Content-Type", "application/json"))).await.ok();
    server.send(to(TestRequest::post(), "/api/notebooks").insert_header(("Content-Length", "0"))).await.ok();
    server.send(to(TestRequest::post(), "/api/notebooks")).await.ok();
}
