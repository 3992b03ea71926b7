//! Recursion over hostile nesting, on a thread with any stack.
//!
//! A stack overflow ends the process, so every recursion of this crate allocates more stack as it descends. Dropping a
//! tree recurses as well, in code of other crates; for that the walk measures the depth of the tree.

use super::nesting::Nesting;

/// Levels between two checks of the stack. A check costs as much as walking a small node.
const LEVELS_PER_LOOK: usize = 16;

/// Maximum stack of [`LEVELS_PER_LOOK`] levels. A level is one `visit_…` of this crate with the `walk_…` functions
/// below it, which takes several KiB in an unoptimised build.
const RED_ZONE: usize = 384 * 1024;

/// Stack that is allocated when the present one is short.
const SEGMENT: usize = 8 * 1024 * 1024;

/// Maximum stack for dropping one level of a tree. Measured without optimisation over the shapes of
/// `tests/it/hostile.rs`; none of them needs 512 bytes.
const DROP_PER_LEVEL: usize = 1024;

/// Maximum stack for one bracket or star in the target of an assignment or `del`. The parser allocates more stack as it
/// descends, except when it converts a parsed expression into such a target, …
const PARSE_PER_BRACKET: usize = 1024;

/// … and in the defaults of a lambda, which may contain another lambda.
const PARSE_PER_LAMBDA: usize = 32 * 1024;

/// Runs the parser on `code`.
pub(super) fn parse<R>(code: &str, nesting: &Nesting, parse: impl FnOnce() -> R) -> R {
    let in_brackets = nesting.brackets.saturating_mul(PARSE_PER_BRACKET);
    let in_lambdas = nesting.lambdas.saturating_mul(PARSE_PER_LAMBDA);
    // The parser can panic on some escapes. Unwinding then drops the tree parsed so far, which may be as deep as the
    // code has bytes.
    let in_unwinding = if nesting.escapes { code.len().saturating_mul(DROP_PER_LEVEL) } else { 0 };
    let need = RED_ZONE.saturating_add(in_brackets).saturating_add(in_lambdas).saturating_add(in_unwinding);
    stacker::maybe_grow(need, need, parse)
}

/// Runs one level of a recursion that is `depth` levels deep, on a fresh stack if this one is short.
pub(super) fn guard<R>(depth: usize, level: impl FnOnce() -> R) -> R {
    if depth.is_multiple_of(LEVELS_PER_LOOK) { stacker::maybe_grow(RED_ZONE, SEGMENT, level) } else { level() }
}

/// Drops a tree that is `depth` levels deep.
pub(crate) fn drop_tree<T>(tree: T, depth: usize) {
    let need = depth.saturating_mul(DROP_PER_LEVEL).saturating_add(RED_ZONE);
    stacker::maybe_grow(need, need, || drop(tree));
}
