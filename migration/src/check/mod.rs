//! Comparison of a live schema with the schema that this build expects, regardless of the record.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::{MigrateError, session};

/// The schema that [`STEPS`](crate::STEPS) lead to, as [`describe`] formats it.
pub const SCHEMA: &str = include_str!("../schema.txt");

/// Differences between a live schema and the expected one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Objects of Quire's tables that are missing, different or not expected, with a sentence for each.
    pub differences: Vec<String>,
    /// Tables and sequences that are not Quire's. They are no error.
    pub others: Vec<String>,
}

/// Compares a live schema with an expected one, for example [`SCHEMA`].
///
/// # Errors
///
/// If the database cannot be read.
pub async fn check(connection: &mut PgConnection, expected: &str) -> Result<Findings, MigrateError> {
    Ok(compare(expected, &read(connection).await?))
}

/// Describes a live schema as lines in a fixed order: the form that [`check`] expects.
///
/// # Errors
///
/// If the database cannot be read.
pub async fn describe(connection: &mut PgConnection) -> Result<String, MigrateError> {
    let lines = read(connection).await?;
    Ok(lines.into_iter().map(|(_, line)| line + "\n").collect())
}

/// Reads the lines of the description, each with the table or sequence that it belongs to.
async fn read(connection: &mut PgConnection) -> Result<Vec<(String, String)>, MigrateError> {
    let line = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    // One message is one transaction, so the settings apply to this query only.
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
            // A missing table is reported by its name alone, without its columns and constraints.
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

/// Returns the table or sequence of an object: `column cells.code` belongs to `cells`.
fn owner(thing: &str) -> &str {
    let name = thing.split_once(' ').map_or(thing, |(_, name)| name);
    name.split_once('.').map_or(name, |(owner, _)| owner)
}

fn is_whole(thing: &str) -> bool {
    thing.starts_with("table ") || thing.starts_with("sequence ")
}
