//! Collects the tables that a parsed statement reads and writes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    AlterTableOperation, CopySource, CreateTableLikeKind, DataType, Expr, FromTable, Ident, ObjectName, ObjectType,
    Query, RenameTableNameKind, Select, SetExpr, Statement, TableFactor, TableObject, TableWithJoins,
};

use super::effects::{is_harmless, is_routine, only_plans};
use super::statements::Tables;

/// Visitor that collects the tables of statements.
pub(super) struct Visitor<'a> {
    tables: &'a mut Tables,
    /// The `WITH` clauses around the present node, innermost last: one for each query, mostly empty.
    scopes: Vec<CteScope>,
    /// Number of enclosing statements that do not run their contents: `EXPLAIN` without `ANALYZE` only plans, and
    /// functions and rules are only defined.
    planned: usize,
}

struct CteScope {
    /// Position in the clause, by name.
    names: HashMap<String, usize>,
    /// The bodies by address, because the visitor does not mark a query as the body of a CTE.
    bodies: Vec<*const Query>,
    /// Index of the present or next body.
    next: usize,
    recursive: bool,
}

impl CteScope {
    fn of(query: &Query) -> Self {
        let ctes = query.with.as_ref().map_or(&[][..], |with| &with.cte_tables);
        let mut names = HashMap::new();
        for (index, cte) in ctes.iter().enumerate() {
            names.entry(fold(&cte.alias.name)).or_insert(index);
        }
        Self {
            names,
            bodies: ctes.iter().map(|cte| std::ptr::from_ref(&*cte.query)).collect(),
            next: 0,
            recursive: query.with.as_ref().is_some_and(|with| with.recursive),
        }
    }

    /// Returns `true` if the present body sees `name`. Without `RECURSIVE`, a body sees only earlier names of the
    /// clause.
    fn sees(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|&index| self.recursive || index < self.next)
    }
}

/// Returns the name that an identifier means: unquoted identifiers are folded to lower case.
fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// Returns `schema.table`, with `public` as the default schema; `None` for names that are not tables, such as file
/// names.
pub(super) fn table_name(name: &ObjectName) -> Option<String> {
    let parts: Option<Vec<&Ident>> = name.0.iter().map(|part| part.as_ident()).collect();
    match parts?.as_slice() {
        [table] if table.quote_style == Some('\'') => None,
        [table] => Some(format!("public.{}", fold(table))),
        // A database before the schema can only be the connected one.
        [.., schema, table] => Some(format!("{}.{}", fold(schema), fold(table))),
        [] => None,
    }
}

impl<'a> Visitor<'a> {
    pub(super) fn new(tables: &'a mut Tables) -> Self {
        Self { tables, scopes: Vec::new(), planned: 0 }
    }

    fn read(&mut self, name: &ObjectName) {
        if let [part] = name.0.as_slice()
            && let Some(ident) = part.as_ident()
        {
            let cte = fold(ident);
            if self.scopes.iter().any(|scope| scope.sees(&cte)) {
                return;
            }
        }
        self.tables.read.extend(table_name(name));
    }

    /// Records a definition.
    fn write(&mut self, name: &ObjectName) {
        if self.planned == 0 {
            self.tables.written.extend(table_name(name));
        }
    }

    /// Records the target of a change of data, which is never a CTE.
    fn change(&mut self, name: &ObjectName) {
        self.tables.read.extend(table_name(name));
        self.write(name);
    }

