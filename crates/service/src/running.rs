//! Updates of a run of a cell, and its results.

use std::sync::Arc;

use quire_domain::{CellId, Edit, NotebookId, Results, UserId};

use crate::command::{Command, EditRequest};
use crate::event::{RunUpdate, Seq};
use crate::{Expected, NotebookService, ServiceError};

impl NotebookService {
    /// Sends an update of a run to the notebook's watchers, after all earlier events. The update is not stored and takes no
    /// revision; [`Self::commit_results`] stores results. Returns the event's number.
    ///
    /// # Errors
    /// Returns the errors of [`Self::edit`], such as [`ServiceError::UnknownCell`] for a deleted cell.
    pub async fn tell(&self, user: &UserId, id: &NotebookId, update: RunUpdate) -> Result<Seq, ServiceError> {
        self.check_may_change()?;
        update.check()?;
        let handle = self.open(user, id).await?;
        let update = Arc::new(update);
        self.ask(handle, (user, id), |reply| Command::Tell { update: Arc::clone(&update), reply }).await
    }

    /// Stores the results of a run and publishes them, if the cell still has the code that ran, with this
    /// [`code_digest`](quire_domain::Cell::code_digest). Returns `false` if the cell has other code now or is deleted; the
    /// results are dropped then. Results take no revision.
    ///
    /// # Errors
    /// Returns the errors of [`Self::edit`].
    pub async fn commit_results(
        &self,
        user: &UserId,
        id: &NotebookId,
        (cell, code_digest): (&CellId, &str),
        results: Results,
    ) -> Result<bool, ServiceError> {
        let of_code = results.code_digest.or_else(|| Some(code_digest.to_owned()));
        let results = Arc::new(Results { code_digest: of_code, ..results });
        let edit = Edit::SetResults { id: cell.clone(), results };
        let request =
            EditRequest { code_digest: Some(Arc::from(code_digest)), ..EditRequest::new(user, Expected::Any, edit) };
        Ok(self.apply(id, request).await?.change.is_some())
    }
}
