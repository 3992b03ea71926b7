use serde_json::{Value, json};

use crate::support::{Server, get, send};

fn ids(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|found| found["notebook_id"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn names_and_code_of_ones_own_are_found() {
    let server = Server::start();
    let mut paths = Vec::new();
    for number in 0..3 {
        let path = server.notebook().await;
        let cell = format!("{path}/cells/{}", server.first_cell(&path).await);
        let code = format!("x = {number}\ny = Revenue(x)");
        server.put(&cell, &json!({ "code": code }).to_string()).await.ok();
        paths.push(path);
    }
    server.put(&format!("{}/name", paths[1]), r#"{"name": "revenue & more"}"#).await.ok();
    let all = server.get("/api/search?q=REVENUE").await.ok();
    let expected: Vec<_> = paths.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!((ids(&all), &all["next_cursor"]), (expected, &json!(null)));
    let found = &all["results"][1];
    assert_eq!((&found["name"], &found["in_name"]), (&json!("revenue & more"), &json!(true)));
    let cell = &found["cells"][0];
    assert_eq!((&cell["line"], &cell["text"]), (&json!(2), &json!("y = Revenue(x)")));
    assert_eq!(ids(&server.get("/api/search?q=revenue+%26").await.ok()).len(), 1);
    assert_eq!(ids(&server.get("/api/search?q=nowhere").await.ok()).len(), 0);
    assert_eq!(ids(&send(&server.as_user("stranger"), get("/api/search?q=revenue")).await.ok()).len(), 0);
    let (mut joined, mut query) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/search?q=revenue&limit=1{query}")).await.ok();
        joined.extend(page["results"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("&cursor={cursor}");
    }
    assert_eq!(json!(joined), all["results"]);
}

#[actix_web::test]
async fn a_search_that_does_not_fit_is_422() {
    let server = Server::start();
    let long = format!("q={}", "x".repeat(201));
    for query in ["", "q=", "q=%20", &long, "q=x&limit=0", "q=x&limit=y", "q=x&cursor=y"] {
        server.get(&format!("/api/search?{query}")).await.problem(422, "does_not_fit");
    }
    server.post("/api/search?q=x", "").await.problem(405, "method_not_allowed");
}
