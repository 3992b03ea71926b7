//! What a run of a cell tells while it goes on, and what it leaves.

use std::sync::Arc;

use quire_domain::{CellId, Edit, NotebookId, Results, UserId};

use crate::command::{Command, EditRequest};
use crate::event::{RunUpdate, Seq};
use crate::{Expected, NotebookService, ServiceError};

impl NotebookService {
    /// Tells the notebook's watchers something of a run that goes on, after everything that they were told before. It is not
    /// stored and takes no revision; what is to last is for [`Self::commit_results`]. Returns the event's number.
    ///
    /// # Errors
    /// As [`Self::edit`]: [`ServiceError::UnknownCell`] when the cell is gone, for example.
    pub async fn tell(&self, user: &UserId, id: &NotebookId, update: RunUpdate) -> Result<Seq, ServiceError> {
        self.check_may_change()?;
        update.check()?;
        let handle = self.open(user, id).await?;
        let update = Arc::new(update);
        self.ask(handle, (user, id), |reply| Command::Tell { update: Arc::clone(&update), reply }).await
    }

    /// Stores what a run of a cell left, and tells watchers, if the cell still has the code that ran: the one with this
    /// [`code_digest`](quire_domain::Cell::code_digest). Returns `false` when it has other code now or is gone; the results
    /// are dropped then. Results take no revision.
    ///
    /// # Errors
    /// As [`Self::edit`].
    pub async fn commit_results(
        &self,
        user: &UserId,
        id: &NotebookId,
        (cell, code_digest): (&CellId, &str),
        results: Results,
    ) -> Result<bool, ServiceError> {
        let results = Arc::new(Results { code_digest: Some(code_digest.to_owned()), ..results });
        let edit = Edit::SetResults { id: cell.clone(), results };
        let request =
            EditRequest { code_digest: Some(Arc::from(code_digest)), ..EditRequest::new(user, Expected::Any, edit) };
        Ok(self.apply(id, request).await?.change.is_some())
    }
}
