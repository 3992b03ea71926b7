//! The fields of a JSON object as texts of the file, each of which can be converted, or preserved, on its own.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::Problem;

/// The fields of an object, in order, duplicates included.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Reads the fields of an object. The fields before an error are in `found`, so that the id and the owner of a file that was cut
/// short are known.
pub(crate) fn object<'a>(text: &'a str, found: &mut Fields<'a>) -> serde_json::Result<()> {
    object_with::<Name<'a>>(text, found)
}

/// Reads the fields of an object as [`object`] does, with U+FFFD in names for each half of a surrogate pair, which Python's `json` reads and writes.
pub(crate) fn lenient_object<'a>(text: &'a str, found: &mut Fields<'a>) -> serde_json::Result<()> {
    object_with::<LenientText<'a>>(text, found)
}

fn object_with<'a, N>(text: &'a str, found: &mut Fields<'a>) -> serde_json::Result<()>
where
    N: Deserialize<'a> + Into<Cow<'a, str>>,
{
    let mut json = serde_json::Deserializer::from_str(text);
    ObjectInto::<N>(found, PhantomData).deserialize(&mut json)?;
    json.end()
}

/// Reads the elements of an array.
pub(crate) fn array(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    serde_json::from_str(text)
}

/// Puts an object's fields into a list; names are read as `N`.
struct ObjectInto<'v, 'a, N>(&'v mut Fields<'a>, PhantomData<N>);

impl<'a, N: Deserialize<'a> + Into<Cow<'a, str>>> DeserializeSeed<'a> for ObjectInto<'_, 'a, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, N: Deserialize<'a> + Into<Cow<'a, str>>> Visitor<'a> for ObjectInto<'_, 'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<N>()? {
            self.0.push((name.into(), map.next_value()?));
        }
        Ok(())
    }
}

/// A field's name, borrowed where it holds no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text).map(Name)
    }
}

impl<'a> From<Name<'a>> for Cow<'a, str> {
    fn from(Name(name): Name<'a>) -> Self {
        name
    }
}

/// A text with U+FFFD for each half of a surrogate pair.
struct LenientText<'a> {
    text: Cow<'a, str>,
    is_whole: bool,
}

impl<'a> From<LenientText<'a>> for Cow<'a, str> {
    fn from(LenientText { text, .. }: LenientText<'a>) -> Self {
        text
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for LenientText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, `serde_json` gives halves of surrogate pairs too, encoded as UTF-8 would if it could (WTF-8).
        deserializer.deserialize_bytes(Wtf8)
    }
}

struct Wtf8;

impl<'de> Visitor<'de> for Wtf8 {
    type Value = LenientText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => LenientText { text: Cow::Borrowed(text), is_whole: true },
            Err(_) => without_halves(bytes),
        })
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => LenientText { text: Cow::Owned(text.to_owned()), is_whole: true },
            Err(_) => without_halves(bytes),
        })
    }
}

/// Decodes WTF-8, in which each half of a surrogate pair takes three bytes.
fn without_halves(bytes: &[u8]) -> LenientText<'static> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Only the first byte of a half could begin a character.
        if chunk.invalid().first() == Some(&0xED) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    LenientText { text: Cow::Owned(text), is_whole: false }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The fields of an object that have not been read yet. Each is taken by its name.
pub(crate) struct UnreadFields<'a> {
    fields: Vec<Option<(Cow<'a, str>, &'a RawValue)>>,
}

impl<'a> UnreadFields<'a> {
    pub(crate) fn new(fields: Fields<'a>) -> Self {
        Self { fields: fields.into_iter().map(Some).collect() }
    }

    /// Takes a field out; absent when it is missing or null. A field that is there twice, as after a merge, must have the
    /// same value both times: the file may be written again without what was not read.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<&'a RawValue>, Problem> {
        let mut found: Option<&RawValue> = None;
        for field in &mut self.fields {
            if field.as_ref().is_some_and(|(key, _)| key == name)
                && let Some((_, value)) = field.take()
                && let Some(first) = found.replace(value)
                && first.get() != value.get()
            {
                return Err(Problem::at(value, format!("`{name}` is there twice, with different values")));
            }
        }
        Ok(found.filter(|value| value.get() != "null"))
    }

    /// Returns the value of a field without taking it.
    pub(crate) fn peek(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().flatten().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Puts a field back, at the end of those that were not taken.
    pub(crate) fn leave(&mut self, name: &'a str, value: &'a RawValue) {
        self.fields.push(Some((Cow::Borrowed(name), value)));
    }

    /// Returns the fields that were not taken, in order.
    pub(crate) fn rest(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.fields.into_iter().flatten()
    }
}

/// Reads the text of a JSON string.
pub(crate) fn text<'a>(value: &'a RawValue, what: &str) -> Result<Cow<'a, str>, Problem> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    if !value.get().starts_with('"') {
        return Err(Problem::at(value, format!("{what} is not a text")));
    }
    json.deserialize_str(Text).map_err(|error| {
        // The syntax is valid, so the error is an escape that is no character.
        Problem::behind(value, error.column(), format!("{what} holds half a surrogate pair"))
    })
}

/// Reads the text of a JSON string with U+FFFD for each half of a surrogate pair, and whether there were none; `None` when the value is no string.
pub(crate) fn lenient_text(value: &RawValue) -> Option<(Cow<'_, str>, bool)> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    let LenientText { text, is_whole } = LenientText::deserialize(&mut json).ok()?;
    Some((text, is_whole))
}

/// Reads a list of texts.
pub(crate) fn texts(value: Option<&RawValue>, what: &str) -> Result<Vec<String>, Problem> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let elements = array(value.get()).or(Err(Problem::at(value, format!("{what} is not a list"))))?;
    elements.into_iter().map(|element| text(element, what).map(Cow::into_owned)).collect()
}

/// Writes a JSON object of these fields, whose values are JSON texts.
pub(crate) fn write_object<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from("{");
    for (name, value) in fields {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&write_text(name));
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

/// Names and values of an object that is being written; the values are JSON texts.
pub(crate) type WrittenFields = Vec<(String, String)>;

/// Copies fields, to be written.
pub(crate) fn to_written(fields: &Fields<'_>) -> WrittenFields {
    fields.iter().map(|(name, value)| (name.to_string(), value.get().to_owned())).collect()
}

/// Writes a JSON object of these fields.
pub(crate) fn write_fields(fields: &WrittenFields) -> String {
    write_object(fields.iter().map(|(name, value)| (&**name, &**value)))
}

/// Writes a text as a JSON string.
pub(crate) fn write_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the bytes of the JSON string that a text begins with, quotes included.
pub(crate) fn string_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}
