//! Whole notebooks: creation, replacement, deletion; owners and digests.

use quire_domain::{Base, ContentDigest, Notebook, NotebookId, UserId};
use quire_storage::{CommitId, Committed, Delete, IdempotencyRecord, Loaded, StoredDigest, StoredVersion, Version};
use sea_orm::sea_query::{ExprTrait as _, Func, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, JoinType, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};
use uuid::Uuid;

use crate::commit::CommitResolver;
use crate::entity::notebooks::{Column, Entity};
use crate::error::Error;
use crate::idempotency::{self, recording};
use crate::named_sql::{ABSENT, ABSENT_TIME, NamedSql, Parameters};
use crate::parameters::{self, CellColumns, OutputColumns, set_records};
use crate::rows::{self, BaseRow};
use crate::unresolved::UnresolvedCommits;

// Data-modifying CTEs: a notebook with all its rows takes one round trip and one commit; the builder has no arrays of
// rows.
static CREATE: NamedSql = NamedSql::new(concat!(
    include_str!("sql/create.sql"),
    include_str!("sql/new_cells.sql"),
    "SELECT version, previous FROM stored"
));
static CREATE_RECORDING: NamedSql = NamedSql::new(concat!(
    include_str!("sql/create.sql"),
    include_str!("sql/new_cells.sql"),
    recording!("stored"),
    "SELECT version, previous FROM stored"
));
static REPLACE: NamedSql = NamedSql::new(concat!(include_str!("sql/replace.sql"), include_str!("sql/cells.sql")));
static DELETE_RECORDING: NamedSql = NamedSql::new(concat!(
    "WITH gone AS (DELETE FROM notebooks WHERE id = :id AND life = :base_life AND revision = :base_revision RETURNING id)",
    recording!("gone"),
    "SELECT id FROM gone"
));

const TABLE: &str = "notebooks";

/// Stores a new notebook.
pub(crate) async fn create(
    db: &impl ConnectionTrait,
    unresolved: &UnresolvedCommits,
    notebook: &Notebook,
    record: Option<&IdempotencyRecord>,
) -> Result<Committed, Error> {
    let commit = CommitId(Uuid::new_v4());
    let resolver = CommitResolver { db, unresolved, id: &notebook.id, commit, base: None };
    let statement = || {
        let parameters = whole(notebook, commit)?;
        match record {
            None => CREATE.bind(parameters),
            Some(record) => CREATE_RECORDING.bind(set_records(parameters, std::slice::from_ref(record))),
        }
    };
    resolver.run(statement).await
}

/// Replaces the notebook that is at the base.
pub(crate) async fn replace(
    db: &impl ConnectionTrait,
    unresolved: &UnresolvedCommits,
    base: Base,
    notebook: &Notebook,
) -> Result<Committed, Error> {
    // An edit made on the base must find another life or revision, because the state that its writer knows is gone.
    if notebook.life == base.life && notebook.revision <= base.revision {
        return Err(Error::Mismatch(base.revision));
    }
    let commit = CommitId(Uuid::new_v4());
    let resolver = CommitResolver { db, unresolved, id: &notebook.id, commit, base: Some(base) };
    resolver.run(|| REPLACE.bind(set_base(whole(notebook, commit)?, base))).await
}

/// Sets the parameters that [`CREATE`] and [`REPLACE`] have in common.
fn whole(notebook: &Notebook, commit: CommitId) -> Result<Parameters, serde_json::Error> {
    let (mut cells, mut outputs) = (CellColumns::default(), OutputColumns::default());
    for cell in notebook.cells.iter() {
        cells.push(cell)?;
        outputs.push(&cell.id, &cell.results);
    }
    let parameters = Parameters::default()
        .set("id", notebook.id.as_str())
        .set("life", notebook.life.number())
        .set("owner", notebook.owner.as_str())
        .set("name", notebook.name.as_deref())
        .set("connection", notebook.connection.as_ref().map(|connection| connection.expose().to_owned()))
        .set("revision", notebook.revision.0)
        .set("extra", parameters::extra(&notebook.extra)?)
        .set("digest", notebook.content_digest().0.to_vec())
        .set("commit", commit.0)
        .set("created_at", notebook.created_at)
        .set("updated_at", notebook.updated_at)
        .set("reactive", notebook.reactive)
        .set("absent", ABSENT)
        .set("absent_time", ABSENT_TIME);
    Ok(outputs.set(cells.set(parameters)))
}

