//! Results of runs, in one file for each notebook in `.quire/outputs/`. Every commit of results appends one record, so that a keystroke never rewrites megabytes of output and losing the file loses results, never code.
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

pub(crate) use record::Record;

use crate::digest::Digest;
use crate::disk::{self, AppendLog, Appended, Folder, ReadFile};

/// Suffix of the names of results files.
const SUFFIX: &str = ".results";
/// Minimum obsolete bytes of a file before it is rewritten.
const MIN_OBSOLETE_BYTES: u64 = 1_000_000;

/// Results that were read without changing their file.
pub(crate) struct ReadResults {
    pub(crate) latest: Latest,
    /// Set when something was left out: cut short, void or damaged.
    pub(crate) incomplete: bool,
}

/// Reads the results of a notebook whose file is at `revision`, in a directory that another process may be serving.
pub(crate) fn read(folder: &Folder, id: &NotebookId, revision: Revision) -> io::Result<ReadResults> {
    let bytes = match folder.read(&file_name(id), u64::MAX)? {
        ReadFile::Read(bytes, _) => bytes,
        ReadFile::Missing | ReadFile::NotAFile(_) | ReadFile::TooLarge(_) => Vec::new(),
    };
    let record::ReadAll { latest, has_discarded } = record::read_all(&bytes, Some(revision));
    Ok(ReadResults { latest, incomplete: has_discarded })
}

/// Size of a notebook's results in bytes; 0 when there are none.
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

/// The results file of one notebook. Everything written to it is durable when the call returns.
#[derive(Debug)]
pub(crate) struct ResultsFile {
    log: AppendLog,
    /// Bytes of the file when it was opened or last rewritten.
    fresh_size: u64,
    /// The cells that have results.
    cells: HashSet<CellId>,
}

/// The name of a notebook's results file.
pub(crate) fn file_name(id: &NotebookId) -> String {
    format!("{}{SUFFIX}", Digest::of(id.as_str().as_bytes()).short())
}

/// Returns whether a name is of a results file, or of one that is being rewritten.
pub(crate) fn is_file_name(name: &str) -> bool {
    name.strip_suffix(disk::NEW).unwrap_or(name).ends_with(SUFFIX)
}

/// The newest results of each cell in a results file.
pub(crate) type Latest = HashMap<CellId, Arc<Results>>;

impl ResultsFile {
    /// Opens the results of a notebook whose file is at `revision`. Unreadable records are left out with a warning.
    pub(crate) fn open(folder: &Arc<Folder>, id: &NotebookId, revision: Revision) -> io::Result<(Self, Latest)> {
        let (log, bytes) = AppendLog::open(Arc::clone(folder), file_name(id).into())?;
        let read = record::read_all(&bytes, Some(revision));
        let cells = read.latest.keys().cloned().collect();
        let mut file = Self { fresh_size: log.size(), log, cells };
        if read.has_discarded {
            tracing::warn!(notebook = %id, file = file.log.name(), "removed results that were cut short, void or damaged");
            file.rewrite(&read.latest)?;
        }
        Ok((file, read.latest))
    }

    /// Returns the results file of a notebook without reading it, to be rewritten.
    pub(crate) fn unread(folder: &Arc<Folder>, id: &NotebookId) -> Self {
        let log = AppendLog::new(Arc::clone(folder), file_name(id).into());
        Self { log, fresh_size: 0, cells: HashSet::new() }
    }

    /// Reads the newest results of every cell.
    pub(crate) fn latest(&self) -> io::Result<Latest> {
        if self.log.size() == 0 {
            return Ok(Latest::new());
        }
        Ok(record::read_all(&self.log.read()?, None).latest)
    }

    /// Returns `true` if a cell has results.
    pub(crate) fn has(&self, cell: &CellId) -> bool {
        self.cells.contains(cell)
    }

    /// Appends a record, durably. Returns what [`Self::take_back`] needs.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<u64> {
        let text = record.to_bytes()?;
        let mut before = self.log.size();
        if self.log.append_durably(&text)? == Appended::Lost {
            tracing::warn!(file = self.log.name(), "results were removed or replaced from outside");
            // The file that is there now, as after a restore, stays.
            let there = record::read_all(&self.log.reopen()?, None);
            self.cells = there.latest.keys().cloned().collect();
            if there.has_discarded {
                self.rewrite(&there.latest)?;
            }
            (before, self.fresh_size) = (self.log.size(), self.log.size());
            if self.log.append_durably(&text)? == Appended::Lost {
                return Err(io::Error::other(format!("{} is being replaced by another program", self.log.name())));
            }
        }
        for (cell, results) in record.cells() {
            match results {
                Some(_) => self.cells.insert(cell.clone()),
                None => self.cells.remove(cell),
            };
        }
        Ok(before)
    }

    /// Takes back the last record, whose commit was not made.
    pub(crate) fn take_back(&mut self, before: u64) -> io::Result<()> {
        self.log.cut_back(before)?;
        self.cells = self.latest()?.into_keys().collect();
        Ok(())
    }

    /// Rewrites the file when most of it is obsolete, or may be of cells that an edit from outside removed from the notebook. A
    /// failure costs only space.
    pub(crate) fn tidy(&mut self, notebook: &Notebook) {
        let size = self.log.size();
        if size <= MIN_OBSOLETE_BYTES {
            return;
        }
        let present: HashSet<&CellId> = notebook.cells.iter().map(|cell| &cell.id).collect();
        let max_live = if self.cells.iter().all(|cell| present.contains(cell)) { 2 * self.fresh_size } else { 0 };
        if size <= max_live + MIN_OBSOLETE_BYTES {
            return;
        }
        let tidied = self.latest().and_then(|mut latest| {
            latest.retain(|cell, _| present.contains(cell));
            self.rewrite(&latest)
        });
        if let Err(error) = tidied {
            tracing::warn!(%error, file = self.log.name(), "cannot tidy a results file");
        }
    }

    /// Replaces the file by one that holds just these results.
    pub(crate) fn rewrite(&mut self, latest: &Latest) -> io::Result<()> {
        let rewritten = if latest.is_empty() {
            self.log.remove()
        } else {
            let cells = latest.iter().map(|(cell, results)| (cell.clone(), Some(Arc::clone(results))));
            self.log.rewrite(&Record::new(None, cells.collect()).to_bytes()?)
        };
        if rewritten.is_ok() {
            self.fresh_size = self.log.size();
            self.cells = latest.keys().cloned().collect();
        }
        rewritten
    }
}
