//! Errors as text.

use std::error::Error;
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

/// An error with everything beneath it, on one line.
pub(crate) struct Chain<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