    fn change_factor(&mut self, factor: &TableFactor) {
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.change(name);
        }
    }

    /// Records the effects of `ALTER TABLE` on other tables.
    fn alter(&mut self, table: &ObjectName, operation: &AlterTableOperation) {
        match operation {
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
            } => {
                // The new name is in the schema of the old one.
                let mut parts = table.0.clone();
                parts.pop();
                parts.extend(name.0.iter().cloned());
                self.write(&ObjectName(parts));
            }
            AlterTableOperation::AttachPartitionOf { partition, .. }
            | AlterTableOperation::DetachPartitionOf { partition, .. } => self.write(partition),
            AlterTableOperation::Inherit { parent } | AlterTableOperation::NoInherit { parent } => self.read(parent),
            _ => {}
        }
    }

    fn change_all(&mut self, tables: &[TableWithJoins]) {
        for table in tables {
            self.change_factor(&table.relation);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Insert(insert) => {
                if let TableObject::TableName(name) = &insert.table {
                    self.change(name);
                }
            }
            Statement::Update(update) => self.change_factor(&update.table.relation),
            Statement::Delete(delete) => match &delete.from {
                FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables) => self.change_all(tables),
            },
            Statement::Merge(merge) => self.change_factor(&merge.table),
            Statement::Copy { source: CopySource::Table { table_name, .. }, to, .. } => {
                if *to {
                    self.read(table_name);
                } else {
                    self.change(table_name);
                }
            }
            Statement::Truncate(truncate) => truncate.table_names.iter().for_each(|target| self.change(&target.name)),
            Statement::CreateTable(create) => {
                self.write(&create.name);
                if let Some(CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like)) = &create.like
                {
                    self.read(&like.name);
                }
                // The parser reads `like t` after other columns as a column named `like`.
                for column in &create.columns {
                    if let DataType::Custom(table, _) = &column.data_type
                        && column.name.quote_style.is_none()
                        && column.name.value.eq_ignore_ascii_case("like")
                    {
                        self.read(table);
                    }
                }
                create.inherits.iter().flatten().for_each(|parent| self.read(parent));
                create.partition_of.iter().for_each(|parent| self.read(parent));
            }
            Statement::CreateView(create) => self.write(&create.name),
            Statement::CreateIndex(create) => self.write(&create.table_name),
            Statement::AlterTable(alter) => {
                self.write(&alter.name);
                alter.operations.iter().for_each(|operation| self.alter(&alter.name, operation));
            }
            Statement::RefreshMaterializedView(refresh) => self.write(&refresh.name),
            Statement::AlterView(alter) => self.write(&alter.name),
            Statement::Drop {
                object_type:
                    ObjectType::Table | ObjectType::ForeignTable | ObjectType::View | ObjectType::MaterializedView,
                names,
                ..
            } => names.iter().for_each(|name| self.write(name)),
            Statement::ExplainTable { table_name, .. } => self.read(table_name),
            _ => {}
        }
    }
}

impl sqlparser::ast::Visitor for Visitor<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.planned += usize::from(only_plans(statement));
        self.tables.changes_data |= self.planned == 0 && !is_harmless(statement);
        self.statement(statement);
        // The body of a function runs when the function is called; its definition only requires that the tables exist.
        self.planned += usize::from(is_routine(statement));
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.planned -= usize::from(only_plans(statement)) + usize::from(is_routine(statement));
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.push(CteScope::of(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // All CTEs of the query's own `WITH` are visible here.
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                // The parser keeps only the text of `TABLE t`.
                SetExpr::Table(table) => {
                    let parts = table.schema_name.iter().chain(&table.table_name).cloned();
                    self.read(&ObjectName::from(parts.collect::<Vec<_>>()));
                }
                _ => {}
            }
        }
        self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut()
            && scope.bodies.get(scope.next).is_some_and(|&body| std::ptr::eq(body, query))
        {
            scope.next += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        // `SELECT … INTO t` defines t.
        for target in select.into.iter().flat_map(|into| &into.targets) {
            let parts = match target {
                Expr::Identifier(name) => vec![name.clone()],
                Expr::CompoundIdentifier(parts) => parts.clone(),
                _ => continue,
            };
            self.tables.changes_data |= self.planned == 0;
            self.write(&ObjectName::from(parts));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // A table factor with arguments is a function.
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.read(name);
        }
        ControlFlow::Continue(())
    }
}
