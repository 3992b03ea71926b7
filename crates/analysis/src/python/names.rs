//! The names of one cell, interned, each with its state at module level.

use std::borrow::Cow;
use std::collections::HashMap;

use super::builtins;
use crate::types::{Analysis, Read};

/// A name of the cell, as an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameId(u32);

/// Marks the end of a chain of [`Symbol::local`] or [`Symbol::member`].
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// State of one name.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one name, not states of a machine")]
pub(super) struct Symbol<'a> {
    text: Cow<'a, str>,
    /// The innermost open function-like scope that knows the name, as an index into the scopes' entries.
    pub(super) local: u32,
    /// The innermost open class that knows the name, as an index into the members.
    pub(super) member: u32,
    /// Number of open `except … as name` of the module with this name; stores to it do not survive while there are any.
    pub(super) handlers: u32,
    /// `true` once module-level code has bound the name. It never becomes `false` again, not even through `del`,
    /// because no value of another cell remains either.
    pub(super) bound: bool,
    /// `true` if a function binds the name through `global`.
    pub(super) bound_by_function: bool,
    pub(super) deleted: bool,
    pub(super) read_eagerly: bool,
    pub(super) read_deferred: bool,
}

/// All names of the cell.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    ids: HashMap<Cow<'a, str>, NameId>,
    symbols: Vec<Symbol<'a>>,
}

/// Maximum number of names for which a linear scan is cheaper than hashing.
const SCANNED: usize = 8;

impl<'a> Names<'a> {
    /// Returns the id of a name of the syntax tree.
    pub(super) fn intern(&mut self, name: &'a str) -> NameId {
        self.find(name).unwrap_or_else(|| self.add(Cow::Borrowed(name)))
    }

    /// Returns the id of a name that the analysis made.
    pub(super) fn intern_owned(&mut self, name: String) -> NameId {
        self.find(&name).unwrap_or_else(|| self.add(Cow::Owned(name)))
    }

    fn find(&self, name: &str) -> Option<NameId> {
        if self.symbols.len() <= SCANNED {
            // Most cells have only a few names, for which no hash table is allocated.
            let index = self.symbols.iter().position(|symbol| symbol.text == name)?;
            return u32::try_from(index).ok().map(NameId);
        }
        self.ids.get(name).copied()
    }

    fn add(&mut self, text: Cow<'a, str>) -> NameId {
        // There are fewer names than bytes, and the source is shorter than 4 GiB.
        let id = NameId(u32::try_from(self.symbols.len()).unwrap_or(u32::MAX));
        if self.symbols.len() == SCANNED {
            let known = self.symbols.iter().zip(0..).map(|(symbol, index)| (symbol.text.clone(), NameId(index)));
            self.ids.extend(known);
        }
        if self.symbols.len() >= SCANNED {
            self.ids.insert(text.clone(), id);
        }
        self.symbols.push(Symbol {
            text,
            local: NO_ENTRY,
            member: NO_ENTRY,
            handlers: 0,
            bound: false,
            bound_by_function: false,
            deleted: false,
            read_eagerly: false,
            read_deferred: false,
        });
        id
    }

    /// Returns the state of a name.
    pub(super) fn get(&self, id: NameId) -> &Symbol<'a> {
        &self.symbols[id.0 as usize]
    }

    /// Returns the state of a name for changes.
    pub(super) fn get_mut(&mut self, id: NameId) -> &mut Symbol<'a> {
        &mut self.symbols[id.0 as usize]
    }

    /// Writes the reads, writes and deletes of all names into `analysis`, sorted.
    pub(super) fn report(&self, analysis: &mut Analysis) {
        let mut symbols: Vec<&Symbol<'a>> = self.symbols.iter().collect();
        symbols.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        for symbol in symbols {
            let name = || symbol.text.clone().into_owned();
            // A load that runs later finds whatever the module's own code binds, wherever the binding is.
            if symbol.read_eagerly || (symbol.read_deferred && !symbol.bound) {
                let read = Read { name: name(), deferred: !symbol.read_eagerly };
                if builtins::is_builtin(&symbol.text) {
                    analysis.dynamic |= builtins::is_dynamic(&symbol.text);
                    analysis.builtins_read.push(read);
                } else {
                    analysis.reads.push(read);
                }
            }
            if symbol.bound || symbol.bound_by_function {
                analysis.writes.push(name());
            }
            if symbol.deleted {
                analysis.deletes.push(name());
            }
        }
    }
}
