//! Pictures pasted into Markdown, moved to attachments, as Jupyter itself stores them.

use std::collections::HashSet;

use crate::fields::{WrittenFields, write_text};

const SCHEME: &str = "data:image/";
const ENCODING: &str = ";base64,";

/// Moves the pictures in a text to attachments: names, and MIME bundles as JSON. `taken` are names of other attachments.
pub(super) fn to_attachments(text: &str, taken: &HashSet<String>) -> (String, WrittenFields) {
    let (mut without, mut attachments) = (String::new(), WrittenFields::new());
    let mut rest = text;
    let mut number = 0;
    while let Some(at) = rest.find(SCHEME) {
        let (before, address) = rest.split_at(at);
        without.push_str(before);
        let Some((kind, data, behind)) = picture(address) else {
            without.push_str(SCHEME);
            rest = address.get(SCHEME.len()..).unwrap_or_default();
            continue;
        };
        let ending = kind.split('+').next().unwrap_or_default();
        let name = loop {
            number += 1;
            let name = format!("picture-{number}.{ending}");
            if !taken.contains(&name) {
                break name;
            }
        };
        without.push_str("attachment:");
        without.push_str(&name);
        attachments.push((name, format!("{{{}:{}}}", write_text(&format!("image/{kind}")), write_text(data))));
        rest = behind;
    }
    without.push_str(rest);
    (without, attachments)
}

/// Returns the kind and the base 64 of the picture whose address begins here, and the text after it.
fn picture(address: &str) -> Option<(&str, &str, &str)> {
    let rest = address.strip_prefix(SCHEME)?;
    let is_kind = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    let (kind, rest) = rest.split_at(rest.find(|c| !is_kind(c))?);
    let rest = rest.strip_prefix(ENCODING)?;
    let is_data = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let (data, behind) = rest.split_at(rest.find(|c| !is_data(c)).unwrap_or(rest.len()));
    (!kind.is_empty() && !data.is_empty()).then_some((kind, data, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_become_attachments_and_everything_else_stays() {
        let taken = HashSet::from(["picture-1.png".to_owned()]);
        for (text, without, attachments) in [
            ("a ![x](data:image/png;base64,iVBO/+=) b", "a ![x](attachment:picture-2.png) b", 1),
            (
                "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\"><img src='data:image/jpeg;base64,AA'>",
                "<img src=\"attachment:picture-1.svg\"><img src='attachment:picture-2.jpeg'>",
                2,
            ),
            ("data:image/png;base64,", "data:image/png;base64,", 0),
            ("data:image/;base64,AA", "data:image/;base64,AA", 0),
            ("data:image/png,x data:image/", "data:image/png,x data:image/", 0),
            ("data:text/html;base64,AA", "data:text/html;base64,AA", 0),
        ] {
            let (left, found) = to_attachments(text, &taken);
            assert_eq!((&*left, found.len()), (without, attachments), "{text}");
        }
        let (_, found) = to_attachments("data:image/png;base64,AA)", &HashSet::new());
        assert_eq!(found, [("picture-1.png".to_owned(), r#"{"image/png":"AA"}"#.to_owned())]);
    }
}
