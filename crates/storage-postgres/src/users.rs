//! What the table of users knows beside who owns what.

use async_trait::async_trait;
use quire_domain::UserId;
use quire_storage::{KnownUser, StoreError, UserDirectory};

use crate::error::Error;
use crate::{PostgresNotebookStore, rows, text};

const TABLE: &str = "users";

const FIND: &str = "SELECT is_active, email FROM users WHERE id = $1";

/// Only where it is another one, so that signing in writes nothing as a rule.
const SET_EMAIL: &str = "
    UPDATE users SET email = $2, updated_at = now()
    WHERE id = $1 AND email IS DISTINCT FROM $2";

#[async_trait]
impl UserDirectory for PostgresNotebookStore {
    async fn find(&self, user: &UserId) -> Result<Option<KnownUser>, StoreError> {
        let find = || sqlx::query(FIND).bind(user.as_str());
        let known = self.database.read(find).await.and_then(|found| {
            let known = |row| {
                let email: Option<String> = rows::column(row, TABLE, "email")?;
                let is_active = rows::column(row, TABLE, "is_active")?;
                // One that was not written here, and holds a mark of ours, is as good as none.
                Ok::<_, Error>(KnownUser { is_active, email: email.and_then(text::decode) })
            };
            found.first().map(known).transpose()
        });
        known.map_err(|error| error.of_read("look a user up"))
    }

    async fn set_email(&self, user: &UserId, email: &str) -> Result<(), StoreError> {
        let set = sqlx::query(SET_EMAIL).bind(user.as_str()).bind(text::encode(email));
        self.database.fetch_all(set).await.map(|_none| ()).map_err(|error| error.of_read("note an e-mail address"))
    }
}
