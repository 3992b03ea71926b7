//! Execution of the decided steps.

use std::sync::Arc;

use quire_storage::{Committed, Delete, StoreError};

use super::Writer;
use super::step::{Input, PendingCommit, Step};
use crate::ServiceError;
use crate::recovery;
use crate::work::{Kind, Permit};

impl Writer {
    /// Drives the state machine from an input, executing its steps, until it needs the next request.
    pub(super) async fn drive(&mut self, input: Input) {
        let mut next = Some(input);
        // The permit is held from a load to the analysis of the loaded notebook.
        let mut permit = None;
        while let Some(input) = next.take() {
            for step in self.state.advance(input, &self.shared.sources) {
                if !matches!(step, Step::Reopen(_)) {
                    permit = None;
                }
                next = self.execute(step, &mut permit).await;
            }
        }
    }

    /// Executes one step and returns its outcome, if it has one.
    async fn execute(&mut self, step: Step, permit: &mut Option<Permit>) -> Option<Input> {
        let shared = Arc::clone(&self.shared);
        let notebook = self.state.open.notebook();
        Some(match step {
            Step::Seal(entered) => Input::Sealed(shared.sealing.seal_entered(notebook, &entered)),
            Step::Analyse(cell_type, code) => {
                Input::Analysed(shared.analyser.analyse(&notebook.owner, cell_type, code).await)
            }
            Step::Commit(pending) => Input::Committed(self.commit(&pending).await),
            Step::Record(pending) => {
                Input::Recorded(shared.store.for_writer(&notebook.owner).await.put_records(&pending.records).await)
            }
            Step::Delete(base, record) => {
                let store = shared.store.for_writer(&notebook.owner).await;
                Input::Deleted(store.delete(Delete { id: &self.id, base, record: record.as_ref() }).await)
            }
            Step::LookUp => Input::LookedUp(shared.look_up(&self.id).await),
            Step::SetAside => {
                let published = Arc::clone(&self.published.borrow());
                Input::SetAside(recovery::set_aside(&shared, &published).await)
            }
            Step::Load => {
                // The permit is acquired before the load, so that no loaded notebook waits in memory.
                let turn = shared.limits.lanes.of(Kind::Refresh).enter_always(&notebook.owner, 1).await;
                let loaded = shared.store.for_writer(&notebook.owner).await.load(&self.id).await;
                *permit = Some(turn);
                return Some(Input::Loaded(loaded));
            }
            Step::Reopen(loaded) => {
                let known = Arc::clone(&self.published.borrow());
                let turn = match permit.take() {
                    Some(turn) => turn,
                    None => shared.limits.lanes.of(Kind::Refresh).enter_always(&notebook.owner, 1).await,
                };
                let reopened = shared.analyser.reopen(turn, loaded, known, &shared.limits.memory).await;
                Input::Reopened(reopened.map(Box::new))
            }
            Step::Publish(publication) => {
                self.publish(publication);
                return None;
            }
            Step::TellRecovered(copy) => {
                self.tell_recovered(copy);
                return None;
            }
            Step::Reply(reply) => {
                reply.send();
                return None;
            }
            Step::EndDeleted(last) => {
                self.end_deleted(last);
                return None;
            }
            Step::EndWithError(why) => {
                self.end_with_error(&why);
                return None;
            }
            Step::ReportInDoubt { error, is_first } => {
                self.report_in_doubt(&error, is_first);
                return None;
            }
        })
    }

    async fn commit(&self, pending: &PendingCommit) -> Result<Committed, StoreError> {
        self.shared.store.for_writer(&pending.owner).await.commit(pending.as_commit()).await
    }

    fn end_with_error(&mut self, why: &ServiceError) {
        tracing::warn!(notebook = %self.id, error = %why, "a notebook that was changed elsewhere leaves memory");
        self.commands.close();
    }

    fn report_in_doubt(&self, error: &StoreError, is_first: bool) {
        let error = error as &dyn std::error::Error;
        if is_first {
            tracing::warn!(notebook = %self.id, error, "cannot read what is stored now; trying again");
        } else {
            tracing::debug!(notebook = %self.id, error, "still cannot read what is stored now");
        }
    }
}
