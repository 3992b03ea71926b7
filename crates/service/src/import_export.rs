//! Import and export of notebooks as files.

use std::sync::Arc;

use quire_domain::{Cell, ConnectionString, Notebook, NotebookId, OpenNotebook, Revision, UserId};
use quire_files::quire::Defaults;
use quire_files::{ExportError, Format, Imported, TooLong};
use quire_storage::StoreError;
use serde::{Deserialize, Serialize};

use crate::memory::{self, Charge};
use crate::published::Published;
use crate::work::Kind;
use crate::{NotebookService, RequestContext, ServiceError};

/// A file to import.
#[derive(Clone, Debug)]
pub struct ImportFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its format; if absent, it is detected from the content.
    pub format: Option<Format>,
    /// The notebook's name if the file has none.
    pub name: Option<String>,
}

/// Result of an import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportedNotebook {
    /// The notebook's id, a fresh one whatever the file says.
    pub id: NotebookId,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// The number of its cells.
    pub cells: usize,
    /// Differences from the file: clauses for people, without content.
    pub notices: Vec<String>,
}

/// An imported notebook that is not stored yet. The fields are dropped in their order.
struct ReadFile {
    open: OpenNotebook,
    imported: ImportedNotebook,
    /// The charge for the memory of the notebook.
    _charge: Charge,
}

impl NotebookService {
    /// Exports the notebook as a file, with its results and without its connection string, which is a secret.
    ///
    /// # Errors
    /// Returns [`ServiceError::TooCostly`] if the file would be longer than an export may be.
    pub async fn export(&self, published: &Arc<Published>, format: Format) -> Result<String, ServiceError> {
        let Notebook { id, owner, .. } = &published.stored;
        let lane = self.shared.limits.lanes.of(Kind::Export);
        let permit = lane.enter(owner, published.content_bytes()).await?;
        // The file has escapes and white space besides the notebook's content.
        let max_bytes = usize::try_from(lane.max_cost()).unwrap_or(usize::MAX);
        let action = || format!("write notebook {id} as a file");
        let published = Arc::clone(published);
        let write = move || quire_files::export(&published.stored, format, max_bytes);
        permit.run_blocking(action, write).await?.map_err(|error| match error {
            ExportError::TooLong(TooLong { at_least, .. }) => lane.too_costly(at_least as u64),
            ExportError::UnwritableField(error) => {
                ServiceError::Store(StoreError::Backend { action: action(), source: Box::new(error) })
            }
        })
    }

    /// Imports a file as a new notebook of this user, whatever id and owner the file names. Content that could run as a script
    /// in the page of a reader is removed.
    ///
    /// # Errors
    /// Returns [`ServiceError::NoNotebook`] for an invalid file, and an error if the store refuses.
    pub async fn import(
        &self,
        context: impl Into<RequestContext>,
        file: ImportFile,
    ) -> Result<ImportedNotebook, ServiceError> {
        self.check_may_change()?;
        let context = context.into();
        let user = &context.user;
        let permit = self.shared.limits.lanes.of(Kind::Import).enter(user, file.bytes.len() as u64).await?;
        // The parsed file takes about as much memory as the file.
        let charge = memory::charge(&self.shared, user, self.read_bytes(&file)).await?;
        let (service, owner) = (self.clone(), user.clone());
        let read = move || service.read_file(owner, file, charge);
        let read = permit.run_blocking(|| "make a notebook of a file".to_owned(), read).await??;
        self.store_new(&context, read.open.notebook(), &read.imported).await?;
        Ok(read.imported)
    }

    /// Returns the bytes of memory that are charged for parsing a file.
    fn read_bytes(&self, file: &ImportFile) -> usize {
        file.bytes.len().min(self.shared.limits.memory.max_of_one())
    }

    /// Makes a notebook of the file. Its cells are analysed while their content is within the limits and there is memory for it
    /// and for the graph, which is built last.
    fn read_file(&self, owner: UserId, file: ImportFile, charge: Charge) -> Result<ReadFile, ServiceError> {
        let read_bytes = self.read_bytes(&file);
        let id = self.shared.sources.notebook_id()?;
        let name = file.name.as_deref().map_or(Ok(None), Notebook::name_from)?;
        let now = self.shared.sources.now();
        let defaults = Defaults { id: Some(id.clone()), owner: owner.clone(), time: now };
        let Imported { notebook: read, mut notices } = quire_files::import(&file.bytes, file.format, &defaults)?;
        drop(file);

        let mut notebook = Notebook {
            name: read.name.clone().or(name),
            extra: read.extra.clone(),
            reactive: read.reactive,
            cells: read.cells.iter().map(|cell| Cell { revision: Revision::default(), ..Cell::clone(cell) }).collect(),
            ..Notebook::new(id.clone(), self.shared.sources.life(), owner, now)
        };
        if let Err(reason) = self.connect(&mut notebook, &read)? {
            notices.push(format!("the connection string was left out: {reason}"));
        }
        // All cells of the file share one deadline.
        let deadline = memory::eviction_deadline();
        // The analysis finds the names that the cells read and write, because a file may state wrong ones.
        let open = OpenNotebook::try_open(notebook, None, |size| {
            size.check_limits()?;
            let bytes = size.memory_bytes();
            self.shared.limits.memory.check_one(&id, bytes)?;
            // This is a thread for blocking work.
            self.shared.runtime.block_on(memory::grow(&self.shared, &charge, read_bytes + bytes, deadline))
        })?;
        self.shared.limits.memory.check_one(&id, open.memory_bytes())?;
        charge.set(open.memory_bytes());
        let Notebook { name, cells, .. } = open.notebook();
        let imported = ImportedNotebook { id, name: name.clone(), cells: cells.len(), notices };
        Ok(ReadFile { open, imported, _charge: charge })
    }

    /// Sets the connection string of the file, sealed for this notebook if there is a key. The inner error is the reason for
    /// which it was left out.
    fn connect(&self, notebook: &mut Notebook, read: &Notebook) -> Result<Result<(), &'static str>, ServiceError> {
        let Some(stored) = &read.connection else { return Ok(Ok(())) };
        let Some(entered) = stored.plain() else { return Ok(Err("it is sealed for another notebook")) };
        if ConnectionString::is_masked(&entered) {
            return Ok(Err("its password is masked"));
        }
        match self.shared.sealing.seal(notebook, &entered) {
            Ok(kept) => notebook.connection = kept,
            Err(ServiceError::NoSecretKey) => return Ok(Err("the server has no secret key to seal it with")),
            Err(error) => return Err(error),
        }
        Ok(Ok(()))
    }
}
