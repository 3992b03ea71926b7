//! Files of both formats, as users have them and as nobody should.
#![expect(clippy::disallowed_methods, reason = "tests read files; the library does not")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking, like tests")]

mod corpus;
mod exports;
mod hostile;
mod properties;
mod support;
mod wild;
