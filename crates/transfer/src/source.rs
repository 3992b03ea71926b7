//! Sources of notebooks to import.

use std::fmt::Debug;

use quire_domain::{Notebook, NotebookId};

/// A source of notebooks in some format: a directory of JSON files, for example. It is only read. Each format has its
/// own implementation.
///
/// The calls block; they are made on blocking threads, several at once.
pub trait Source: Debug + Send + Sync + 'static {
    /// Returns the candidates, always in the same order. Of several candidates for one notebook, the first counts.
    ///
    /// # Errors
    /// Returns a sentence if nothing can be read at all.
    fn candidates(&self) -> Result<Vec<Candidate>, String>;

    /// Reads one candidate, as it is at one moment.
    ///
    /// # Errors
    /// Returns a [`Fault`] if the candidate gives no notebook; the others are read nevertheless.
    fn read(&self, candidate: &Candidate) -> Result<Found, Fault>;

    /// Returns `true` if the notebooks contain their owners and connection strings. If they do not, none replaces
    /// another user's notebook: an equal id, which may be no more than the name of a file, is a coincidence or an
    /// attack. The stored connection string remains.
    fn is_whole(&self) -> bool;
}

/// A file or other item that should be a notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Location, as a person finds it.
    pub file: String,
    /// Expected id of the notebook before it is read. A right guess saves a look-up; a wrong one does no harm.
    pub id: Option<NotebookId>,
    /// Fault that is known without reading the candidate, which is not read then.
    pub fault: Option<Fault>,
}

impl Candidate {
    /// Returns the fault for a candidate whose reader panicked. The panic's own message may contain what was read.
    pub(crate) fn panicked(&self) -> Fault {
        let reason = "reading it made the program fail in a way that it should not; please report this".to_owned();
        Fault { kind: FaultKind::Failed, id: self.id.clone(), reason, offset: None }
    }
}

/// A notebook that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// The notebook with results and unknown fields, and with its connection string as the source has it.
    pub notebook: Notebook,
    /// A notice for a person about the reading, in a clause.
    pub notice: Option<String>,
}

/// Reason why a candidate gives no notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Kind of the fault.
    pub kind: FaultKind,
    /// The notebook that the candidate is or seems to be, if known.
    pub id: Option<NotebookId>,
    /// Description of the fault and its place, in a clause. It contains no content and no secret.
    pub reason: String,
    /// Byte at which something is wrong.
    pub offset: Option<u64>,
}

/// Kind of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The candidate is no notebook, or beyond a limit: reading it again will not help.
    Invalid,
    /// The candidate could not be read.
    Failed,
    /// The candidate is not meant to be read.
    NotMeant,
}
