//! Lists in other orders than the store's.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::{NotebookId, Timestamp};
use quire_storage::{Damaged, InvalidCursor, Page, Summary};

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// When the notebook was made.
    Created,
    /// When it was last edited.
    Updated,
    /// Its name, or its id where it has none: regardless of case first, then by the characters themselves.
    Name,
}

/// An order of a list; equals are told apart by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// From the last to the first.
    pub descending: bool,
}

/// A text that names no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be `created`, `updated` or `name`, with a `-` before it for the reverse")]
pub struct InvalidSort;

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

/// A place in a sorted list: behind one notebook, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortCursor {
    sort: Sort,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Time(Timestamp, NotebookId),
    Name(Arc<str>, NotebookId),
}

impl Place {
    fn of(summary: &Summary, by: SortBy) -> Self {
        let id = summary.id.clone();
        match by {
            SortBy::Created => Self::Time(summary.created_at, id),
            SortBy::Updated => Self::Time(summary.updated_at, id),
            SortBy::Name => Self::Name(summary.name.clone().unwrap_or_else(|| Arc::from(id.as_str())), id),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Time(a, a_id), Self::Time(b, b_id)) => (a, a_id).cmp(&(b, b_id)),
            (Self::Name(a, a_id), Self::Name(b, b_id)) => {
                a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| (a, a_id).cmp(&(b, b_id)))
            }
            // Never compared: an order has places of one kind.
            (Self::Time(..), Self::Name(..)) => Ordering::Less,
            (Self::Name(..), Self::Time(..)) => Ordering::Greater,
        }
    }
}

impl fmt::Display for SortCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Time(time, id) => write!(f, "{}_{}_{id}", self.sort, time.timestamp_micros()),
            Place::Name(name, id) => write!(f, "{}_{}_{id}{name}", self.sort, id.as_str().len()),
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
            let place = match sort.by {
                SortBy::Created | SortBy::Updated => {
                    let time = Timestamp::from_timestamp_micros(number.parse().ok()?)?;
                    Place::Time(time, NotebookId::new(rest).ok()?)
                }
                SortBy::Name => {
                    let (id, name) = rest.split_at_checked(number.parse().ok()?)?;
                    Place::Name(Arc::from(name), NotebookId::new(id).ok()?)
                }
            };
            Some(Self { sort, place })
        };
        parse().ok_or(InvalidCursor)
    }
}

impl SortCursor {
    /// The order that it is a place in.
    #[must_use]
    pub fn sort(&self) -> Sort {
        self.sort
    }
}

/// A part of a sorted list.
#[derive(Clone, Debug, Default)]
pub struct SortedPage {
    /// In the order that was asked for.
    pub notebooks: Vec<Summary>,
    /// As in [`Page::damaged`].
    pub damaged: Vec<Damaged>,
    /// Where the next page begins; absent when there is nothing more.
    pub next: Option<SortCursor>,
}

/// The part of a whole list that was asked for.
pub(crate) fn sorted(all: Page, sort: Sort, limit: Option<usize>, after: Option<&SortCursor>) -> SortedPage {
    let direct = |order: Ordering| if sort.descending { order.reverse() } else { order };
    let mut placed: Vec<_> = all.notebooks.into_iter().map(|summary| (Place::of(&summary, sort.by), summary)).collect();
    if let Some(after) = after {
        placed.retain(|(place, _)| direct(place.compare(&after.place)).is_gt());
    }
    placed.sort_by(|(a, _), (b, _)| direct(a.compare(b)));
    let is_cut = limit.is_some_and(|limit| placed.len() > limit);
    placed.truncate(limit.unwrap_or(usize::MAX));
    let last = placed.last().filter(|_| is_cut);
    let next = last.map(|(place, _)| SortCursor { sort, place: place.clone() });
    SortedPage { notebooks: placed.into_iter().map(|(_, summary)| summary).collect(), damaged: all.damaged, next }
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
        let notebooks = vec![
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
                    let all = Page { notebooks: notebooks.clone(), ..Page::default() };
                    let page = sorted(all, sort, Some(limit), after.as_ref());
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
