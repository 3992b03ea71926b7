//! A wrapper that shows what a store is doing.

use std::sync::Arc;

use tracing::{Instrument as _, Span};

use crate::{Call, IdempotencyRepository, NotebookQueries, NotebookRepository, NotebookStore, StoreError, forward};

/// A store each of whose calls that can fail has a span, at the level `debug`: `store.postgres.load` with the notebook or the user that the
/// call is about, and the error with which it ended. No span holds content.
///
/// ```
/// # fn example(store: std::sync::Arc<dyn quire_storage::NotebookStore>) {
/// let store = quire_storage::Traced::new(store, quire_storage::store_spans!("memory"));
/// # drop(store);
/// # }
/// ```
#[derive(Debug)]
pub struct Traced {
    store: Arc<dyn NotebookStore>,
    span: fn(&Call<'_>) -> Span,
}

impl Traced {
    /// Wraps a store; the spans come from [`store_spans!`](crate::store_spans).
    #[must_use]
    pub fn new(store: Arc<dyn NotebookStore>, span: fn(&Call<'_>) -> Span) -> Self {
        Self { store, span }
    }

    async fn trace<T>(
        &self,
        call: Call<'_>,
        outcome: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let span = (self.span)(&call);
        let outcome = outcome.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            span.record("err", tracing::field::display(error));
        }
        outcome
    }
}

impl NotebookRepository for Traced {
    forward!(store through trace: create, load, commit, replace, delete);
}

impl IdempotencyRepository for Traced {
    forward!(store through trace: put_records, record, delete_old_records);
}

impl NotebookQueries for Traced {
    forward!(store through trace: owner, list, search, digests, usage, versions, fresh_versions, is_shared, health, subscribe);
}

/// Makes the spans of a [`Traced`] store of this name. A macro, since a span's name must be known when it is compiled.
#[macro_export]
macro_rules! store_spans {
    ($store:literal) => {
        $crate::store_spans!(
            $store, Create create, Load load, Commit commit, Replace replace, Delete delete, PutRecords put_records,
            Record record, DeleteOldRecords delete_old_records, Owner owner, List list, Search search, Digests digests,
            Usage usage, Versions versions, FreshVersions fresh_versions
        )
    };
    ($store:literal, $($call:ident $method:ident),+) => {
        |call: &$crate::Call<'_>| {
            let notebook = call.notebook().map(|id| id.as_str());
            let user = call.user().map(|id| id.as_str());
            match call {
                $($crate::Call::$call(_) => $crate::tracing::debug_span!(
                    target: "quire_storage",
                    concat!("store.", $store, ".", stringify!($method)),
                    notebook,
                    user,
                    err = $crate::tracing::field::Empty,
                ),)+
            }
        }
    };
}
