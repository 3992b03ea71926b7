//! Markdown and raw cells, represented as Python cells that hold only comments, in which no analysis finds a name.
//!
//! ```python
//! # %% [markdown]
//! # # A heading
//! #
//! # and some text
//! ```
//!
//! The first line names the kind of the cell. Each line of the text follows after `# `, an empty one as `#`. Lines end as
//! Python's do, with LF, CR LF or CR, which are preserved. On the way back, a line may also lack the blank after `#`, or be
//! blank; with any other line, the cell has been edited to code, and stays code.

/// A kind of cell whose content is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    Markdown,
    Raw,
}

impl TextKind {
    const ALL: [Self; 2] = [Self::Markdown, Self::Raw];

    /// Returns Jupyter's `cell_type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Raw => "raw",
        }
    }

    fn marker(self) -> &'static str {
        match self {
            Self::Markdown => "# %% [markdown]",
            Self::Raw => "# %% [raw]",
        }
    }
}

/// Returns the code of the Python cell that represents this text.
pub(super) fn to_code(kind: TextKind, text: &str) -> String {
    let mut code = String::from(kind.marker());
    if text.is_empty() {
        return code;
    }
    code.push('\n');
    for (line, end) in lines(text) {
        code.push_str(if line.is_empty() { "#" } else { "# " });
        code.push_str(line);
        code.push_str(end);
    }
    code
}

/// Returns the text that the code of a Python cell represents, if it does.
pub(super) fn from_code(code: &str) -> Option<(TextKind, String)> {
    let mut lines = lines(code);
    let (first, end) = lines.next()?;
    let kind = TextKind::ALL.into_iter().find(|kind| first.trim_end_matches([' ', '\t']) == kind.marker())?;
    let mut text = String::with_capacity(code.len());
    if end.is_empty() {
        return Some((kind, text));
    }
    for (line, end) in lines {
        let line = match line.strip_prefix('#') {
            Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
            None if line.trim_matches([' ', '\t']).is_empty() => "",
            None => return None,
        };
        text.push_str(line);
        text.push_str(end);
    }
    Some((kind, text))
}

/// The lines of a text, each with its end; the last one has none, and may be empty.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(at) = text.find(['\n', '\r']) else { return Some((text, "")) };
        let (line, behind) = text.split_at(at);
        let end = if behind.starts_with("\r\n") { 2 } else { 1 };
        let (end, behind) = behind.split_at(end);
        rest = Some(behind);
        Some((line, end))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quire_domain::{CellType, analyse};

    use super::*;

    #[test]
    fn texts_become_comments() {
        for (text, code) in [
            ("", "# %% [markdown]"),
            ("# A\n\nb", "# %% [markdown]\n# # A\n#\n# b"),
            ("a\n", "# %% [markdown]\n# a\n#"),
            ("\n", "# %% [markdown]\n#\n#"),
            (" a \r\nb\rc", "# %% [markdown]\n#  a \r\n# b\r# c"),
        ] {
            assert_eq!(to_code(TextKind::Markdown, text), code);
        }
        assert_eq!(to_code(TextKind::Raw, "x"), "# %% [raw]\n# x");
    }

    #[test]
    fn what_people_make_of_them_is_understood_or_code() {
        for (code, text) in [
            ("# %% [markdown]  \n#a\n# \n\n  \n# b", Some("a\n\n\n\nb")),
            ("# %% [markdown]\n## A", Some("# A")),
            ("# %% [markdown]\n#", Some("")),
            ("# %% [markdown]\nx = 1", None),
            ("# %% [markdown] title\n# x", None),
            ("# %% [code]\n# x", None),
            ("\n# %% [markdown]", None),
            ("", None),
        ] {
            assert_eq!(from_code(code).map(|(_, text)| text).as_deref(), text, "{code:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_names_nothing(text in "(?s).{0,40}|[a-z#\n\r \t\u{c}\u{2028}]{0,40}") {
            for kind in TextKind::ALL {
                let code = to_code(kind, &text);
                prop_assert_eq!(from_code(&code), Some((kind, text.clone())));
                let analysis = analyse(CellType::Python, &code);
                prop_assert!(analysis.reads.is_empty() && analysis.writes.is_empty(), "{:?}", code);
            }
        }
    }
}
