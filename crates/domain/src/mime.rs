//! MIME types of outputs, and which of several is shown.

/// The MIME types that clients are shown, richest first; a picture before HTML, which may have lost what made it one. A picture that
/// existing clients do not draw is before plain text all the same, which says of it no more than that it is one.
pub const SHOWN: [&str; 10] = [
    "application/vnd.plotly.v1+json",
    "application/vnd.vegalite.v6+json",
    "application/vnd.vegalite.v5+json",
    "image/png",
    "text/html",
    "application/json",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "text/plain",
];

/// Returns the index of the type to keep of a value that a kernel shows in several. A picture of another type is before plain text too; of
/// other unknown types, the first is taken.
#[must_use]
pub fn richest<'a>(names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let text = SHOWN.len() - 1;
    let rank = |name: &str| match SHOWN.iter().position(|shown| *shown == name) {
        Some(position) => (position, 1),
        None if name.starts_with("image/") => (text, 0),
        None => (text, 2),
    };
    names.enumerate().min_by_key(|(index, name)| (rank(name), *index)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::richest;

    #[test]
    fn the_richest_type_is_shown_and_of_unknown_ones_the_first() {
        for (names, expected) in [
            (&["text/plain", "text/html", "application/json"][..], Some(1)),
            (&["text/html", "image/png"], Some(1)),
            (&["text/plain", "image/jpeg"], Some(1)),
            (&["text/plain", "image/svg+xml"], Some(1)),
            (&["application/x-odd", "text/latex"], Some(0)),
            (&["text/latex", "text/plain"], Some(1)),
            (&[], None),
        ] {
            assert_eq!(richest(names.iter().copied()), expected, "{names:?}");
        }
    }
}
