//! Whether a live schema is the one that this build expects, whatever the record says.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::{MigrateError, session};

/// The schema that [`STEPS`](crate::STEPS) lead to, as [`describe`] tells it.
pub const SCHEMA: &str = include_str!("../schema.txt");

/// What a live schema has beside what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is missing, other than expected, or not expected in a table of ours: a sentence for each.
    pub differences: Vec<String>,
    /// Tables and sequences that are not ours. They are somebody's own, and no fault.
    pub others: Vec<String>,
}

/// Compares a live schema with an expected one, for example [`SCHEMA`].
///
/// # Errors
///
/// When the database cannot be read.
pub async fn check(connection: &mut PgConnection, expected: &str) -> Result<Findings, MigrateError> {
    Ok(compare(expected, &read(connection).await?))
}

/// A live schema, as lines in a fixed order: the form that [`check`] expects.
///
/// # Errors
///
/// When the database cannot be read.
pub async fn describe(connection: &mut PgConnection) -> Result<String, MigrateError> {
    let lines = read(connection).await?;
    Ok(lines.into_iter().map(|(_, line)| line + "\n").collect())
}

/// Each with the table or sequence that it belongs to.
async fn read(connection: &mut PgConnection) -> Result<Vec<(String, String)>, MigrateError> {
    let line = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    // One message, and so one transaction: the settings hold for the question alone.
    let sql = format!("{} {}", session::DIALECT, include_str!("catalog.sql"));
    let rows = session::rows(connection, sql).await;
    rows.and_then(|rows| rows.iter().map(line).collect()).map_err(MigrateError::database("read the live schema"))
}

fn compare(expected: &str, live: &[(String, String)]) -> Findings {
    let expected: BTreeMap<_, _> = expected.lines().filter_map(|line| line.split_once(": ")).collect();
    let ours: BTreeSet<_> = expected.keys().map(|thing| owner(thing)).collect();
    let there: BTreeSet<_> = live.iter().map(|(owner, _)| owner.as_str()).collect();
    let mut findings = Findings::default();
    let mut found = BTreeMap::new();
    for (owner, line) in live {
        let (thing, description) = line.split_once(": ").unwrap_or((line, ""));
        if ours.contains(owner.as_str()) {
            found.insert(thing, description);
        } else if is_whole(thing) {
            findings.others.push(thing.to_owned());
        }
    }
    for (thing, wanted) in &expected {
        match found.remove(thing) {
            Some(description) if description == *wanted => {}
            Some(description) => {
                findings.differences.push(format!("{thing}: expected `{wanted}`, found `{description}`"));
            }
            // Where a table is missing, so is everything of it; its name is enough.
            None if is_whole(thing) || there.contains(owner(thing)) => {
                findings.differences.push(format!("{thing}: missing, expected `{wanted}`"));
            }
            None => {}
        }
    }
    let unexpected =
        found.into_iter().map(|(thing, description)| format!("{thing}: not expected, found `{description}`"));
    findings.differences.extend(unexpected);
    findings
}

/// `column cells.code` belongs to `cells`.
fn owner(thing: &str) -> &str {
    let name = thing.split_once(' ').map_or(thing, |(_, name)| name);
    name.split_once('.').map_or(name, |(owner, _)| owner)
}

fn is_whole(thing: &str) -> bool {
    thing.starts_with("table ") || thing.starts_with("sequence ")
}
