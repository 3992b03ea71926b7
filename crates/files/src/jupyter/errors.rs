//! Conversion of an error among a cell's outputs to its text, and back.

use quire_domain::without_colours;

use super::preserved;
use super::reading::Reading;
use crate::fields::{self, Fields, write_text};

/// The text of an error: its traceback, or its name and value when there is none.
pub(super) fn read(output: &Fields<'_>, reading: &mut Reading) -> String {
    let mut text = |name: &str| {
        let text = preserved::get(output, name).and_then(|value| reading.text(value));
        text.map(|(text, _)| text.into_owned()).unwrap_or_default()
    };
    let (name, value) = (text("ename"), text("evalue"));
    let traceback = preserved::get(output, "traceback");
    let lines: Vec<String> = match traceback.map(|traceback| (traceback, fields::array(traceback.get()))) {
        Some((_, Ok(lines))) => lines.into_iter().filter_map(|line| Some(reading.text(line)?.0.into_owned())).collect(),
        Some((traceback, Err(_))) => reading.text(traceback).map(|(text, _)| text.into_owned()).into_iter().collect(),
        None => Vec::new(),
    };
    if lines.is_empty() { format!("{name}: {value}") } else { without_colours(&lines.join("\n")) }
}

/// An output for the text of an error: the last line of a traceback says what went wrong.
pub(super) fn write(text: &str) -> String {
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let (name, value) = last.split_once(": ").filter(|(name, _)| is_name(name)).unwrap_or(("Error", last));
    let lines: Vec<String> = text.split('\n').map(write_text).collect();
    format!(
        r#"{{"ename":{},"evalue":{},"output_type":"error","traceback":[{}]}}"#,
        write_text(name),
        write_text(value),
        lines.join(",")
    )
}
