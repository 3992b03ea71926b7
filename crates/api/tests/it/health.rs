use actix_web::test::TestRequest;
use serde_json::json;

use crate::support::{Server, send};

#[actix_web::test]
async fn health_needs_no_host_and_says_how_the_store_is() {
    let server = Server::start();
    for host in ["10.0.0.7:8000", "localhost"] {
        let request = TestRequest::get().uri("/health").insert_header(("Host", host));
        let answer = server.send(request).await.ok();
        assert_eq!(answer, json!({"status": "healthy", "database": "not_configured"}));
    }
    for (path, status) in [("/livez", "alive"), ("/readyz", "ready")] {
        assert_eq!(server.send(TestRequest::get().uri(path)).await.ok(), json!({"status": status}));
    }
}

#[actix_web::test]
async fn while_shutting_down_only_livez_says_yes() {
    let server = Server::start();
    let api = server.api();
    api.drain().await;
    let probe = |path: &str| TestRequest::get().uri(path);
    let health = send(&api, probe("/health")).await;
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(health.header("content-type"), Some("application/json"));
    let ready = send(&api, probe("/readyz")).await;
    ready.problem(503, "shutting_down");
    assert_eq!(ready.header("retry-after"), Some("5"));
    send(&api, probe("/livez")).await.ok();
}

#[actix_web::test]
async fn livez_says_no_while_the_service_does_not_get_to_its_work() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = {
        let _entered = runtime.enter();
        Server::start()
    };
    let (held_up, is_held_up) = std::sync::mpsc::channel();
    let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
    runtime.spawn(async move {
        held_up.send(()).unwrap();
        let _ = goes_on.recv();
    });
    is_held_up.recv().unwrap();
    let refused = server.send(TestRequest::get().uri("/livez")).await;
    refused.problem(503, "not_responding");
    assert_eq!(refused.header("retry-after"), Some("5"));
    drop(go_on);
    server.send(TestRequest::get().uri("/livez")).await.ok();
    runtime.shutdown_background(); // it must not be waited for on a thread that runs tasks
}

#[actix_web::test]
async fn a_closed_service_refuses_everything_new() {
    let server = Server::start();
    let path = server.notebook().await;
    server.service.close().await;
    server.get(&path).await.problem(503, "shutting_down");
    server.get("/api/notebooks").await.problem(503, "shutting_down");
    let refused = server.put(&format!("{path}/name"), r#"{"name": "x"}"#).await;
    refused.problem(503, "shutting_down");
    assert_eq!(refused.header("retry-after"), Some("5"));
    server.post("/api/notebooks", "").await.problem(503, "shutting_down");
    server.delete(&path).await.problem(503, "shutting_down");
    server.send(TestRequest::get().uri("/readyz")).await.problem(503, "shutting_down");
    assert_eq!(server.send(TestRequest::get().uri("/health")).await.status, 503);
}