/// Sets the base of a change.
pub(crate) fn set_base(parameters: Parameters, base: Base) -> Parameters {
    parameters.set("base_life", base.life.number()).set("base_revision", base.revision.0)
}

/// Returns the owner of a notebook.
pub(crate) async fn owner(db: &impl ConnectionTrait, id: &NotebookId) -> Result<Option<UserId>, Error> {
    #[derive(FromQueryResult)]
    struct Row {
        user_id: String,
    }
    let query = Entity::find_by_id(id.as_str()).select_only().column(Column::UserId);
    let row = rows::one::<Row>(db, query.as_query(), TABLE).await?;
    let owner = row.map(|row| UserId::new(row.user_id)).transpose();
    owner.map_err(|error| rows::refuse(TABLE, id.as_str(), "user_id")(&error))
}

#[derive(FromQueryResult)]
struct DigestRow {
    id: String,
    user_id: String,
    #[sea_orm(nested)]
    base: BaseRow,
    version: i64,
    content_digest: Option<Vec<u8>>,
    has_connection: bool,
}

/// Returns the digests of these notebooks: stored digests of notebooks that have not changed since, computed ones of
/// the others.
pub(crate) async fn digests(db: &impl ConnectionTrait, ids: &[NotebookId]) -> Result<Vec<StoredDigest>, Error> {
    let wanted: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    let columns = [Column::Id, Column::UserId, Column::Life, Column::Revision, Column::Version, Column::ContentDigest];
    let query = Entity::find()
        .select_only()
        .columns(columns)
        .expr_as(Column::DbConnSealed.is_not_null(), "has_connection")
        .filter(is_any(wanted));
    let mut found = Vec::with_capacity(ids.len());
    for row in rows::all::<DigestRow>(db, query.as_query(), TABLE).await? {
        let (Ok(id), Ok(owner)) = (NotebookId::new(row.id), UserId::new(row.user_id)) else { continue };
        if let Some(digest) = row.content_digest.and_then(|digest| digest.try_into().ok()) {
            let Base { life, revision } = row.base.into();
            let (version, digest, has_connection) = (Version(row.version), ContentDigest(digest), row.has_connection);
            found.push(StoredDigest { id, owner, life, revision, version, digest, has_connection });
            continue;
        }
        match rows::load(db, &id).await {
            Ok(Some(Loaded { notebook, version })) => found.push(StoredDigest {
                digest: notebook.content_digest(),
                has_connection: notebook.connection.is_some(),
                life: notebook.life,
                owner: notebook.owner,
                revision: notebook.revision,
                version,
                id,
            }),
            Ok(None) | Err(Error::Row { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The columns of a [`StoredRow`].
const STORED: [Column; 4] = [Column::Id, Column::Life, Column::Revision, Column::Version];

/// The version of a stored notebook.
#[derive(FromQueryResult)]
struct StoredRow {
    id: String,
    #[sea_orm(nested)]
    base: BaseRow,
    version: i64,
}

impl StoredRow {
    /// Converts the row; returns nothing for an id that no client can name.
    fn stored(self) -> Option<StoredVersion> {
        let (id, Base { life, revision }) = (NotebookId::new(self.id).ok()?, self.base.into());
        Some(StoredVersion { id, life, revision, version: Version(self.version) })
    }
}

/// Returns the versions of these notebooks.
pub(crate) async fn versions(db: &impl ConnectionTrait, ids: &[NotebookId]) -> Result<Vec<StoredVersion>, Error> {
    let wanted = ids.iter().map(|id| id.as_str().to_owned()).collect();
    let query = Entity::find().select_only().columns(STORED).filter(is_any(wanted));
    let rows = rows::all::<StoredRow>(db, query.as_query(), TABLE).await?;
    Ok(rows.into_iter().filter_map(StoredRow::stored).collect())
}

/// Does the same as [`versions`]; returns nothing if the server is in recovery, so that its rows may be older than what
/// another server has acknowledged.
pub(crate) async fn fresh_versions(
    db: &impl ConnectionTrait,
    ids: &[NotebookId],
) -> Result<Option<Vec<StoredVersion>>, Error> {
    #[derive(FromQueryResult)]
    struct Row {
        in_recovery: bool,
        #[sea_orm(nested)]
        stored: Option<StoredRow>,
    }
    let wanted = ids.iter().map(|id| id.as_str().to_owned()).collect();
    // A row at least, also when no notebook is found: that a server in recovery has none says nothing.
    let server = Query::select().expr_as(Func::cust("pg_is_in_recovery"), "in_recovery").to_owned();
    let query = Query::select()
        .column("in_recovery")
        .columns(STORED.map(|column| (Entity, column)))
        .from_subquery(server, "server")
        .join(JoinType::LeftJoin, Entity, is_any(wanted))
        .to_owned();
    let rows = rows::all::<Row>(db, &query, TABLE).await?;
    if rows.iter().any(|row| row.in_recovery) {
        return Ok(None);
    }
    Ok(Some(rows.into_iter().filter_map(|row| row.stored?.stored()).collect()))
}

/// Returns the condition that a notebook is one of these. The ids are an array, so that any number of them is one
/// prepared statement.
fn is_any(ids: Vec<String>) -> sea_orm::sea_query::Expr {
    Column::Id.into_expr().eq(sea_orm::sea_query::extension::postgres::PgFunc::any(ids))
}

/// Deletes a notebook with all its contents, if it is still at the base.
pub(crate) async fn delete(db: &impl ConnectionTrait, delete: Delete<'_>) -> Result<(), Error> {
    let Delete { id, base, record } = delete;
    let outcome = match record {
        None => delete_alone(db, id, base).await,
        Some(record) => delete_recording(db, id, base, record).await,
    };
    match outcome {
        Ok(true) => Ok(()),
        Ok(false) => match stored(db, id).await.map_err(Error::of_look_up)? {
            None => Err(Error::NotFound),
            Some(_other) => Err(Error::Mismatch(base.revision)),
        },
        // A deleted notebook is gone, also if another one was created with its id since.
        Err(error) if error.is_in_doubt() => {
            match stored(db, id).await.map(|stored| stored.filter(|now| now.life == base.life)) {
                Ok(None) => match record {
                    None => Ok(()),
                    // The record is stored whether or not this call deleted the notebook, so that a repeated request
                    // gets the same answer.
                    Some(record) => idempotency::insert_if_missing(db, record)
                        .await
                        .map_err(|error| Error::Unknown(Box::new(error))),
                },
                Ok(Some(_)) => Err(error),
                Err(later) => Err(Error::Unknown(Box::new(later))),
            }
        }
        Err(error) => Err(error),
    }
}

async fn delete_alone(db: &impl ConnectionTrait, id: &NotebookId, base: Base) -> Result<bool, Error> {
    let this = Column::Id.eq(id.as_str()).and(Column::Life.eq(base.life.number()));
    let deleted = Entity::delete_many().filter(this.and(Column::Revision.eq(base.revision.0))).exec(db).await?;
    Ok(deleted.rows_affected > 0)
}

async fn delete_recording(
    db: &impl ConnectionTrait,
    id: &NotebookId,
    base: Base,
    record: &IdempotencyRecord,
) -> Result<bool, Error> {
    let parameters = set_base(Parameters::default().set("id", id.as_str()), base);
    let statement = DELETE_RECORDING.bind(set_records(parameters, std::slice::from_ref(record)))?;
    Ok(db.query_one_raw(statement).await?.is_some())
}

/// Returns the base that is stored under this id.
async fn stored(db: &impl ConnectionTrait, id: &NotebookId) -> Result<Option<Base>, Error> {
    let query = Entity::find_by_id(id.as_str()).select_only().columns([Column::Life, Column::Revision]);
    Ok(rows::one::<BaseRow>(db, query.as_query(), TABLE).await?.map(Base::from))
}
