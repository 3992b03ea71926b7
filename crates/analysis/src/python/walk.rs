//! Walks a cell in evaluation order and reports loads, stores and deletions to the scopes.

mod definitions;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    ExceptHandler, Expr, InterpolatedStringElement, IpyEscapeKind, Pattern, Stmt, StmtAnnAssign, StmtAugAssign, StmtTry,
};

use super::magics::Effects;
use super::names::NameId;
use super::scope::{Binding, Scopes};
use super::{bindings, deep};
use crate::limits;
use crate::types::Read;

/// Bounds of a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Length of the code in bytes.
    pub(super) code_bytes: usize,
    /// Maximum nesting of magics that run Python.
    pub(super) magics: usize,
}

/// The pass over one cell.
pub(super) struct Walk<'a> {
    pub(super) scopes: Scopes<'a>,
    /// `true` once the pass has seen `from m import *`.
    pub(super) star: bool,
    /// `true` once the pass has seen something that can access names that do not occur in the code.
    pub(super) dynamic: bool,
    /// Depth of the tree.
    pub(super) deepest: usize,
    depth: usize,
    /// `true` if the code may contain `:=`.
    pub(super) walrus: bool,
    /// The innermost class, stripped of leading underscores, for `__name`.
    private: Option<&'a str>,
    /// Bytes of all mangled names so far, and their maximum.
    mangled_bytes: usize,
    max_mangled_bytes: usize,
    /// Number of magics that run Python that may still be nested.
    magics: usize,
}

impl<'a> Walk<'a> {
    /// Returns a pass over a tree; `walrus` is `true` if the tree may contain `:=`.
    pub(super) fn new(walrus: bool, bounds: Bounds) -> Self {
        Self {
            scopes: Scopes::new(),
            star: false,
            dynamic: false,
            deepest: 0,
            depth: 0,
            walrus,
            private: None,
            mangled_bytes: 0,
            max_mangled_bytes: bounds.code_bytes.saturating_add(limits::MANGLED_BYTES),
            magics: bounds.magics,
        }
    }

    /// Returns `true` if mangled names exceeded their limit, so that not all names have been found.
    pub(super) fn is_too_complex(&self) -> bool {
        self.mangled_bytes > self.max_mangled_bytes
    }

    fn level(&mut self, level: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        deep::guard(self.depth, || level(self));
        self.depth -= 1;
    }

    /// Returns the id of a name in the code; `None` if the parser invented the name for missing code.
    pub(super) fn name(&mut self, name: &'a str) -> Option<NameId> {
        if name.is_empty() {
            return None;
        }
        // https://docs.python.org/3/reference/expressions.html#private-name-mangling
        if let Some(class) = self.private
            && name.starts_with("__")
            && !name.ends_with("__")
        {
            let mangled = format!("_{class}{name}");
            self.mangled_bytes = self.mangled_bytes.saturating_add(mangled.len());
            if self.is_too_complex() {
                return None;
            }
            return Some(self.scopes.names.intern_owned(mangled));
        }
        Some(self.scopes.names.intern(name))
    }

    pub(super) fn load(&mut self, name: &'a str) {
        if let Some(name) = self.name(name) {
            self.scopes.load(name);
        }
    }

    pub(super) fn store(&mut self, name: &'a str) {
        if let Some(name) = self.name(name) {
            self.scopes.store(name);
        }
    }

    pub(super) fn declare(&mut self, name: &'a str) {
        if let Some(name) = self.name(name) {
            self.scopes.declare(name, Binding::Local);
        }
    }

    pub(super) fn exprs(&mut self, exprs: &'a [Expr]) {
        for expr in exprs {
            self.visit_expr(expr);
        }
    }

    /// Walks code that runs only when something is called.
    pub(super) fn deferred(&mut self, walk: impl FnOnce(&mut Self)) {
        let outer = (self.scopes.deferred, self.scopes.lazy);
        (self.scopes.deferred, self.scopes.lazy) = (true, false);
        walk(self);
        (self.scopes.deferred, self.scopes.lazy) = outer;
    }

    /// Walks code that is evaluated on demand: annotations (PEP 649), bounds, alias values.
    fn lazy(&mut self, walk: impl FnOnce(&mut Self)) {
        let outer = (self.scopes.deferred, self.scopes.lazy);
        (self.scopes.deferred, self.scopes.lazy) = (true, true);
        walk(self);
        (self.scopes.deferred, self.scopes.lazy) = outer;
    }

    fn aug_assign(&mut self, assign: &'a StmtAugAssign) {
        // Python loads the target, evaluates the value, then binds the target.
        if let Expr::Name(name) = &*assign.target {
            self.load(&name.id);
            self.visit_expr(&assign.value);
            self.store(&name.id);
        } else {
            self.visit_expr(&assign.target);
            self.visit_expr(&assign.value);
        }
    }

