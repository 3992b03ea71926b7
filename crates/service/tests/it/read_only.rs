//! A read-only service.

use quire_domain::ConnectionString;
use quire_service::{Options, ServiceError};
use quire_storage::PageRequest;

use crate::support::{World, ann, insert, update};

#[tokio::test]
async fn everything_is_read_and_nothing_changed() {
    let world = World::new();
    let (id, cell) = world.notebook().await;
    let before = world.store.load(&id).await.unwrap().unwrap();
    let reader = world.another(Options { read_only: true, ..Options::default() });
    assert_eq!(reader.get(&ann(), &id).await.unwrap().notebook.cells.len(), 1);
    let page = reader.list(&ann(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.notebooks.len(), 1, "nobody is given a blank and a demo notebook");
    let demo = reader.resolve(&ann(), "demo").unwrap();
    assert!(matches!(reader.get(&ann(), &demo).await, Err(ServiceError::UnknownNotebook(_))));

    let string = ConnectionString::new("postgres://h/d").unwrap();
    let refusals = [
        reader.create(&ann()).await.err(),
        reader.edit(&ann(), &id, None, update(&cell, "changed")).await.err(),
        reader.edit(&ann(), &id, None, insert("new", "x")).await.err(),
        reader.set_connection(&ann(), &id, None, string).await.err(),
        reader.delete(&ann(), &id).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Some(ServiceError::ReadOnly)), "{refusal:?}");
    }
    let after = world.store.load(&id).await.unwrap().unwrap();
    assert_eq!((after.version, after.notebook), (before.version, before.notebook));
    let health = reader.health().await;
    assert_eq!((health.reads, health.writes), (true, false));
}
