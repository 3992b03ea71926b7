//! The rules of version 4.5 of the format (`nbformat.v4.5.schema.json` of Jupyter's `nbformat`), so that every written file is
//! valid, whatever was read. Required fields are filled in; fields that the format does not allow are separated, and
//! [`super::write()`] notes them where the format allows any.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::lines::{is_json, split};
use super::preserved;
use super::text::TextKind;
use crate::fields::{self, Fields, WrittenFields, write_fields, write_object, write_text};

/// The owner of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetadataOwner {
    Notebook,
    Code,
    Text(TextKind),
}

/// Returns the value of a field in metadata as the format allows it; `None` when it allows no such value.
pub(super) fn metadata<'a>(of: MetadataOwner, name: &str, value: &'a str) -> Option<Cow<'a, str>> {
    let fits = match (of, name) {
        (MetadataOwner::Notebook, "kernelspec") => return kernel(value),
        (MetadataOwner::Notebook, "language_info") => is_language(value),
        (MetadataOwner::Notebook, "orig_nbformat") => value.parse::<u32>().is_ok_and(|version| version > 0),
        (MetadataOwner::Notebook, "title") | (MetadataOwner::Text(TextKind::Raw), "format") => is_text(value),
        (MetadataOwner::Notebook, "authors") => value.starts_with('['),
        (MetadataOwner::Notebook, _) => true,
        (_, "name") => text(value).is_some_and(|name| !name.is_empty() && !name.contains('\n')),
        (_, "tags") => are_tags(value),
        (_, "jupyter") => value.starts_with('{'),
        (MetadataOwner::Code, "execution") => {
            preserved::object(value).is_some_and(|times| times.iter().all(|(_, time)| is_text(time.get())))
        }
        (MetadataOwner::Code, "collapsed") => matches!(value, "true" | "false"),
        (MetadataOwner::Code, "scrolled") => {
            matches!(value, "true" | "false") || text(value).as_deref() == Some("auto")
        }
        _ => true,
    };
    fits.then_some(Cow::Borrowed(value))
}

/// Completes a kernel's two names: if one is missing, it is the same as the other.
fn kernel(value: &str) -> Option<Cow<'_, str>> {
    let fields = preserved::object(value)?;
    let named = |name: &str| preserved::get(&fields, name).map(RawValue::get).filter(|name| is_text(name));
    match (named("name"), named("display_name")) {
        (Some(_), Some(_)) => Some(Cow::Borrowed(value)),
        (Some(name), None) | (None, Some(name)) => {
            let others = fields.iter().filter(|(name, _)| !matches!(&**name, "name" | "display_name"));
            let others = others.map(|(name, value)| (&**name, value.get()));
            Some(Cow::Owned(write_object(others.chain([("display_name", name), ("name", name)]))))
        }
        (None, None) => None,
    }
}

fn is_language(value: &str) -> bool {
    let Some(fields) = preserved::object(value) else { return false };
    preserved::get(&fields, "name").is_some()
        && fields.iter().all(|(name, value)| match &**name {
            "name" | "file_extension" | "mimetype" | "pygments_lexer" => is_text(value.get()),
            "codemirror_mode" => is_text(value.get()) || value.get().starts_with('{'),
            _ => true,
        })
}

fn are_tags(value: &str) -> bool {
    let tags = fields::array(value).ok();
    let tags: Option<Vec<String>> = tags.and_then(|tags| tags.into_iter().map(|tag| text(tag.get())).collect());
    tags.is_some_and(|tags| {
        let mut seen = HashSet::new();
        tags.iter().all(|tag| !tag.is_empty() && !tag.contains(',') && seen.insert(tag))
    })
}

/// Returns `true` if the format allows this field, with this value, beside those that every cell of this kind has.
pub(super) fn is_field_of_cell(of: MetadataOwner, name: &str, value: &str) -> bool {
    let is_bundle = |value: &RawValue| {
        preserved::object(value.get())
            .is_some_and(|bundle| bundle.iter().all(|(name, value)| is_json(name) || is_lines(value.get())))
    };
    matches!(of, MetadataOwner::Text(_))
        && name == "attachments"
        && preserved::object(value).is_some_and(|all| all.iter().all(|(_, bundle)| is_bundle(bundle)))
}

/// Returns a run's number; `null` for anything else.
pub(super) fn count(value: Option<&RawValue>) -> &str {
    let digits = value.map(RawValue::get).filter(|value| value.parse::<u64>().is_ok());
    digits.unwrap_or("null")
}

