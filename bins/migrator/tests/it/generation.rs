//! Tests of new lives after a restore.

use std::collections::BTreeSet;

use quire_domain::{Base, Life, Notebook, NotebookId, Timestamp, UserId};
use quire_migration::STEPS;
use quire_storage::prelude::*;
use quire_storage::{Delete, StoreError, StoredDigest};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};

use crate::support::{Ended, migrated, migrator};

/// Two full batches and a partial one.
const NOTEBOOKS: usize = 2_500;

async fn digests(store: &PostgresNotebookStore, ids: &[NotebookId]) -> Vec<StoredDigest> {
    let mut digests = store.digests(ids).await.unwrap();
    digests.sort_by(|one, other| one.id.cmp(&other.id));
    digests
}

#[tokio::test]
async fn every_notebook_has_a_new_life_and_nothing_else_is_different() {
    let database = migrated(STEPS).await;
    let store = PostgresNotebookStore::new(DatabaseUrl::parse(database.url()).unwrap(), Options::default()).unwrap();
    let ids: Vec<_> = (0..NOTEBOOKS).map(|number| NotebookId::new(format!("n{number}")).unwrap()).collect();
    for id in &ids {
        let owner = UserId::new("ann").unwrap();
        store.create(&Notebook::new(id.clone(), Life::UNRECORDED, owner, Timestamp::default()), None).await.unwrap();
    }
    let before = digests(&store, &ids).await;
    for _ in 0..2 {
        let ended: Ended = migrator(&["new-generation"]).env("DATABASE_URL", database.url()).output().unwrap().into();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.out.starts_with("2500 notebooks have new lives"), "{}", ended.out);
    }
    let after = digests(&store, &ids).await;
    let lives: BTreeSet<_> = after.iter().map(|one| one.life.to_string()).collect();
    assert_eq!(lives.len(), NOTEBOOKS);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.revision, before.version, before.digest), (after.revision, after.version, after.digest));
    }
    // The base that a client knew from before the restore.
    let lost = Base { life: Life::UNRECORDED, revision: after[0].revision };
    let refused = store.delete(Delete { id: &after[0].id, base: lost, record: None }).await;
    assert!(matches!(refused, Err(StoreError::RevisionMismatch { .. })), "{refused:?}");
}
