//! `PostgreSQL`'s dialect with a budget, so that no input makes `sqlparser` take longer than its size allows.
//!
//! `sqlparser` tries some constructs in more than one way, so that nesting can double the time with every level. Known
//! shapes are handled there; this bound does not depend on knowing them all. The parser queries its dialect at the
//! beginning of every expression, data type and statement and after every operand, and each query counts as a step.
//! Once the budget is spent, the dialect returns the error from which the parser never tries to recover.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{DataType, Expr, Statement};
use sqlparser::dialect::{BindPlaceholderStyle, Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// `PostgreSQL`'s dialect, which stops the parser after a number of steps.
#[derive(Debug)]
pub(super) struct BudgetedDialect {
    inner: PostgreSqlDialect,
    steps_left: Cell<usize>,
    exhausted: Cell<bool>,
}

impl BudgetedDialect {
    pub(super) fn new(steps: usize) -> Self {
        Self { inner: PostgreSqlDialect {}, steps_left: Cell::new(steps), exhausted: Cell::new(false) }
    }

    /// Returns `true` if the parser was stopped. Its result is invalid then.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Counts a step; returns the error that stops the parser if no step is left.
    fn step<T>(&self) -> Option<Result<T, ParserError>> {
        let Some(left) = self.steps_left.get().checked_sub(1) else {
            self.exhausted.set(true);
            return Some(Err(ParserError::RecursionLimitExceeded));
        };
        self.steps_left.set(left);
        None
    }
}

/// Methods that return the values of `PostgreSQL`'s dialect. All methods that it overrides are here or below. A newer
/// version of `sqlparser` may have more of them, so its version is pinned.
macro_rules! as_postgresql {
    ($($method:ident),+) => {
        $(fn $method(&self) -> bool {
            self.inner.$method()
        })+
    };
}

impl Dialect for BudgetedDialect {
    fn dialect(&self) -> TypeId {
        self.inner.dialect()
    }

    fn parse_prefix(&self, _parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        self.step()
    }

    fn parse_data_type(&self, _parser: &mut Parser) -> Option<Result<DataType, ParserError>> {
        self.step()
    }

    fn parse_statement(&self, _parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        self.step()
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        self.step().or_else(|| self.inner.get_next_precedence(parser))
    }

    /// Lines after `COPY … FROM STDIN;` are statements, as they are for the server. Only `psql` reads them as data.
    fn supports_copy_from_stdin_data(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.inner.identifier_quote_style(identifier)
    }

    fn ordered_bind_placeholder_style(&self) -> Option<BindPlaceholderStyle> {
        self.inner.ordered_bind_placeholder_style()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.inner.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.inner.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.inner.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.inner.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        self.inner.is_reserved_for_identifier(kw)
    }

    fn is_table_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        self.inner.is_table_alias(kw, parser)
    }

    fn is_interval_qualifier(&self, kw: Keyword) -> bool {
        self.inner.is_interval_qualifier(kw)
    }

    fn is_custom_type_typed_string(&self, first_keyword: Keyword, qualified: bool) -> bool {
        self.inner.is_custom_type_typed_string(first_keyword, qualified)
    }

    fn supports_string_literal_column_alias(&self, explicit: bool) -> bool {
        self.inner.supports_string_literal_column_alias(explicit)
    }

    fn supports_string_literal_table_alias(&self, explicit: bool) -> bool {
        self.inner.supports_string_literal_table_alias(explicit)
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        self.inner.prec_value(prec)
    }

    as_postgresql!(
        supports_cte_materialization,
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_drop_group,
        supports_alter_user_as_alter_role,
        supports_create_group,
        supports_create_role_if_not_exists,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_sql_option_without_value,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_exclude_constraint,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_tilde_like_match_operator,
        supports_comparison_in_between_low_bound,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_expr_name,
        supports_named_fn_args_with_assignment_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_non_decimal_integer_literals,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_order_by_using_operator,
        supports_set_names,
        supports_alter_column_type_using,
        supports_left_associative_joins_without_parens,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_aliased_function_args,
        supports_comment_optimizer_hint,
        supports_add_column_if_not_exists,
        supports_attach_partition_of,
        supports_detach_partition_of,
        supports_table_inheritance_markers,
        supports_column_generic_options
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the steps that each token of a statement takes, rounded up.
    fn steps_per_token(statement: &str) -> usize {
        const BUDGET: usize = 1_000_000;
        let dialect = BudgetedDialect::new(BUDGET);
        let mut parser = Parser::new(&dialect).try_with_sql(statement).unwrap();
        parser.parse_statements().unwrap();
        let tokens = statement.split([' ', '(', ')', ',', '.', '=']).count();
        (BUDGET - dialect.steps_left.get()).div_ceil(tokens)
    }

    #[test]
    fn ordinary_statements_are_far_from_the_budget() {
        for statement in [
            "select 1",
            "select a.b, count(*) from c a join d on a.x = d.x and (a.y > 1 or d.z in (1, 2)) group by 1 order by 2",
            "select case when a = 1 then 'x' when a = 2 then 'y' else coalesce(b, c, upper(trim(d))) end from e",
            "select ((((((((((((((((((((1))))))))))))))))))))",
            "select f(f(f(f(f(f(f(f(f(f(f(f(f(f(f(f(f(f(f(f(1))))))))))))))))))))",
            "select * from (select * from (select * from (select * from (select * from t) a) b) c) d",
            "insert into t (a, b) values (1, 'x'), (2, 'y') on conflict (a) do update set b = excluded.b",
            "create table t (a int primary key, b numeric(10, 2) default 0 not null references u (c))",
        ] {
            let steps = steps_per_token(statement);
            assert!(steps <= crate::limits::SQL_STEPS_PER_TOKEN / 3, "{steps} for each token of {statement}");
        }
    }

    #[test]
    fn nothing_goes_on_after_the_budget() {
        let dialect = BudgetedDialect::new(10);
        let nested = format!("select {}1{}", "a.position(".repeat(40), ")".repeat(40));
        let mut parser = Parser::new(&dialect).try_with_sql(&nested).unwrap();
        assert_eq!(parser.parse_statements(), Err(ParserError::RecursionLimitExceeded));
        assert!(dialect.is_exhausted());
    }
}
