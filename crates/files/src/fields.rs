//! An object's fields as texts of the file, so that each can be converted, or kept, on its own.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::Problem;

/// The fields of an object, in order, duplicates included.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The fields of an object. What was read before an error is in `found`, so that a file cut short still tells whose it
/// is.
pub(crate) fn object<'a>(text: &'a str, found: &mut Fields<'a>) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    ObjectInto(found).deserialize(&mut json)?;
    json.end()
}

/// The elements of an array.
pub(crate) fn array(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    serde_json::from_str(text)
}

struct ObjectInto<'v, 'a>(&'v mut Fields<'a>);

impl<'a> DeserializeSeed<'a> for ObjectInto<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for ObjectInto<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            self.0.push((name, map.next_value()?));
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

/// The fields of an object in the order in which they are asked for by name; what nobody asked for is left over.
pub(crate) struct Taken<'a> {
    fields: Vec<Option<(Cow<'a, str>, &'a RawValue)>>,
}

impl<'a> Taken<'a> {
    pub(crate) fn new(fields: Fields<'a>) -> Self {
        Self { fields: fields.into_iter().map(Some).collect() }
    }

    /// Takes a field out; absent when it is missing or null.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<&'a RawValue>, Problem> {
        let mut found = None;
        for field in &mut self.fields {
            if field.as_ref().is_some_and(|(key, _)| key == name)
                && let Some((_, value)) = field.take()
                && found.replace(value).is_some()
            {
                return Err(Problem::at(value, format!("`{name}` is there twice")));
            }
        }
        Ok(found.filter(|value| value.get() != "null"))
    }

    /// Puts a field back at the end of what nobody asked for.
    pub(crate) fn leave(&mut self, name: &'a str, value: &'a RawValue) {
        self.fields.push(Some((Cow::Borrowed(name), value)));
    }

    /// What nobody asked for, in order.
    pub(crate) fn rest(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.fields.into_iter().flatten()
    }
}

/// A JSON string's text.
pub(crate) fn text<'a>(value: &'a RawValue, what: &str) -> Result<Cow<'a, str>, Problem> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    if !value.get().starts_with('"') {
        return Err(Problem::at(value, format!("{what} is not a text")));
    }
    json.deserialize_str(Text).map_err(|error| {
        // The syntax is known to be right; what is left are escapes that are no characters.
        Problem::behind(value, error.column(), format!("{what} holds half a surrogate pair"))
    })
}

/// A list of texts.
pub(crate) fn texts(value: Option<&RawValue>, what: &str) -> Result<Vec<String>, Problem> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let elements = array(value.get()).or(Err(Problem::at(value, format!("{what} is not a list"))))?;
    elements.into_iter().map(|element| text(element, what).map(Cow::into_owned)).collect()
}

/// A JSON object of these fields, whose values are JSON texts.
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

/// A text as a JSON string.
pub(crate) fn write_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
