//! Python's `json` writes `NaN`, `Infinity` and `-Infinity`, which are not JSON, and reads them again.

use crate::fields::string_length;

/// Replaces each of those words outside strings by `null`; returns `None` when there are none. The second part converts offsets
/// of the new text to offsets of the old one.
pub(crate) fn without_nan(text: &str) -> Option<(String, Shifts)> {
    let mut fixed = String::new();
    let mut shifts = Shifts::default();
    let mut copied = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at += string_length(text.get(at..)?),
            b'N' | b'I' | b'-' => {
                let rest = text.get(at..).unwrap_or_default();
                let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word));
                if let Some(word) = word {
                    fixed.push_str(text.get(copied..at)?);
                    fixed.push_str("null");
                    at += word.len();
                    copied = at;
                    shifts.0.push((fixed.len(), at));
                } else {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    fixed.push_str(text.get(copied..)?);
    Some((fixed, shifts))
}

/// A conversion of offsets in the replaced text to offsets in the file.
#[derive(Debug, Default)]
pub(crate) struct Shifts(Vec<(usize, usize)>);

impl Shifts {
    pub(crate) fn original(&self, offset: usize) -> usize {
        let after = self.0.partition_point(|&(fixed, _)| fixed <= offset);
        match after.checked_sub(1).and_then(|last| self.0.get(last)) {
            Some(&(fixed, original)) => original + (offset - fixed),
            None => offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_outside_strings_are_replaced() {
        let (fixed, shifts) = without_nan(r#"{"NaN": [NaN, -Infinity, "Infinity \" NaN"], "a": Infinity}"#).unwrap();
        assert_eq!(fixed, r#"{"NaN": [null, null, "Infinity \" NaN"], "a": null}"#);
        assert_eq!(shifts.original(3), 3);
        assert_eq!(shifts.original(fixed.len()), 59);
        assert_eq!(without_nan(r#"{"a": -1, "b": "NaN"}"#).map(|fixed| fixed.0), None);
    }
}