/// Returns an output as the format allows it; `None` when the format does not know its type. `is_later` is set for a file of a
/// later version, which may know more types and fields.
pub(super) fn output(output: &str, is_later: bool) -> Option<String> {
    let fields = preserved::object(output)?;
    let get = |name: &str| preserved::get(&fields, name);
    let text_or = |name: &str, other: &str| -> String {
        get(name).map(RawValue::get).filter(|value| is_text(value)).unwrap_or(other).to_owned()
    };
    let metadata = || get("metadata").map(RawValue::get).filter(|it| it.starts_with('{')).unwrap_or("{}").to_owned();
    let bundle =
        || get("data").and_then(|data| preserved::object(data.get())).map_or_else(|| "{}".to_owned(), |it| bundle(&it));
    let kind = preserved::text(&fields, "output_type")?;
    let mut written: WrittenFields = match &*kind {
        "stream" => vec![
            ("name".into(), text_or("name", "\"stdout\"")),
            ("text".into(), get("text").map_or_else(|| "[]".to_owned(), |text| as_lines(text.get()).into_owned())),
        ],
        "display_data" => vec![("data".into(), bundle()), ("metadata".into(), metadata())],
        "execute_result" => vec![
            ("data".into(), bundle()),
            ("execution_count".into(), count(get("execution_count")).to_owned()),
            ("metadata".into(), metadata()),
        ],
        "error" => vec![
            ("ename".into(), text_or("ename", "\"\"")),
            ("evalue".into(), text_or("evalue", "\"\"")),
            ("traceback".into(), traceback(get("traceback"))),
        ],
        _ if is_later => return Some(output.to_owned()),
        _ => return None,
    };
    written.push(("output_type".into(), write_text(&kind)));
    if is_later {
        let names: HashSet<String> = written.iter().map(|(name, _)| name.clone()).collect();
        let others = fields.iter().filter(|(name, _)| !names.contains(&**name));
        written.extend(others.map(|(name, value)| (name.to_string(), value.get().to_owned())));
    }
    written.sort();
    Some(write_fields(&written))
}

fn bundle(fields: &Fields<'_>) -> String {
    let values: Vec<(&str, Cow<'_, str>)> = fields
        .iter()
        .map(|(name, value)| (&**name, if is_json(name) { value.get().into() } else { as_lines(value.get()) }))
        .collect();
    write_object(values.iter().map(|(name, value)| (*name, &**value)))
}

fn traceback(value: Option<&RawValue>) -> String {
    let Some(value) = value.map(RawValue::get) else { return "[]".to_owned() };
    if is_text(value) {
        return format!("[{value}]");
    }
    let lines = fields::array(value).unwrap_or_default();
    let lines: Vec<&str> = lines.into_iter().map(RawValue::get).filter(|line| is_text(line)).collect();
    format!("[{}]", lines.join(","))
}

/// Returns a text or a list of lines as it is, and any other value as the lines of its JSON text.
fn as_lines(value: &str) -> Cow<'_, str> {
    if is_lines(value) { value.into() } else { split(&write_text(value)).into_owned().into() }
}

fn is_lines(value: &str) -> bool {
    is_text(value) || fields::array(value).is_ok_and(|lines| lines.iter().all(|line| is_text(line.get())))
}

fn is_text(value: &str) -> bool {
    value.starts_with('"')
}

