//! Noticing what changes in the directory without our doing.

use std::collections::HashSet;
use std::io;

use quire_domain::{NotebookId, UserId};

use super::Engine;
use crate::digest::Digest;
use crate::disk::{Fingerprint, Name};
use crate::index::{Content, Entry};
use crate::names;

/// Purpose of a scan of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Finds files that came or went.
    Names,
    /// Finds files that came or went, and files that changed.
    States,
}

impl Engine {
    /// Looks at the state of every file, and reads those that changed. Waits for calls under way, so nothing is held meanwhile
    /// that lists wait for.
    pub(crate) fn scan(&self) -> io::Result<()> {
        let seen = self.scan_entries(Wanted::States)?;
        *self.scanned_names.lock() = seen;
        Ok(())
    }

    /// Looks for files that came or went, if the directory says that some did. Waits for no call under way: files of
    /// notebooks that have one are left to that call, and to the next scan.
    pub(super) fn scan_names(&self) -> io::Result<()> {
        let mut seen = self.scanned_names.lock();
        if *seen != Some(self.notebooks.own_meta()?.fingerprint) {
            *seen = self.scan_entries(Wanted::Names)?;
        }
        Ok(())
    }

    /// Returns the state of the directory whose names have all been looked at now; `None` when some were left out.
    fn scan_entries(&self, wanted: Wanted) -> io::Result<Option<Fingerprint>> {
        // The state of before, so that what changes meanwhile is found the next time.
        let state = self.notebooks.own_meta()?;
        let (mut names, mut not_texts) = (Vec::new(), Vec::new());
        for name in self.notebooks.names()? {
            match name {
                Name::Text(name) if names::is_notebook(&name) => names.push(name),
                Name::NotText(name) if names::is_notebook(&name) => {
                    self.note(&name, Some(&not_text(&state)));
                    not_texts.push(name);
                }
                Name::Text(_) | Name::NotText(_) => {}
            }
        }
        let (new, absent) = self.compare(&names, &not_texts);
        let mut left_out = false;
        for name in &new {
            left_out |= !self.inspect(name, wanted)?;
        }
        if wanted == Wanted::States {
            for name in &names {
                let known = self.index().get(name).map(|entry| (entry.fingerprint, entry.settled));
                if known.is_some() && !self.is_current(name, known) {
                    self.inspect(name, wanted)?;
                }
            }
        }
        // Last, so that a file that was renamed is found under its new name before it is missed under the old one.
        for file in &absent {
            left_out |= !self.inspect(file, wanted)?;
        }
        Ok((!left_out).then_some(state.fingerprint))
    }

    /// The names that the index does not know, and those that it knows and that are not there.
    fn compare(&self, names: &[String], not_texts: &[String]) -> (Vec<String>, Vec<String>) {
        let index = self.index();
        let new: Vec<_> = names.iter().filter(|name| index.get(name).is_none()).cloned().collect();
        if names.len() + not_texts.len() - new.len() == index.files().len() {
            return (new, Vec::new());
        }
        let present: HashSet<&str> = names.iter().chain(not_texts).map(String::as_str).collect();
        let absent = index.files().map(|(file, _)| file).filter(|file| !present.contains(file));
        (new, absent.map(str::to_owned).collect())
    }

    fn is_current(&self, name: &str, known: Option<(Fingerprint, bool)>) -> bool {
        // A failure is the reading's to tell about.
        let meta = self.notebooks.meta(name).ok().flatten();
        matches!((meta, known), (Some(meta), Some((fingerprint, true))) if meta.fingerprint == fingerprint)
    }

    /// Reads a file and notes what it holds. Returns false when it was left out, since its notebook has a call under way.
    fn inspect(&self, name: &str, wanted: Wanted) -> io::Result<bool> {
        let Some(id) = self.id_in(name)? else {
            // Nothing of ours can be under way in a file that holds no notebook.
            let known = self.index().get(name).cloned();
            let seen = self.read_file(name, known.as_ref())?;
            self.note(name, seen.as_ref().map(|seen| &seen.entry));
            return Ok(true);
        };
        let slot = self.slot(&id);
        let _slot = match slot.try_lock() {
            Some(slot) => slot,
            None if wanted == Wanted::Names => return Ok(false),
            None => slot.lock(),
        };
        // Known only now: while we waited for the slot, a commit of ours may have ended.
        let known = self.index().get(name).cloned();
        let seen = self.read_file(name, known.as_ref())?;
        self.note(name, seen.as_ref().map(|seen| &seen.entry));
        Ok(true)
    }

    /// Returns the notebook that a file holds, from the index, else from the file itself.
    fn id_in(&self, name: &str) -> io::Result<Option<NotebookId>> {
        if let Some(entry) = self.index().get(name) {
            return Ok(entry.id().cloned());
        }
        Ok(self.read_file(name, None)?.and_then(|seen| seen.entry.id().cloned()))
    }
}

/// The entry of a file that cannot be opened by a name of ours.
pub(super) fn not_text(meta: &crate::disk::Meta) -> Entry {
    let reason = "its name is not UTF-8".to_owned();
    Entry::new(meta, None::<Digest>, Content::Damaged { id: None, owner: None::<UserId>, reason })
}
