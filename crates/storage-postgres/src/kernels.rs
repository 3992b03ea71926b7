//! Leases of notebooks' kernels: rows of `kernels`, beneath the rows of servers.

use std::sync::Arc;

use async_trait::async_trait;
use quire_domain::{NotebookId, Timestamp};
use quire_storage::{Held, KernelLeases, StoreError};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};
use uuid::Uuid;

use crate::entity::kernels::{Column, Entity};
use crate::error::{Error, Refusal};
use crate::named_sql::{NamedSql, Parameters};
use crate::{PostgresNotebookStore, rows};

/// Maximum statements of one attempt to hold a kernel: a row that was inserted after a statement began keeps that statement from inserting
/// its own, and is not seen by it either.
const MAX_TRIES: usize = 3;

/// Inserts the row or takes it over, and returns it as it is then. A server without a row of its own holds nothing.
static HOLD: NamedSql = NamedSql::new(include_str!("sql/hold_kernel.sql"));
/// Returns the holder, if it is another server that is alive.
static HOLDER: NamedSql = NamedSql::new(include_str!("sql/kernel_holder.sql"));

/// The leases of kernels, for one server: made by [`ServerRegistration::kernel_leases`](crate::ServerRegistration::kernel_leases).
#[derive(Debug)]
pub struct PostgresKernelLeases {
    store: Arc<PostgresNotebookStore>,
    server: Uuid,
}

impl PostgresKernelLeases {
    pub(crate) fn new(store: Arc<PostgresNotebookStore>, server: Uuid) -> Self {
        Self { store, server }
    }
}

/// A holding, or that there can be none.
#[derive(FromQueryResult)]
struct Row {
    /// Absent if the server itself has no row.
    server_id: Option<Uuid>,
    epoch: Option<i64>,
    address: Option<String>,
    started_at: Option<Timestamp>,
}

/// Makes one attempt. Returns `None` if another server was quicker by less than a statement.
async fn try_hold(db: &impl ConnectionTrait, id: &NotebookId, server: Uuid) -> Result<Option<Row>, Error> {
    let parameters = Parameters::default().set("notebook", id.as_str()).set("server", server);
    Ok(Row::find_by_statement(HOLD.bind(parameters)?).one(db).await?)
}

fn of_hold(error: Error, id: &NotebookId) -> StoreError {
    match error {
        Error::Refused(Refusal::Answer { constraint: Some(constraint), .. })
            if constraint == "kernels_notebook_id_fkey" =>
        {
            StoreError::NotFound { id: id.clone() }
        }
        other => other.of_read("hold a kernel"),
    }
}

#[derive(FromQueryResult)]
struct Holder {
    address: String,
    started_at: Timestamp,
}

async fn holder(db: &impl ConnectionTrait, id: &NotebookId, server: Uuid) -> Result<Option<Holder>, Error> {
    let parameters = Parameters::default().set("notebook", id.as_str()).set("server", server);
    Ok(Holder::find_by_statement(HOLDER.bind(parameters)?).one(db).await?)
}

#[derive(FromQueryResult)]
#[expect(dead_code, reason = "that there is a row is the answer")]
struct Holding {
    epoch: i64,
}

async fn is_held(db: &impl ConnectionTrait, id: &NotebookId, server: Uuid, epoch: i64) -> Result<bool, Error> {
    let query = Entity::find_by_id(id.as_str())
        .select_only()
        .column(Column::Epoch)
        .filter(Column::ServerId.eq(server).and(Column::Epoch.eq(epoch)));
    Ok(rows::one::<Holding>(db, query.as_query(), "kernels").await?.is_some())
}

async fn release(db: &impl ConnectionTrait, id: &NotebookId, server: Uuid, epoch: i64) -> Result<(), Error> {
    let own = Column::ServerId.eq(server).and(Column::Epoch.eq(epoch));
    Entity::delete_many().filter(Column::NotebookId.eq(id.as_str()).and(own)).exec(db).await?;
    Ok(())
}

#[async_trait]
impl KernelLeases for PostgresKernelLeases {
    async fn hold(&self, id: &NotebookId) -> Result<Held, StoreError> {
        for _ in 0..MAX_TRIES {
            let held = try_hold(&self.store.connection, id, self.server).await;
            match held.map_err(|error| of_hold(error, id))? {
                Some(Row { server_id: None, .. }) => {
                    let reason = "this server is not registered in the database, so it may start no kernel".to_owned();
                    return Err(StoreError::Unavailable { reason, source: None });
                }
                Some(Row { server_id, epoch: Some(epoch), .. }) if server_id == Some(self.server) => {
                    return Ok(Held::Lease { epoch });
                }
                Some(Row { address: Some(address), started_at: Some(since), .. }) => {
                    return Ok(Held::Elsewhere { address, since });
                }
                _ => {}
            }
        }
        let reason = "other servers take the kernel and release it at the same time".to_owned();
        Err(StoreError::Overloaded { reason, source: None })
    }

    async fn holder(&self, id: &NotebookId) -> Result<Option<(String, Timestamp)>, StoreError> {
        let holder = holder(&self.store.connection, id, self.server).await;
        let holder = holder.map_err(|error| error.of_read("look up who holds a kernel"))?;
        Ok(holder.map(|Holder { address, started_at }| (address, started_at)))
    }

    async fn is_held(&self, id: &NotebookId, epoch: i64) -> Result<bool, StoreError> {
        let is_held = is_held(&self.store.connection, id, self.server, epoch).await;
        is_held.map_err(|error| error.of_read("look up a lease of a kernel"))
    }

    async fn release(&self, id: &NotebookId, epoch: i64) -> Result<(), StoreError> {
        let released = release(&self.store.connection, id, self.server, epoch).await;
        released.map_err(|error| error.of_read("release a kernel"))
    }
}
