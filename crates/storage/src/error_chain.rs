use std::error::Error;

/// Describes an error with its causes, in one line. A cause that an error already repeats is left out.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&error| error.source()) {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Said {
        said: &'static str,
        #[source]
        cause: Option<Box<Said>>,
    }

    fn said(said: &'static str, cause: Option<Said>) -> Said {
        Said { said, cause: cause.map(Box::new) }
    }

    #[test]
    fn causes_follow_once_each() {
        let repeated =
            said("cannot save: the disk is full", Some(said("the disk is full", Some(said("error 28", None)))));
        assert_eq!(error_chain(&repeated), "cannot save: the disk is full: error 28");
        assert_eq!(error_chain(&said("alone", None)), "alone");
    }
}
