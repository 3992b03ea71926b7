//! The suite that every store passes: one function for each behaviour that [`NotebookStore`] promises.
//!
//! A store's tests say how to make one, and get one test for each behaviour:
//!
//! ```text
//! struct Memory;
//!
//! impl quire_storage::conformance::StoreBuilder for Memory {
//!     type Guard = ();
//!     async fn build(&self) -> Result<(Arc<dyn NotebookStore>, ()), Failure> { … }
//!     async fn reopen(&self, store: Arc<dyn NotebookStore>, guard: &mut ()) -> Result<Arc<dyn NotebookStore>, Failure> { … }
//! }
//!
//! quire_storage::conformance_tests!(Memory);
//! ```
//!
//! The tests need `tokio` with the features `macros` and `rt-multi-thread`. No behaviour can be left out: every store has all of
//! them, and so does every wrapper, whose tests use the builder of a store in [`Wrapped`]. A new behaviour gets its function here
//! and its line in the list below; `tests/` proves with a store that is wrong on purpose that the function notices.

mod check;
mod concurrency;
mod create;
mod digests;
mod edits;
mod exact;
mod idempotency;
mod lists;
mod lives;
mod random;
mod replace;
mod results;
mod samples;
mod search;
mod usage;

use std::fmt;
use std::sync::Arc;

use crate::NotebookStore;

pub use concurrency::*;
pub use create::*;
pub use digests::*;
pub use edits::*;
pub use exact::*;
pub use idempotency::*;
pub use lists::*;
pub use lives::*;
pub use replace::*;
pub use results::*;
pub use search::*;
pub use usage::*;

/// A builder of stores to test.
///
/// ```
/// use std::sync::Arc;
///
/// use quire_storage::NotebookStore;
/// use quire_storage::conformance::{Failure, StoreBuilder};
///
/// /// A builder of stores that are never closed.
/// struct Remaining(fn() -> Arc<dyn NotebookStore>);
///
/// impl StoreBuilder for Remaining {
///     type Guard = ();
///
///     async fn build(&self) -> Result<(Arc<dyn NotebookStore>, ()), Failure> {
///         Ok(((self.0)(), ()))
///     }
///
///     async fn reopen(&self, store: Arc<dyn NotebookStore>, _: &mut ()) -> Result<Arc<dyn NotebookStore>, Failure> {
///         Ok(store)
///     }
/// }
/// ```
pub trait StoreBuilder: Sync {
    /// A value that cleans up when it is dropped, after the store.
    type Guard: Send;

    /// Makes an empty store.
    fn build(&self) -> impl Future<Output = Result<(Arc<dyn NotebookStore>, Self::Guard), Failure>> + Send;

    /// Closes a store and opens it again, as a new process would after the old one died.
    fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        guard: &mut Self::Guard,
    ) -> impl Future<Output = Result<Arc<dyn NotebookStore>, Failure>> + Send;
}

/// A builder that puts a wrapper around each store of another builder.
pub struct Wrapped<B>(pub B, pub fn(Arc<dyn NotebookStore>) -> Arc<dyn NotebookStore>);

impl<B: StoreBuilder> StoreBuilder for Wrapped<B> {
    type Guard = B::Guard;

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, B::Guard), Failure> {
        let (store, guard) = self.0.build().await?;
        Ok(((self.1)(store), guard))
    }

    async fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        guard: &mut B::Guard,
    ) -> Result<Arc<dyn NotebookStore>, Failure> {
        Ok((self.1)(self.0.reopen(store, guard).await?))
    }
}

/// The explanation of how a store does not conform.
pub struct Failure(String);

impl Failure {
    /// Makes a failure with this explanation.
    pub fn new(explanation: impl Into<String>) -> Self {
        Self(explanation.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// As tests print it when they return it.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Any error becomes a failure, with all that lies beneath it.
impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(crate::error_chain(&error))
    }
}

/// Fails with an explanation unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($explanation:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Failure::new(format!($($explanation)+)));
        }
    };
}
pub(crate) use ensure;

/// Turns the list of behaviours into their names, a function that runs one by name, and the macro that makes tests. The
/// first token is a dollar sign, for that macro's own variable.
macro_rules! behaviours {
    ($d:tt $($name:ident,)+) => {
        /// The names of all behaviours.
        pub const BEHAVIOURS: &[&str] = &[$(stringify!($name)),+];

        /// Tests one behaviour by its name; `None` when there is none of that name.
        pub async fn run<B: StoreBuilder>(name: &str, builder: &B) -> Option<Result<(), Failure>> {
            match name {
                $(stringify!($name) => Some($name(builder).await),)+
                _ => None,
            }
        }

        /// Makes one test for each behaviour, of the stores that a [`StoreBuilder`](crate::conformance::StoreBuilder)
        /// makes.
        #[macro_export]
        macro_rules! conformance_tests {
            ($d builder:expr) => {
                $(
                    #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $name() -> Result<(), $crate::conformance::Failure> {
                        $crate::conformance::$name(&$d builder).await
                    }
                )+
            };
        }
    };
}

behaviours! { $
    // What is stored
    everything_in_a_notebook_is_kept,
    odd_ids_are_kept_apart,
    odd_text_is_kept,
    values_at_the_limits_are_kept,
    output_data_is_kept_as_text,
    unknown_fields_are_kept,
    times_are_kept,
    random_notebooks_are_kept,
    what_was_acknowledged_survives_reopening,
    // Creating and deleting
    missing_notebooks_are_reported,
    the_owner_of_a_notebook_is_told,
    an_existing_notebook_is_not_created_again,
    of_concurrent_creations_one_succeeds,
    deleting_leaves_nothing,
    cells_belong_to_their_notebook,
    a_notebook_made_again_is_another_one,
    deleting_compares_the_base,
    // Editing
    every_kind_of_edit_is_stored,
    cells_stay_in_order,
    cells_with_equal_keys_can_be_told_apart,
    a_group_is_stored_as_a_whole,
    a_stale_base_is_refused,
    a_repeated_commit_changes_nothing,
    versions_rise_with_every_commit,
    a_notebook_is_replaced_as_a_whole,
    replacing_compares_the_revision,
    digests_tell_what_is_stored,
    versions_tell_what_is_stored,
    // Results
    results_are_stored_without_a_revision,
    results_and_edits_on_one_base_both_succeed,
    results_and_edits_in_one_group_are_stored,
    edits_keep_results,
    a_deleted_cell_takes_its_results_along,
    // Idempotency records
    a_record_is_stored_with_its_change,
    later_changes_leave_records,
    a_refused_change_leaves_no_record,
    a_recorded_request_is_refused_as_a_whole,
    a_repeated_commit_keeps_its_record,
    of_concurrent_requests_with_one_key_one_has_its_effect,
    a_record_expires,
    records_are_bounded,
    // Lists
    lists_are_ordered_and_complete,
    lists_show_the_owners_notebooks_only,
    a_list_without_an_owner_holds_everybodys,
    lists_show_the_last_edit,
    pages_make_up_the_list,
    a_cursor_outlives_its_notebook,
    // Searching
    a_search_finds_names_and_code,
    a_search_finds_the_owners_notebooks_only,
    a_search_comes_in_pages,
    // Adding up
    usage_tells_what_an_owner_keeps,
    // Many callers
    of_two_commits_on_one_base_one_succeeds,
    many_writers_lose_nothing,
    a_load_never_shows_half_a_group,
    a_dropped_call_is_done_wholly_or_not_at_all,
    notebooks_do_not_disturb_each_other,
    a_healthy_store_says_so,
}
