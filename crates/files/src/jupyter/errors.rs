//! Conversion of an error among a cell's outputs to its text, and back.

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

/// A text without the escape sequences of terminals (ECMA-48: CSI, and OSC with its text).
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        rest = if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence.find(|c: char| !(' '..='?').contains(&c));
            end.map_or("", |end| &sequence[end + sequence[end..].chars().next().map_or(0, char::len_utf8)..])
        } else if let Some(command) = rest.strip_prefix(']') {
            let end = command.find(['\u{7}', '\u{1b}']).map_or("", |end| &command[end..]);
            end.strip_prefix('\u{7}').or_else(|| end.strip_prefix("\u{1b}\\")).unwrap_or(end)
        } else {
            rest
        };
    }
    plain.push_str(rest);
    plain
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

#[cfg(test)]
mod tests {
    use super::without_colours;

    #[test]
    fn colours_are_no_text() {
        for (text, plain) in [
            ("\u{1b}[0;31mZeroDivisionError\u{1b}[0m: x", "ZeroDivisionError: x"),
            ("\u{1b}[1;32m", ""),
            ("a\u{1b}[", "a"),
            ("a\u{1b}[ä", "a"),
            ("\u{1b}]8;;http://x\u{7}link", "link"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\.", "link."),
            ("\u{1b}]0;title\u{1b}[1mx", "x"),
            ("\u{1b}]0;title", ""),
            ("\u{1b}", ""),
            ("none", "none"),
        ] {
            assert_eq!(without_colours(text), plain, "{text:?}");
        }
    }
}
