//! The configuration file: TOML, with a key for each option.

use std::collections::BTreeMap;
use std::fs;

use clap::{Arg, Command};
use toml::de::{DeTable, DeValue};

use crate::error::may_be_secret;
use crate::sources::{FILE_KEY, key};
use crate::{ConfigError, Origin, Written};

/// Reads the file with the options of a command.
pub(crate) fn read(file: &Written, command: &Command) -> Result<BTreeMap<String, Written>, ConfigError> {
    let Written { text: path, origin } = file;
    let text = fs::read_to_string(path).map_err(|error| {
        // It may be the URL of a database, put in the wrong place.
        let shown = if may_be_secret(path) { String::new() } else { format!(" {path}") };
        ConfigError::Invalid(format!("Cannot read the configuration file{shown} from {origin}: {error}."))
    })?;
    parse(path, &text, command)
}

fn parse(file: &str, text: &str, command: &Command) -> Result<BTreeMap<String, Written>, ConfigError> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let refuse =
        |offset: usize, what: &str| ConfigError::Invalid(format!("Invalid line {} of {file}: {what}.", line(offset)));
    let table = DeTable::parse(text).map_err(|error| {
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        refuse(error.span().map_or(0, |span| span.start), &what)
    })?;
    let mut values = BTreeMap::new();
    for (name, value) in table.get_ref() {
        let of_name = |arg: &&Arg| key(arg) == **name.get_ref() && key(arg) != FILE_KEY;
        let Some(arg) = command.get_arguments().find(of_name) else {
            return Err(refuse(name.span().start, &format!("there is no key {:?}", name.get_ref())));
        };
        let is_switch = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
        let Some(text) = as_argument(value.get_ref(), is_switch) else {
            let wanted = if is_switch { "true or false" } else { "text or a number" };
            return Err(refuse(value.span().start, &format!("{} must be {wanted}", name.get_ref())));
        };
        // An empty text is the default of an option that has none.
        if !text.is_empty() || !arg.get_default_values().is_empty() {
            let origin = Origin::File { file: file.to_owned(), line: line(value.span().start) };
            values.insert(key(arg), Written { text, origin });
        }
    }
    Ok(values)
}

/// A value as the command line writes it: text, a number, or a list of texts; for a switch, true or false.
fn as_argument(value: &DeValue<'_>, is_switch: bool) -> Option<String> {
    match value {
        DeValue::Boolean(on) if is_switch => Some(on.to_string()),
        _ if is_switch => None,
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
