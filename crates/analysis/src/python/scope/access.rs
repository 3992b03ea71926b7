//! Effects of a load, store or deletion of a name in the open scopes.

use super::{Binding, FrameKind, Scopes};
use crate::python::names::NameId;

/// Location of a name's value.
enum Place {
    /// In a function, comprehension or type parameter list: not visible outside.
    Function,
    /// In the class body with this member entry.
    Member(u32),
    /// In the module, by a `global` declaration in a function.
    DeclaredGlobal(u32),
    /// In the module.
    Module,
}

impl Scopes<'_> {
    fn place_of_local(&self, index: u32) -> Place {
        match self.entries[index as usize].binding {
            Binding::Local | Binding::Nonlocal => Place::Function,
            Binding::Global => Place::DeclaredGlobal(index),
        }
    }

    /// Records a load of a name.
    pub(in crate::python) fn load(&mut self, name: NameId) {
        if let Some(class) = self.frame(self.top()).class {
            if let Some(index) = self.local(name, Some(class)) {
                return self.load_from(name, &self.place_of_local(index));
            }
            if let Some(index) = self.member(name, class) {
                let member = &self.members[index as usize];
                match member.binding {
                    Binding::Local if self.lazy => return,
                    // A name that the class binds, but not yet, is looked up in the globals, past all functions.
                    Binding::Local | Binding::Global if member.bound || member.handlers > 0 => return,
                    Binding::Local | Binding::Global => return self.load_from(name, &Place::Module),
                    Binding::Nonlocal => {}
                }
            }
        }
        match self.local(name, None) {
            Some(index) => self.load_from(name, &self.place_of_local(index)),
            None => self.load_from(name, &Place::Module),
        }
    }

    fn load_from(&mut self, name: NameId, place: &Place) {
        match *place {
            Place::Function | Place::Member(_) => return,
            Place::DeclaredGlobal(index) => {
                let entry = &self.entries[index as usize];
                // A store satisfies later loads of the same body only: another function may be called without it.
                if (entry.bound || entry.handlers > 0) && self.frame(self.top()).function == Some(entry.frame) {
                    return;
                }
            }
            Place::Module => {}
        }
        let deferred = self.deferred;
        let symbol = self.names.get_mut(name);
        if symbol.bound || symbol.handlers > 0 {
            return;
        }
        if deferred {
            symbol.read_deferred = true;
        } else {
            symbol.read_eagerly = true;
        }
    }

    /// Returns `true` if a load of the name here would look in the module or the built-ins.
    pub(in crate::python) fn is_global(&self, name: NameId) -> bool {
        let class = self.frame(self.top()).class;
        let member = class.and_then(|class| self.member(name, class)).map(|index| &self.members[index as usize]);
        if member.is_some_and(|member| member.binding == Binding::Local && member.bound) {
            return false;
        }
        self.local(name, None).is_none_or(|index| matches!(self.place_of_local(index), Place::DeclaredGlobal(_)))
    }

    /// Returns the location to which a store in the innermost scope (of a walrus: in its home) goes.
    fn target(&self, name: NameId, walrus: bool) -> Place {
        let top = self.top();
        let frame = if walrus { self.frame(top).home } else { top };
        match self.frame(frame).kind {
            FrameKind::Module => Place::Module,
            FrameKind::Comprehension | FrameKind::TypeParams => Place::Function,
            FrameKind::Class => self.member(name, frame).map_or(Place::Function, Place::Member),
            FrameKind::Function => self.local(name, None).map_or(Place::Function, |index| self.place_of_local(index)),
        }
    }

    /// Records a binding of a name, of any kind.
    pub(in crate::python) fn store(&mut self, name: NameId) {
        let target = self.target(name, false);
        self.store_in(name, &target);
    }

    /// Records a binding through `:=`.
    pub(in crate::python) fn store_walrus(&mut self, name: NameId) {
        let target = self.target(name, true);
        self.store_in(name, &target);
    }

    fn store_in(&mut self, name: NameId, target: &Place) {
        match *target {
            Place::Function => {}
            Place::Module => {
                let symbol = self.names.get_mut(name);
                // `except … as name` deletes the name at its end, with any value stored in it meanwhile.
                symbol.bound |= symbol.handlers == 0;
            }
            Place::Member(index) => {
                let member = &mut self.members[index as usize];
                if member.handlers > 0 {
                    return;
                }
                member.bound = true;
                if member.binding == Binding::Global {
                    let symbol = self.names.get_mut(name);
                    // The body of a class runs at once, unless the class is in a function.
                    if self.deferred {
                        symbol.bound_by_function = true;
                    } else {
                        symbol.bound |= symbol.handlers == 0;
                    }
                }
            }
            Place::DeclaredGlobal(index) => {
                let entry = &mut self.entries[index as usize];
                if entry.handlers == 0 {
                    entry.bound = true;
                    self.names.get_mut(name).bound_by_function = true;
                }
            }
        }
    }

    /// Records `del name`.
    pub(in crate::python) fn delete(&mut self, name: NameId) {
        match self.target(name, false) {
            Place::Function => {}
            Place::Member(index) => {
                self.load(name);
                let member = &mut self.members[index as usize];
                if member.binding == Binding::Global {
                    self.names.get_mut(name).deleted = true;
                } else {
                    // From here on, the name is looked up in the globals.
                    member.bound = false;
                }
            }
            Place::DeclaredGlobal(index) => {
                self.load(name);
                self.names.get_mut(name).deleted |= self.entries[index as usize].handlers == 0;
            }
            Place::Module => {
                self.load(name);
                let symbol = self.names.get_mut(name);
                symbol.deleted |= symbol.handlers == 0;
            }
        }
    }

    /// Records the beginning (`by` 1) or the end (`by` -1) of the body of `except … as name`.
    pub(in crate::python) fn handler(&mut self, name: NameId, by: i32) {
        let handlers = match self.target(name, false) {
            Place::Function => return,
            Place::Module => &mut self.names.get_mut(name).handlers,
            Place::Member(index) => &mut self.members[index as usize].handlers,
            Place::DeclaredGlobal(index) => &mut self.entries[index as usize].handlers,
        };
        *handlers = handlers.saturating_add_signed(by);
    }
}
