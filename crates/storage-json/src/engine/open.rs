//! Opening a directory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use quire_domain::{NotebookId, UserId};
use tokio::sync::broadcast;

use super::directories::{OURS, OUTPUTS, TEMPORARIES};
use super::observe::Observed;
use super::{Engine, MAX_EVENTS, scan};
use crate::OpenError;
use crate::disk::{self, Folder, Name};
use crate::idempotency::{FileState, IdempotencyRecords};
use crate::index::{Entry, Index, IndexLookup, Log};
use crate::{names, results};

impl Engine {
    pub(crate) fn open(dir: &Path, default_owner: UserId) -> Result<Self, OpenError> {
        let failed = |action| move |source| OpenError::Io { dir: dir.to_owned(), action, source };
        let root = std::path::absolute(dir).map_err(failed("find the working directory to list files"))?;
        let notebooks = Folder::open(dir).map_err(failed("list files"))?;
        let ours = notebooks.subfolder(OURS).map_err(failed("make .quire"))?;
        let lock = crate::lock::take(&ours, &notebooks, dir)?;
        let folder = |name| ours.subfolder(name).map_err(failed("make folders in .quire"));
        let (temporaries, outputs) = (folder(TEMPORARIES)?, Arc::new(folder(OUTPUTS)?));
        let ours = Arc::new(ours);
        let (log, remembered) = Log::open(Arc::clone(&ours)).map_err(failed("read the index"))?;
        let engine = Self {
            root,
            notebooks,
            ours: Arc::clone(&ours),
            temporaries,
            outputs,
            records: IdempotencyRecords::open(ours).map_err(failed("read idempotency records"))?,
            index: Mutex::new(Index::new(log)),
            slots: Mutex::new(HashMap::new()),
            scanned_names: Mutex::new(None),
            events: broadcast::channel(MAX_EVENTS).0,
            default_owner,
            restoring: Mutex::new(()),
            lock: Mutex::new(lock),
        };
        engine.read_all(remembered).map_err(failed("read notebooks"))?;
        let is_in_state = |id: &NotebookId, after| match (engine.index().find(id), after) {
            (IndexLookup::Notebook(_, entry, _), FileState::Content(digest)) => entry.digest == Some(digest),
            (found, FileState::Gone) => matches!(found, IndexLookup::Nothing),
            (IndexLookup::Damaged(..) | IndexLookup::Nothing, FileState::Content(_)) => false,
        };
        engine.records.recover(&engine.notebooks, is_in_state).map_err(failed("sync the names"))?;
        engine.remove_orphans().map_err(failed("remove results without a notebook"))?;
        Ok(engine)
    }

    /// Takes the entries of unchanged files from the log, and reads the other files.
    fn read_all(&self, remembered: BTreeMap<Box<str>, Entry>) -> io::Result<()> {
        let state = self.notebooks.own_meta()?;
        let mut files = Vec::new();
        let mut not_text = Vec::new();
        for name in self.notebooks.names()? {
            match name {
                Name::Text(name) if names::is_notebook(&name) => files.push(name),
                Name::NotText(name) if names::is_notebook(&name) => not_text.push(name),
                Name::Text(_) | Name::NotText(_) => {}
            }
        }
        files.sort_unstable();
        disk::clean_up(&self.notebooks, &self.temporaries, &files)?;

        let changed = self.read_changed(&files, &remembered)?;
        let known = remembered.len();
        let mut index = self.index();
        for (file, entry) in remembered {
            index.remember(file, entry);
        }
        let present: HashSet<&str> = files.iter().map(String::as_str).collect();
        let mut differences = known.abs_diff(files.len());
        for (file, seen) in changed {
            differences += 1;
            match index.get(&file) {
                Some(old) if old.digest.is_some() && old.digest == seen.entry.digest => {
                    index.same_content(&file, &seen.entry);
                }
                _ => drop(index.found(&file, seen.entry, true)),
            }
        }
        for name in not_text {
            index.found(&name, scan::not_text(&state), true);
        }
        let absent = |file: &str, entry: &Entry| entry.digest.is_some() && !present.contains(file);
        let files = index.files().filter(|(file, entry)| absent(file, entry));
        let gone: Vec<String> = files.map(|(file, _)| file.to_owned()).collect();
        for file in gone {
            index.gone(&file);
        }
        if differences > 0 {
            index.save();
        }
        drop(index);
        *self.scanned_names.lock() = Some(state.fingerprint);
        Ok(())
    }

    /// Reads the files that are not as they are remembered, on all processors: the first start in a large directory is
    /// nothing but this.
    fn read_changed(
        &self,
        files: &[String],
        remembered: &BTreeMap<Box<str>, Entry>,
    ) -> io::Result<Vec<(String, Observed)>> {
        let read = |files: &[String]| {
            let mut changed = Vec::new();
            for file in files {
                let known = remembered.get(&**file);
                if let Some(known) = known
                    && self.notebooks.meta(file).is_ok_and(|meta| meta.is_some_and(|meta| known.is_current(&meta)))
                {
                    continue;
                }
                if let Some(seen) = self.read_file(file, known)? {
                    changed.push((file.clone(), seen));
                }
            }
            Ok::<_, io::Error>(changed)
        };
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let share = files.len().div_ceil(threads).max(64);
        std::thread::scope(|scope| {
            let readers: Vec<_> = files.chunks(share).map(|files| scope.spawn(move || read(files))).collect();
            let mut changed = Vec::new();
            for reader in readers {
                changed.extend(reader.join().map_err(|_panic| io::Error::other("a reading thread panicked"))??);
            }
            Ok(changed)
        })
    }

    /// Removes the results of notebooks that are no longer there. As long as a damaged file does not tell which notebook
    /// it was, nothing is removed: its results would be lost when it is mended.
    fn remove_orphans(&self) -> io::Result<()> {
        let wanted: HashSet<String> = {
            let index = self.index();
            if index.has_nameless() {
                return Ok(());
            }
            index.files().filter_map(|(_, entry)| entry.id().map(results::file_name)).collect()
        };
        for name in self.outputs.names()? {
            if let Name::Text(name) = name
                && results::is_file_name(&name)
                && !wanted.contains(&name)
                && let Err(error) = self.outputs.remove(&name)
            {
                tracing::warn!(file = name, %error, "cannot remove results without a notebook");
            }
        }
        Ok(())
    }
}
