//! Open scopes, and the effect of a load, store or deletion of a name in them.
//!
//! Every name has a chain of the open scopes that know it, innermost first, so that a lookup costs the same however
//! deep scopes are nested.

use super::names::{NO_ENTRY, NameId, Names};

/// Kind of scope of a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// The cell.
    Module,
    /// A function's or lambda's body.
    Function,
    /// A class's body.
    Class,
    /// A comprehension or generator expression.
    Comprehension,
    /// The implicit scope of PEP 695 type parameters, which, unlike a function, sees the class around it.
    TypeParams,
}

/// Way in which a scope binds a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// In the scope itself.
    Local,
    /// Declared `global`.
    Global,
    /// Declared `nonlocal`; matters only in a class, and is equivalent to local in a function.
    Nonlocal,
}

#[derive(Debug)]
struct Frame {
    kind: FrameKind,
    /// The class whose names are visible here.
    class: Option<u32>,
    /// The frame in which a walrus binds.
    home: u32,
    /// The frame of the function whose body contains this scope; scopes that run in place are skipped.
    function: Option<u32>,
    /// Index of the first entry of this frame.
    entries: usize,
    members: usize,
}

#[derive(Debug)]
struct Entry {
    name: NameId,
    frame: u32,
    /// The entry of the next outer scope that knows the name.
    outer: u32,
    binding: Binding,
    /// `true` if the name is bound already: a class's name in its body, a `global` name in the function that declares
    /// it.
    bound: bool,
    /// Number of open `except … as name` with this name.
    handlers: u32,
}

/// The open scopes, innermost last, and the names.
#[derive(Debug)]
pub(super) struct Scopes<'a> {
    pub(super) names: Names<'a>,
    frames: Vec<Frame>,
    /// Names that function-like scopes know.
    entries: Vec<Entry>,
    /// Names that classes know.
    members: Vec<Entry>,
    /// `true` if the present code runs only when something is called or inspected.
    pub(super) deferred: bool,
    /// `true` if the present code is an annotation or the like, which runs after the class body around it.
    pub(super) lazy: bool,
}

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
    pub(super) fn new() -> Self {
        let module = Frame { kind: FrameKind::Module, class: None, home: 0, function: None, entries: 0, members: 0 };
        Self {
            names: Names::default(),
            frames: vec![module],
            entries: Vec::new(),
            members: Vec::new(),
            deferred: false,
            lazy: false,
        }
    }

    fn top(&self) -> u32 {
        // The module's frame is never popped.
        u32::try_from(self.frames.len() - 1).unwrap_or(u32::MAX)
    }

    fn frame(&self, index: u32) -> &Frame {
        &self.frames[index as usize]
    }

    /// Opens a scope.
    pub(super) fn push(&mut self, kind: FrameKind) {
        let around = self.top();
        let index = around + 1;
        let class = match kind {
            FrameKind::Class => Some(index),
            FrameKind::TypeParams => self.frame(around).class,
            FrameKind::Module | FrameKind::Function | FrameKind::Comprehension => None,
        };
        let home = match kind {
            FrameKind::Comprehension | FrameKind::TypeParams => self.frame(around).home,
            FrameKind::Module | FrameKind::Function | FrameKind::Class => index,
        };
        let function = if kind == FrameKind::Function { Some(index) } else { self.frame(around).function };
        let (entries, members) = (self.entries.len(), self.members.len());
        self.frames.push(Frame { kind, class, home, function, entries, members });
    }

    /// Closes the innermost scope.
    pub(super) fn pop(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        for entry in self.entries.drain(frame.entries..).rev() {
            self.names.get_mut(entry.name).local = entry.outer;
        }
        for member in self.members.drain(frame.members..).rev() {
            self.names.get_mut(member.name).member = member.outer;
        }
    }

    /// Declares that the innermost scope, a function-like one, binds a name for its whole body.
    pub(super) fn declare(&mut self, name: NameId, binding: Binding) {
        let frame = self.top();
        let outer = self.names.get(name).local;
        if outer != NO_ENTRY && self.entries[outer as usize].frame == frame {
            if binding != Binding::Local {
                self.entries[outer as usize].binding = binding;
            }
            return;
        }
        self.names.get_mut(name).local = u32::try_from(self.entries.len()).unwrap_or(NO_ENTRY);
        self.entries.push(Entry { name, frame, outer, binding, bound: false, handlers: 0 });
    }

    /// Declares that the innermost scope, a class, binds a name somewhere in its body, or has it already.
    pub(super) fn declare_member(&mut self, name: NameId, binding: Binding, bound: bool) {
        let frame = self.top();
        let outer = self.names.get(name).member;
        if outer != NO_ENTRY && self.members[outer as usize].frame == frame {
            let member = &mut self.members[outer as usize];
            if binding != Binding::Local {
                member.binding = binding;
            }
            member.bound |= bound;
            return;
        }
        self.names.get_mut(name).member = u32::try_from(self.members.len()).unwrap_or(NO_ENTRY);
        self.members.push(Entry { name, frame, outer, binding, bound, handlers: 0 });
    }

    /// Returns the entry of a function-like scope for a name, if the scope is inside `class`.
    fn local(&self, name: NameId, class: Option<u32>) -> Option<u32> {
        let index = self.names.get(name).local;
        let entry = self.entries.get(index as usize)?;
        (class.is_none_or(|class| entry.frame > class)).then_some(index)
    }

    /// Returns the entry of the visible class for a name.
    fn member(&self, name: NameId, class: u32) -> Option<u32> {
        let index = self.names.get(name).member;
        let member = self.members.get(index as usize)?;
        (member.frame == class).then_some(index)
    }

    fn place_of_local(&self, index: u32) -> Place {
        match self.entries[index as usize].binding {
            Binding::Local | Binding::Nonlocal => Place::Function,
            Binding::Global => Place::DeclaredGlobal(index),
        }
    }

    /// Records a load of a name.
    pub(super) fn load(&mut self, name: NameId) {
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
    pub(super) fn is_global(&self, name: NameId) -> bool {
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
    pub(super) fn store(&mut self, name: NameId) {
        let target = self.target(name, false);
        self.store_in(name, &target);
    }

    /// Records a binding through `:=`.
    pub(super) fn store_walrus(&mut self, name: NameId) {
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
    pub(super) fn delete(&mut self, name: NameId) {
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
    pub(super) fn handler(&mut self, name: NameId, by: i32) {
        let handlers = match self.target(name, false) {
            Place::Function => return,
            Place::Module => &mut self.names.get_mut(name).handlers,
            Place::Member(index) => &mut self.members[index as usize].handlers,
            Place::DeclaredGlobal(index) => &mut self.entries[index as usize].handlers,
        };
        *handlers = handlers.saturating_add_signed(by);
    }
}
