//! Sorted lists, in other orders than the store's.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::{NotebookId, Timestamp};
use quire_storage::{Cursor, Damaged, InvalidCursor, Page, Summary};

/// The field that a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The creation time.
    Created,
    /// The time of the last edit.
    Updated,
    /// The name, or the id without a name: regardless of case first, then by the characters.
    Name,
}

/// An order of a list; ties are broken by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The field to sort by.
    pub by: SortBy,
    /// `true` for the descending order.
    pub descending: bool,
}

/// Error for a text that is not an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be `created`, `updated` or `name`, with a `-` before it for the reverse")]
pub struct InvalidSort;

impl Sort {
    fn compare(self, a: &SortKey, b: &SortKey) -> Ordering {
        let order = a.compare(b);
        if self.descending { order.reverse() } else { order }
    }
}

impl FromStr for Sort {
    type Err = InvalidSort;

    fn from_str(text: &str) -> Result<Self, InvalidSort> {
        let (descending, by) = text.strip_prefix('-').map_or((false, text), |by| (true, by));
        let by = match by {
            "created" => SortBy::Created,
            "updated" => SortBy::Updated,
            "name" => SortBy::Name,
            _ => return Err(InvalidSort),
        };
        Ok(Self { by, descending })
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            SortBy::Created => "created",
            SortBy::Updated => "updated",
            SortBy::Name => "name",
        };
        write!(f, "{}{by}", if self.descending { "-" } else { "" })
    }
}

/// A position in a sorted list, after a notebook with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortCursor {
    sort: Sort,
    key: SortKey,
}

/// The sort key of a notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SortKey {
    Time(Timestamp, NotebookId),
    /// The name in lower case, then the name itself.
    Name(String, Arc<str>, NotebookId),
}

impl SortKey {
    fn of(summary: &Summary, by: SortBy) -> Self {
        let id = summary.id.clone();
        match by {
            SortBy::Created => Self::Time(summary.created_at, id),
            SortBy::Updated => Self::Time(summary.updated_at, id),
            SortBy::Name => Self::name(summary.name.clone().unwrap_or_else(|| Arc::from(id.as_str())), id),
        }
    }

    fn name(name: Arc<str>, id: NotebookId) -> Self {
        Self::Name(name.to_lowercase(), name, id)
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(a, a_id), Self::Time(b, b_id)) => (a, a_id).cmp(&(b, b_id)),
            (Self::Name(a_folded, a, a_id), Self::Name(b_folded, b, b_id)) => {
                (a_folded, a, a_id).cmp(&(b_folded, b, b_id))
            }
            // All keys of an order have one kind, so these are never compared.
            (Self::Time(..), Self::Name(..)) => Ordering::Less,
            (Self::Name(..), Self::Time(..)) => Ordering::Greater,
        }
    }
}

impl fmt::Display for SortCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            SortKey::Time(time, id) => write!(f, "{}_{}_{id}", self.sort, time.timestamp_micros()),
            SortKey::Name(_, name, id) => write!(f, "{}_{}_{id}{name}", self.sort, id.as_str().len()),
        }
    }
}

impl FromStr for SortCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let parse = || {
            let (sort, rest) = text.split_once('_')?;
            let sort: Sort = sort.parse().ok()?;
            let (number, rest) = rest.split_once('_')?;
            let key = match sort.by {
                SortBy::Created | SortBy::Updated => {
                    let time = Timestamp::from_timestamp_micros(number.parse().ok()?)?;
                    SortKey::Time(time, NotebookId::new(rest).ok()?)
                }
                SortBy::Name => {
                    let (id, name) = rest.split_at_checked(number.parse().ok()?)?;
                    SortKey::name(Arc::from(name), NotebookId::new(id).ok()?)
                }
            };
            Some(Self { sort, key })
        };
        parse().ok_or(InvalidCursor)
    }
}

impl SortCursor {
    /// Returns the order of the list.
    #[must_use]
    pub fn sort(&self) -> Sort {
        self.sort
    }

    /// Returns the same position in the store's own lists, which are in the order of creation.
    pub(crate) fn in_creation(&self) -> Option<Cursor> {
        match &self.key {
            SortKey::Time(created_at, id) => Some(Cursor { created_at: *created_at, id: id.clone() }),
            SortKey::Name(..) => None,
        }
    }
}

/// A part of a sorted list.
#[derive(Clone, Debug, Default)]
pub struct SortedPage {
    /// In the order that was asked for.
    pub notebooks: Vec<Summary>,
    /// The damaged notebooks, as in [`Page::damaged`].
    pub damaged: Vec<Damaged>,
    /// The position at which the next page begins; absent on the last page.
    pub next: Option<SortCursor>,
}

