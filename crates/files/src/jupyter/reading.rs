//! Reading one notebook as Jupyter does, and what of it is not as it was in the file.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::lines;
use super::pretty::compact;
use crate::fields::{self, Fields};
use crate::safe::Sanitiser;

/// The state of reading one notebook: how its outputs are made safe, and counts for the notices.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) sanitiser: Sanitiser,
    /// Pictures in Markdown that became attachments.
    pub(super) pictures: usize,
    /// Fields that were there twice with different values.
    repeated: usize,
    /// Texts with halves of surrogate pairs that are shown.
    halved: usize,
    /// Metadata that were no objects.
    no_objects: usize,
}

impl Reading {
    /// One that takes outputs as they are, for finding out how they would be read whose origin does not matter.
    pub(super) fn trusting() -> Self {
        Self { sanitiser: Sanitiser::trusting(), ..Self::default() }
    }

    /// The fields of an object.
    pub(super) fn object<'a>(&mut self, text: &'a str) -> serde_json::Result<Fields<'a>> {
        let mut found = Fields::new();
        fields::lenient_object(text, &mut found)?;
        Ok(self.last_of_each(found))
    }

    /// The fields of an object whose values count: of several with one name the last, as for Python's `json`.
    pub(super) fn last_of_each<'a>(&mut self, fields: Fields<'a>) -> Fields<'a> {
        let (fields, repeated) = last_of_each(fields);
        self.repeated += repeated;
        fields
    }

    /// The fields of metadata, which must be an object; none when they are not.
    pub(super) fn metadata<'a>(&mut self, metadata: &'a RawValue) -> Fields<'a> {
        self.object(metadata.get()).unwrap_or_else(|_| {
            self.no_objects += 1;
            Fields::new()
        })
    }

    /// The text of a string or of a list of strings, and whether it is exact: halves of surrogate pairs, which Python's
    /// strings can hold, are U+FFFD.
    pub(super) fn text<'a>(&mut self, value: &'a RawValue) -> Option<(Cow<'a, str>, bool)> {
        let (text, is_exact) = lines::text(value)?;
        self.halved += usize::from(!is_exact);
        Some((text, is_exact))
    }

    /// Notices for people, in clauses.
    pub(super) fn notices(&self) -> impl Iterator<Item = String> {
        let say = |count: usize, one: &str, several: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {several}")),
        };
        let notices = [
            say(
                self.repeated,
                "field was there twice with different values: the last was taken",
                "fields were there twice with different values: the last were taken",
            ),
            say(
                self.halved,
                "text held half a surrogate pair, which is shown as \u{FFFD}",
                "texts held halves of surrogate pairs, which are shown as \u{FFFD}",
            ),
            say(
                self.no_objects,
                "`metadata` was not an object, and is left out",
                "`metadata` were not objects, and are left out",
            ),
            say(
                self.pictures,
                "picture in Markdown became an attachment, since its cell was too long",
                "pictures in Markdown became attachments, since their cells were too long",
            ),
        ];
        self.sanitiser.notices().chain(notices.into_iter().flatten())
    }
}

/// The fields whose values count, and how many others had another value.
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
