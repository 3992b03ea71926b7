//! Change of the secret key: resealing connection strings with the current key.

use quire_domain::{CannotOpen, NotebookId, SecretKeys, StoredConnection, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use crate::entity::notebooks::{Column, Entity};
use crate::error::Error;
use crate::rows;

const TABLE: &str = "notebooks";
/// Number of notebooks that one query reads.
const BATCH: usize = 500;

/// Result of resealing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Number of connection strings that were resealed.
    pub resealed: usize,
    /// Number of connection strings that were already sealed with the current key.
    pub current: usize,
    /// Notebooks whose connection strings cannot be opened, and were left unchanged.
    pub unopened: Vec<(NotebookId, CannotOpen)>,
}

#[derive(FromQueryResult)]
struct Row {
    id: String,
    user_id: String,
    db_conn_sealed: String,
}

/// Seals every connection string with the current key. Servers may continue meanwhile, as long as they have both keys:
/// a string that a server changes concurrently is skipped, because the server seals with its current key. It can be
/// interrupted and repeated.
pub(crate) async fn reseal(
    db: &impl ConnectionTrait,
    keys: &SecretKeys,
    nonce: impl Fn() -> Result<[u8; 24], getrandom::Error>,
) -> Result<Resealed, Error> {
    let mut done = Resealed::default();
    let mut after = String::new();
    loop {
        let batch = Entity::find()
            .select_only()
            .columns([Column::Id, Column::UserId, Column::DbConnSealed])
            .filter(Column::DbConnSealed.is_not_null().and(Column::Id.gt(after.as_str())))
            .order_by_asc(Column::Id)
            .limit(rows::limit(BATCH));
        let batch = rows::all::<Row>(db, batch.as_query(), TABLE).await?;
        let is_last = batch.len() < BATCH;
        for Row { id, user_id, db_conn_sealed } in batch {
            let bad = |column| rows::refuse(TABLE, &id, column);
            let notebook = NotebookId::new(id.as_str()).map_err(|error| bad("id")(&error))?;
            let owner = UserId::new(user_id).map_err(|error| bad("user_id")(&error))?;
            let stored =
                StoredConnection::new(db_conn_sealed.as_str()).map_err(|error| bad("db_conn_sealed")(&error))?;
            after.clone_from(&id);
            let Some(stored) = stored else { continue };
            match keys.reseal(&stored, &notebook, &owner, nonce()?) {
                Ok(None) => done.current += 1,
                Ok(Some(new)) => {
                    let is_written = write(db, &id, &db_conn_sealed, new.expose()).await?;
                    done.resealed += usize::from(is_written);
                    done.current += usize::from(!is_written);
                }
                Err(why) => done.unopened.push((notebook, why)),
            }
        }
        if is_last {
            return Ok(done);
        }
    }
}

/// Replaces a string if it is still the one that was read, so that no newer one is lost, and returns `true` if it was.
/// The notebook gets a new version, so that no server continues with the old string.
async fn write(db: &impl ConnectionTrait, id: &str, read: &str, new: &str) -> Result<bool, Error> {
    // `ARRAY[$1]` is impossible: the builder reads the text in brackets as a quoted name.
    let commits = Expr::cust_with_values("(array_prepend($1, commit_ids))[1:16]", [Uuid::new_v4()]);
    let written = Entity::update_many()
        .col_expr(Column::DbConnSealed, Expr::val(new))
        .col_expr(Column::Version, Expr::cust("nextval('notebook_versions')"))
        .col_expr(Column::CommitIds, commits)
        .col_expr(Column::CommitVersions, Expr::cust("(version || commit_versions)[1:15]"))
        .filter(Column::Id.eq(id).and(Column::DbConnSealed.eq(read)))
        .exec(db)
        .await?;
    Ok(written.rows_affected > 0)
}