impl SortedPage {
    /// Converts a page in the order of creation.
    pub(crate) fn in_creation(Page { notebooks, damaged, next }: Page) -> Self {
        let sort = Sort { by: SortBy::Created, descending: false };
        let next = next.map(|Cursor { created_at, id }| SortCursor { sort, key: SortKey::Time(created_at, id) });
        Self { notebooks, damaged, next }
    }
}

/// The requested part of a sorted list, selected while the whole list is read. Only the part and the last addition are in
/// memory.
#[derive(Debug)]
pub(crate) struct Selection {
    sort: Sort,
    limit: Option<usize>,
    after: Option<SortCursor>,
    damaged: Vec<Damaged>,
    chosen: Vec<(SortKey, Summary)>,
}

impl Selection {
    pub(crate) fn new(sort: Sort, limit: Option<usize>, after: Option<SortCursor>, damaged: Vec<Damaged>) -> Self {
        Self { sort, limit, after, damaged, chosen: Vec::new() }
    }

    /// Selects the notebooks of the part from further notebooks of the list.
    pub(crate) fn add(&mut self, notebooks: Vec<Summary>) {
        let Self { sort, after, .. } = self;
        let with_keys = notebooks.into_iter().map(|summary| (SortKey::of(&summary, sort.by), summary));
        let is_after = |key: &SortKey| after.as_ref().is_none_or(|after| sort.compare(key, &after.key).is_gt());
        self.chosen.extend(with_keys.filter(|(key, _)| is_after(key)));
        // One notebook more than the part shows whether there is a next page.
        if let Some(limit) = self.limit.filter(|limit| *limit < self.chosen.len()) {
            self.chosen.select_nth_unstable_by(limit, |(a, _), (b, _)| sort.compare(a, b));
            self.chosen.truncate(limit + 1);
        }
    }

    /// Returns the sorted part.
    pub(crate) fn finish(self) -> SortedPage {
        let Self { sort, limit, damaged, mut chosen, .. } = self;
        chosen.sort_unstable_by(|(a, _), (b, _)| sort.compare(a, b));
        let is_cut = limit.is_some_and(|limit| chosen.len() > limit);
        chosen.truncate(limit.unwrap_or(usize::MAX));
        let last = chosen.last().filter(|_| is_cut);
        let next = last.map(|(key, _)| SortCursor { sort, key: key.clone() });
        SortedPage { notebooks: chosen.into_iter().map(|(_, summary)| summary).collect(), damaged, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quire_domain::{Revision, UserId};

    fn summary(id: &str, name: Option<&str>, created: i64, updated: i64) -> Summary {
        let time = |micros| Timestamp::from_timestamp_micros(micros).unwrap();
        Summary {
            id: NotebookId::new(id).unwrap(),
            owner: UserId::new("ann").unwrap(),
            name: name.map(Arc::from),
            revision: Revision(0),
            created_at: time(created),
            updated_at: time(updated),
        }
    }

    #[test]
    fn pages_of_every_order_make_up_the_list() {
        let notebooks = [
            summary("a_1", Some("beta"), 1, 9),
            summary("b", Some("Alpha_2_x"), 2, 3),
            summary("c", None, 3, 3),
            summary("ä", Some("alpha_2_x"), 4, 1),
            summary("e", Some("beta"), 4, 8),
        ];
        for (order, expected) in [
            ("created", "a_1 b c e ä"),
            ("-created", "ä e c b a_1"),
            ("updated", "ä b c e a_1"),
            ("-updated", "a_1 e c b ä"),
            ("name", "b ä a_1 e c"),
            ("-name", "c e a_1 ä b"),
        ] {
            let sort: Sort = order.parse().unwrap();
            assert_eq!(sort.to_string(), order);
            for limit in 1..=6 {
                let mut found = Vec::new();
                let mut after: Option<SortCursor> = None;
                loop {
                    let mut selection = Selection::new(sort, Some(limit), after, Vec::new());
                    for part in notebooks.chunks(2) {
                        selection.add(part.to_vec());
                        assert!(selection.chosen.len() <= limit + 1);
                    }
                    let page = selection.finish();
                    found.extend(page.notebooks.iter().map(|summary| summary.id.to_string()));
                    let Some(next) = page.next else { break };
                    assert_eq!(next.sort(), sort);
                    after = Some(next.to_string().parse().unwrap());
                }
                assert_eq!(found.join(" "), expected, "{order} in pages of {limit}");
            }
        }
        for bad in ["", "-", "names", "--name", "Name"] {
            assert_eq!(bad.parse::<Sort>(), Err(InvalidSort), "{bad}");
        }
        for bad in ["", "name", "name_3_ab", "updated_x_a", "created_1_", "size_1_a", "name_1_äb", "1_a"] {
            assert_eq!(bad.parse::<SortCursor>(), Err(InvalidCursor), "{bad}");
        }
    }
}
