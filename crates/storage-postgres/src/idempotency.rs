//! Idempotency records: their part of statements for changes, and the statements for them alone.

use std::sync::Arc;

use quire_domain::{Timestamp, UserId};
use quire_storage::{IdempotencyRecord, RecordLookup, RequestDigest};
use sea_orm::sea_query::{Expr, ExprTrait as _, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
};

use crate::entity::idempotency_keys::{Column, Entity};
use crate::error::Error;
use crate::named_sql::{NamedSql, Parameters};
use crate::parameters::set_records;
use crate::rows;

const TABLE: &str = "idempotency_keys";
/// Maximum number of rows that one statement deletes, so that it is short.
const BATCH: u64 = 1_000;

/// The part of a statement that stores idempotency records: it acts only if `$changed`, the part that decides, returned
/// a row. An existing key violates the primary key, which rolls back the whole statement.
macro_rules! recording {
    ($changed:literal) => {
        concat!(
            ", recorded AS (INSERT INTO idempotency_keys (user_id, key, request, outcome, created_at) SELECT r.* FROM ",
            $changed,
            ", unnest(:record_users::text[], :record_keys::bytea[], :record_requests::bytea[], :record_outcomes::text[], ",
            ":record_times::timestamptz[]) AS r) "
        )
    };
}
pub(crate) use recording;

/// Stores the records of requests that changed nothing.
pub(crate) async fn insert(db: &impl ConnectionTrait, records: &[IdempotencyRecord]) -> Result<(), Error> {
    // Arrays instead of the builder's tuple for each row: one text, and so one prepared statement, for any number of
    // rows.
    static SQL: NamedSql = NamedSql::new(concat!("WITH nothing AS (SELECT)", recording!("nothing"), "SELECT"));
    db.execute_raw(SQL.bind(set_records(Parameters::default(), records))?).await?;
    Ok(())
}

/// Stores a record unless its key has one.
pub(crate) async fn insert_if_missing(db: &impl ConnectionTrait, record: &IdempotencyRecord) -> Result<(), Error> {
    match insert(db, std::slice::from_ref(record)).await {
        Err(Error::AlreadyRecorded) => Ok(()),
        outcome => outcome,
    }
}

#[derive(FromQueryResult)]
struct Row {
    request: Vec<u8>,
    outcome: String,
    created_at: Timestamp,
    is_read_only: bool,
}

/// Returns the record of this key. An expired record is deleted instead.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    lookup: RecordLookup<'_>,
) -> Result<Option<IdempotencyRecord>, Error> {
    let RecordLookup { user, key, now } = lookup;
    let found = Entity::find_by_id((user.as_str().to_owned(), key.0.to_vec()))
        .select_only()
        .columns([Column::Request, Column::Outcome, Column::CreatedAt])
        .expr_as(Expr::cust("current_setting('transaction_read_only')::bool"), "is_read_only");
    let Some(row) = rows::one::<Row>(db, found.as_query(), TABLE).await? else { return Ok(None) };
    let request = row
        .request
        .try_into()
        .map_err(|_wrong| rows::refuse(TABLE, user.as_str(), "request")(&"it does not have 32 bytes"))?;
    let (outcome, at) = (Arc::from(row.outcome), row.created_at);
    let record = IdempotencyRecord { user: user.clone(), key, request: RequestDigest(request), outcome, at };
    if !record.has_expired(now) {
        return Ok(Some(record));
    }
    // A read-only server needs no deletion, and an attempt would make the store distrust its connections.
    if !row.is_read_only {
        let this = Column::UserId.eq(user.as_str()).and(Column::Key.eq(&key.0[..]));
        let expired = Column::CreatedAt.lte(IdempotencyRecord::oldest(now));
        Entity::delete_many().filter(this).filter(expired).exec(db).await?;
    }
    Ok(None)
}

/// Deletes expired records, and all but the newest records of each of these users.
pub(crate) async fn delete_old(db: &impl ConnectionTrait, users: &[UserId], now: Timestamp) -> Result<(), Error> {
    let key = || Expr::tuple([Expr::col(Column::UserId), Expr::col(Column::Key)]);
    let expired = Query::select()
        .columns([Column::UserId, Column::Key])
        .from(Entity)
        .and_where(Column::CreatedAt.lte(IdempotencyRecord::oldest(now)))
        .order_by(Column::CreatedAt, sea_orm::Order::Asc)
        .limit(BATCH)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .to_owned();
    Entity::delete_many().filter(key().in_subquery(expired)).exec(db).await?;
    for user in users {
        let surplus = Query::select()
            .column(Column::Key)
            .from(Entity)
            .and_where(Column::UserId.eq(user.as_str()))
            .order_by(Column::CreatedAt, sea_orm::Order::Desc)
            .order_by(Column::Key, sea_orm::Order::Desc)
            .offset(rows::limit(IdempotencyRecord::MAX))
            .limit(BATCH)
            .to_owned();
        let surplus = Column::UserId.eq(user.as_str()).and(Column::Key.in_subquery(surplus));
        Entity::delete_many().filter(surplus).exec(db).await?;
    }
    Ok(())
}