fn text(value: &str) -> Option<String> {
    let value: &RawValue = serde_json::from_str(value).ok()?;
    Some(fields::lenient_text(value)?.0.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_as_the_format_has_them() {
        let (code, raw) = (MetadataOwner::Code, MetadataOwner::Text(TextKind::Raw));
        for (of, name, value, written) in [
            (
                MetadataOwner::Notebook,
                "kernelspec",
                r#"{"name":"a","display_name":"A"}"#,
                Some(r#"{"name":"a","display_name":"A"}"#),
            ),
            (
                MetadataOwner::Notebook,
                "kernelspec",
                r#"{"name":"a","x":1}"#,
                Some(r#"{"x":1,"display_name":"a","name":"a"}"#),
            ),
            (MetadataOwner::Notebook, "kernelspec", "{}", None),
            (MetadataOwner::Notebook, "kernelspec", "null", None),
            (MetadataOwner::Notebook, "language_info", r#"{"name":"python"}"#, Some(r#"{"name":"python"}"#)),
            (MetadataOwner::Notebook, "language_info", r#"{"name":"python","mimetype":null}"#, None),
            (MetadataOwner::Notebook, "language_info", r#"{"codemirror_mode":"x"}"#, None),
            (MetadataOwner::Notebook, "orig_nbformat", "0", None),
            (MetadataOwner::Notebook, "title", "7", None),
            (MetadataOwner::Notebook, "authors", "{}", None),
            (MetadataOwner::Notebook, "tags", "7", Some("7")),
            (code, "tags", r#"["a","b"]"#, Some(r#"["a","b"]"#)),
            (code, "tags", r#"["a","\u0061"]"#, None),
            (code, "tags", r#"["a,b"]"#, None),
            (code, "tags", r#"[""]"#, None),
            (code, "tags", "[1]", None),
            (code, "name", r#""a\nb""#, None),
            (code, "name", r#""""#, None),
            (code, "jupyter", "[]", None),
            (code, "collapsed", "\"true\"", None),
            (code, "scrolled", "\"auto\"", Some("\"auto\"")),
            (code, "scrolled", "1", None),
            (code, "execution", r#"{"iopub.status.busy":1}"#, None),
            (code, "format", "1", Some("1")),
            (raw, "format", "1", None),
            (raw, "collapsed", "1", Some("1")),
        ] {
            assert_eq!(metadata(of, name, value).as_deref(), written, "{name}: {value}");
        }
    }

    #[test]
    fn outputs_have_what_the_format_needs_and_nothing_else() {
        for (read, written) in [
            (r#"{"output_type":"stream","x":1}"#, r#"{"name":"stdout","output_type":"stream","text":[]}"#),
            (
                r#"{"output_type":"stream","name":7,"text":7}"#,
                r#"{"name":"stdout","output_type":"stream","text":["7"]}"#,
            ),
            (
                r#"{"output_type":"display_data","metadata":null,"transient":{}}"#,
                r#"{"data":{},"metadata":{},"output_type":"display_data"}"#,
            ),
            (
                r#"{"output_type":"execute_result","metadata":[],"data":{"text/plain":{"a":1},"application/json":{"a":1}}}"#,
                r#"{"data":{"text/plain":["{\"a\":1}"],"application/json":{"a":1}},"execution_count":null,"metadata":{},"output_type":"execute_result"}"#,
            ),
            (
                r#"{"output_type":"execute_result","execution_count":-1,"data":7}"#,
                r#"{"data":{},"execution_count":null,"metadata":{},"output_type":"execute_result"}"#,
            ),
            (
                r#"{"output_type":"error","ename":"E"}"#,
                r#"{"ename":"E","evalue":"","output_type":"error","traceback":[]}"#,
            ),
            (
                r#"{"output_type":"error","ename":null,"evalue":"v","traceback":"t\nu"}"#,
                r#"{"ename":"","evalue":"v","output_type":"error","traceback":["t\nu"]}"#,
            ),
            (
                r#"{"output_type":"error","ename":"E","evalue":"v","traceback":["a",1,"b"]}"#,
                r#"{"ename":"E","evalue":"v","output_type":"error","traceback":["a","b"]}"#,
            ),
        ] {
            assert_eq!(output(read, false).as_deref(), Some(written), "{read}");
        }
        let unknown = r#"{"output_type":"hologram","x":1}"#;
        assert_eq!((output(unknown, false), output(unknown, true)), (None, Some(unknown.to_owned())));
        assert_eq!(
            output(r#"{"output_type":"stream","text":"a","x":1}"#, true).as_deref(),
            Some(r#"{"name":"stdout","output_type":"stream","text":"a","x":1}"#)
        );
    }

    #[test]
    fn text_may_have_attachments_and_code_may_not() {
        let good = r#"{"a.png":{"image/png":"AA"}}"#;
        assert!(is_field_of_cell(MetadataOwner::Text(TextKind::Markdown), "attachments", good));
        for (of, name, value) in [
            (MetadataOwner::Code, "attachments", good),
            (MetadataOwner::Text(TextKind::Raw), "x", good),
            (MetadataOwner::Text(TextKind::Raw), "attachments", "[]"),
            (MetadataOwner::Text(TextKind::Raw), "attachments", r#"{"a.png":{"image/png":7}}"#),
            (MetadataOwner::Text(TextKind::Raw), "attachments", r#"{"a.png":"AA"}"#),
        ] {
            assert!(!is_field_of_cell(of, name, value), "{value}");
        }
    }
}
