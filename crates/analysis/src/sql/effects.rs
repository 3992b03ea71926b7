//! Effects of a statement apart from the tables that it names: whether it changes anything, and whether it runs its contents.

use sqlparser::ast::{Statement, UtilityOption};

/// Returns `true` if a statement by itself changes neither data nor definitions; statements inside it are checked
/// separately. Only the database knows the effects of functions in a query.
pub(super) fn is_harmless(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Explain { .. }
            | Statement::ExplainTable { .. }
            | Statement::Copy { to: true, .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowDatabases { .. }
            | Statement::Set(_)
            | Statement::Use(_)
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Declare { .. }
            | Statement::Fetch { .. }
            | Statement::Close { .. }
            | Statement::Prepare { .. }
            | Statement::Deallocate { .. }
            | Statement::LISTEN { .. }
            | Statement::UNLISTEN { .. }
    )
}

/// Returns `true` if a statement defines an object that stores statements for later.
pub(super) fn is_routine(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateFunction(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateRule(_)
            | Statement::CreateTrigger(_)
    )
}

/// Returns `true` if an `EXPLAIN` only plans.
pub(super) fn only_plans(statement: &Statement) -> bool {
    let Statement::Explain { analyze, options, .. } = statement else {
        return false;
    };
    let is_off = |option: &UtilityOption| {
        let argument = option.arg.as_ref().map(|argument| argument.to_string().to_ascii_lowercase());
        matches!(argument.as_deref(), Some("false" | "off" | "0" | "'false'" | "'off'"))
    };
    let mut options = options.iter().flatten();
    let analyzes = |option: &UtilityOption| option.name.value.eq_ignore_ascii_case("analyze") && !is_off(option);
    !analyze && !options.any(analyzes)
}
