//! The results of a cell's last run inside a notebook's file, as older files have them.

use quire_domain::{CellStatus, Json, Output, Results};
use serde_json::value::RawValue;

use crate::fields::{self, Fields, UnreadFields};
use crate::problem::Problem;

/// Takes `stdout`, `outputs` and `error`; returns `None` when all are empty. A field of another type than expected stays among
/// the unknown fields.
pub(super) fn take(fields: &mut UnreadFields<'_>, cell: &RawValue) -> Result<Option<Results>, Problem> {
    let stdout = take_one(fields, "stdout", |value| Some(fields::text(value, "").ok()?.into_owned()))?;
    let outputs = take_one(fields, "outputs", outputs)?;
    let error = take_one(fields, "error", |value| Some(fields::text(value, "").ok()?.into_owned()))?;
    let error = error.filter(|error| !error.is_empty());
    let results = Results {
        status: if error.is_some() { CellStatus::Error } else { CellStatus::Success },
        stdout: stdout.unwrap_or_default(),
        error,
        outputs: outputs.unwrap_or_default(),
        ..Results::default()
    };
    if results.stdout.is_empty() && results.error.is_none() && results.outputs.is_empty() {
        return Ok(None);
    }
    results.check().map_err(|error| Problem::beyond(cell, error))?;
    Ok(Some(results))
}

fn take_one<'a, T>(
    fields: &mut UnreadFields<'a>,
    name: &'static str,
    convert: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(value) = fields.take(name)? else { return Ok(None) };
    let converted = convert(value);
    if converted.is_none() {
        fields.leave(name, value);
    }
    Ok(converted)
}

fn outputs(value: &RawValue) -> Option<Vec<Output>> {
    fields::array(value.get()).ok()?.into_iter().map(output).collect()
}

fn output(value: &RawValue) -> Option<Output> {
    let mut found = Fields::new();
    fields::object(value.get(), &mut found).ok()?;
    // A null is data too, so this is not `UnreadFields::take`.
    let (_, data) = found.iter().find(|(name, _)| name == "data")?;
    let data = Json::from_raw((*data).to_owned()).ok()?;
    let mut fields = UnreadFields::new(found);
    let mime_type = fields::text(fields.take("mime_type").ok()??, "").ok()?.into_owned();
    let metadata = match fields.take("metadata").ok()? {
        Some(metadata) => Json::from_raw(metadata.to_owned()).ok()?,
        None => Json::parse("{}").ok()?,
    };
    let known = fields.take("data").is_ok() && fields.rest().next().is_none();
    (known && metadata.is_object()).then_some(Output { mime_type, data, metadata })
}
