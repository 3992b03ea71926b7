//! The connection that queries run on: SeaORM's `ConnectionTrait` over this crate's own connections, or another
//! program's.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::database::Database;

/// Connection for a store's statements.
#[derive(Debug)]
pub(crate) enum Connection {
    /// Connections that this crate keeps (ADR 10).
    Own(Box<Database>),
    /// The pool of a program that embeds the store, with that program's time-outs.
    Given(DatabaseConnection),
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Own(database) => Ok(database.execute(statement).await?.into()),
            Self::Given(connection) => connection.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Own(database) => Ok(database.execute(Statement::from_string(DbBackend::Postgres, sql)).await?.into()),
            Self::Given(connection) => connection.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Own(database) => Ok(database.fetch(statement).await?.into_iter().next().map(QueryResult::from)),
            Self::Given(connection) => connection.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Own(database) => Ok(database.fetch(statement).await?.into_iter().map(QueryResult::from).collect()),
            Self::Given(connection) => connection.query_all_raw(statement).await,
        }
    }
}

impl Connection {
    /// Refuses every statement at once if `held` is `true`, until a call with `false`. Another program's connections
    /// are unaffected.
    pub(crate) fn hold(&self, held: bool) {
        if let Self::Own(database) = self {
            database.hold(held);
        }
    }

    /// Closes this crate's own connections that have been idle for long.
    pub(crate) fn tidy(&self) {
        if let Self::Own(database) = self {
            database.tidy();
        }
    }

    /// Closes all of this crate's own idle connections; those in use close when their calls end.
    pub(crate) async fn close(&self) {
        if let Self::Own(database) = self {
            database.close().await;
        }
    }
}
