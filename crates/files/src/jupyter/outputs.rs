//! Conversion of a code cell's outputs to a cell's results, and back.
//!
//! Printed text becomes standard output, and an error the error, without terminal colours. Of a value in several MIME types, the
//! first of [`SHOWN`] is shown. Values in none of them, and text of other streams, are preserved and not shown.

use quire_domain::mime::SHOWN;
use quire_domain::{CellStatus, Json, Output, Results};
use serde_json::value::RawValue;

use super::pretty::compact;
use super::reading::Reading;
use super::{errors, lines, preserved, valid};
use crate::fields::{self, Fields, UnreadFields, WrittenFields, to_written, write_fields, write_object, write_text};
use crate::problem::Problem;
use crate::safe::is_blank;

/// The outputs of a cell that was read.
#[derive(Default)]
pub(super) struct ReadOutputs {
    pub(super) results: Results,
    /// The preserved part of each output, as JSON; see [`preserved`].
    pub(super) entries: Vec<String>,
}

/// Reads a code cell's outputs.
pub(super) fn read(list: &[&RawValue], has_run: bool, reading: &mut Reading) -> Result<ReadOutputs, Problem> {
    let mut read = ReadOutputs::default();
    for output in list {
        read_one(&mut read, output, reading)?;
    }
    let results = &mut read.results;
    results.status = match &results.error {
        Some(_) => CellStatus::Error,
        None if has_run || !list.is_empty() => CellStatus::Success,
        None => CellStatus::Idle,
    };
    Ok(read)
}

