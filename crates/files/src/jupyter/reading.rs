//! The state of reading one notebook as Jupyter does, with counts of the changes for the notices.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::lines;
use super::pretty::compact;
use crate::fields::{self, Fields};
use crate::safe::Sanitiser;

/// The state of reading one notebook: the sanitiser of its outputs, and counts for the notices.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) sanitiser: Sanitiser,
    /// Number of pictures in Markdown that became attachments.
    pub(super) pictures: usize,
    /// Number of fields that appeared twice with different values.
    repeated: usize,
    /// Number of texts with halves of surrogate pairs.
    halved: usize,
    /// Number of metadata that were no objects.
    no_objects: usize,
}

impl Reading {
    /// Makes a state that does not sanitise outputs, for reading outputs that will not be shown.
    pub(super) fn trusting() -> Self {
        Self { sanitiser: Sanitiser::trusting(), ..Self::default() }
    }

    /// Reads the fields of an object.
    pub(super) fn object<'a>(&mut self, text: &'a str) -> serde_json::Result<Fields<'a>> {
        let mut found = Fields::new();
        fields::lenient_object(text, &mut found)?;
        Ok(self.last_of_each(found))
    }

    /// Returns the last of the fields with each name, as Python's `json` reads them.
    pub(super) fn last_of_each<'a>(&mut self, fields: Fields<'a>) -> Fields<'a> {
        let (fields, repeated) = last_of_each(fields);
        self.repeated += repeated;
        fields
    }

    /// Reads the fields of metadata; none when they are no object.
    pub(super) fn metadata<'a>(&mut self, metadata: &'a RawValue) -> Fields<'a> {
        self.object(metadata.get()).unwrap_or_else(|_| {
            self.no_objects += 1;
            Fields::new()
        })
    }

    /// Reads the text of a string or of a list of strings, and whether it is exact: halves of surrogate pairs, which Python's
    /// strings can hold, are U+FFFD.
    pub(super) fn text<'a>(&mut self, value: &'a RawValue) -> Option<(Cow<'a, str>, bool)> {
        let (text, is_exact) = lines::text(value)?;
        self.halved += usize::from(!is_exact);
        Some((text, is_exact))
    }

    /// Returns the notices for people, in clauses.
    pub(super) fn notices(&self) -> impl Iterator<Item = String> {
        let notice = |count: usize, one: &str, several: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {several}")),
        };
        let notices = [
            notice(
                self.repeated,
                "field was there twice with different values: the last was taken",
                "fields were there twice with different values: the last were taken",
            ),
            notice(
                self.halved,
                "text held half a surrogate pair, which is shown as \u{FFFD}",
                "texts held halves of surrogate pairs, which are shown as \u{FFFD}",
            ),
            notice(
                self.no_objects,
                "`metadata` was not an object, and is left out",
                "`metadata` were not objects, and are left out",
            ),
            notice(
                self.pictures,
                "picture in Markdown became an attachment, since its cell was too long",
                "pictures in Markdown became attachments, since their cells were too long",
            ),
        ];
        self.sanitiser.notices().chain(notices.into_iter().flatten())
    }
}

/// Returns the last field of each name, and the number of others that had another value.
pub(super) fn last_of_each(fields: Fields<'_>) -> (Fields<'_>, usize) {
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(fields.len());
    let mut last: Fields<'_> = Fields::with_capacity(fields.len());
    let mut different = 0;
    for (name, value) in fields {
        let place = *places.entry(name.clone()).or_insert(last.len());
        match last.get_mut(place) {
            Some((_, earlier)) => {
                different += usize::from(compact(earlier.get()) != compact(value.get()));
                *earlier = value;
            }
            None => last.push((name, value)),
        }
    }
    (last, different)
}
