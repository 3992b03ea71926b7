//! Errors as text.

use std::fmt;

/// Makes a sentence of an error's message, which is lower case without a full stop.
pub(crate) fn sentence(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    let mut sentence: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(rest.as_str());
    sentence.push('.');
    sentence
}
