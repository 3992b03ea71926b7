//! Reconciliation of the index with files that were added, changed or removed.

use quire_domain::{Base, Life, NotebookId, Timestamp};

use super::entry::{Content, Entry};
use super::{Index, IndexedNotebook, MAX_VANISHED};
use crate::digest::Digest;

/// A notebook as the index had it before a file was observed.
#[derive(Clone)]
struct Before {
    base: Base,
    digest: Option<Digest>,
    created_at: Option<Timestamp>,
    updated_at: Timestamp,
    own: Option<IndexedNotebook>,
}

impl Index {
    /// Notes the observed content of a file. Returns the notebooks that readers see differently now.
    /// `opening` is set while the directory is opened, when a change may be this store's own; see the module's documentation.
    pub(crate) fn found(&mut self, file: &str, mut entry: Entry, opening: bool) -> Vec<NotebookId> {
        if let Content::Damaged { id, owner, .. } = &mut entry.content
            && let Some(Content::Notebook(known)) = self.get(file).map(|old| &old.content)
        {
            // The file is too damaged to name its owner, so the last known one stays.
            id.get_or_insert_with(|| known.summary.id.clone());
            owner.get_or_insert_with(|| known.summary.owner.clone());
        }
        let ids = self.ids_with(file, Some(&entry));
        let changed = self.change(ids, opening, |index| {
            index.put(file.into(), entry);
        });
        if !opening {
            self.compact_log(); // opening saves at its end
        }
        changed
    }

    /// Notes that a file is gone. Returns the notebooks that are different now.
    pub(crate) fn gone(&mut self, file: &str) -> Vec<NotebookId> {
        let ids = self.ids_with(file, None);
        let changed = self.change(ids, false, |index| {
            index.take(file);
        });
        self.log.append(file, None);
        self.compact_log();
        changed
    }

    /// Notes that this store deleted a file. If another file with the same id serves now, it is a notebook of its own.
    pub(crate) fn deleted(&mut self, file: &str) {
        self.log.append(file, None);
        let id = self.take(file).and_then(|entry| entry.id().cloned());
        if let Some(id) = id {
            self.reconcile(&id, None, false);
        }
        self.compact_log();
    }

    /// Notes that a file has another state, but the same content.
    pub(crate) fn same_content(&mut self, file: &str, seen: &Entry) {
        if let Some(entry) = self.files.get_mut(file) {
            entry.fingerprint = seen.fingerprint;
            entry.settled = seen.settled;
        }
    }

    fn ids_with(&self, file: &str, new: Option<&Entry>) -> Vec<NotebookId> {
        let ids = [self.get(file), new].into_iter().flatten().filter_map(Entry::id);
        let mut ids: Vec<_> = ids.cloned().collect();
        ids.dedup();
        ids
    }

    fn change(&mut self, ids: Vec<NotebookId>, opening: bool, make: impl FnOnce(&mut Self)) -> Vec<NotebookId> {
        let before: Vec<_> = ids.iter().map(|id| self.before(id)).collect();
        make(self);
        let pairs = ids.into_iter().zip(before);
        pairs.filter_map(|(id, before)| self.reconcile(&id, before, opening).then_some(id)).collect()
    }

    fn before(&self, id: &NotebookId) -> Option<Before> {
        if let Some((_, entry, known)) = self.serving(id) {
            return Some(Before {
                base: known.base(),
                digest: entry.digest,
                created_at: Some(known.summary.created_at),
                updated_at: known.summary.updated_at,
                own: Some(known.clone()),
            });
        }
        let (base, digest) = self.vanished.get(id)?;
        let updated_at = Timestamp::default();
        Some(Before { base: *base, digest: Some(*digest), created_at: None, updated_at, own: None })
    }

    /// Gives the file that serves the notebook now the revision, times and version that follow from the state before. Returns
    /// whether readers see a difference.
    fn reconcile(&mut self, id: &NotebookId, before: Option<Before>, opening: bool) -> bool {
        let Some((file, entry, known)) = self.serving(id) else {
            if let Some(before) = before
                && let Some(digest) = before.digest
            {
                self.remember_vanished(id, before.base, digest);
                return before.own.is_some();
            }
            return false;
        };
        let (file, mut entry, mut known) = (Box::<str>::from(file), entry.clone(), known.clone());
        let listed_at = known.summary.created_at;
        let mut changed = true;
        // Programs that know no lives leave them out when they write a file. A file with another life is another notebook.
        if known.life == Life::UNRECORDED
            && let Some(before) = &before
        {
            known.life = before.base.life;
        }
        if let Some(before) = before.filter(|before| before.base.life == known.life) {
            if let Some(created_at) = before.created_at
                && !known.dated
            {
                known.summary.created_at = created_at;
            }
            if before.digest == entry.digest {
                known.summary.revision = before.base.revision;
                known.summary.updated_at = known.summary.updated_at.max(before.updated_at);
                if let Some(own) = before.own {
                    known.summary.updated_at = own.summary.updated_at;
                    known.version = own.version;
                    changed = false;
                }
            } else if !(opening && known.own_revision > before.base.revision) {
                let newest = known.summary.revision.max(before.base.revision);
                known.summary.revision = newest.next().unwrap_or(newest);
                let modified_at = entry.fingerprint.modified_at();
                known.summary.updated_at = known.summary.updated_at.max(modified_at).max(before.updated_at);
            }
        }
        if changed {
            known.version = self.next_version();
        }
        self.vanished.remove(id);
        let same_place = known.summary.created_at == listed_at;
        entry.content = Content::Notebook(known);
        if !opening {
            self.log.append(&file, Some(&entry));
        }
        if same_place {
            self.files.insert(file, entry); // nothing that is derived from it is different
        } else {
            self.put(file, entry);
        }
        changed
    }

    /// Remembers a notebook whose file is gone, and forgets any other one when there are too many.
    fn remember_vanished(&mut self, id: &NotebookId, base: Base, digest: Digest) {
        if self.vanished.len() >= MAX_VANISHED
            && let Some(other) = self.vanished.keys().next().cloned()
        {
            self.vanished.remove(&other);
        }
        self.vanished.insert(id.clone(), (base, digest));
    }
}