fn read_one(read: &mut ReadOutputs, output: &RawValue, reading: &mut Reading) -> Result<(), Problem> {
    let found = reading.object(output.get()).or(Err(Problem::at(output, "an output is not an object")))?;
    let mut fields = UnreadFields::new(found.clone());
    let output_type = match fields.take("output_type")? {
        Some(value) => fields::text(value, "`output_type`")?,
        None => return Err(Problem::at(output, "an output has no `output_type`")),
    };
    let entry = match &*output_type {
        "stream" => stdout(fields, &mut read.results.stdout, reading)?,
        "display_data" | "execute_result" => match value(&found, reading)? {
            Some((output, entry)) => {
                read.results.outputs.push(output);
                Some(entry)
            }
            None => None,
        },
        "error" => {
            let text = errors::read(&found, reading);
            // Appended, because there may be a million errors.
            match &mut read.results.error {
                Some(earlier) => {
                    earlier.push('\n');
                    earlier.push_str(&text);
                }
                none => *none = Some(text),
            }
            None
        }
        _ => None,
    };
    read.entries.push(entry.unwrap_or_else(|| format!(r#"{{"kept":{}}}"#, output.get())));
    Ok(())
}

/// Adds a stream's text to the standard output, and returns the part that is preserved beside it; `None` for another stream.
fn stdout(mut fields: UnreadFields<'_>, stdout: &mut String, reading: &mut Reading) -> Result<Option<String>, Problem> {
    let is_stdout = match fields.take("name")? {
        Some(name) => fields::lenient_text(name).is_some_and(|(name, _)| name == "stdout"),
        None => true,
    };
    let value = if is_stdout { fields.take("text")? } else { return Ok(None) };
    let (text, is_exact) = match value {
        Some(value) => match reading.text(value) {
            Some(text) => text,
            None => return Ok(None),
        },
        None => ("".into(), true),
    };
    stdout.push_str(&text);
    let more: Fields<'_> = fields.rest().collect();
    let more = write_object(more.iter().map(|(name, value)| (&**name, value.get())));
    let length = text.len().to_string();
    let entry = [
        ("stdout", Some(&*length)),
        ("text", value.filter(|_| !is_exact).map(RawValue::get)),
        ("more", (more != "{}").then_some(&*more)),
    ];
    Ok(Some(write_object(entry.into_iter().filter_map(|(name, value)| Some((name, value?))))))
}

/// Splits a value into the part that is shown and the part that is preserved beside it; `None` when nothing can be shown.
fn value(output: &Fields<'_>, reading: &mut Reading) -> Result<Option<(Output, String)>, Problem> {
    let Some(data) = preserved::get(output, "data") else { return Ok(None) };
    let Ok(bundle) = reading.object(data.get()) else { return Ok(None) };
    let Some((mime_type, shown, changed)) = choose(&bundle, reading)? else {
        reading.sanitiser.not_shown(bundle.iter().map(|(name, _)| &**name));
        return Ok(None);
    };
    reading.sanitiser.changed += usize::from(changed);
    let metadata = preserved::get(output, "metadata").filter(|metadata| metadata.get().starts_with('{'));
    let of_output = match metadata {
        Some(metadata) => Json::parse(&compact(metadata.get())).map_err(|error| Problem::beyond(metadata, error))?,
        None => Json::parse("{}").map_err(|error| Problem::beyond(data, error))?,
    };
    let others = bundle.iter().filter(|(name, _)| **name != mime_type);
    let others = write_object(others.map(|(name, value)| (&**name, value.get())));
    let rest = output.iter().filter(|(name, _)| !(name == "metadata" && metadata.is_some()));
    let rest = rest.map(|(name, value)| (&**name, if name == "data" { others.as_str() } else { value.get() }));
    let entry = format!(r#"{{"shown":{}}}"#, write_object(rest));
    Ok(Some((Output { mime_type, data: shown, metadata: of_output }, entry)))
}

/// Chooses the MIME type to show. Returns it with its data, and whether the data was changed.
fn choose(bundle: &Fields<'_>, reading: &mut Reading) -> Result<Option<(String, Json, bool)>, Problem> {
    let mut blank = None;
    for (name, value) in SHOWN.iter().filter_map(|name| bundle.iter().find(|(key, _)| key == name)) {
        let text = if lines::is_json(name) { value.get().into() } else { lines::join(value) };
        let data = Json::parse(&compact(&text)).map_err(|error| Problem::beyond(value, error))?;
        let Some(safe) = reading.sanitiser.data(name, &data) else { continue };
        let changed = *safe != data;
        let is_blank = changed && is_blank(name, &safe);
        let shown = (name.clone().into_owned(), safe.into_owned(), changed);
        // All of its content could have run, so another type is preferred.
        if is_blank {
            blank = blank.or(Some(shown));
        } else {
            return Ok(Some(shown));
        }
    }
    Ok(blank)
}

/// Makes the outputs of a cell with these results, as JSON.
pub(super) fn of_results(results: &Results) -> Vec<String> {
    let mut outputs = Vec::new();
    if !results.stdout.is_empty() {
        outputs.push(stream(lines::write(&results.stdout), WrittenFields::new()));
    }
    for Output { mime_type, data, metadata } in &results.outputs {
        let data = bundle(mime_type, data, WrittenFields::new());
        outputs.push(format!(r#"{{"data":{data},"metadata":{},"output_type":"display_data"}}"#, metadata.as_str()));
    }
    outputs.extend(results.error.as_deref().map(errors::write));
    outputs.iter().filter_map(|output| valid::output(output, false)).collect()
}

/// Makes the preserved part of the outputs of a cell from Quire's own format, if only some of them are shown, so that an `.ipynb`
/// has all; `None` if it would be nested too deep. `results` has the outputs that are shown.
pub(crate) fn preserved_outputs(code_digest: &str, results: &Results, all: &[(Output, bool)]) -> Option<Json> {
    let mut entries = Vec::with_capacity(all.len() + 2);
    if !results.stdout.is_empty() {
        entries.push(format!(r#"{{"stdout":{}}}"#, results.stdout.len()));
    }
    entries.extend(all.iter().map(|(Output { mime_type, data, metadata }, is_shown)| {
        if *is_shown {
            return r#"{"shown":{"data":{},"output_type":"display_data"}}"#.to_owned();
        }
        let data = bundle(mime_type, data, WrittenFields::new());
        format!(r#"{{"kept":{{"data":{data},"metadata":{},"output_type":"display_data"}}}}"#, metadata.as_str())
    }));
    entries.extend(results.error.as_deref().map(|text| format!(r#"{{"kept":{}}}"#, errors::write(text))));
    let tie = write_text(&preserved::tie(code_digest, results));
    Json::parse(&format!(r#"{{"outputs":[{}],"tie":{tie}}}"#, entries.join(","))).ok()
}

fn stream(lines: String, more: WrittenFields) -> String {
    let mut written = more;
    written.extend([
        ("name".to_owned(), write_text("stdout")),
        ("output_type".to_owned(), write_text("stream")),
        ("text".to_owned(), lines),
    ]);
    sorted(written)
}

fn bundle(mime_type: &str, data: &Json, others: WrittenFields) -> String {
    let value = if lines::is_json(mime_type) { data.as_str().into() } else { lines::split(data.as_str()) };
    let mut written = others;
    written.push((mime_type.to_owned(), value.into_owned()));
    sorted(written)
}

/// Writes an object with its fields in Jupyter's order.
fn sorted(mut written: WrittenFields) -> String {
    written.sort_by(|(a, _), (b, _)| a.cmp(b));
    write_fields(&written)
}

/// Makes the outputs that were read of the results and the preserved part; `None` when the two do not fit, as after a change of
/// the preserved part.
pub(super) fn of_preserved(entries: &[&RawValue], results: &Results, is_later: bool) -> Option<Vec<String>> {
    let (mut stdout, mut shown) = (results.stdout.as_str(), results.outputs.iter());
    let mut outputs = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = preserved::object(entry.get())?;
        let output = match entry.first()? {
            (kind, length) if kind == "stdout" => {
                let (text, rest) = stdout.split_at_checked(length.get().parse().ok()?)?;
                stdout = rest;
                let more = fields_of(preserved::get(&entry, "more"))?;
                let exact =
                    preserved::get(&entry, "text").filter(|exact| lines::text(exact).is_some_and(|it| it.0 == text));
                stream(exact.map_or_else(|| lines::write(text), |exact| lines::split(exact.get()).into_owned()), more)
            }
            (kind, rest) if kind == "shown" => whole(&preserved::object(rest.get())?, shown.next()?)?,
            (kind, whole) if kind == "kept" && whole.get().starts_with('{') => written_as_lines(whole),
            _ => return None,
        };
        outputs.extend(valid::output(&output, is_later));
    }
    (stdout.is_empty() && shown.next().is_none()).then_some(outputs)
}

/// Returns the fields of an object; none when there is no object.
fn fields_of(object: Option<&RawValue>) -> Option<WrittenFields> {
    let Some(object) = object else { return Some(WrittenFields::new()) };
    let fields = preserved::object(object.get())?;
    Some(to_written(&fields))
}

/// Makes an output of its preserved and its shown part.
fn whole(rest: &Fields<'_>, Output { mime_type, data, metadata }: &Output) -> Option<String> {
    let mut written = WrittenFields::new();
    for (name, value) in rest {
        let value = if name == "data" {
            bundle(mime_type, data, with_lines(&preserved::object(value.get())?))
        } else {
            value.get().to_owned()
        };
        written.push((name.to_string(), value));
    }
    if preserved::get(rest, "metadata").is_none() {
        written.push(("metadata".to_owned(), metadata.as_str().to_owned()));
    }
    Some(sorted(written))
}

/// Returns the fields of a MIME bundle, with texts as lists of lines.
fn with_lines(bundle: &Fields<'_>) -> WrittenFields {
    let value = |name: &str, value: &RawValue| {
        if lines::is_json(name) { value.get().to_owned() } else { lines::split(value.get()).into_owned() }
    };
    bundle.iter().map(|(name, json)| (name.to_string(), value(name, json))).collect()
}

/// Writes an output that was preserved whole, with the text of a stream as a list of lines.
fn written_as_lines(output: &RawValue) -> String {
    let Some(fields) = preserved::object(output.get()) else { return output.get().to_owned() };
    if preserved::text(&fields, "output_type").as_deref() != Some("stream") {
        return output.get().to_owned();
    }
    let value = |name: &str, value: &RawValue| {
        if name == "text" { lines::split(value.get()).into_owned() } else { value.get().to_owned() }
    };
    sorted(fields.iter().map(|(name, json)| (name.to_string(), value(name, json))).collect())
}
