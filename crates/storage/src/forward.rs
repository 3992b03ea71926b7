//! A macro by which a wrapper forwards calls to the store inside it.

/// Implements the named methods of a store's part for a wrapper, by passing them on to the store in a field. Stands in the
/// `impl` block of that part, beside the methods that the wrapper changes; a method that is neither named nor written does
/// not compile, so that none is forgotten when the trait grows. With `through`, each call that can fail passes through the
/// wrapper's method of that name, which gets the [`Call`](crate::Call) and the future of its outcome.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use quire_domain::{Base, Notebook, NotebookId};
/// use quire_storage::{
///     Commit, Committed, Delete, IdempotencyRecord, IdempotencyRepository, Loaded, NotebookQueries, NotebookRepository,
///     NotebookStore, StoreError, forward,
/// };
///
/// /// A store that keeps what is there.
/// #[derive(Debug)]
/// struct Undeletable {
///     store: Arc<dyn NotebookStore>,
/// }
///
/// #[async_trait]
/// impl NotebookRepository for Undeletable {
///     forward!(store: create, load, commit, replace);
///
///     async fn delete(&self, delete: Delete<'_>) -> Result<(), StoreError> {
///         Err(StoreError::Unavailable { reason: format!("{} is to be kept", delete.id), source: None })
///     }
/// }
///
/// impl IdempotencyRepository for Undeletable {
///     forward!(store: put_records, record, delete_old_records);
/// }
///
/// impl NotebookQueries for Undeletable {
///     forward!(store: owner, list, search, digests, usage, versions, fresh_versions, is_shared, health, subscribe);
/// }
/// ```
///
/// ```compile_fail,E0046
/// # use std::sync::Arc;
/// # use quire_storage::{IdempotencyRepository, NotebookStore, forward};
/// # #[derive(Debug)]
/// # struct Undeletable { store: Arc<dyn NotebookStore> }
/// impl IdempotencyRepository for Undeletable {
///     forward!(store: put_records, record); // nothing says what becomes of `delete_old_records`
/// }
/// ```
#[macro_export]
macro_rules! forward {
    ($store:ident: $($method:ident),+) => { $($crate::forward!(@$method [$store]);)+ };
    ($store:ident through $around:ident: $($method:ident),+) => { $($crate::forward!(@$method [$store $around]);)+ };

    (@create $to:tt) => { $crate::forward!(@fn $to create 'a 'b (notebook: &'a $crate::forward::types::Notebook, record: Option<&'b $crate::IdempotencyRecord>) -> $crate::Committed = Create(notebook)); };
    (@load $to:tt) => { $crate::forward!(@fn $to load 'a (id: &'a $crate::forward::types::NotebookId) -> Option<$crate::Loaded> = Load(id)); };
    (@commit $to:tt) => { $crate::forward!(@fn $to commit 'a (commit: $crate::Commit<'a>) -> $crate::Committed = Commit(commit)); };
    (@replace $to:tt) => { $crate::forward!(@fn $to replace 'a (base: $crate::forward::types::Base, notebook: &'a $crate::forward::types::Notebook) -> $crate::Committed = Replace(notebook)); };
    (@delete $to:tt) => { $crate::forward!(@fn $to delete 'a (delete: $crate::Delete<'a>) -> () = Delete(delete)); };
    (@put_records $to:tt) => { $crate::forward!(@fn $to put_records 'a (records: &'a [$crate::IdempotencyRecord]) -> () = PutRecords(records)); };
    (@record $to:tt) => { $crate::forward!(@fn $to record 'a (lookup: $crate::RecordLookup<'a>) -> Option<$crate::IdempotencyRecord> = Record(lookup)); };
    (@delete_old_records $to:tt) => { $crate::forward!(@fn $to delete_old_records 'a (users: &'a [$crate::forward::types::UserId], now: $crate::forward::types::Timestamp) -> () = DeleteOldRecords(users)); };
    (@owner $to:tt) => { $crate::forward!(@fn $to owner 'a (id: &'a $crate::forward::types::NotebookId) -> Option<$crate::forward::types::UserId> = Owner(id)); };
    (@list $to:tt) => { $crate::forward!(@fn $to list 'a 'b (filter: &'a $crate::ListFilter, page: &'b $crate::PageRequest) -> $crate::Page = List(filter)); };
    (@search $to:tt) => { $crate::forward!(@fn $to search 'a (search: $crate::SearchRequest<'a>) -> $crate::SearchPage = Search(search)); };
    (@digests $to:tt) => { $crate::forward!(@fn $to digests 'a (ids: &'a [$crate::forward::types::NotebookId]) -> Vec<$crate::StoredDigest> = Digests(ids)); };
    (@usage $to:tt) => { $crate::forward!(@fn $to usage 'a (owner: &'a $crate::forward::types::UserId) -> $crate::Usage = Usage(owner)); };
    (@versions $to:tt) => { $crate::forward!(@fn $to versions 'a (ids: &'a [$crate::forward::types::NotebookId]) -> Vec<$crate::StoredVersion> = Versions(ids)); };
    (@fresh_versions $to:tt) => { $crate::forward!(@fn $to fresh_versions 'a (ids: &'a [$crate::forward::types::NotebookId]) -> Vec<$crate::StoredVersion> = FreshVersions(ids)); };

    // These cannot fail, and go through nothing.
    (@health [$store:ident $($around:ident)?]) => {
        fn health<'s, 'f>(&'s self) -> $crate::forward::types::BoxFuture<'f, $crate::Health> where 's: 'f, Self: 'f {
            self.$store.health()
        }
    };
    (@is_shared [$store:ident $($around:ident)?]) => {
        fn is_shared(&self) -> bool { self.$store.is_shared() }
    };
    (@subscribe [$store:ident $($around:ident)?]) => {
        fn subscribe(&self) -> $crate::forward::types::Receiver<$crate::StoreEvent> { self.$store.subscribe() }
    };

    // Signatures as `async_trait` gives them to the trait, so that a call that is passed on allocates nothing more.
    (@fn [$store:ident] $method:ident $($life:lifetime)+ ($($name:ident: $type:ty),+) -> $ok:ty = $call:ident($what:ident)) => {
        fn $method<'s, $($life,)+ 'f>(&'s self, $($name: $type),+) -> $crate::forward::types::BoxFuture<'f, Result<$ok, $crate::StoreError>>
        where 's: 'f, $($life: 'f,)+ Self: 'f
        {
            self.$store.$method($($name),+)
        }
    };
    (@fn [$store:ident $around:ident] $method:ident $($life:lifetime)+ ($($name:ident: $type:ty),+) -> $ok:ty = $call:ident($what:ident)) => {
        fn $method<'s, $($life,)+ 'f>(&'s self, $($name: $type),+) -> $crate::forward::types::BoxFuture<'f, Result<$ok, $crate::StoreError>>
        where 's: 'f, $($life: 'f,)+ Self: 'f
        {
            Box::pin(self.$around($crate::Call::$call($what), self.$store.$method($($name),+)))
        }
    };
}

/// Types that [`forward!`] names.
#[doc(hidden)]
pub mod types {
    use std::pin::Pin;

    pub use quire_domain::{Base, Notebook, NotebookId, Timestamp, UserId};
    pub use tokio::sync::broadcast::Receiver;

    pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;
}
