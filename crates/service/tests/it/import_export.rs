//! Import and export, for programs without HTTP.

use quire_domain::Revision;
use quire_files::Format;
use quire_service::{Budgets, ImportFile, NotebookService, Options, ServiceError, WorkKind};
use serde_json::{Value, json};

use crate::support::{World, ann};

const SECRET: &str = "postgres://me:hunter2@h/d";

fn file(notebook: &Value) -> ImportFile {
    ImportFile { bytes: notebook.to_string().into_bytes(), format: None, name: None }
}

fn ours() -> Value {
    let cell = |id: &str, code: &str| json!({"id": id, "type": "python", "code": code, "reads": ["wrong"], "writes": [], "revision": 9});
    json!({"id": "demo-bob", "user_id": "bob", "name": "Mine", "db_conn_string": SECRET, "revision": 9,
        "cells": [cell("a", "x = 1"), cell("b", "y = x")], "future": {"kept": true}})
}

async fn exported(service: &NotebookService, id: &quire_domain::NotebookId, format: Format) -> Value {
    let published = service.get(&ann(), id).await.unwrap();
    serde_json::from_str(&service.export(&published, format).await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_import_is_new_analysed_and_the_importers() {
    let world = World::with(Options { plain_connections: true, ..Options::default() });
    let made = world.service.import(&ann(), file(&ours())).await.unwrap();
    assert_eq!((made.name.as_deref(), made.cells, made.notices), (Some("Mine"), 2, Vec::new()));
    let published = world.service.get(&ann(), &made.id).await.unwrap();
    let notebook = &published.notebook;
    assert_eq!((notebook.owner.as_str(), notebook.revision), ("ann", Revision(0)));
    assert!(notebook.cells.iter().all(|cell| cell.revision == Revision(0)));
    let reads: Vec<Vec<&str>> = notebook.cells.iter().map(|cell| cell.reads().collect()).collect();
    assert_eq!(reads, [vec![], vec!["x"]]);
    // What the store says without being asked to open it.
    let stored = world.store.load(&made.id).await.unwrap().unwrap().notebook;
    assert_eq!(stored.cells.get(1).unwrap().reads().collect::<Vec<_>>(), ["x"]);
    assert_eq!(world.service.connection(&published).unwrap().unwrap().expose(), SECRET);
    let json = exported(&world.service, &made.id, Format::Json).await;
    assert_eq!((&json["db_conn_string"], &json["future"]), (&Value::Null, &json!({"kept": true})));
    let ipynb = exported(&world.service, &made.id, Format::Ipynb).await;
    assert_eq!(ipynb["cells"][1]["source"], json!(["y = x"]));
    assert!(!ipynb.to_string().contains("hunter2"));
}

#[tokio::test]
async fn without_a_key_a_database_gets_the_notebook_and_not_the_secret() {
    let world = World::with(Options::default());
    let made = world.service.import(&ann(), file(&ours())).await.unwrap();
    let reason = "the connection string was left out: the server has no secret key to seal it with";
    assert_eq!(made.notices, [reason]);
    assert_eq!(world.service.get(&ann(), &made.id).await.unwrap().notebook.connection, None);
}

#[tokio::test]
async fn what_is_no_notebook_changes_nothing() {
    let world = World::with(Options::default());
    let refused = world.service.import(&ann(), file(&json!({"cells": 7}))).await;
    assert!(matches!(refused, Err(ServiceError::NoNotebook(_))), "{refused:?}");
    let long = ImportFile { name: Some("x".repeat(256)), ..file(&json!({"cells": []})) };
    assert!(matches!(world.service.import(&ann(), long).await, Err(ServiceError::Invalid(_))));
    let reader = world.another(Options { read_only: true, ..Options::default() });
    assert!(matches!(reader.import(&ann(), file(&ours())).await, Err(ServiceError::ReadOnly)));
    world.service.close().await;
    assert!(matches!(world.service.import(&ann(), file(&ours())).await, Err(ServiceError::Closing)));
    let all = quire_storage::ListFilter::default();
    let page = world.store.list(&all, &quire_storage::PageRequest::default()).await;
    assert_eq!(page.unwrap().notebooks.len(), 0);
}

/// The limit applies to the file, which escapes make larger than the notebook.
#[tokio::test]
async fn an_export_is_as_long_as_it_may_be_when_it_is_written() {
    let mut budgets = Budgets::new(2, 10);
    budgets[WorkKind::Export].max_cost = 20_000;
    let world = World::with(Options { budgets, ..Options::default() });
    let with_code = |code: String| file(&json!({"cells": [{"id": "a", "type": "python", "code": code}]}));
    let short = world.service.import(&ann(), with_code("\"".repeat(9_000))).await.unwrap();
    let long = world.service.import(&ann(), with_code("\"".repeat(11_000))).await.unwrap();
    for format in [Format::Json, Format::Ipynb] {
        exported(&world.service, &short.id, format).await;
        let published = world.service.get(&ann(), &long.id).await.unwrap();
        let refused = world.service.export(&published, format).await.unwrap_err();
        assert!(
            matches!(refused, ServiceError::TooCostly { what: "exports", cost: 20_001.., max_cost: 20_000 }),
            "{format:?}: {refused:?}"
        );
    }
}
