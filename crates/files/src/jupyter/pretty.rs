//! JSON with and without blanks between its parts: Jupyter writes one of indentation for each level, so that changes show
//! line by line; preserved JSON has none. Deeper than [`MAX_LEVELS`] none are written either, unlike Jupyter: values there are not trusted,
//! and a list of zeros a hundred levels deep would grow fiftyfold.

use crate::bounded::BoundedText;
use crate::fields::string_length;

/// Number of levels whose parts get lines of their own, which is the depth of lines of text in outputs (notebook, cells, cell,
/// outputs, output, data, text).
const MAX_LEVELS: usize = 7;

/// Removes the blanks from valid JSON. Strings and numbers stay as they are.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(['"', ' ', '\n', '\r', '\t']) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let length = if special.starts_with('"') { string_length(special) } else { 1 };
        let (token, behind) = special.split_at(length);
        if length > 1 {
            out.push_str(token);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Writes valid JSON with line breaks, up to the limit of the text. Strings and numbers stay as they are.
pub(super) fn pretty(out: &mut BoundedText, json: &str) {
    out.reserve(json.len() + json.len() / 4);
    let mut depth = 0_usize;
    let mut rest = json;
    // Set while the open list or object has no part yet, so that empty ones stay on one line.
    let mut is_empty = false;
    while let Some(byte) = rest.bytes().next().filter(|_| !out.is_too_long()) {
        let length = match byte {
            b'"' => string_length(rest),
            b' ' | b'\n' | b'\r' | b'\t' | b'{' | b'[' | b'}' | b']' | b',' | b':' => 1,
            _ => rest.find([',', '}', ']', ' ', '\n', '\r', '\t', ':']).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            b'}' | b']' => {
                let outer = depth.saturating_sub(1);
                if !is_empty && depth <= MAX_LEVELS {
                    line(out, outer);
                }
                depth = outer;
                is_empty = false;
                out.push_str(token);
                continue;
            }
            _ => {}
        }
        let has_lines = depth <= MAX_LEVELS;
        if is_empty {
            if has_lines {
                line(out, depth);
            }
            is_empty = false;
        }
        out.push_str(token);
        match byte {
            b'{' | b'[' => {
                depth += 1;
                is_empty = true;
            }
            b',' if has_lines => line(out, depth),
            b':' if has_lines => out.push(' '),
            _ => {}
        }
    }
    out.push('\n');
}

fn line(out: &mut BoundedText, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::{BoundedText, compact};

    fn pretty(json: &str) -> String {
        let mut text = BoundedText::unbounded();
        super::pretty(&mut text, json);
        text.written()
    }

    #[test]
    fn what_is_deep_does_not_grow() {
        assert_eq!(
            pretty(r#"[[[[[[[ "line", {"a": [1, [], 2]} ]]]]]]]"#),
            "[\n [\n  [\n   [\n    [\n     [\n      [\n       \"line\",\n       {\"a\":[1,[],2]}\n      ]\n     ]\n    ]\n   ]\n  ]\n ]\n]\n"
        );
        for depth in 1..=128 {
            let json = format!("{}{}0{}", "[".repeat(depth), "0,".repeat(1_000), "]".repeat(depth));
            let grown = pretty(&json);
            assert!(grown.len() <= 6 * json.len(), "{depth}: {}", grown.len());
            assert_eq!(compact(&grown), json);
        }
    }

    #[test]
    fn levels_are_indented_and_values_are_as_they_were() {
        let json = r#"{"a":[],"b" : [1e2,{"c":"x: [\" ,"}],"d":{ },"e":[[-0]]}"#;
        let expected = "{\n \"a\": [],\n \"b\": [\n  1e2,\n  {\n   \"c\": \"x: [\\\" ,\"\n  }\n ],\n \"d\": {},\n \"e\": [\n  [\n   -0\n  ]\n ]\n}\n";
        assert_eq!(pretty(json), expected);
        assert_eq!(pretty(expected), expected);
        assert_eq!(compact(expected), compact(json));
        assert_eq!(compact(json), r#"{"a":[],"b":[1e2,{"c":"x: [\" ,"}],"d":{},"e":[[-0]]}"#);
    }
}
