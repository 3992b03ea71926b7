//! Registration of the servers that use the database. Each server has a row and renews it. A server that was started with
//! `--instances one` claims the database and excludes others (ADR 17).

mod liveness;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quire_domain::Timestamp;
use quire_storage::StoreError;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, OnConflict, PostgresQueryBuilder, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::entity::servers::{Column, Entity};
use crate::error::Error;
use crate::{PostgresKernelLeases, PostgresNotebookStore, rows};

use liveness::LivenessObserver;

/// `servers` in ASCII: the advisory lock that registrations take in their transactions, one at a time.
const LOCK_KEY: i64 = 0x0073_6572_7665_7273;
/// Time-out of each call, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of other servers that a registration reads. A server that is killed leaves a row at each start, and the rows
/// of a day remain.
const MAX_OTHERS: u64 = 1_000;

/// Number of servers that may use one database at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceMode {
    /// This server alone: a claim, which refuses every second server.
    One,
    /// Any number.
    Many,
}

impl InstanceMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Many => "many",
        }
    }
}

impl fmt::Display for InstanceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Another registered server, according to its row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredServer {
    /// Its mode.
    pub mode: InstanceMode,
    /// Its address, for people.
    pub address: String,
    /// The version of its program.
    pub program_version: String,
    /// The time of its registration, by the database's clock.
    pub started_at: Timestamp,
    pub(crate) id: Uuid,
    pub(crate) seen_at: Timestamp,
}

/// Outcome of an attempt to register or to renew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The server has its row.
    Registered,
    /// The database takes no writes, and no server that excludes this one has a row. Only for [`InstanceMode::Many`], which claims
    /// nothing.
    Unrecorded,
    /// These other servers exclude this one, and it is not known yet if they are alive. The attempt must be repeated within
    /// seconds.
    Undecided(Vec<RegisteredServer>),
    /// This other server excludes this one, and is alive.
    Refused(RegisteredServer),
}

/// Registration of one server in one database.
///
/// [`Self::attempt`] reads the rows of other servers, and must be called about once a second. A row that excludes this server
/// counts as dead when it has been unchanged for 30 s by this process's monotonic clock. No clock is compared with another.
#[derive(Debug)]
pub struct ServerRegistration {
    id: Uuid,
    mode: InstanceMode,
    address: String,
    program_version: String,
    others: LivenessObserver,
}

impl ServerRegistration {
    /// Interval at which a registered server renews its row.
    pub const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
    /// Time for which a row must be found unchanged to count as dead.
    pub const DEAD_AFTER: Duration = Duration::from_secs(30);

    /// Creates the registration of a server; `address` is for people, as host and port.
    #[must_use]
    pub fn new(mode: InstanceMode, address: String, program_version: String) -> Self {
        Self { id: Uuid::new_v4(), mode, address, program_version, others: LivenessObserver::default() }
    }

    /// Returns the mode.
    #[must_use]
    pub fn mode(&self) -> InstanceMode {
        self.mode
    }

    /// Returns the leases of kernels that this server may hold. It holds none while it has no row.
    #[must_use]
    pub fn kernel_leases(&self, store: &Arc<PostgresNotebookStore>) -> PostgresKernelLeases {
        PostgresKernelLeases::new(Arc::clone(store), self.id)
    }

