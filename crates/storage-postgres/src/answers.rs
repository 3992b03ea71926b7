//! Kept answers: their part of the statements that change something, and the statements that are about them alone.

use std::sync::Arc;

use quire_domain::{Timestamp, UserId};
use quire_storage::{AnswerKey, KeptAnswer, RequestDigest};

use crate::columns::Statement;
use crate::database::Database;
use crate::error::Error;
use crate::rows;

const TABLE: &str = "idempotency_keys";
/// Rows that one statement forgets at most, so that it takes a moment.
const BATCH: i64 = 1_000;

/// The part of a statement that keeps answers: it acts only if `$changed`, the part that decides, returned a row. A key
/// that is there already is a violation of the primary key, which undoes the statement as a whole. Takes five parameters.
macro_rules! keeping {
    ($changed:literal, $user:literal, $key:literal, $request:literal, $outcome:literal, $at:literal) => {
        concat!(
            ", kept AS (INSERT INTO idempotency_keys (user_id, key, request, outcome, created_at) SELECT a.* FROM ",
            $changed,
            ", unnest(",
            $user,
            "::text[], ",
            $key,
            "::bytea[], ",
            $request,
            "::bytea[], ",
            $outcome,
            "::text[], ",
            $at,
            "::timestamptz[]) AS a) "
        )
    };
}
pub(crate) use keeping;

/// Binds the five parameters.
pub(crate) fn bind(statement: Statement, answers: &[KeptAnswer]) -> Statement {
    statement
        .bind(answers.iter().map(|answer| answer.user.as_str().to_owned()).collect::<Vec<_>>())
        .bind(answers.iter().map(|answer| answer.key.0.to_vec()).collect::<Vec<_>>())
        .bind(answers.iter().map(|answer| answer.request.0.to_vec()).collect::<Vec<_>>())
        .bind(answers.iter().map(|answer| answer.outcome.to_string()).collect::<Vec<_>>())
        .bind(answers.iter().map(|answer| answer.at).collect::<Vec<_>>())
}

/// Keeps answers to what changed nothing.
pub(crate) async fn keep(database: &Database, answers: &[KeptAnswer]) -> Result<(), Error> {
    const SQL: &str = concat!(
        "WITH nothing AS (SELECT)",
        keeping!("nothing", "$1", "$2", "$3", "$4", "$5"),
        "SELECT" // what it keeps does not depend on what it returns
    );
    database.fetch_optional(bind(sqlx::query(SQL), answers)).await?;
    Ok(())
}

/// Keeps an answer unless one is kept already.
pub(crate) async fn keep_if_missing(database: &Database, answer: &KeptAnswer) -> Result<(), Error> {
    match keep(database, std::slice::from_ref(answer)).await {
        Err(Error::Answered) => Ok(()),
        kept => kept,
    }
}

/// The answer that is kept there. One that has expired by now makes place.
pub(crate) async fn find(
    database: &Database,
    user: &UserId,
    key: AnswerKey,
    now: Timestamp,
) -> Result<Option<KeptAnswer>, Error> {
    const FIND: &str =
        "SELECT request, outcome, created_at, current_setting('transaction_read_only')::bool AS read_only
        FROM idempotency_keys WHERE user_id = $1 AND key = $2";
    const FORGET: &str = "DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2 AND created_at <= $3";
    let found = database.read(|| sqlx::query(FIND).bind(user.as_str()).bind(&key.0[..])).await?.pop();
    let Some(row) = found else { return Ok(None) };
    let request: &[u8] = rows::column(&row, TABLE, "request")?;
    let request = request.try_into().map_err(|error| rows::refuse(TABLE, user.as_str(), "request")(&error))?;
    let answer = KeptAnswer {
        user: user.clone(),
        key,
        request: RequestDigest(request),
        outcome: Arc::from(rows::column::<&str>(&row, TABLE, "outcome")?),
        at: rows::column(&row, TABLE, "created_at")?,
    };
    if answer.has_expired(now) {
        // Where nothing can be written, nothing needs the place, and to try would cost the connections their trust.
        if !rows::column::<bool>(&row, TABLE, "read_only")? {
            let oldest = KeptAnswer::oldest(now);
            database.read(|| sqlx::query(FORGET).bind(user.as_str()).bind(&key.0[..]).bind(oldest)).await?;
        }
        return Ok(None);
    }
    Ok(Some(answer))
}

/// Forgets what has expired by now, and what is too much of these users.
pub(crate) async fn forget(database: &Database, users: &[UserId], now: Timestamp) -> Result<(), Error> {
    const EXPIRED: &str = "DELETE FROM idempotency_keys WHERE (user_id, key) IN (
            SELECT user_id, key FROM idempotency_keys WHERE created_at <= $1
            ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )";
    const SURPLUS: &str = "DELETE FROM idempotency_keys WHERE user_id = $1 AND key IN (
            SELECT key FROM idempotency_keys WHERE user_id = $1 ORDER BY created_at DESC, key DESC OFFSET $2 LIMIT $3
        )";
    let most = i64::try_from(KeptAnswer::MOST).unwrap_or(i64::MAX);
    let oldest = KeptAnswer::oldest(now);
    database.fetch_optional(sqlx::query(EXPIRED).bind(oldest).bind(BATCH)).await?;
    for user in users {
        database.fetch_optional(sqlx::query(SURPLUS).bind(user.as_str()).bind(most).bind(BATCH)).await?;
    }
    Ok(())
}
