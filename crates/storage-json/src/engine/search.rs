//! Searching: the owner's files are read one by one, as far as the page goes.

use quire_domain::UserId;
use quire_storage::{Hit, PageRequest, SearchPage, SearchText};

use super::Engine;
use super::observe::{CurrentFile, Freshness};
use crate::error::Error;

impl Engine {
    pub(crate) fn search(&self, owner: &UserId, wanted: &SearchText, page: &PageRequest) -> Result<SearchPage, Error> {
        self.scan_names()?;
        let all = PageRequest { limit: None, after: page.after.clone() };
        let mut hits = Vec::new();
        let listed = self.index().list(Some(owner), &all).notebooks;
        for summary in listed {
            // One more than wanted tells whether there is a next page.
            if page.limit.is_some_and(|limit| hits.len() > limit) {
                break;
            }
            let slot = self.slot(&summary.id);
            let looked = {
                let _slot = slot.lock();
                self.observe(&summary.id, Freshness::Read)
            };
            match looked {
                Ok(Some(CurrentFile { known, parsed: Some(parsed), .. })) if known.summary.owner == *owner => {
                    let cells = parsed.notebook.cells.iter().map(|cell| &**cell);
                    hits.extend(Hit::find(wanted, known.summary, cells));
                }
                // Gone, or another's, since it was listed; or damaged, which lists say.
                Ok(_) | Err(Error::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(SearchPage::first(hits, page.limit))
    }
}
