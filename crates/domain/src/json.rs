//! JSON carried as exact text: key order, duplicate keys, `1e2`, `-0` and big integers stay as they are.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits;

/// The reason why a text is not JSON that can be stored.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("not valid JSON")]
    Syntax(#[from] serde_json::Error),
    /// Nested deeper than the limit.
    #[error("JSON nested {depth} levels deep, more than the {} allowed", limits::JSON_DEPTH)]
    TooDeep {
        /// The deepest level found.
        depth: usize,
    },
}

/// One JSON value as its exact text, at most [`limits::JSON_DEPTH`] levels deep. Two are equal when their texts are.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Parses one JSON value, without the blanks around it.
    ///
    /// # Errors
    /// When the text is not one JSON value, or is nested too deep.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Self::from_raw(serde_json::from_str::<Box<RawValue>>(text)?)
    }

    /// Takes a value that serde has already checked to be JSON.
    ///
    /// # Errors
    /// When it is nested too deep.
    pub fn from_raw(raw: Box<RawValue>) -> Result<Self, JsonError> {
        let depth = depth(raw.get());
        if depth > limits::JSON_DEPTH { Err(JsonError::TooDeep { depth }) } else { Ok(Self(Arc::from(raw))) }
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The text with all characters beyond ASCII as themselves, for comparing texts of which one may have them escaped
    /// (`\u00e9` for `é`). What is no character, half of a surrogate pair, stays escaped.
    #[must_use]
    pub fn with_plain_characters(&self) -> Cow<'_, str> {
        let text = self.as_str();
        if !text.contains("\\u") {
            return Cow::Borrowed(text);
        }
        let mut plain = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
            let (character, length) = match unit(rest) {
                Some(high @ 0xD800..=0xDBFF) => {
                    let low = rest.get(6..).and_then(unit);
                    (low.and_then(|low| char::decode_utf16([high, low]).next()?.ok()), 12)
                }
                Some(unit) => (char::from_u32(u32::from(unit)).filter(|character| !character.is_ascii()), 6),
                None => (None, 2),
            };
            // Any other escape is copied: a backslash and what follows it, so that the second of a pair begins none.
            let length = character.map_or_else(|| 1 + rest[1..].chars().next().map_or(0, char::len_utf8), |_| length);
            match character {
                Some(character) => plain.push(character),
                None => plain.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        plain.push_str(rest);
        Cow::Owned(plain)
    }

    /// Returns `true` if the value is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }
}

/// Returns the deepest nesting of a valid JSON text, without recursion, because the text may be hostile.
fn depth(json: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' => level = level.saturating_sub(1),
            b'"' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_raw(Box::<RawValue>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Unknown fields in their order, which are preserved when a notebook is written again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra(Option<Arc<[Field]>>);

/// A name and its value.
type Field = (Box<str>, Json);

impl Extra {
    /// Makes unknown fields of a list.
    #[must_use]
    pub fn new(fields: Vec<(Box<str>, Json)>) -> Self {
        Self(if fields.is_empty() { None } else { Some(fields.into()) })
    }

    /// Iterates over the fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().flat_map(|fields| fields.iter()).map(|(name, value)| (&**name, value))
    }

    /// Returns `true` if there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the bytes of names and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.as_str().len()).sum()
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Extra;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extra, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<Box<str>, Json>()? {
                    fields.push((name, value));
                }
                Ok(Extra::new(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_exact() {
        for text in [r#"{"b":1e2,"a":-0,"a":"\u0000"}"#, "123456789012345678901234567890", r#"["\ud800"]"#] {
            assert_eq!(Json::parse(&format!(" {text}\n")).unwrap().as_str(), text);
        }
    }

    #[test]
    fn depth_has_a_limit_and_ignores_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(&nested(128)).is_ok());
        assert!(matches!(Json::parse(&nested(129)), Err(JsonError::TooDeep { depth: 129 })));
        assert!(matches!(Json::parse(&nested(100_000)), Err(JsonError::TooDeep { depth: 100_000 })));
        assert!(Json::parse(&format!(r#""\"{}""#, "[".repeat(1_000))).is_ok());
    }

    #[test]
    fn extra_keeps_order_and_text() {
        let text = r#"{"z":1.0,"a":{"k":[1e2]}}"#;
        let extra: Extra = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&extra).unwrap(), text);
    }
}
