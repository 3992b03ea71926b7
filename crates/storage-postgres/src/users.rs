//! The table of users, apart from ownership of notebooks.

use async_trait::async_trait;
use quire_domain::UserId;
use quire_storage::{KnownUser, StoreError, UserDirectory};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};

use crate::entity::users::{Column, Entity};
use crate::error::Error;
use crate::{PostgresNotebookStore, parameters, rows, text};

#[derive(FromQueryResult)]
struct Row {
    is_active: bool,
    email: Option<String>,
}

async fn find(db: &impl ConnectionTrait, user: &UserId) -> Result<Option<KnownUser>, Error> {
    let query = Entity::find_by_id(user.as_str()).select_only().columns([Column::IsActive, Column::Email]);
    let row = rows::one::<Row>(db, query.as_query(), "users").await?;
    // An address with a mark that this store did not write counts as none.
    Ok(row.map(|row| KnownUser { is_active: row.is_active, email: row.email.and_then(text::decode) }))
}

/// Stores an address only if it differs, so that signing in usually writes nothing.
async fn set_email(db: &impl ConnectionTrait, user: &UserId, email: &str) -> Result<(), Error> {
    let email = parameters::encoded(email);
    let differs = Column::Email.ne(email.as_str()).or(Column::Email.is_null());
    Entity::update_many()
        .col_expr(Column::Email, Expr::val(email.as_str()))
        .col_expr(Column::UpdatedAt, Expr::current_timestamp())
        .filter(Column::Id.eq(user.as_str()).and(differs))
        .exec(db)
        .await?;
    Ok(())
}

#[async_trait]
impl UserDirectory for PostgresNotebookStore {
    async fn find(&self, user: &UserId) -> Result<Option<KnownUser>, StoreError> {
        find(&self.connection, user).await.map_err(|error| error.of_read("look a user up"))
    }

    async fn set_email(&self, user: &UserId, email: &str) -> Result<(), StoreError> {
        set_email(&self.connection, user, email).await.map_err(|error| error.of_read("note an e-mail address"))
    }
}
