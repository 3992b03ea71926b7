//! Recursion over hostile nesting, on any thread.
//!
//! A stack overflow ends the process, so every recursion of ours asks for more stack as it goes down. Dropping a tree
//! recurses too, in code that is not ours; for that the walk measures how deep the tree is.

use super::nesting::Nesting;

/// The walks look at the stack once in so many levels, because looking costs as much as walking a small node.
const LEVELS_PER_LOOK: usize = 16;

/// What [`LEVELS_PER_LOOK`] levels may use: a level is one `visit_…` of ours with the `walk_…` functions below it,
/// which in an unoptimised build is several KiB.
const RED_ZONE: usize = 384 * 1024;

/// What is taken when the stack is short.
const SEGMENT: usize = 8 * 1024 * 1024;

/// What dropping one level of a tree may use. Measured without optimisation over the shapes of `tests/it/hostile.rs`,
/// of which none needs 512 bytes.
const DROP_PER_LEVEL: usize = 1024;

/// The parser asks for more stack as it goes down, except in two places: when it turns what it has parsed into an
/// assignment's or `del`'s target, a level for each bracket or star in it, …
const PARSE_PER_BRACKET: usize = 1024;

/// … and in the defaults of a lambda, where another lambda may stand.
const PARSE_PER_LAMBDA: usize = 32 * 1024;

/// Runs the parser on `code`.
pub(super) fn parse<R>(code: &str, nesting: &Nesting, parse: impl FnOnce() -> R) -> R {
    let in_brackets = nesting.brackets.saturating_mul(PARSE_PER_BRACKET);
    let in_lambdas = nesting.lambdas.saturating_mul(PARSE_PER_LAMBDA);
    // On some escapes the parser can panic, and unwinding drops what has been parsed so far, which may be as deep as
    // the code has bytes.
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
