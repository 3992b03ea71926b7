//! The walk over expressions: nodes that have their own scope, or bind or load a name.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Comprehension, Expr, ExprCall, ExprContext};

use super::bindings;
use super::scope::FrameKind;
use super::walk::Walk;

impl<'a> Walk<'a> {
    fn comprehension(&mut self, generators: &'a [Comprehension], elements: [Option<&'a Expr>; 2]) {
        // The first iterable is evaluated before the scope is entered.
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        self.scopes.push(FrameKind::Comprehension);
        let lazy = std::mem::replace(&mut self.scopes.lazy, false);
        for generator in generators {
            bindings::of_target(&generator.target, &mut |name| self.declare(name));
        }
        for (index, generator) in generators.iter().enumerate() {
            if index > 0 {
                self.visit_expr(&generator.iter);
            }
            self.visit_expr(&generator.target);
            self.exprs(&generator.ifs);
        }
        elements.into_iter().flatten().for_each(|element| self.visit_expr(element));
        self.scopes.lazy = lazy;
        self.scopes.pop();
    }

    fn call(&mut self, call: &'a ExprCall) {
        self.visit_expr(&call.func);
        self.visit_arguments(&call.arguments);
        let Expr::Name(function) = &*call.func else { return };
        // `setattr` and `vars` matter if their argument may be a module or the namespace itself. `self` and other
        // locals of a function are excluded, or nearly every class would count as dynamic.
        let reaches_out = match function.id.as_str() {
            "vars" if call.arguments.is_empty() => true,
            "setattr" | "delattr" | "vars" => match call.arguments.args.first() {
                Some(Expr::Name(object)) => {
                    let object = self.name(&object.id);
                    object.is_some_and(|object| self.scopes.is_global(object))
                }
                Some(_) => true,
                None => false,
            },
            _ => false,
        };
        if reaches_out {
            let function = self.name(&function.id);
            self.dynamic |= function.is_some_and(|function| self.scopes.is_global(function));
        }
    }

    /// Walks one expression, in order of evaluation.
    pub(super) fn expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => match name.ctx {
                ExprContext::Load | ExprContext::Invalid => self.load(&name.id),
                ExprContext::Store => self.store(&name.id),
                ExprContext::Del => {
                    if let Some(name) = self.name(&name.id) {
                        self.scopes.delete(name);
                    }
                }
            },
            Expr::Named(named) => {
                self.visit_expr(&named.value);
                if let Expr::Name(target) = &*named.target {
                    if let Some(name) = self.name(&target.id) {
                        self.scopes.store_walrus(name);
                    }
                } else {
                    self.visit_expr(&named.target);
                }
            }
            Expr::IpyEscapeCommand(command) => self.magic(command.kind, &command.value),
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|parameters| self.defaults(parameters));
                self.scopes.push(FrameKind::Function);
                lambda.parameters.iter().for_each(|parameters| self.declare_parameters(parameters));
                let walrus = self.walrus;
                bindings::of_expr(&lambda.body, walrus, &mut |name, binding| {
                    if let Some(name) = self.name(name) {
                        self.scopes.declare(name, binding);
                    }
                });
                self.deferred(|walk| walk.visit_expr(&lambda.body));
                self.scopes.pop();
            }
            Expr::ListComp(comp) => self.comprehension(&comp.generators, [Some(&comp.elt), None]),
            Expr::SetComp(comp) => self.comprehension(&comp.generators, [Some(&comp.elt), None]),
            Expr::Generator(comp) => self.comprehension(&comp.generators, [Some(&comp.elt), None]),
            Expr::DictComp(comp) => self.comprehension(&comp.generators, [comp.key.as_deref(), Some(&comp.value)]),
            Expr::Call(call) => self.call(call),
            _ => visitor::walk_expr(self, expr),
        }
    }
}
