//! The queries of the store in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use quire_domain::{Base, Cell, NotebookId, UserId};
use quire_storage::{
    Cursor, DatabaseState, Health, Hit, ListFilter, Loaded, NotebookQueries, NotebookRepository as _, Page,
    PageRequest, SearchPage, SearchRequest, StoreError, StoreEvent, StoredDigest, StoredVersion, Summary, Usage,
    Version,
};
use tokio::sync::broadcast;

use super::MemoryStore;
use crate::faults::Fault;

#[async_trait]
impl NotebookQueries for MemoryStore {
    async fn owner(&self, id: &NotebookId) -> Result<Option<UserId>, StoreError> {
        let contents = self.contents();
        let stored = contents.notebooks.get(&self.key(id)).map(|stored| stored.notebook.owner.clone());
        let Some(owner) = stored else { return Ok(None) };
        Ok(Some(if self.is(Fault::ForgetsOwners) { UserId::new("ann").unwrap() } else { owner }))
    }

    async fn list(&self, filter: &ListFilter, page: &PageRequest) -> Result<Page, StoreError> {
        let contents = self.contents();
        let mut all: BTreeMap<Cursor, Summary> = BTreeMap::new();
        for stored in contents.notebooks.values() {
            let notebook = &stored.notebook;
            let wanted = match &filter.owner {
                Some(owner) => notebook.owner == *owner || self.is(Fault::ListsEverybody),
                None => !self.is(Fault::ListsNobodyWithoutOwner),
            };
            if !wanted {
                continue;
            }
            let stale = self.is(Fault::ListsStaleNames);
            let summary = Summary {
                id: notebook.id.clone(),
                owner: notebook.owner.clone(),
                name: if stale { stored.first_name.clone() } else { notebook.name.clone() },
                revision: notebook.revision,
                created_at: notebook.created_at,
                updated_at: notebook.updated_at,
            };
            all.insert(summary.cursor(), summary);
        }
        let mut notebooks: Vec<_> = all.into_values().collect();
        if self.is(Fault::ListsById) {
            notebooks.sort_by(|a, b| a.id.cmp(&b.id));
        }
        if let Some(after) = &page.after {
            if self.is(Fault::ForgetsCursors) && !notebooks.iter().any(|summary| summary.cursor() == *after) {
                notebooks.clear();
            }
            let repeats = self.is(Fault::RepeatsAtPageBorders);
            notebooks.retain(|summary| summary.cursor() > *after || (repeats && summary.cursor() == *after));
        }
        let limit = page.limit.unwrap_or(usize::MAX);
        let more = notebooks.len() > limit;
        notebooks.truncate(limit);
        let next = if more { notebooks.last().map(Summary::cursor) } else { None };
        Ok(Page { notebooks, damaged: Vec::new(), next })
    }

    async fn search(&self, search: SearchRequest<'_>) -> Result<SearchPage, StoreError> {
        let SearchRequest { owner, text, page } = search;
        let everybody = self.is(Fault::SearchesEverybody);
        let filter = if everybody { ListFilter::default() } else { ListFilter::of(owner.clone()) };
        let listed = self.list(&filter, &PageRequest { limit: None, after: page.after.clone() }).await?.notebooks;
        let contents = self.contents();
        let hits = listed.into_iter().filter_map(|summary| {
            let stored = contents.notebooks.get(&self.key(&summary.id))?;
            let cells = stored.notebook.cells.iter().map(|cell| Cell {
                code: if self.is(Fault::SearchesAsStored) {
                    cell.code.replace('\0', "\\0").into()
                } else {
                    cell.code.clone()
                },
                ..Cell::clone(cell)
            });
            Hit::find(text, summary, cells.collect::<Vec<_>>().iter())
        });
        let hits = hits.collect();
        let mut found = SearchPage::first(hits, page.limit);
        if self.is(Fault::CutsSearches) {
            found.next = None;
        }
        Ok(found)
    }

    async fn digests(&self, ids: &[NotebookId]) -> Result<Vec<StoredDigest>, StoreError> {
        let mut found = Vec::new();
        for id in ids {
            let Some(Loaded { notebook, version }) = self.load(id).await? else { continue };
            let first = self.contents().notebooks.get(&self.key(id)).map(|stored| stored.first_digest);
            let digest = first.filter(|_| self.is(Fault::KeepsOldDigests)).unwrap_or_else(|| notebook.content_digest());
            let (owner, Base { life, revision }) = (notebook.owner.clone(), notebook.base());
            let has_connection = notebook.connection.is_some();
            found.push(StoredDigest { id: id.clone(), life, owner, revision, version, digest, has_connection });
        }
        Ok(found)
    }

    async fn versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        let mut found = Vec::new();
        for id in ids {
            let Some(Loaded { notebook, version }) = self.load(id).await? else { continue };
            let version = if self.is(Fault::KeepsOldVersions) { Version(1) } else { version };
            found.push(StoredVersion { id: id.clone(), life: notebook.life, revision: notebook.revision, version });
        }
        Ok(found)
    }

    async fn fresh_versions(&self, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, StoreError> {
        self.versions(ids).await
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn usage(&self, owner: &UserId) -> Result<Usage, StoreError> {
        let contents = self.contents();
        let all = self.is(Fault::CountsEverybodysUsage);
        let own = contents.notebooks.values().map(|stored| &stored.notebook).filter(|n| all || n.owner == *owner);
        let mut usage = Usage::default();
        for notebook in own {
            usage.notebooks += 1;
            usage.bytes += notebook.extra.bytes() as u64;
            usage.bytes += notebook.cells.iter().map(|cell| cell.code.len() as u64).sum::<u64>();
            let results = contents.results.iter().filter(|((id, _), _)| *id == notebook.id);
            usage.bytes += results.map(|(_, results)| format!("{results:?}").len() as u64).sum::<u64>();
        }
        Ok(usage)
    }

    async fn health(&self) -> Health {
        let well = !self.is(Fault::SaysItIsIll);
        Health { reads: well, writes: well, database: DatabaseState::NotConfigured }
    }

    fn subscribe(&self) -> broadcast::Receiver<StoreEvent> {
        self.events.subscribe()
    }
}
