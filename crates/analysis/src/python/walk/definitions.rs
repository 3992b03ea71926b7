//! Definitions of functions and classes, and their type parameters.

use ruff_python_ast::visitor::Visitor as _;
use ruff_python_ast::{Parameters, StmtClassDef, StmtFunctionDef, TypeParam, TypeParams};

use super::Walk;
use crate::python::bindings;
use crate::python::scope::{Binding, FrameKind};

impl<'a> Walk<'a> {
    pub(in crate::python) fn defaults(&mut self, parameters: &'a Parameters) {
        for parameter in parameters.iter_non_variadic_params() {
            parameter.default.iter().for_each(|default| self.visit_expr(default));
        }
    }

    pub(in crate::python) fn declare_parameters(&mut self, parameters: &'a Parameters) {
        for parameter in parameters {
            self.declare(&parameter.as_parameter().name.id);
        }
    }

    pub(super) fn function(&mut self, function: &'a StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_expr(&decorator.expression);
        }
        self.defaults(&function.parameters);
        self.with_type_params(function.type_params.as_deref(), |walk| {
            walk.lazy(|walk| {
                for parameter in &*function.parameters {
                    parameter.annotation().into_iter().for_each(|annotation| walk.visit_expr(annotation));
                }
                function.returns.iter().for_each(|returns| walk.visit_expr(returns));
            });
            walk.scopes.push(FrameKind::Function);
            walk.declare_parameters(&function.parameters);
            let walrus = walk.walrus;
            bindings::of_body(&function.body, walrus, &mut |name, binding| {
                if let Some(name) = walk.name(name) {
                    walk.scopes.declare(name, binding);
                }
            });
            walk.deferred(|walk| walk.visit_body(&function.body));
            walk.scopes.pop();
        });
        self.store(&function.name.id);
    }

    pub(super) fn class(&mut self, class: &'a StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_expr(&decorator.expression);
        }
        self.with_type_params(class.type_params.as_deref(), |walk| {
            if let Some(arguments) = &class.arguments {
                walk.visit_arguments(arguments);
            }
            let lazy = std::mem::replace(&mut walk.scopes.lazy, false);
            let private = walk.private;
            walk.scopes.push(FrameKind::Class);
            // Methods see `__class__`; `__module__` and `__qualname__` are bound when the body begins.
            let cell = walk.scopes.names.intern("__class__");
            walk.scopes.declare(cell, Binding::Local);
            let stripped = class.name.id.trim_start_matches('_');
            walk.private = (!stripped.is_empty()).then_some(stripped);
            for implicit in ["__module__", "__qualname__"] {
                let implicit = walk.scopes.names.intern(implicit);
                walk.scopes.declare_member(implicit, Binding::Local, true);
            }
            let walrus = walk.walrus;
            bindings::of_body(&class.body, walrus, &mut |name, binding| {
                if let Some(name) = walk.name(name) {
                    walk.scopes.declare_member(name, binding, false);
                }
            });
            walk.visit_body(&class.body);
            walk.scopes.pop();
            walk.private = private;
            walk.scopes.lazy = lazy;
        });
        self.store(&class.name.id);
    }

    pub(super) fn with_type_params(&mut self, params: Option<&'a TypeParams>, walk: impl FnOnce(&mut Self)) {
        let Some(params) = params else { return walk(self) };
        self.scopes.push(FrameKind::TypeParams);
        for param in &params.type_params {
            self.declare(&param.name().id);
        }
        self.lazy(|walk| {
            for param in &params.type_params {
                let (bound, default) = match param {
                    TypeParam::TypeVar(param) => (param.bound.as_deref(), param.default.as_deref()),
                    TypeParam::TypeVarTuple(param) => (None, param.default.as_deref()),
                    TypeParam::ParamSpec(param) => (None, param.default.as_deref()),
                };
                bound.into_iter().chain(default).for_each(|expr| walk.visit_expr(expr));
            }
        });
        walk(self);
        self.scopes.pop();
    }
}
