//! Text as terminals show it.

/// Returns a text without the escape sequences of terminals (ECMA-48: CSI, and OSC with its text).
#[must_use]
pub fn without_colours(text: &str) -> String {
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
