//! Changing the secret key: everything that is sealed with the old one is sealed with the new one.

use quire_domain::{CannotOpen, NotebookId, SecretKeys, StoredConnection, UserId};
use uuid::Uuid;

use crate::database::Database;
use crate::error::Error;
use crate::rows;

/// Notebooks that are read at once.
const BATCH: usize = 500;

/// What resealing has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many connection strings are sealed anew.
    pub resealed: usize,
    /// How many already were under the current key.
    pub current: usize,
    /// Those that cannot be opened, and were left as they are.
    pub unopened: Vec<(NotebookId, CannotOpen)>,
}

/// Seals every connection string with the current key. Servers may go on meanwhile, as long as they have both keys: a string
/// that somebody changes at the same moment is left to them, who seal with their current key. Can be cut off and repeated.
pub(crate) async fn reseal(
    database: &Database,
    keys: &SecretKeys,
    nonce: impl Fn() -> Result<[u8; 24], getrandom::Error>,
) -> Result<Resealed, Error> {
    const READ: &str = "SELECT id, user_id, db_conn_sealed FROM notebooks
        WHERE db_conn_sealed IS NOT NULL AND id > $1 ORDER BY id LIMIT $2";
    // Compared with what was read, so that no newer string is lost. A new version, so that nobody goes on with the old one.
    const WRITE: &str = "UPDATE notebooks
        SET db_conn_sealed = $3, version = nextval('notebook_versions'),
            commit_ids = (ARRAY[$4::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15]
        WHERE id = $1 AND db_conn_sealed = $2
        RETURNING id";
    const TABLE: &str = "notebooks";
    let mut done = Resealed::default();
    let mut after = String::new();
    loop {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let batch = database.read(|| sqlx::query(READ).bind(after.clone()).bind(limit)).await?;
        for row in &batch {
            let id: &str = rows::column(row, TABLE, "id")?;
            let bad = |column| rows::refuse(TABLE, id, column);
            let owner: &str = rows::column(row, TABLE, "user_id")?;
            let sealed: &str = rows::column(row, TABLE, "db_conn_sealed")?;
            id.clone_into(&mut after);
            let notebook = NotebookId::new(id).map_err(|error| bad("id")(&error))?;
            let owner = UserId::new(owner).map_err(|error| bad("user_id")(&error))?;
            let stored = StoredConnection::new(sealed).map_err(|error| bad("db_conn_sealed")(&error))?;
            let Some(stored) = stored else { continue };
            match keys.reseal(&stored, &notebook, &owner, nonce()?) {
                Ok(None) => done.current += 1,
                Ok(Some(new)) => {
                    let write = sqlx::query(WRITE).bind(id).bind(sealed).bind(new.expose()).bind(Uuid::new_v4());
                    let written = database.fetch_optional(write).await?.is_some();
                    done.resealed += usize::from(written);
                    done.current += usize::from(!written);
                }
                Err(why) => done.unopened.push((notebook, why)),
            }
        }
        if batch.len() < BATCH {
            return Ok(done);
        }
    }
}
