//! Open scopes; `access` has the effects of loads, stores and deletions in them.
//!
//! Every name has a chain of the open scopes that know it, innermost first, so that a lookup costs the same however
//! deep scopes are nested.

mod access;

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
}
