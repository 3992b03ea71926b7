//! The tables, one file each, without logic. Private to this crate: what leaves it are the domain's types.

pub(crate) mod notebooks;
