//! Recursion over hostile nesting, on any thread.
//!
//! A stack overflow ends the process, so every recursion of ours asks for more stack as it goes down. Dropping a tree
//! recurses too, in code that is not ours; for that the walk measures how deep the tree is.

/// The walks look at the stack once in so many levels, because looking costs as much as walking a small node.
const LEVELS_PER_LOOK: usize = 16;

/// What [`LEVELS_PER_LOOK`] levels may use: a level is one `visit_…` of ours with the `walk_…` functions below it,
/// which in an unoptimised build is several KiB.
const RED_ZONE: usize = 384 * 1024;

/// What is taken when the stack is short.
const SEGMENT: usize = 8 * 1024 * 1024;

/// What dropping one level of a tree may use. Measured over the shapes of `tests/it/hostile.rs`; the worst stays below
/// half of it, without optimisation.
const DROP_PER_LEVEL: usize = 2048;

/// Runs one level of a recursion that is `depth` levels deep, on a fresh stack if this one is short.
pub(super) fn guard<R>(depth: usize, level: impl FnOnce() -> R) -> R {
    if depth.is_multiple_of(LEVELS_PER_LOOK) { stacker::maybe_grow(RED_ZONE, SEGMENT, level) } else { level() }
}

/// Drops a tree that is `depth` levels deep.
pub(crate) fn drop_tree<T>(tree: T, depth: usize) {
    let need = depth.saturating_mul(DROP_PER_LEVEL).saturating_add(RED_ZONE);
    stacker::maybe_grow(need, need, || drop(tree));
}
