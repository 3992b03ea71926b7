//! Quire's own part of Jupyter's metadata, and the unknown fields that preserve the rest in a Quire notebook.

use std::collections::HashSet;

use quire_domain::{Extra, Json};
use serde_json::value::RawValue;

use super::pretty::compact;
use super::reading::Reading;
use super::{JUPYTER, QUIRE, preserved};
use crate::fields::{Fields, write_object};
use crate::problem::Problem;

/// Metadata of a notebook or a cell, in two parts.
pub(super) struct Metadata<'a> {
    /// Quire's own fields.
    pub(super) ours: Fields<'a>,
    /// The other fields, as JSON.
    pub(super) others: String,
}

impl<'a> Metadata<'a> {
    pub(super) fn of(metadata: Option<&'a RawValue>, dropped: &[&str], reading: &mut Reading) -> Self {
        let mut found = metadata.map_or_else(Fields::new, |metadata| reading.metadata(metadata));
        let ours = preserved::get(&found, QUIRE).and_then(|ours| preserved::object(ours.get()));
        found.retain(|(name, _)| !(dropped.contains(&&**name) || name == QUIRE && ours.is_some()));
        let ours = ours.unwrap_or_default();
        add_noted(&mut found, &ours, "metadata", |name| name == QUIRE);
        Self { ours, others: write_object(found.iter().map(|(name, value)| (&**name, value.get()))) }
    }
}

/// Adds fields that were noted because the format does not allow them where they were.
pub(super) fn add_noted<'a>(fields: &mut Fields<'a>, ours: &Fields<'a>, noted: &str, is_taken: impl Fn(&str) -> bool) {
    let Some(noted) = preserved::get(ours, noted).and_then(|noted| preserved::object(noted.get())) else { return };
    let names: HashSet<String> = fields.iter().map(|(name, _)| name.to_string()).collect();
    fields.extend(noted.into_iter().filter(|(name, _)| !names.contains(&**name) && !is_taken(name)));
}

/// Returns the name in a notebook's metadata: `title`, or `name` as in version 3.
pub(super) fn name_of<'a>(metadata: &Fields<'a>) -> Option<(&'a RawValue, String)> {
    let name = |field: &str| {
        let text = preserved::text(metadata, field).filter(|text| !text.trim().is_empty())?;
        Some((preserved::get(metadata, field)?, text))
    };
    name("title").or_else(|| name("name"))
}

/// Returns the unknown fields that were noted, without any that would be read as known ones.
pub(super) fn unknown_fields(ours: &Fields<'_>, is_known: impl Fn(&str) -> bool) -> Vec<(Box<str>, Json)> {
    let noted = preserved::get(ours, "extra").and_then(|noted| preserved::object(noted.get())).unwrap_or_default();
    let fields = noted.into_iter().filter(|(name, _)| !is_known(name) && name != JUPYTER);
    fields.filter_map(|(name, value)| Some((Box::from(&*name), Json::parse(&compact(value.get())).ok()?))).collect()
}

/// Makes the unknown fields, with the preserved part of Jupyter's if there is any.
pub(super) fn extra(jupyter: &[(&str, Option<&str>)], mut others: Vec<(Box<str>, Json)>) -> Result<Extra, Problem> {
    let kept = write_object(jupyter.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    if kept != "{}" {
        let kept = Json::parse(&compact(&kept)).map_err(|error| Problem::whole_beyond(&error))?;
        others.push((Box::from(JUPYTER), kept));
    }
    Ok(Extra::new(others))
}