    /// Registers the server, unless other servers exclude it or may do so. The attempt is idempotent: after a lost response it is
    /// repeated.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn attempt(&mut self, store: &PostgresNotebookStore) -> Result<Registration, StoreError> {
        let attempted = bounded(self.attempt_on(&store.servers)).await;
        attempted.map_err(|error| error.of_read("register this server"))
    }

    /// Renews the server's row; registers again if the row is missing.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn renew(&mut self, store: &PostgresNotebookStore) -> Result<Registration, StoreError> {
        let renewed = bounded(async {
            if renew(&store.servers, self.id).await? {
                self.others = LivenessObserver::default();
                return Ok(Registration::Registered);
            }
            self.attempt_on(&store.servers).await
        });
        renewed.await.map_err(|error| error.of_read("renew this server's registration"))
    }

    /// Removes the server's row, if there is one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn remove(&self, store: &PostgresNotebookStore) -> Result<(), StoreError> {
        let removed = bounded(remove(&store.servers, self.id)).await;
        removed.map_err(|error| error.of_read("remove this server's registration"))
    }

    async fn attempt_on(&mut self, db: &impl ConnectionTrait) -> Result<Registration, Error> {
        let written = db.execute_unprepared(&self.registering()?).await.map_err(Error::from);
        let takes_writes = match written {
            Err(error) if error.is_write_refusal() && self.mode == InstanceMode::Many => false,
            written => written.map(|_rows| true)?,
        };
        let found = find(db, self.id, self.mode).await?;
        if !takes_writes {
            // Other servers cannot renew their rows either, so nothing is observed.
            self.others = LivenessObserver::default();
            return Ok(if found.is_empty() { Registration::Unrecorded } else { Registration::Undecided(found) });
        }
        if found.iter().any(|server| server.id == self.id) {
            self.others = LivenessObserver::default();
            return Ok(Registration::Registered);
        }
        Ok(match self.others.observe(&found, Instant::now()) {
            Some(alive) => Registration::Refused(alive.clone()),
            None => Registration::Undecided(found),
        })
    }

    /// Returns the statements of an attempt: one transaction, and one message, with its values in the text.
    fn registering(&self) -> Result<String, Error> {
        let mut expired = Condition::any().add(Expr::col(Column::SeenAt).lt(Expr::cust("now() - interval '1 day'")));
        for (id, seen_at) in self.others.dead() {
            // A row that was renewed since remains.
            expired = expired.add(Column::Id.eq(id).and(Column::SeenAt.eq(seen_at)));
        }
        let delete_expired = Query::delete().from_table(Entity).cond_where(expired).to_string(PostgresQueryBuilder);
        let others = Entity::find().select_only().expr(Expr::val(1)).filter(excluding(self.mode)).into_query();
        let row = [
            Expr::val(self.id),
            Expr::val(self.mode.as_str()),
            Expr::val(&*self.address),
            Expr::val(&*self.program_version),
        ];
        let row = Query::select().exprs(row).and_where(Expr::exists(others).not()).to_owned();
        let register = Query::insert()
            .into_table(Entity)
            .columns([Column::Id, Column::Mode, Column::Address, Column::ProgramVersion])
            .select_from(row)
            .map_err(|error| DbErr::Custom(error.to_string()))?
            .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
            .to_string(PostgresQueryBuilder);
        // Each statement must see what the last holder of the lock has committed, whatever the role's usual isolation.
        Ok(format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = 1000; \
             SELECT pg_advisory_xact_lock({LOCK_KEY}); {delete_expired}; {register}"
        ))
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(CALL_TIMEOUT, call).await.unwrap_or(Err(Error::Silent))
}

/// Returns the condition for the rows of servers that exclude a server of this mode.
fn excluding(mode: InstanceMode) -> Expr {
    Column::Mode.eq(InstanceMode::One.as_str()).or(mode == InstanceMode::One)
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    mode: String,
    address: String,
    program_version: String,
    started_at: Timestamp,
    seen_at: Timestamp,
}

/// Returns the server's own row and those that exclude it; of too many, those renewed last.
async fn find(db: &impl ConnectionTrait, id: Uuid, mode: InstanceMode) -> Result<Vec<RegisteredServer>, Error> {
    let query = Entity::find()
        .filter(Column::Id.eq(id).or(excluding(mode)))
        .order_by_desc(Column::Id.eq(id))
        .order_by_desc(Column::SeenAt)
        .limit(MAX_OTHERS);
    let found = rows::all::<Row>(db, query.as_query(), "servers").await?;
    Ok(found.into_iter().map(RegisteredServer::from).collect())
}

impl From<Row> for RegisteredServer {
    fn from(row: Row) -> Self {
        let Row { id, mode, address, program_version, started_at, seen_at } = row;
        // A mode of a later version counts as a claim.
        let mode = if mode == InstanceMode::Many.as_str() { InstanceMode::Many } else { InstanceMode::One };
        Self { mode, address, program_version, started_at, id, seen_at }
    }
}

/// Renews the row. Returns `false` if it is missing.
async fn renew(db: &impl ConnectionTrait, id: Uuid) -> Result<bool, Error> {
    let update = Entity::update_many().col_expr(Column::SeenAt, Expr::current_timestamp()).filter(Column::Id.eq(id));
    Ok(update.exec(db).await?.rows_affected > 0)
}

async fn remove(db: &impl ConnectionTrait, id: Uuid) -> Result<(), Error> {
    Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
