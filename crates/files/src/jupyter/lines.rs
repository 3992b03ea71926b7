//! Texts that may be written as one JSON string or as a list of lines.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::fields::{self, write_text};

/// Message about a `source` that is no text.
pub(super) const NO_TEXT: &str = "`source` is neither a text nor a list of texts";

/// Reads the text of a string or of a list of strings, and whether it is exact: there is U+FFFD for each half of a surrogate pair.
pub(super) fn text(value: &RawValue) -> Option<(Cow<'_, str>, bool)> {
    if value.get().starts_with('"') {
        return fields::lenient_text(value);
    }
    let (mut text, mut is_exact) = (String::new(), true);
    for element in fields::array(value.get()).ok()? {
        let (line, is_line_exact) = fields::lenient_text(element)?;
        text.push_str(&line);
        is_exact &= is_line_exact;
    }
    Some((Cow::Owned(text), is_exact))
}

/// Writes a text as a list of lines, each with its end.
pub(super) fn write(text: &str) -> String {
    let lines: Vec<String> = text.split_inclusive('\n').map(write_text).collect();
    format!("[{}]", lines.join(","))
}

/// Splits a JSON string into a list of lines, with the same escapes; returns any other text as it is.
pub(super) fn split(json: &str) -> Cow<'_, str> {
    let Some(body) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return Cow::Borrowed(json) };
    let mut list = String::with_capacity(json.len() + 16);
    list.push('[');
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = body.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at + found;
        at = escape + 2; // whatever is escaped, its second character begins no escape
        if body.as_bytes().get(escape + 1) == Some(&b'n') && at < body.len() {
            let _ = write!(list, "\"{}\",", &body[copied..at]); // writing to a String cannot fail
            copied = at;
        }
    }
    if !body.is_empty() {
        let _ = write!(list, "\"{}\"", &body[copied..]); // writing to a String cannot fail
    }
    list.push(']');
    Cow::Owned(list)
}

/// Joins a list of strings to one JSON string, with the same escapes; returns any other text as it is.
pub(super) fn join(value: &RawValue) -> Cow<'_, str> {
    let Ok(elements) = fields::array(value.get()) else { return Cow::Borrowed(value.get()) };
    let body = |element: &&RawValue| Some(element.get().strip_prefix('"')?.strip_suffix('"')?.to_owned());
    match elements.iter().map(body).collect::<Option<Vec<String>>>() {
        Some(bodies) => Cow::Owned(format!("\"{}\"", bodies.concat())),
        None => Cow::Borrowed(value.get()),
    }
}

/// Returns `true` if values of this MIME type are JSON, whose lists are lists and no lines.
pub(super) fn is_json(mime_type: &str) -> bool {
    // The format's pattern, `^application/(.*\+)?json$`, in which a dot is no line break.
    let kind = mime_type.strip_prefix("application/").filter(|kind| !kind.contains('\n'));
    kind.is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_and_joining_keep_every_character_as_it_is_written() {
        for (string, list) in [
            (r#""a\nb\u00e9\\n\n""#, r#"["a\n","b\u00e9\\n\n"]"#),
            (r#""""#, "[]"),
            (r#""\n\n""#, r#"["\n","\n"]"#),
            (r#""\\""#, r#"["\\"]"#),
        ] {
            assert_eq!(split(string), list);
            let list = RawValue::from_string(list.to_owned()).unwrap();
            assert_eq!(join(&list), string);
        }
        for other in ["7", "{}", r#"["a",1]"#, "null"] {
            assert_eq!(split(other), other);
            assert_eq!(join(&RawValue::from_string(other.to_owned()).unwrap()), other);
        }
    }
}
