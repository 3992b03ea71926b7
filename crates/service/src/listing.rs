//! Lists of a user's notebooks, and the two notebooks that every user has.

use std::collections::HashSet;
use std::sync::Arc;

use quire_domain::{NotebookId, UserId};
use quire_storage::{Cursor, ListFilter, Page, PageRequest, SearchPage, SearchRequest, SearchText};

use crate::provision::{FirstTwo, provision};
use crate::sorted::{Selection, Sort, SortBy, SortCursor, SortedPage};
use crate::work::Kind;
use crate::{NotebookService, ServiceError};

/// Number of notebooks that one store call lists, unless the whole list is requested.
const PAGE: usize = 1_000;

/// The part of a user's list that has not been read.
enum Unread {
    Nothing,
    /// The part after this position, or all of the list.
    From(Option<Cursor>),
}

impl Unread {
    fn after(page: &Page) -> Self {
        page.next.clone().map_or(Self::Nothing, |next| Self::From(Some(next)))
    }
}

impl NotebookService {
    /// Lists the user's notebooks, oldest first, after creating the two that every user has if they are missing.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn list(&self, user: &UserId, page: &PageRequest) -> Result<Page, ServiceError> {
        self.check_open()?;
        let _permit = self.shared.limits.lanes.of(Kind::List).enter(user, 1).await?;
        self.list_provisioned(user, page).await
    }

    /// Lists the user's notebooks in another order, otherwise as [`Self::list`]. A notebook that an edit moves between two
    /// requests may be on both pages or on neither.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn list_sorted(
        &self,
        user: &UserId,
        sort: Sort,
        limit: Option<usize>,
        after: Option<&SortCursor>,
    ) -> Result<SortedPage, ServiceError> {
        self.check_open()?;
        let permit = self.shared.limits.lanes.of(Kind::List).enter(user, 1).await?;
        // This is the order of the store, which reads only the requested part.
        if sort == (Sort { by: SortBy::Created, descending: false }) {
            let page = PageRequest { limit, after: after.and_then(SortCursor::in_creation) };
            return Ok(SortedPage::in_creation(self.list_provisioned(user, &page).await?));
        }
        let mut request = PageRequest { limit: limit.map(|_| PAGE), after: None };
        let mut page = self.list_provisioned(user, &request).await?;
        let mut selection = Selection::new(sort, limit, after.cloned(), std::mem::take(&mut page.damaged));
        loop {
            selection.add(page.notebooks);
            request.after = page.next;
            if request.after.is_none() {
                break;
            }
            page = self.list_page(user, &request).await?;
        }
        Ok(permit.run_blocking(|| "sort a list".to_owned(), move || selection.finish()).await?)
    }

    /// Finds the user's notebooks whose name or code contains the text, oldest first.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn search(
        &self,
        user: &UserId,
        text: &SearchText,
        page: &PageRequest,
    ) -> Result<SearchPage, ServiceError> {
        self.check_open()?;
        let _permit = self.shared.limits.lanes.of(Kind::Search).enter(user, 1).await?;
        Ok(self.shared.store.slow(user).await?.search(SearchRequest { owner: user, text, page }).await?)
    }

    /// Returns the names of all notebooks of the user.
    pub(crate) async fn names_of(&self, user: &UserId) -> Result<HashSet<Arc<str>>, ServiceError> {
        let mut names = HashSet::new();
        let mut request = PageRequest { limit: Some(PAGE), after: None };
        loop {
            let page = self.list_page(user, &request).await?;
            names.extend(page.notebooks.into_iter().filter_map(|summary| summary.name));
            request.after = page.next;
            if request.after.is_none() {
                return Ok(names);
            }
        }
    }

    /// Creates the missing ones of the user's first two notebooks, which a client may request before it requests a list.
    pub(crate) async fn provision(&self, user: &UserId) -> Result<(), ServiceError> {
        self.provision_missing(user, FirstTwo::default(), Unread::From(None)).await.map(drop)
    }

    async fn list_page(&self, user: &UserId, page: &PageRequest) -> Result<Page, ServiceError> {
        Ok(self.shared.store.slow(user).await?.list(&ListFilter::of(user.clone()), page).await?)
    }

    async fn list_provisioned(&self, user: &UserId, request: &PageRequest) -> Result<Page, ServiceError> {
        let page = self.list_page(user, request).await?;
        let was_missing = self.provision_beside(user, request, &page).await.unwrap_or_else(|error| {
            // The list is returned nevertheless.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%user, error, "cannot make the user's first notebooks");
            true
        });
        if was_missing { self.list_page(user, request).await } else { Ok(page) }
    }

    /// Creates the missing ones of the first two, after this part of the list was read. Returns `true` if one was missing.
    async fn provision_beside(&self, user: &UserId, request: &PageRequest, page: &Page) -> Result<bool, ServiceError> {
        let mut known = FirstTwo::default();
        let is_first = request.after.is_none();
        if is_first {
            known.observe(user, &page.notebooks)?;
        }
        let unread = if is_first { Unread::after(page) } else { Unread::From(None) };
        self.provision_missing(user, known, unread).await
    }

    /// Creates the missing ones of the first two. Returns `true` if one was missing. `known` are those found in the part of the
    /// list that has been read.
    async fn provision_missing(
        &self,
        user: &UserId,
        mut known: FirstTwo,
        mut unread: Unread,
    ) -> Result<bool, ServiceError> {
        if self.read_only || known.are_there() {
            return Ok(false);
        }
        if let Unread::From(_) = unread {
            let [blank, demo] = [NotebookId::blank_of(user)?, NotebookId::demo_of(user)?];
            let both = [blank, demo.clone()];
            let there = self.shared.store.short(user).await?.versions(&both).await?;
            if there.len() == both.len() {
                return Ok(false);
            }
            // A notebook with another id may count as the blank one, and only the list shows it.
            let has_demo = there.iter().any(|stored| stored.id == demo);
            while known.blank_made_at.is_none()
                && let Unread::From(after) = unread
            {
                let page = self.list_page(user, &PageRequest { limit: Some(PAGE), after }).await?;
                known.observe(user, &page.notebooks)?;
                unread = Unread::after(&page);
            }
            known.has_demo |= has_demo;
            if known.are_there() {
                return Ok(false);
            }
        }
        let store = self.shared.store.short(user).await?;
        provision(&*store, &self.shared.sources, user, known).await?;
        Ok(true)
    }
}
