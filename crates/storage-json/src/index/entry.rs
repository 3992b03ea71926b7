//! Entries of the index.

use quire_domain::{Base, Life, Notebook, NotebookId, Revision, Timestamp, UserId};
use quire_files::ParseError;
use quire_files::quire::Parsed;
use quire_storage::{Summary, Version};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::disk::{Fingerprint, Meta};

/// An entry of the index: the content of one file, and the file's state when it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) fingerprint: Fingerprint,
    /// Set when an equal fingerprint means equal content; see [`Meta::settled`].
    pub(crate) settled: bool,
    /// Digest of the content; absent when it was not read.
    pub(crate) digest: Option<Digest>,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Notebook(IndexedNotebook),
    Damaged { id: Option<NotebookId>, owner: Option<UserId>, reason: String },
}

/// A notebook as the index has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IndexedNotebook {
    pub(crate) summary: Summary,
    pub(crate) life: Life,
    /// The revision that the file itself gives; lower than the summary's after an edit from outside.
    pub(crate) own_revision: Revision,
    /// Set when the file holds results, which the next write moves to the results file.
    pub(crate) inline_results: bool,
    /// Set when the file has the time of the notebook's creation.
    pub(crate) dated: bool,
    pub(crate) version: Version,
}

impl IndexedNotebook {
    /// Makes the entry of a notebook that this process has just written; its version is given with the commit.
    pub(crate) fn written(notebook: &Notebook) -> Self {
        Self {
            summary: summary(notebook),
            life: notebook.life,
            own_revision: notebook.revision,
            inline_results: false,
            dated: true,
            version: Version(0),
        }
    }

    /// The base of a change of the notebook.
    pub(crate) fn base(&self) -> Base {
        Base { life: self.life, revision: self.summary.revision }
    }
}

impl Entry {
    pub(crate) fn id(&self) -> Option<&NotebookId> {
        match &self.content {
            Content::Notebook(known) => Some(&known.summary.id),
            Content::Damaged { id, .. } => id.as_ref(),
        }
    }

    /// Returns `true` if the file is still in the state that this entry was made from, as far as that can be told without reading it.
    pub(crate) fn is_current(&self, meta: &Meta) -> bool {
        self.settled && self.fingerprint == meta.fingerprint
    }

    pub(crate) fn new(meta: &Meta, digest: Option<Digest>, content: Content) -> Self {
        Self { fingerprint: meta.fingerprint, settled: meta.settled, digest, content }
    }
}

impl Content {
    /// Makes an entry of a file that was read, before anything earlier is considered.
    pub(crate) fn of(read: &Result<Parsed, ParseError>) -> Self {
        match read {
            Ok(parsed) => Self::Notebook(IndexedNotebook {
                summary: summary(&parsed.notebook),
                life: parsed.notebook.life,
                own_revision: parsed.notebook.revision,
                inline_results: parsed.inline_results,
                dated: parsed.dated,
                version: Version(0),
            }),
            Err(damage) => {
                Self::Damaged { id: damage.id.clone(), owner: damage.owner.clone(), reason: damage.reason.clone() }
            }
        }
    }
}

/// A notebook's line in a list.
fn summary(notebook: &Notebook) -> Summary {
    Summary {
        id: notebook.id.clone(),
        owner: notebook.owner.clone(),
        name: notebook.name.clone(),
        revision: notebook.revision,
        created_at: notebook.created_at,
        updated_at: notebook.updated_at,
    }
}

fn unrecorded() -> Life {
    Life::UNRECORDED
}

/// An entry as a line of the log.
#[derive(Serialize, Deserialize)]
pub(super) struct LineV1<'a> {
    file: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryV1>,
}

#[derive(Serialize, Deserialize)]
struct EntryV1 {
    fingerprint: Fingerprint,
    settled: bool,
    digest: Digest,
    id: NotebookId,
    owner: UserId,
    name: Option<String>,
    /// Missing in lines from before lives were recorded.
    #[serde(default = "unrecorded")]
    life: Life,
    revision: Revision,
    own_revision: Revision,
    created_at: Timestamp,
    updated_at: Timestamp,
    inline_results: bool,
    dated: bool,
}

impl<'a> LineV1<'a> {
    /// Makes the line of a file that exists, or no longer exists. Damaged files are not remembered: reading them again at the next
    /// start costs little and shows whether they are still damaged.
    pub(super) fn new(file: &'a str, entry: Option<&Entry>) -> Self {
        let known = entry.and_then(|entry| match &entry.content {
            Content::Notebook(known) => Some((entry, entry.digest?, known)),
            Content::Damaged { .. } => None,
        });
        let entry = known.map(|(entry, digest, known)| EntryV1 {
            fingerprint: entry.fingerprint,
            settled: entry.settled,
            digest,
            id: known.summary.id.clone(),
            owner: known.summary.owner.clone(),
            name: known.summary.name.as_deref().map(str::to_owned),
            life: known.life,
            revision: known.summary.revision,
            own_revision: known.own_revision,
            created_at: known.summary.created_at,
            updated_at: known.summary.updated_at,
            inline_results: known.inline_results,
            dated: known.dated,
        });
        Self { file: file.into(), entry }
    }

    pub(super) fn into_entry(self) -> (Box<str>, Option<Entry>) {
        let entry = self.entry.map(|line| Entry {
            fingerprint: line.fingerprint,
            settled: line.settled,
            digest: Some(line.digest),
            content: Content::Notebook(IndexedNotebook {
                summary: Summary {
                    id: line.id,
                    owner: line.owner,
                    name: line.name.map(Into::into),
                    revision: line.revision,
                    created_at: line.created_at,
                    updated_at: line.updated_at,
                },
                life: line.life,
                own_revision: line.own_revision,
                inline_results: line.inline_results,
                dated: line.dated,
                version: Version(0),
            }),
        });
        (self.file.into(), entry)
    }
}
