//! A text that is written only up to a limit, so that a file that would be too long costs no more than the limit.

use std::fmt;

/// More bytes than a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file has at least {at_least} bytes, more than the {max_bytes} allowed")]
pub struct TooLong {
    /// Bytes that were written, with those at which writing stopped.
    pub at_least: usize,
    /// Maximum bytes of the file.
    pub max_bytes: usize,
}

/// A text that ignores all writes after one that would exceed its limit.
#[derive(Debug)]
pub(crate) struct BoundedText {
    text: String,
    max_bytes: usize,
    /// Set when the limit was reached.
    too_long: Option<TooLong>,
}

impl BoundedText {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { text: String::new(), max_bytes, too_long: None }
    }

    /// Makes a text without a limit.
    pub(crate) fn unbounded() -> Self {
        Self::new(usize::MAX)
    }

    /// Makes another text with the same limit.
    pub(crate) fn empty(&self) -> Self {
        Self::new(self.max_bytes)
    }

    /// Reserves memory for this many more bytes, within the limit.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.text.reserve(bytes.min(self.max_bytes - self.text.len()));
    }

    pub(crate) fn push(&mut self, c: char) {
        if self.admit(c.len_utf8()) {
            self.text.push(c);
        }
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        if self.admit(text.len()) {
            self.text.push_str(text);
        }
    }

    /// Returns `true` when the limit was reached, so that further writes are ignored.
    pub(crate) fn is_too_long(&self) -> bool {
        self.too_long.is_some()
    }

    /// Returns the written part of the text: all of it, if there is no limit.
    pub(crate) fn written(self) -> String {
        self.text
    }

    /// Returns the whole text.
    ///
    /// # Errors
    /// [`TooLong`] when it is longer than the limit.
    pub(crate) fn finish(self) -> Result<String, TooLong> {
        self.too_long.map_or(Ok(self.text), Err)
    }

    fn admit(&mut self, bytes: usize) -> bool {
        if self.too_long.is_none() && bytes > self.max_bytes - self.text.len() {
            let at_least = self.text.len().saturating_add(bytes);
            self.too_long = Some(TooLong { at_least, max_bytes: self.max_bytes });
        }
        self.too_long.is_none()
    }
}

impl fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}
