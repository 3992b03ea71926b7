//! Wrappers are stores: they pass the suite, and do what they are for.

use std::io::{self, Read as _};
use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{Life, Notebook, NotebookId, Timestamp, UserId};
use quire_storage::conformance::{StoreBuilder as _, Wrapped};
use quire_storage::prelude::*;
use quire_storage::{
    Call, Commit, CommitId, Delete, Faults, Faulty, IdempotencyKey, ListFilter, NotebookStore, PageRequest,
    RecordLookup, SearchRequest, SearchText, StoreError, Traced, store_spans,
};
use tracing_subscriber::fmt::format::FmtSpan;
use uuid::Uuid;

use crate::Builder;

fn traced(store: Arc<dyn NotebookStore>) -> Arc<dyn NotebookStore> {
    Arc::new(Traced::new(store, store_spans!("memory")))
}

mod a_traced_store {
    quire_storage::conformance_tests!(super::Wrapped(super::Builder(None), super::traced));
}

#[derive(Debug)]
struct NoFaults;

impl Faults for NoFaults {}

fn without_faults(store: Arc<dyn NotebookStore>) -> Arc<dyn NotebookStore> {
    Arc::new(Faulty::new(store, Arc::new(NoFaults)))
}

mod a_faulty_store_without_faults {
    quire_storage::conformance_tests!(super::Wrapped(super::Builder(None), super::without_faults));
}

fn notebook() -> Notebook {
    let (id, owner) = (NotebookId::new("n").unwrap(), UserId::new("ann").unwrap());
    Notebook::new(id, Life::UNRECORDED, owner, Timestamp::default())
}

/// Refuses to create notebooks, or creates them and does not say so.
#[derive(Debug)]
struct Creations {
    happen: bool,
}

#[async_trait]
impl Faults for Creations {
    async fn before(&self, call: &Call<'_>) -> Result<(), StoreError> {
        match call {
            Call::Create(_) if !self.happen => {
                Err(StoreError::Unavailable { reason: "a test said so".into(), source: None })
            }
            _ => Ok(()),
        }
    }

    async fn after(&self, call: &Call<'_>) -> Result<(), StoreError> {
        match call {
            Call::Create(notebook) => Err(StoreError::OutcomeUnknown { id: notebook.id.clone() }),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_refused_call_does_not_reach_the_store_and_one_without_an_answer_does() {
    for happen in [false, true] {
        let (store, _memory) = Builder(None).build().await.unwrap();
        let (faulty, notebook) = (Faulty::new(store, Arc::new(Creations { happen })), notebook());
        let answer = faulty.create(&notebook, None).await.unwrap_err();
        assert_eq!(matches!(answer, StoreError::OutcomeUnknown { .. }), happen, "{answer:?}");
        assert_eq!(faulty.load(&notebook.id).await.unwrap().is_some(), happen);
    }
}

/// Makes one call of each kind.
async fn call_everything(store: &dyn NotebookStore, notebook: &Notebook) -> Result<(), StoreError> {
    let (id, owner, base) = (&notebook.id, &notebook.owner, notebook.base());
    let (page, text, now) = (&PageRequest::default(), &SearchText::new("x").unwrap(), notebook.created_at);
    store.create(notebook, None).await?;
    store.load(id).await?;
    store.commit(Commit { id: CommitId(Uuid::nil()), base, changes: &[], after: notebook, records: &[] }).await?;
    store.replace(base, notebook).await?;
    store.put_records(&[]).await?;
    store.record(RecordLookup { user: owner, key: IdempotencyKey([0; 32]), now }).await?;
    store.delete_old_records(std::slice::from_ref(owner), now).await?;
    store.owner(id).await?;
    store.list(&ListFilter::of(owner.clone()), page).await?;
    store.search(SearchRequest { owner, text, page }).await?;
    store.digests(std::slice::from_ref(id)).await?;
    store.usage(owner).await?;
    store.versions(std::slice::from_ref(id)).await?;
    store.delete(Delete { id, base, record: None }).await?;
    store.delete(Delete { id, base, record: None }).await
}

#[tokio::test]
async fn each_call_of_a_traced_store_has_a_span() {
    let (mut reader, writer) = io::pipe().unwrap();
    let lines = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(Arc::new(writer));
    let lines = lines.with_max_level(tracing::Level::DEBUG).with_span_events(FmtSpan::NEW | FmtSpan::CLOSE).finish();
    let (store, _memory) = Builder(None).build().await.unwrap();
    {
        let _subscribed = tracing::subscriber::set_default(lines);
        call_everything(&*traced(store), &notebook()).await.unwrap_err();
    }
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap(); // to its end: the subscriber is gone
    let starts: Vec<_> =
        log.lines().filter_map(|line| line.strip_suffix(": quire_storage: new")).map(str::trim).collect();
    let [notebook, user] = [r#"{notebook="n"}"#, r#"{user="ann"}"#];
    let expected = [
        ("create", notebook),
        ("load", notebook),
        ("commit", notebook),
        ("replace", notebook),
        ("put_records", ""),
        ("record", user),
        ("delete_old_records", user),
        ("owner", notebook),
        ("list", user),
        ("search", user),
        ("digests", notebook),
        ("usage", user),
        ("versions", notebook),
        ("delete", notebook),
        ("delete", notebook),
    ];
    assert_eq!(starts, expected.map(|(call, about)| format!("DEBUG store.memory.{call}{about}")));
    let last = log.lines().last().unwrap();
    assert!(
        last.contains(r#"store.memory.delete{notebook="n" err=there is no notebook n}: quire_storage: close"#),
        "{last}"
    );
}
