//! Lists of domain values, and the cursor to the next part of a list.

use serde::Serialize;

/// Domain values, serialised one by one without being collected first.
pub(crate) struct List<T>(pub(crate) T);

/// Where the next part begins; null when this was the last.
#[derive(Serialize)]
pub(crate) struct NextOut(Option<String>);

impl NextOut {
    pub(crate) fn new(next: Option<&impl ToString>) -> Self {
        Self(next.map(ToString::to_string))
    }
}
