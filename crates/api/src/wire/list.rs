//! Lists of domain values, and the cursor to the next page.

use serde::Serialize;

/// Domain values that are serialised one by one, without a collection of wire types.
pub(crate) struct List<T>(pub(crate) T);

/// The cursor of the next page; null after the last page.
#[derive(Serialize)]
pub(crate) struct NextOut(Option<String>);

impl NextOut {
    pub(crate) fn new(next: Option<&impl ToString>) -> Self {
        Self(next.map(ToString::to_string))
    }
}
