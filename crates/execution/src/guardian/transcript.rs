//! The printed text and the outputs of one execution, held to a cell's limits.

use quire_domain::limits::{JSON_DEPTH, MIME_TYPE_CHARS, OUTPUTS_BYTES, STDOUT_BYTES};
use quire_domain::mime::richest;
use quire_domain::{Json, Output};
use serde_json::value::RawValue;

use super::message::{ClearOutput, Display};
use super::outbox::Outbox;

/// Bytes of the limits that are kept for what says that something was left out.
const NOTES_BYTES: usize = 20_000;
/// Maximum number of outputs of an execution.
const MAX_OUTPUTS: usize = 1_000;
/// Maximum number of notes about outputs that were left out.
const MAX_NOTES: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Transcript {
    stdout_bytes: usize,
    /// Bytes of text that was printed and not kept.
    cut_bytes: u64,
    /// The bytes and the id of each output.
    outputs: Vec<(usize, Option<String>)>,
    notes: usize,
    clears_before_next: bool,
}

impl Transcript {
    pub(super) fn stdout(&mut self, text: &str, outbox: &mut Outbox) {
        self.clear_if_asked(outbox);
        let room = (STDOUT_BYTES - NOTES_BYTES).saturating_sub(self.stdout_bytes);
        let kept = &text[..text.floor_char_boundary(room)];
        if !kept.is_empty() {
            self.stdout_bytes += kept.len();
            outbox.stdout(kept);
        }
        let cut = text.len() - kept.len();
        if cut > 0 {
            if self.cut_bytes == 0 {
                self.stdout_bytes = STDOUT_BYTES;
                outbox.stdout(&format!(
                    "\n[… cut here: a cell keeps {} bytes of printed text]\n",
                    grouped(STDOUT_BYTES as u64)
                ));
            }
            self.cut_bytes += cut as u64;
        }
    }

    pub(super) fn clear(&mut self, clear: &ClearOutput, outbox: &mut Outbox) {
        self.clears_before_next = true;
        if !clear.wait {
            self.clear_if_asked(outbox);
        }
    }

    fn clear_if_asked(&mut self, outbox: &mut Outbox) {
        if self.clears_before_next {
            *self = Self::default();
            outbox.cleared();
        }
    }

    pub(super) fn output(&mut self, display: Display<'_>, outbox: &mut Outbox) {
        self.clear_if_asked(outbox);
        let id = display.transient.display_id.clone();
        let Some(output) = self.within_limits(to_output(display), 0) else { return };
        self.outputs.push((bytes(&output), id));
        outbox.output(self.outputs.len() - 1, output);
    }

    pub(super) fn update(&mut self, display: Display<'_>, outbox: &mut Outbox) {
        let id = display.transient.display_id.clone();
        let with_id = |(_, other): &(usize, Option<String>)| other.is_some() && *other == id;
        let indices: Vec<usize> = (0..self.outputs.len()).filter(|&index| with_id(&self.outputs[index])).collect();
        if indices.is_empty() {
            return;
        }
        let output = to_output(display);
        for index in indices {
            let Some(output) = self.within_limits(output.clone(), self.outputs[index].0) else { return };
            self.outputs[index].0 = bytes(&output);
            outbox.updated(index, output);
        }
    }

    /// Returns the output, or a note in its place if it is too much. `freed` is the size of the one that it replaces.
    fn within_limits(&mut self, output: Result<Output, String>, freed: usize) -> Option<Output> {
        let total: usize = self.outputs.iter().map(|(bytes, _)| bytes).sum();
        let why = match output {
            Ok(_) if freed == 0 && self.outputs.len() >= MAX_OUTPUTS => {
                format!("more than {} outputs: the rest is left out", grouped(MAX_OUTPUTS as u64))
            }
            Ok(output) if total - freed + bytes(&output) <= OUTPUTS_BYTES - NOTES_BYTES => return Some(output),
            Ok(output) => format!(
                "an output of {} bytes ({}) is left out: the outputs of a cell may have {} bytes together",
                grouped(bytes(&output) as u64),
                output.mime_type,
                grouped(OUTPUTS_BYTES as u64)
            ),
            Err(why) => why,
        };
        if self.notes == MAX_NOTES || self.outputs.len() > MAX_OUTPUTS {
            return None;
        }
        self.notes += 1;
        text_output(&format!("[{why}]"))
    }

    /// Ends the transcript: says how much was printed if not all of it was kept.
    pub(super) fn end(&mut self, outbox: &mut Outbox) {
        if self.cut_bytes > 0 {
            let printed = self.cut_bytes + (STDOUT_BYTES - NOTES_BYTES) as u64;
            outbox.stdout(&format!("[{} bytes were printed]\n", grouped(printed)));
        }
    }
}

fn bytes(output: &Output) -> usize {
    output.data.as_str().len() + output.metadata.as_str().len()
}

/// Makes an output of the richest of a value's MIME types; the reason in words if that is not possible.
fn to_output(display: Display<'_>) -> Result<Output, String> {
    let named = display.data.into_iter().map(|(name, value)| (standard_name(name), value));
    let is_name = |name: &str| name.chars().count() <= MIME_TYPE_CHARS && !name.contains('\0');
    let named: Vec<(String, &RawValue)> = named.filter(|(name, _)| is_name(name)).collect();
    let index = richest(named.iter().map(|(name, _)| name.as_str())).ok_or("an output without data")?;
    let (mime_type, data) = named.into_iter().nth(index).ok_or("an output without data")?;
    let too_deep = |_| format!("an output ({mime_type}) is left out: it is nested deeper than {JSON_DEPTH} levels");
    let data = Json::from_raw(data.to_owned()).map_err(too_deep)?;
    let metadata = display.metadata.filter(|metadata| metadata.get().starts_with('{'));
    let metadata = Json::parse(metadata.map_or("{}", RawValue::get)).map_err(too_deep)?;
    Ok(Output { mime_type, data, metadata })
}

/// Returns the name under which existing clients know a type: Altair says `vnd.vegalite.v6.json`.
fn standard_name(name: String) -> String {
    match name.strip_prefix("application/vnd.vegalite.v").and_then(|rest| rest.strip_suffix(".json")) {
        Some(version) => format!("application/vnd.vegalite.v{version}+json"),
        None => name,
    }
}

/// Makes an output of a text; not `None`, since every text can be written as JSON.
fn text_output(text: &str) -> Option<Output> {
    let data = Json::parse(&serde_json::to_string(text).ok()?).ok()?;
    Some(Output { mime_type: "text/plain".to_owned(), data, metadata: Json::parse("{}").ok()? })
}

/// Writes a number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
