//! Conversion of version 3 to version 4, as in Jupyter's own `nbformat` (`nbformat/v4/convert.py`).

use serde_json::value::RawValue;

use super::lines;
use super::reading::Reading;
use crate::fields::{self, Fields, UnreadFields, WrittenFields, write_fields, write_object, write_text};
use crate::problem::Problem;

/// The short names of MIME types.
const MIME_TYPES: [(&str, &str); 8] = [
    ("text", "text/plain"),
    ("html", "text/html"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("latex", "text/latex"),
    ("json", "application/json"),
    ("javascript", "application/javascript"),
];

/// Reads the cells of all worksheets.
pub(super) fn cells<'a>(fields: &mut UnreadFields<'a>, reading: &mut Reading) -> Result<Vec<&'a RawValue>, Problem> {
    let Some(list) = fields.take("worksheets")? else { return Ok(Vec::new()) };
    let mut cells = Vec::new();
    for sheet in fields::array(list.get()).or(Err(Problem::at(list, "`worksheets` is not a list")))? {
        let found = reading.object(sheet.get()).or(Err(Problem::at(sheet, "a worksheet is not an object")))?;
        if let Some(list) = UnreadFields::new(found).take("cells")? {
            cells.extend(fields::array(list.get()).or(Err(Problem::at(list, "`cells` is not a list")))?);
        }
    }
    Ok(cells)
}

/// Converts a cell.
pub(super) fn cell(text: &RawValue, reading: &mut Reading) -> Result<Box<RawValue>, Problem> {
    let found = reading.object(text.get()).or(Err(Problem::at(text, "not an object")))?;
    let mut fields = UnreadFields::new(found);
    let cell_type = match fields.take("cell_type")? {
        Some(value) => fields::text(value, "`cell_type`")?,
        None => return Err(Problem::at(text, "`cell_type` is missing")),
    };
    let mut written: WrittenFields = Vec::new();
    let mut add = |name: &str, value: String| written.push((name.to_owned(), value));
    match &*cell_type {
        "code" => {
            add("cell_type", write_text("code"));
            add("source", fields.take("input")?.map_or("\"\"", RawValue::get).to_owned());
            add("execution_count", fields.take("prompt_number")?.map_or("null", RawValue::get).to_owned());
            fields.take("language")?;
            add("metadata", metadata(fields.take("metadata")?, fields.take("collapsed")?, reading));
            let outputs = match fields.take("outputs")? {
                Some(list) => fields::array(list.get()).or(Err(Problem::at(list, "`outputs` is not a list")))?,
                None => Vec::new(),
            };
            let outputs: Vec<String> =
                outputs.into_iter().map(|text| output(text, reading)).collect::<Result<_, _>>()?;
            add("outputs", format!("[{}]", outputs.join(",")));
        }
        "heading" => {
            add("cell_type", write_text("markdown"));
            let level = fields.take("level")?.map_or(Ok(1), |level| {
                let level = level.get().parse::<usize>().ok().filter(|level| *level <= 6);
                level.ok_or_else(|| Problem::at(text, "`level` is not a number up to 6"))
            })?;
            let source = match fields.take("source")? {
                Some(source) => match reading.text(source) {
                    Some((text, _)) => text,
                    None => return Err(Problem::at(source, lines::NO_TEXT)),
                },
                None => "".into(),
            };
            let line = source.lines().collect::<Vec<_>>().join(" ");
            add("source", write_text(&format!("{} {line}", "#".repeat(level))));
        }
        "html" => add("cell_type", write_text("markdown")),
        other => add("cell_type", write_text(other)),
    }
    written.extend(fields.rest().map(|(name, value)| (name.into_owned(), value.get().to_owned())));
    raw(text, &written)
}

/// Converts a code cell's metadata, to which `collapsed` moves.
fn metadata<'a>(metadata: Option<&'a RawValue>, collapsed: Option<&'a RawValue>, reading: &mut Reading) -> String {
    let mut found = metadata.map_or_else(Fields::new, |metadata| reading.metadata(metadata));
    if let Some(collapsed) = collapsed {
        found.retain(|(name, _)| name != "collapsed");
        found.push(("collapsed".into(), collapsed));
    }
    write_object(found.iter().map(|(name, value)| (&**name, value.get())))
}

fn output(text: &RawValue, reading: &mut Reading) -> Result<String, Problem> {
    let found = reading.object(text.get()).or(Err(Problem::at(text, "an output is not an object")))?;
    let mut fields = UnreadFields::new(found);
    let output_type = match fields.take("output_type")? {
        Some(value) => fields::text(value, "`output_type`")?,
        None => return Err(Problem::at(text, "an output has no `output_type`")),
    };
    let mut written: WrittenFields = Vec::new();
    let mut add = |name: &str, value: String| written.push((name.to_owned(), value));
    match &*output_type {
        "pyout" | "display_data" => {
            if output_type == "pyout" {
                add("output_type", write_text("execute_result"));
                add("execution_count", fields.take("prompt_number")?.map_or("null", RawValue::get).to_owned());
            } else {
                add("output_type", write_text("display_data"));
            }
            let metadata = fields.take("metadata")?;
            let of_output = metadata.map_or_else(Fields::new, |metadata| reading.metadata(metadata));
            let renamed = of_output.iter().map(|(name, value)| (mime_type(name), value.get()));
            add("metadata", write_object(renamed));
            let data: WrittenFields = fields
                .rest()
                .map(|(name, value)| (mime_type(&name).to_owned(), data(mime_type(&name), value)))
                .collect();
            add("data", write_fields(&data));
            return Ok(write_fields(&written));
        }
        "pyerr" => add("output_type", write_text("error")),
        "stream" => {
            add("output_type", write_text("stream"));
            add("name", fields.take("stream")?.map_or("\"stdout\"", RawValue::get).to_owned());
        }
        other => add("output_type", write_text(other)),
    }
    written.extend(fields.rest().map(|(name, value)| (name.into_owned(), value.get().to_owned())));
    Ok(write_fields(&written))
}

fn mime_type(name: &str) -> &str {
    MIME_TYPES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long)
}

/// Converts a value of this MIME type: JSON was a text that held JSON.
fn data(mime_type: &str, value: &RawValue) -> String {
    let inner = || {
        let text = lines::text(value)?.0;
        serde_json::from_str::<&RawValue>(&text).ok().map(|inner| inner.get().to_owned())
    };
    let inner = if mime_type == "application/json" { inner() } else { None };
    inner.unwrap_or_else(|| value.get().to_owned())
}

fn raw(of: &RawValue, written: &WrittenFields) -> Result<Box<RawValue>, Problem> {
    let text = write_fields(written);
    RawValue::from_string(text).map_err(|_not_json| Problem::at(of, "not an object"))
}
