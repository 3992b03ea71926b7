//! Where notebooks to import come from.

use std::fmt::Debug;

use quire_domain::{Notebook, NotebookId};

/// Notebooks in some format, somewhere: a directory of JSON files, for example. It is only read. Another format is another
/// implementation.
///
/// The calls block; they are made on threads for that, several at once.
pub trait Source: Debug + Send + Sync + 'static {
    /// What there is to read, always in the same order. Of several candidates that hold one notebook, the first counts.
    ///
    /// # Errors
    /// A sentence that says why nothing can be read at all.
    fn candidates(&self) -> Result<Vec<Candidate>, String>;

    /// Reads one, as it is at one moment.
    ///
    /// # Errors
    /// [`Fault`] says why it gives no notebook; that stops nothing else.
    fn read(&self, candidate: &Candidate) -> Result<Found, Fault>;

    /// Whether notebooks here say whose they are and have their connection strings. Where they do not, none takes the place of
    /// another user's, since that it has the same id, which may be no more than the name of a file, is chance or bad intent;
    /// and the string that is stored stays.
    fn is_whole(&self) -> bool;
}

/// Something that should be a notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is, as a person finds it.
    pub file: String,
    /// Which notebook it seems to be before it is read. Right guesses save look-ups, wrong ones harm nothing.
    pub id: Option<NotebookId>,
    /// What is wrong with it, where that can be told without reading it; it is not read then.
    pub fault: Option<Fault>,
}

impl Candidate {
    /// What to say when reading this made the program panic. The panic's own words may hold what was read.
    pub(crate) fn panicked(&self) -> Fault {
        let reason = "reading it made the program fail in a way that it should not; please report this".to_owned();
        Fault { kind: FaultKind::Failed, id: self.id.clone(), reason, offset: None }
    }
}

/// A notebook that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// With results and unknown fields, and its connection string as it was found.
    pub notebook: Notebook,
    /// What a person should know about the reading, in a clause.
    pub notice: Option<String>,
}

/// Why a candidate gives no notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose fault it is.
    pub kind: FaultKind,
    /// The notebook that it is or seems to be, when that can be told.
    pub id: Option<NotebookId>,
    /// What is wrong and where, in a clause: no content, no secret.
    pub reason: String,
    /// At which byte.
    pub offset: Option<u64>,
}

/// Whose fault a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is no notebook, or beyond a limit: reading it again will not help.
    Invalid,
    /// It could not be read.
    Failed,
    /// It is nothing that should be read.
    NotMeant,
}
