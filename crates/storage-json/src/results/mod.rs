//! Where results are kept: one file for each notebook in `.quire/outputs/`, to which every commit of results appends one
//! record, so that a keystroke never rewrites megabytes of output and losing the file loses results, never code.
//!
//! A record holds all results of one commit under one checksum, so that they are seen together or not at all. A commit
//! that also changes the notebook's file appends its record first, with the revision that the file will have; until the
//! file has it, the record is void. Void records, and one that a crash cut short, are removed when the notebook is first
//! used after a start, before any commit could make them true.
//!
//! ```text
//! quire-results 1 <bytes of the record> <half of the record's SHA-256>
//! {"needs": 7, "cells": [{"cell": "…", "results": {…} or null for none}]}
//! ```

mod record;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use quire_domain::{Cell, CellId, Notebook, NotebookId, Results, Revision};
use rustix::fs::{OFlags, RenameFlags};

pub(crate) use record::Record;

use crate::digest::Digest;
use crate::disk::{self, Folder, ReadFile};

/// How the names of results files end, and what those have after it that are being written anew.
const SUFFIX: &str = ".results";
const NEW: &str = ".new";
/// Garbage that is left in a file before it is written anew, at least.
const SPARE_BYTES: u64 = 1_000_000;

/// What a results file holds, read without changing it.
pub(crate) struct Found {
    pub(crate) latest: Latest,
    /// Whether something was left out: cut short, void or damaged.
    pub(crate) incomplete: bool,
}

/// Reads the results of a notebook whose file says to be at `revision`, in a directory that somebody else may be serving.
pub(crate) fn look(folder: &Folder, id: &NotebookId, revision: Revision) -> io::Result<Found> {
    let bytes = match folder.read(&file_name(id), u64::MAX)? {
        ReadFile::Read(bytes, _) => bytes,
        ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => Vec::new(),
    };
    let record::ReadAll { latest, leavings } = record::read_all(&bytes, Some(revision));
    Ok(Found { latest, incomplete: leavings })
}

/// How many bytes the results of a notebook take; 0 when there are none.
pub(crate) fn size(folder: &Folder, id: &NotebookId) -> io::Result<u64> {
    Ok(folder.meta(&file_name(id))?.map_or(0, |meta| meta.fingerprint.size))
}

/// Adds results that lie beside a notebook's file to the cells that have none. Results inside the file are newer: they are
/// moved out by the first write of ours.
pub(crate) fn add(notebook: &mut Notebook, latest: &Latest) {
    if latest.is_empty() {
        return;
    }
    let cells = notebook.cells.iter().map(|cell| match latest.get(&cell.id) {
        Some(results) if *cell.results == Results::default() => {
            Cell { results: Arc::clone(results), ..Cell::clone(cell) }
        }
        _ => Cell::clone(cell),
    });
    notebook.cells = cells.collect();
}

/// The results of one notebook on disk, as far as has to be known for the next record.
#[derive(Debug)]
pub(crate) struct ResultsFile {
    folder: Arc<Folder>,
    name: String,
    /// Bytes in the file; 0 when there is none.
    size: u64,
    /// Bytes it had when it was last written anew.
    fresh_size: u64,
    /// The cells that have results.
    cells: HashSet<CellId>,
}

/// The name of a notebook's results file.
pub(crate) fn file_name(id: &NotebookId) -> String {
    format!("{}{SUFFIX}", Digest::of(id.as_str().as_bytes()).short())
}

/// Whether a name is one that we give, to a results file or to one that is being written anew.
pub(crate) fn is_file_name(name: &str) -> bool {
    name.strip_suffix(NEW).unwrap_or(name).ends_with(SUFFIX)
}

/// What a results file holds.
pub(crate) type Latest = HashMap<CellId, Arc<Results>>;

impl ResultsFile {
    /// Opens the results of a notebook whose file says to be at `revision`. Never fails for what the file holds: what
    /// cannot be read is left out with a warning.
    pub(crate) fn open(folder: &Arc<Folder>, id: &NotebookId, revision: Revision) -> io::Result<(Self, Latest)> {
        let mut file = Self::unread(folder, id);
        let bytes = file.bytes()?;
        let read = record::read_all(&bytes, Some(revision));
        file.size = bytes.len() as u64;
        file.fresh_size = file.size;
        file.cells = read.latest.keys().cloned().collect();
        if read.leavings {
            tracing::warn!(notebook = %id, file = file.name, "removed results that were cut short, void or damaged");
            file.write_anew(&read.latest)?;
        }
        Ok((file, read.latest))
    }