    fn ann_assign(&mut self, assign: &'a StmtAnnAssign) {
        if let Some(value) = &assign.value {
            self.visit_expr(value);
            self.visit_expr(&assign.target);
        } else if !assign.target.is_name_expr() {
            self.visit_expr(&assign.target);
        }
        self.lazy(|walk| walk.visit_expr(&assign.annotation));
    }

    fn try_(&mut self, try_: &'a StmtTry) {
        self.visit_body(&try_.body);
        for ExceptHandler::ExceptHandler(handler) in &try_.handlers {
            handler.type_.iter().for_each(|type_| self.visit_expr(type_));
            let name = handler.name.as_ref().and_then(|name| self.name(&name.id));
            if let Some(name) = name {
                self.scopes.handler(name, 1);
            }
            self.visit_body(&handler.body);
            if let Some(name) = name {
                self.scopes.handler(name, -1);
            }
        }
        self.visit_body(&try_.orelse);
        self.visit_body(&try_.finalbody);
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::TypeAlias(alias) => {
                self.with_type_params(alias.type_params.as_deref(), |walk| {
                    walk.lazy(|walk| walk.visit_expr(&alias.value));
                });
                self.visit_expr(&alias.name);
            }
            Stmt::AugAssign(assign) => self.aug_assign(assign),
            Stmt::AnnAssign(assign) => self.ann_assign(assign),
            Stmt::Try(try_) => self.try_(try_),
            Stmt::Match(match_) => {
                self.visit_expr(&match_.subject);
                for case in &match_.cases {
                    self.visit_pattern(&case.pattern);
                    // Captures are bound once the whole pattern has matched.
                    bindings::of_pattern(&case.pattern, &mut |name| self.store(name));
                    case.guard.iter().for_each(|guard| self.visit_expr(guard));
                    self.visit_body(&case.body);
                }
            }
            Stmt::Import(import) => {
                import
                    .names
                    .iter()
                    .filter_map(|alias| bindings::of_alias(alias, false))
                    .for_each(|name| self.store(name));
            }
            Stmt::ImportFrom(import) => {
                // `from __future__ import …` is a directive to the compiler, not a binding that cells could share.
                if import.level == 0 && import.module.as_ref().is_some_and(|module| module.id == "__future__") {
                    return;
                }
                for alias in &import.names {
                    match bindings::of_alias(alias, true) {
                        Some(name) => self.store(name),
                        None => self.star = true,
                    }
                }
            }
            // A declaration neither loads nor stores.
            Stmt::Global(_) | Stmt::Nonlocal(_) => {}
            Stmt::IpyEscapeCommand(command) => self.magic(command.kind, &command.value),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    /// Records a line magic or another escape: its reads, the Python that it runs, its bindings.
    pub(super) fn magic(&mut self, kind: IpyEscapeKind, command: &str) {
        let Effects { reads, code, keeps_bindings, writes, dynamic } = super::magics::effects(kind, command);
        self.dynamic |= dynamic;
        self.load_owned(reads.into_iter().filter_map(super::identifier));
        match code {
            Some(_) if self.magics == 0 => self.dynamic = true,
            Some(code) => {
                let found = super::analyse_line(&code, self.magics - 1);
                self.star |= found.star;
                self.dynamic |= found.dynamic;
                let (deferred, eager): (Vec<Read>, Vec<Read>) =
                    found.reads.into_iter().chain(found.builtins_read).partition(|read| read.deferred);
                self.load_owned(eager.into_iter().map(|read| read.name));
                self.deferred(|walk| walk.load_owned(deferred.into_iter().map(|read| read.name)));
                if keeps_bindings {
                    for name in found.writes {
                        self.store_owned(name);
                    }
                    for name in found.deletes {
                        let name = self.scopes.names.intern_owned(name);
                        self.scopes.delete(name);
                    }
                }
            }
            None => {}
        }
        for name in writes.into_iter().filter_map(super::identifier) {
            self.store_owned(name);
        }
    }

    fn load_owned(&mut self, names: impl Iterator<Item = String>) {
        for name in names {
            let name = self.scopes.names.intern_owned(name);
            self.scopes.load(name);
        }
    }

    fn store_owned(&mut self, name: String) {
        let name = self.scopes.names.intern_owned(name);
        self.scopes.store(name);
    }

    /// Binds a name at module level that does not occur in the code as Python.
    pub(super) fn store_at_module_level(&mut self, name: &str) {
        self.store_owned(name.to_owned());
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.level(|walk| walk.stmt(stmt));
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.level(|walk| walk.expr(expr));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.level(|walk| visitor::walk_pattern(walk, pattern));
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        self.level(|walk| visitor::walk_interpolated_string_element(walk, element));
    }
}
