//! Notebooks to and from files that users have.

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

/// A file to make a notebook of.
#[derive(Clone, Debug)]
pub struct ImportFile {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its format; without one, its content says.
    pub format: Option<Format>,
    /// The notebook's name if the file gives none.
    pub name: Option<String>,
}

/// The notebook that was made of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportedNotebook {
    /// A new one, whatever the file says.
    pub id: NotebookId,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// The number of its cells.
    pub cells: usize,
    /// Differences from the file: clauses for people, without content.
    pub notices: Vec<String>,
}

/// A notebook that was made of a file and is not stored yet. The fields are dropped in their order.
struct ReadFile {
    open: OpenNotebook,
    imported: ImportedNotebook,
    /// The memory that the notebook takes.
    _charge: Charge,
}

impl NotebookService {
    /// The notebook as a file: results included, the connection string, which is a secret, left out.
    ///
    /// # Errors
    /// [`ServiceError::TooCostly`] when the file would be longer than an export may be.
    pub async fn export(&self, published: &Arc<Published>, format: Format) -> Result<String, ServiceError> {
        let Notebook { id, owner, .. } = &published.notebook;
        let lane = self.shared.limits.lanes.of(Kind::Export);
        let permit = lane.enter(owner, published.content_bytes()).await?;
        // What is written has escapes and blanks besides what the notebook holds.
        let max_bytes = usize::try_from(lane.max_cost()).unwrap_or(usize::MAX);
        let action = || format!("write notebook {id} as a file");
        let published = Arc::clone(published);
        let write = move || quire_files::export(&published.notebook, format, max_bytes);
        permit.run_blocking(action, write).await?.map_err(|error| match error {
            ExportError::TooLong(TooLong { at_least, .. }) => lane.too_costly(at_least as u64),
            ExportError::UnwritableField(error) => {
                ServiceError::Store(StoreError::Backend { action: action(), source: Box::new(error) })
            }
        })
    }

    /// Makes a notebook of a file: a new one of this user, whatever the file says of id and owner. What could run in the
    /// page of whoever opens it is taken out.
    ///
    /// # Errors
    /// [`ServiceError::NoNotebook`] says what is wrong with the file; and when the store refuses.
    pub async fn import(
        &self,
        context: impl Into<RequestContext>,
        file: ImportFile,
    ) -> Result<ImportedNotebook, ServiceError> {
        self.check_may_change()?;
        let context = context.into();
        let user = &context.user;
        let permit = self.shared.limits.lanes.of(Kind::Import).enter(user, file.bytes.len() as u64).await?;
        // What is read of the file takes about as much as the file.
        let charge = memory::charge(&self.shared, user, self.read_bytes(&file)).await?;
        let (service, owner) = (self.clone(), user.clone());
        let read = move || service.read_file(owner, file, charge);
        let read = permit.run_blocking(|| "make a notebook of a file".to_owned(), read).await??;
        self.store_new(&context, read.open.notebook(), &read.imported).await?;
        Ok(read.imported)
    }

    /// The bytes of memory that are accounted for reading a file, before it is known what it holds.
    fn read_bytes(&self, file: &ImportFile) -> usize {
        file.bytes.len().min(self.shared.limits.memory.max_of_one())
    }

    /// Makes a notebook of the file. Its cells are analysed only as long as what they hold so far is within the limits and
    /// there is memory for it and for its graph, which is built last.
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
            cells: read.cells.iter().map(|cell| Cell { revision: Revision::default(), ..Cell::clone(cell) }).collect(),
            ..Notebook::new(id.clone(), self.shared.sources.life(), owner, now)
        };
        if let Err(reason) = self.connect(&mut notebook, &read)? {
            notices.push(format!("the connection string was left out: {reason}"));
        }
        // One deadline for the whole file, however many cells there are.
        let deadline = memory::eviction_deadline();
        // Opening finds what the cells read and write, which files do not say truly.
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

    /// Gives the notebook the connection string that was read, sealed for it where it can be; or says why not.
    fn connect(&self, notebook: &mut Notebook, read: &Notebook) -> Result<Result<(), &'static str>, ServiceError> {
        let Some(stored) = &read.connection else { return Ok(Ok(())) };
        let Some(entered) = stored.plain() else { return Ok(Err("it is sealed for another notebook")) };
        if ConnectionString::is_masked(&entered) {
            return Ok(Err("its password is masked"));
        }
        match self.shared.sealing.keep(notebook, &entered) {
            Ok(kept) => notebook.connection = kept,
            Err(ServiceError::NoSecretKey) => return Ok(Err("the server has no secret key to seal it with")),
            Err(error) => return Err(error),
        }
        Ok(Ok(()))
    }
}
