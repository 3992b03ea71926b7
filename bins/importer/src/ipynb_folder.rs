//! The target directory of an export of Jupyter notebooks.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use quire_domain::{Notebook, NotebookId, UserId};
use quire_files::jupyter::{self, Identity};
use quire_storage::StoreError;
use quire_storage_json::file_stems;
use quire_transfer::Target;

use crate::ipynb::ENDING;

/// Folder in which files are written before they get their names.
const TEMPORARIES: &str = ".quire";

/// A folder with an `.ipynb` file for each notebook. The file contains the notebook's id, and is named after it where
/// possible.
#[derive(Clone, Debug)]
pub(crate) struct IpynbFolder {
    dir: PathBuf,
}

impl IpynbFolder {
    /// Opens a directory, and creates it if it is missing.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir.join(TEMPORARIES))?;
        Ok(Self { dir: dir.to_owned() })
    }

    fn ids_now(&self) -> io::Result<Vec<NotebookId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(ENDING) {
                ids.extend(jupyter::noted_id(&fs::read(path)?));
            }
        }
        Ok(ids)
    }

    fn put_now(&self, id: &NotebookId, text: &str) -> io::Result<bool> {
        for stem in file_stems(id) {
            let path = self.dir.join(format!("{stem}{ENDING}"));
            match fs::read(&path) {
                Ok(there) if there == text.as_bytes() => return Ok(false),
                // The name belongs to another notebook, as on a file system that folds case: the next name is tried.
                Ok(there) if jupyter::noted_id(&there).as_ref() != Some(id) => continue,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            self.write(&stem, &path, text)?;
            return Ok(true);
        }
        Err(io::Error::other("its file's name is taken by another notebook"))
    }

    /// Writes a file atomically and durably.
    fn write(&self, stem: &str, path: &Path, text: &str) -> io::Result<()> {
        let new = self.dir.join(TEMPORARIES).join(format!("{stem}{ENDING}.new"));
        let options = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
        let written = options.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
            let _ = fs::remove_file(&new); // it may not be there
            return Err(error);
        }
        fs::File::open(&self.dir)?.sync_all()
    }

    fn delete_now(&self, id: &NotebookId) -> io::Result<()> {
        for stem in file_stems(id) {
            let path = self.dir.join(format!("{stem}{ENDING}"));
            match fs::read(&path) {
                Ok(there) if jupyter::noted_id(&there).as_ref() == Some(id) => return fs::remove_file(path),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Runs work with files on a blocking thread.
    async fn run_blocking<T: Send + 'static>(
        &self,
        action: String,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&this)).await;
        done.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(|source| StoreError::Backend { action, source: Box::new(source) })
    }
}

#[async_trait]
impl Target for IpynbFolder {
    /// Returns the ids of all files: the files do not contain their owners.
    async fn ids(&self, _owner: Option<&UserId>) -> Result<Vec<NotebookId>, StoreError> {
        self.run_blocking("read what was exported before".to_owned(), Self::ids_now).await
    }

    async fn put(&self, notebook: &Notebook) -> Result<bool, StoreError> {
        let (id, notebook) = (notebook.id.clone(), notebook.clone());
        let write = move |this: &Self| this.put_now(&notebook.id, &jupyter::write(&notebook, Identity::Noted));
        self.run_blocking(format!("write notebook {id}"), write).await.map_err(|error| match error {
            StoreError::Backend { source, .. } if is_full(&*source) => {
                StoreError::Full { id, reason: source.to_string() }
            }
            other => other,
        })
    }

    async fn delete(&self, id: &NotebookId) -> Result<(), StoreError> {
        let id = id.clone();
        self.run_blocking(format!("remove notebook {id}"), move |this| this.delete_now(&id)).await
    }
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge))
}
