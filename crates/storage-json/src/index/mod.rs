//! The index of the directory's files: the notebook that each holds, and its revision, without reading it again.
//!
//! # Edits from outside
//!
//! A file whose content is not what this index knows was changed from outside, and counts as edited: its revision
//! becomes the larger of the file's own and the known one, plus one, so that no revision ever names two contents. The
//! same bytes again, as after a `touch`, are no edit.
//!
//! Across restarts the index survives in [`log`], one line appended for each change, without `fsync`: after the death of
//! the process it is complete but for a line that was being written, after a loss of power it may lack the newest lines
//! or be gone. So when the directory is opened, a file that differs from what the log says may be our own last commit.
//! The file then tells by its own revision: above the known one, that number was never given out for other content, and
//! it is taken as it is; otherwise the file was changed from outside. Without the log every file is taken as it is.

mod entry;
mod log;
mod reconcile;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use quire_domain::{Base, NotebookId, UserId};
use quire_storage::{Cursor, Damaged, Page, PageRequest, Version};
use uuid::Uuid;

pub(crate) use entry::{Content, Entry, IndexedNotebook};
pub(crate) use log::Log;

use crate::digest::Digest;
use crate::disk::KnownFile;
use crate::names;

/// The index. Of several files with one id, the first by name serves the notebook; lists show the others as damaged.
#[derive(Debug)]
pub(crate) struct Index {
    files: HashMap<Box<str>, Entry>,
    by_id: HashMap<NotebookId, BTreeSet<Box<str>>>,
    lists: HashMap<UserId, BTreeMap<Cursor, Box<str>>>,
    /// Files that no list shows as notebooks.
    unlisted: BTreeSet<Box<str>>,
    /// Notebooks whose files vanished. If a file comes back, as after a save by renaming, it is a later revision. At most
    /// [`MAX_VANISHED`].
    vanished: HashMap<NotebookId, (Base, Digest)>,
    version: i64,
    log: Log,
}

/// Maximum number of vanished notebooks that are remembered. A save by renaming takes a moment, so that few are enough, and a
/// user who deletes files for months does not fill the memory.
const MAX_VANISHED: usize = 1_000;

/// Draws a random number at which this process's versions begin: those of earlier processes are not remembered, and must not
/// be used again for other content.
fn first_version() -> i64 {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    i64::try_from(random >> 2).unwrap_or_default()
}

/// Result of looking a notebook up in the index.
pub(crate) enum IndexLookup {
    Notebook(Box<str>, Entry, IndexedNotebook),
    Damaged(Box<str>, Entry, String),
    Nothing,
}

impl Index {
    /// An empty index.
    pub(crate) fn new(log: Log) -> Self {
        Self {
            files: HashMap::new(),
            by_id: HashMap::new(),
            lists: HashMap::new(),
            unlisted: BTreeSet::new(),
            vanished: HashMap::new(),
            version: first_version(),
            log,
        }
    }

    /// Takes an entry from the log.
    pub(crate) fn remember(&mut self, file: Box<str>, mut entry: Entry) {
        if let Content::Notebook(known) = &mut entry.content {
            known.version = Version(self.version);
        }
        self.put(file, entry);
    }

