//! The suite itself is tested: a correct store passes, wrapped or not, and stores that are wrong on purpose fail where they
//! should.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod faults;
mod memory;
mod wrappers;

use std::sync::Arc;

use quire_storage::NotebookStore;
use quire_storage::conformance::{self, Failure, StoreBuilder};

use crate::faults::Fault;
use crate::memory::{Memory, MemoryStore};

/// Makes stores with a fault, or without.
struct Builder(Option<Fault>);

impl StoreBuilder for Builder {
    type Guard = Arc<Memory>;

    async fn build(&self) -> Result<(Arc<dyn NotebookStore>, Arc<Memory>), Failure> {
        let memory = Arc::new(Memory::default());
        Ok((Arc::new(MemoryStore::new(Arc::clone(&memory), self.0)), memory))
    }

    async fn reopen(
        &self,
        store: Arc<dyn NotebookStore>,
        memory: &mut Arc<Memory>,
    ) -> Result<Arc<dyn NotebookStore>, Failure> {
        drop(store);
        if self.0 == Some(Fault::ForgetsOnReopening) {
            *memory = Arc::default();
        }
        Ok(Arc::new(MemoryStore::new(Arc::clone(memory), self.0)))
    }
}

mod a_correct_store {
    quire_storage::conformance_tests!(super::Builder(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_store_fails_the_behaviour_that_names_its_fault() {
    let mut unnoticed = Vec::new();
    for &(fault, behaviour) in Fault::ALL {
        let outcome = conformance::run(behaviour, &Builder(Some(fault))).await;
        if !matches!(outcome, Some(Err(_))) {
            unnoticed.push((fault, behaviour, outcome));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn every_behaviour_has_a_store_that_fails_it() {
    for behaviour in conformance::BEHAVIOURS {
        assert!(Fault::ALL.iter().any(|(_, named)| named == behaviour), "nothing proves that {behaviour} can fail");
    }
}
