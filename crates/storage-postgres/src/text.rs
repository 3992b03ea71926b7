//! Encoding of text that may contain U+0000, which PostgreSQL cannot store: U+0000 is written as U+FDD0 `0`, and U+FDD0
//! itself as U+FDD0 `1`. U+FDD0 is a noncharacter (Unicode, section 23.7), so that hardly any text is changed.

use std::borrow::Cow;

const MARK: char = '\u{FDD0}';
/// Error for text that [`decode`] refuses.
pub(crate) const LONE_MARK: &str = "a mark U+FDD0 stands alone";

/// Encodes text for storage.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 16), |mut stored, c| {
        match c {
            '\0' => stored.extend([MARK, '0']),
            MARK => stored.extend([MARK, '1']),
            other => stored.push(other),
        }
        stored
    }))
}

/// Decodes stored text; `None` if it contains a mark that [`encode`] does not write.
pub(crate) fn decode(stored: String) -> Option<String> {
    if !stored.contains(MARK) {
        return Some(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(c) = characters.next() {
        text.push(match (c, c == MARK) {
            (_, true) => match characters.next()? {
                '0' => '\0',
                '1' => MARK,
                _ => return None,
            },
            (other, false) => other,
        });
    }
    Some(text)
}

/// Returns a `text[]` in its text form, for columns of arrays in arrays of rows.
pub(crate) fn array<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut array = String::from("{");
    for (index, name) in names.enumerate() {
        array.push_str(if index == 0 { "\"" } else { ",\"" });
        for c in encode(name).chars() {
            if matches!(c, '"' | '\\') {
                array.push('\\');
            }
            array.push(c);
        }
        array.push('"');
    }
    array.push('}');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back() {
        for text in ["", "x", "\0", "a\0b\0", "\u{FDD0}", "\u{FDD0}0\0\u{FDD0}1", "😀\0é"] {
            let stored = encode(text).into_owned();
            assert!(!stored.contains('\0'));
            assert_eq!(decode(stored).as_deref(), Some(text));
        }
        for bad in ["\u{FDD0}", "x\u{FDD0}2", "\u{FDD0}\u{FDD0}0"] {
            assert_eq!(decode(bad.to_owned()), None);
        }
    }

    #[test]
    fn arrays_are_quoted() {
        assert_eq!(array(["a", "b\"\\", "", "{,}"].into_iter()), r#"{"a","b\"\\","","{,}"}"#);
        assert_eq!(array(std::iter::empty()), "{}");
    }
}