    pub(crate) fn next_version(&mut self) -> Version {
        self.version += 1;
        Version(self.version)
    }

    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.files.iter().map(|(file, entry)| (&**file, entry))
    }

    pub(crate) fn get(&self, file: &str) -> Option<&Entry> {
        self.files.get(file)
    }

    /// Returns whether the id of some file's notebook is unknown.
    pub(crate) fn has_nameless(&self) -> bool {
        self.unlisted.iter().any(|file| self.get(file).is_some_and(|entry| entry.id().is_none()))
    }

    pub(crate) fn find(&self, id: &NotebookId) -> IndexLookup {
        if let Some((file, entry, known)) = self.serving(id) {
            return IndexLookup::Notebook(file.into(), entry.clone(), known.clone());
        }
        let mut damaged: Vec<Box<str>> = self.by_id.get(id).into_iter().flatten().cloned().collect();
        // A file whose notebook is unknown counts as the one that its name is made from.
        damaged.extend(names::candidates(id).map(Into::into));
        for file in damaged {
            if let Some(entry) = self.get(&file)
                && let Content::Damaged { id: inside, reason, .. } = &entry.content
                && inside.as_ref().is_none_or(|inside| inside == id)
            {
                return IndexLookup::Damaged(file, entry.clone(), reason.clone());
            }
        }
        IndexLookup::Nothing
    }

    /// Returns the file that serves a notebook.
    fn serving(&self, id: &NotebookId) -> Option<(&str, &Entry, &IndexedNotebook)> {
        self.by_id.get(id)?.iter().find_map(|file| {
            let entry = self.files.get(file)?;
            match &entry.content {
                Content::Notebook(known) => Some((&**file, entry, known)),
                Content::Damaged { .. } => None,
            }
        })
    }

    /// Notes a commit of this store. Returns the new version.
    pub(crate) fn wrote(&mut self, file: &str, mut entry: Entry) -> Version {
        let version = self.next_version();
        if let Content::Notebook(known) = &mut entry.content {
            known.version = version;
            self.vanished.remove(&known.summary.id);
        }
        self.log.append(file, Some(&entry));
        self.put(file.into(), entry);
        self.compact_log();
        version
    }

    /// Notes new results of this store. Returns the new version.
    pub(crate) fn wrote_results(&mut self, file: &str) -> Version {
        let version = self.next_version();
        if let Some(Entry { content: Content::Notebook(known), .. }) = self.files.get_mut(file) {
            known.version = version;
        }
        version
    }

    /// Returns a page of the list of an owner's notebooks, or of all.
    pub(crate) fn list(&self, owner: Option<&UserId>, page: &PageRequest) -> Page {
        if let Some(owner) = owner {
            return self.page_of(self.lists.get(owner), Some(owner), page);
        }
        // Used rarely, by exports of a whole directory, so that no such list is maintained.
        let all = self.lists.values().flatten().map(|(cursor, file)| (cursor.clone(), file.clone())).collect();
        self.page_of(Some(&all), None, page)
    }

    /// Returns the owner's notebooks and the sizes of their files, in bytes.
    pub(crate) fn sizes(&self, owner: &UserId) -> Vec<(NotebookId, u64)> {
        let listed = self.lists.get(owner).into_iter().flatten();
        let size = |file: &str| self.files.get(file).map_or(0, |entry| entry.fingerprint.size);
        listed.map(|(cursor, file)| (cursor.id.clone(), size(file))).collect()
    }

    fn page_of(&self, list: Option<&BTreeMap<Cursor, Box<str>>>, owner: Option<&UserId>, page: &PageRequest) -> Page {
        let from = page.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = list.into_iter().flat_map(|list| list.range::<Cursor, _>((from, Bound::Unbounded)));
        let summary = |file: &str| match &self.files.get(file)?.content {
            Content::Notebook(known) => Some(known.summary.clone()),
            Content::Damaged { .. } => None,
        };
        let limit = page.limit.unwrap_or(usize::MAX);
        let notebooks: Vec<_> = rest.by_ref().take(limit).filter_map(|(_, file)| summary(file)).collect();
        let next = rest.next().and_then(|_| notebooks.last().map(quire_storage::Summary::cursor));
        Page { notebooks, damaged: self.damaged(owner), next }
    }

    /// Lists the files that are, or may be, of the owner's notebooks and cannot be read.
    fn damaged(&self, owner: Option<&UserId>) -> Vec<Damaged> {
        let is_wanted = |of: &UserId| owner.is_none_or(|owner| owner == of);
        let damaged = |file: &str| {
            let (id, reason) = match &self.get(file)?.content {
                Content::Notebook(known) if is_wanted(&known.summary.owner) => {
                    let serving = self.serving(&known.summary.id).map(|(file, ..)| file).unwrap_or_default();
                    (Some(&known.summary.id), format!("{serving} holds a notebook with the same id"))
                }
                Content::Damaged { id, owner: of, reason } if of.as_ref().is_none_or(is_wanted) => {
                    (id.as_ref(), reason.clone())
                }
                _ => return None,
            };
            Some(Damaged { place: file.to_owned(), id: id.cloned(), reason })
        };
        self.unlisted.iter().filter_map(|file| damaged(file)).collect()
    }

    /// Adds an entry, and everything that is derived from it.
    fn put(&mut self, file: Box<str>, entry: Entry) {
        self.take(&file);
        if let Some(id) = entry.id().cloned() {
            self.by_id.entry(id.clone()).or_default().insert(file.clone());
            self.files.insert(file, entry);
            self.relist(&id);
        } else {
            self.unlisted.insert(file.clone());
            self.files.insert(file, entry);
        }
    }

    /// Removes an entry, and everything that is derived from it.
    fn take(&mut self, file: &str) -> Option<Entry> {
        self.unlisted.remove(file);
        self.unlist(file);
        let entry = self.files.remove(file)?;
        if let Some(id) = entry.id().cloned()
            && let Some(files) = self.by_id.get_mut(&id)
        {
            files.remove(file);
            if files.is_empty() {
                self.by_id.remove(&id);
            }
            self.relist(&id);
        }
        Some(entry)
    }

    fn unlist(&mut self, file: &str) {
        let Some(Entry { content: Content::Notebook(known), .. }) = self.files.get(file) else { return };
        let (owner, cursor) = (&known.summary.owner, known.summary.cursor());
        if let Some(list) = self.lists.get_mut(owner)
            && list.get(&cursor).is_some_and(|listed| &**listed == file)
        {
            list.remove(&cursor);
            if list.is_empty() {
                self.lists.remove(owner);
            }
        }
    }

    /// Lists the file that serves the notebook, and no other file of it.
    fn relist(&mut self, id: &NotebookId) {
        let files: Vec<_> = self.by_id.get(id).into_iter().flatten().cloned().collect();
        for file in &files {
            self.unlist(file);
            self.unlisted.insert(file.clone());
        }
        let Some((file, _, known)) = self.serving(id) else { return };
        let (file, owner, cursor) = (Box::<str>::from(file), known.summary.owner.clone(), known.summary.cursor());
        self.unlisted.remove(&file);
        self.lists.entry(owner).or_default().insert(cursor, file);
    }

    /// Makes the log as short as it can be, when it has grown long.
    fn compact_log(&mut self) {
        if self.log.lines() > 4 * self.files.len() + 1_000 {
            self.save();
        }
    }

    /// Returns the identity of the log's file, by which its removal is noticed.
    pub(crate) fn known_log(&self) -> Option<KnownFile> {
        self.log.known()
    }

    /// Rewrites the log, if another program removed it.
    pub(crate) fn restore(&mut self) {
        if self.log.is_lost() {
            self.save();
        }
    }

    /// Rewrites the log, with one line for each file.
    pub(crate) fn save(&mut self) {
        let files = self.files.iter().map(|(file, entry)| (&**file, entry));
        self.log.rewrite(files);
    }
}
