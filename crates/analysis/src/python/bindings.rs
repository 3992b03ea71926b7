//! Names that the body of a function or class binds. They are needed before the body is walked, because a name that is
//! bound anywhere in a function is local in all of it.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, Identifier, InterpolatedStringElement, Pattern, Stmt};

use super::deep;
use super::scope::Binding;

/// Calls `bind` with every name that `body` binds in its own scope.
///
/// `walrus` is `false` if the cell contains no `:=`; expressions are skipped then.
pub(super) fn of_body<'a>(body: &'a [Stmt], walrus: bool, bind: &mut dyn FnMut(&'a str, Binding)) {
    Collector { bind, walrus, depth: 0 }.visit_body(body);
}

/// Calls `bind` with every name that an expression (a lambda's body) binds in its own scope.
pub(super) fn of_expr<'a>(expr: &'a Expr, walrus: bool, bind: &mut dyn FnMut(&'a str, Binding)) {
    if walrus {
        Collector { bind, walrus, depth: 0 }.visit_expr(expr);
    }
}

/// Calls `bind` with every name that an assignment target binds.
pub(super) fn of_target<'a>(target: &'a Expr, bind: &mut dyn FnMut(&'a str)) {
    let mut pending = vec![target];
    while let Some(target) = pending.pop() {
        match target {
            Expr::Name(name) => bind(&name.id),
            Expr::Starred(starred) => pending.push(&starred.value),
            Expr::Tuple(tuple) => pending.extend(&tuple.elts),
            Expr::List(list) => pending.extend(&list.elts),
            _ => {}
        }
    }
}

/// Calls `bind` with every name that a pattern captures, in no particular order.
pub(super) fn of_pattern<'a>(pattern: &'a Pattern, bind: &mut dyn FnMut(&'a str)) {
    let mut pending = vec![pattern];
    while let Some(pattern) = pending.pop() {
        let name = match pattern {
            Pattern::MatchValue(_) | Pattern::MatchSingleton(_) => None,
            Pattern::MatchSequence(sequence) => {
                pending.extend(&sequence.patterns);
                None
            }
            Pattern::MatchMapping(mapping) => {
                pending.extend(&mapping.patterns);
                mapping.rest.as_ref()
            }
            Pattern::MatchClass(class) => {
                pending.extend(&class.arguments.patterns);
                pending.extend(class.arguments.keywords.iter().map(|keyword| &keyword.pattern));
                None
            }
            Pattern::MatchStar(star) => star.name.as_ref(),
            Pattern::MatchAs(capture) => {
                pending.extend(capture.pattern.as_deref());
                capture.name.as_ref()
            }
            Pattern::MatchOr(or) => {
                pending.extend(&or.patterns);
                None
            }
        };
        // Ruff represents `_` as `None`, except where it recovers from an error.
        if let Some(name) = name.filter(|name| name.id.as_str() != "_") {
            bind(&name.id);
        }
    }
}

/// Returns the name that `import` binds for an alias, also in `from … import`; `None` for `*`.
pub(super) fn of_alias(alias: &ruff_python_ast::Alias, from: bool) -> Option<&str> {
    match &alias.asname {
        Some(name) => Some(&name.id),
        None if alias.name.id.as_str() == "*" => None,
        None if from => Some(&alias.name.id),
        None => alias.name.id.split('.').next(),
    }
}

struct Collector<'a, 'b> {
    bind: &'b mut dyn FnMut(&'a str, Binding),
    walrus: bool,
    depth: usize,
}

impl<'a> Collector<'a, '_> {
    fn local(&mut self, name: &'a Identifier) {
        (self.bind)(&name.id, Binding::Local);
    }

    fn target(&mut self, target: &'a Expr) {
        of_target(target, &mut |name| (self.bind)(name, Binding::Local));
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            // The bodies of functions and classes are their own scopes.
            Stmt::FunctionDef(function) => {
                self.local(&function.name);
                for decorator in &function.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                for parameter in function.parameters.iter_non_variadic_params() {
                    parameter.default.iter().for_each(|default| self.visit_expr(default));
                }
            }
            Stmt::ClassDef(class) => {
                self.local(&class.name);
                for decorator in &class.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
            }
            Stmt::TypeAlias(alias) => self.target(&alias.name),
            Stmt::AnnAssign(assign) => {
                // `x: T` makes x local, `(x): T` does not.
                if assign.simple || assign.value.is_some() {
                    self.target(&assign.target);
                }
                assign.value.iter().for_each(|value| self.visit_expr(value));
            }
            Stmt::Import(import) => {
                for name in import.names.iter().filter_map(|alias| of_alias(alias, false)) {
                    (self.bind)(name, Binding::Local);
                }
            }
            Stmt::ImportFrom(import) => {
                for name in import.names.iter().filter_map(|alias| of_alias(alias, true)) {
                    (self.bind)(name, Binding::Local);
                }
            }
            Stmt::Global(global) => global.names.iter().for_each(|name| (self.bind)(&name.id, Binding::Global)),
            Stmt::Nonlocal(names) => names.names.iter().for_each(|name| (self.bind)(&name.id, Binding::Nonlocal)),
            Stmt::Delete(delete) => {
                delete.targets.iter().for_each(|target| self.target(target));
                visitor::walk_stmt(self, stmt);
            }
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.target(target));
                visitor::walk_stmt(self, stmt);
            }
            Stmt::AugAssign(assign) => {
                self.target(&assign.target);
                visitor::walk_stmt(self, stmt);
            }
            Stmt::For(for_) => {
                self.target(&for_.target);
                visitor::walk_stmt(self, stmt);
            }
            Stmt::With(with) => {
                with.items.iter().filter_map(|item| item.optional_vars.as_deref()).for_each(|vars| self.target(vars));
                visitor::walk_stmt(self, stmt);
            }
            Stmt::Try(try_) => {
                for ExceptHandler::ExceptHandler(handler) in &try_.handlers {
                    handler.name.iter().for_each(|name| self.local(name));
                }
                visitor::walk_stmt(self, stmt);
            }
            Stmt::Match(match_) => {
                for case in &match_.cases {
                    of_pattern(&case.pattern, &mut |name| (self.bind)(name, Binding::Local));
                }
                visitor::walk_stmt(self, stmt);
            }
            Stmt::Return(_)
            | Stmt::While(_)
            | Stmt::If(_)
            | Stmt::Raise(_)
            | Stmt::Assert(_)
            | Stmt::Expr(_)
            | Stmt::Pass(_)
            | Stmt::Break(_)
            | Stmt::Continue(_)
            | Stmt::IpyEscapeCommand(_) => visitor::walk_stmt(self, stmt),
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(lambda) => {
                let parameters = lambda.parameters.iter().flat_map(|parameters| parameters.iter_non_variadic_params());
                for default in parameters.filter_map(|parameter| parameter.default.as_deref()) {
                    self.visit_expr(default);
                }
            }
            Expr::Named(named) => {
                self.visit_expr(&named.value);
                self.target(&named.target);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

impl<'a> Visitor<'a> for Collector<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.depth += 1;
        deep::guard(self.depth, || self.stmt(stmt));
        self.depth -= 1;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.walrus {
            self.depth += 1;
            deep::guard(self.depth, || self.expr(expr));
            self.depth -= 1;
        }
    }

    fn visit_pattern(&mut self, _: &'a Pattern) {
        // A pattern contains no walrus, and `of_pattern` collects its captures.
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        self.depth += 1;
        deep::guard(self.depth, || visitor::walk_interpolated_string_element(self, element));
        self.depth -= 1;
    }
}