    /// The results of a notebook, whatever there is of them now; for writing them anew.
    pub(crate) fn unread(folder: &Arc<Folder>, id: &NotebookId) -> Self {
        Self { folder: Arc::clone(folder), name: file_name(id), size: 0, fresh_size: 0, cells: HashSet::new() }
    }

    /// Reads the newest results of every cell.
    pub(crate) fn latest(&self) -> io::Result<Latest> {
        if self.size == 0 {
            return Ok(Latest::new());
        }
        Ok(record::read_all(&self.bytes()?, None).latest)
    }

    /// Whether a cell has results.
    pub(crate) fn has(&self, cell: &CellId) -> bool {
        self.cells.contains(cell)
    }

    /// Appends a record, durably. Returns what [`Self::take_back`] needs.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<u64> {
        let text = record.to_bytes()?;
        let mut file = self.folder.open_file(&self.name, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND)?;
        let there = file.metadata()?.len();
        if there > self.size {
            file.set_len(self.size)?; // what an earlier failure left behind would hide all that follows it
        } else if there < self.size {
            // Somebody removed the file or cut it short. Never made as long as it was: the zeros in between would hide
            // all that follows them.
            tracing::warn!(file = self.name, "results were removed from outside");
            file.set_len(0)?;
            (self.size, self.fresh_size) = (0, 0);
            self.cells.clear();
        }
        let before = self.size;
        let written = disk::append(&mut file, &text).and_then(|()| file.sync_data());
        // A new file's name has to be durable too.
        let written = if before == 0 { written.and_then(|()| self.folder.sync()) } else { written };
        if let Err(error) = written {
            let _ = file.set_len(before); // else the next record, or the next start, finds it
            return Err(error);
        }
        self.size = before + text.len() as u64;
        for (cell, results) in record.cells() {
            match results {
                Some(_) => self.cells.insert(cell.clone()),
                None => self.cells.remove(cell),
            };
        }
        Ok(before)
    }

    /// Takes the last record back, whose commit did not happen.
    pub(crate) fn take_back(&mut self, before: u64) -> io::Result<()> {
        let file = self.folder.open_file(&self.name, OFlags::WRONLY)?;
        if file.metadata()?.len() > before {
            file.set_len(before)?;
            file.sync_data()?;
        }
        self.size = before;
        self.cells = self.latest()?.into_keys().collect();
        Ok(())
    }

    /// Writes the file anew when most of it is garbage, and when cells that are no longer in the notebook, taken out by
    /// an edit from outside, may have much of it. Failing only costs room.
    pub(crate) fn tidy(&mut self, notebook: &Notebook) {
        if self.size <= SPARE_BYTES {
            return;
        }
        let present: HashSet<&CellId> = notebook.cells.iter().map(|cell| &cell.id).collect();
        let kept = if self.cells.iter().all(|cell| present.contains(cell)) { 2 * self.fresh_size } else { 0 };
        if self.size <= kept + SPARE_BYTES {
            return;
        }
        let tidied = self.latest().and_then(|mut latest| {
            latest.retain(|cell, _| present.contains(cell));
            self.write_anew(&latest)
        });
        if let Err(error) = tidied {
            tracing::warn!(%error, file = self.name, "cannot tidy a results file");
        }
    }

    /// Replaces the file by one that holds just these results.
    pub(crate) fn write_anew(&mut self, latest: &Latest) -> io::Result<()> {
        if latest.is_empty() {
            let removed = self.folder.remove(&self.name)?;
            (self.size, self.fresh_size) = (0, 0);
            self.cells.clear();
            return if removed { self.folder.sync() } else { Ok(()) };
        }
        let cells = latest.iter().map(|(cell, results)| (cell.clone(), Some(Arc::clone(results))));
        let text = Record::new(None, cells.collect()).to_bytes()?;
        let new_name = format!("{}{NEW}", self.name);
        self.folder.remove(&new_name)?;
        let mut file = self.folder.create_file(&new_name)?;
        let done = disk::append(&mut file, &text).and_then(|()| file.sync_all());
        let done =
            done.and_then(|()| Ok(self.folder.rename(&new_name, &self.folder, &self.name, RenameFlags::empty())?));
        if let Err(error) = done {
            let _ = self.folder.remove(&new_name);
            return Err(error);
        }
        // The file is another one from here on, even if it is not known to be durable.
        self.size = text.len() as u64;
        self.fresh_size = self.size;
        self.cells = latest.keys().cloned().collect();
        self.folder.sync()
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        Ok(match self.folder.read(&self.name, u64::MAX)? {
            ReadFile::Read(bytes, _) => bytes,
            ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => Vec::new(),
        })
    }
}
