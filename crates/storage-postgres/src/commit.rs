//! Committing changes: one statement, and finding out what became of it when its answer is lost.

use quire_domain::{Base, NotebookId, Results};
use quire_storage::{Commit, CommitId, Version};
use uuid::Uuid;

use crate::answers::{self, keeping};
use crate::columns::{CellColumns, CellUpdate, OutputColumns, Statement, UpdateColumns};
use crate::database::Database;
use crate::doubt::Try;
use crate::effect::{self, Effect};
use crate::error::Error;
use crate::rows;

/// How often a commit is tried when the database is unclear about it.
const TRIES: usize = 4;
/// Commits that a notebook remembers.
const REMEMBERED: usize = 16;

const UPDATE_CELL: &str = concat!(include_str!("sql/update_cell.sql"), "SELECT version FROM bump");
const UPDATE_CELL_ANSWERING: &str = concat!(
    include_str!("sql/update_cell.sql"),
    keeping!("bump", "$14", "$15", "$16", "$17", "$18"),
    "SELECT version FROM bump"
);
const COMMIT: &str = concat!(include_str!("sql/commit.sql"), "SELECT version FROM bump");
const COMMIT_ANSWERING: &str = concat!(
    include_str!("sql/commit.sql"),
    keeping!("bump", "$45", "$46", "$47", "$48", "$49"),
    "SELECT version FROM bump"
);

/// Makes a commit durable; repeating it does it once.
pub(crate) async fn commit(database: &Database, commit: &Commit<'_>) -> Result<Version, Error> {
    let id = &commit.after.id;
    let decided = Decided { database, id, commit: commit.id, base: Some(commit.base) };
    decided.run(|| statement(commit)).await
}

/// A change that happens once, by the id that is stored with it.
#[derive(Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) database: &'a Database,
    pub(crate) id: &'a NotebookId,
    pub(crate) commit: CommitId,
    /// What it was made for; absent for a notebook that must not be there yet.
    pub(crate) base: Option<Base>,
}

/// What is stored of a notebook, for telling whether a commit has happened.
enum Found {
    /// It has, and took this version.
    Done(Version),
    /// There is no such notebook.
    Missing,
    /// It has not, and may still be tried.
    Open,
    /// It has not, and will not.
    TooLate,
    /// So many others came since it was first tried that it cannot be told.
    Forgotten,
}

impl Decided<'_> {
    /// Tries a statement that returns the new version, or no row where it refused, until it is known what became of it.
    pub(crate) async fn run(
        &self,
        statement: impl Fn() -> Result<Statement, serde_json::Error>,
    ) -> Result<Version, Error> {
        let doubts = &self.database.doubts;
        let tried = doubts.begin(self.commit);
        let outcome = self.decide(statement, tried).await;
        if let Ok(version) = &outcome {
            doubts.took(tried, *version);
        }
        doubts.end(self.commit, tried, !matches!(outcome, Err(Error::Unknown(_))));
        outcome
    }

    async fn decide(
        &self,
        statement: impl Fn() -> Result<Statement, serde_json::Error>,
        tried: Try,
    ) -> Result<Version, Error> {
        let mut in_doubt = tried.is_repeated.then_some(Error::Unsettled);
        for round in 0..TRIES {
            // What may have happened, and may be forgotten, is looked for before it is sent again: the statement itself
            // knows only the commits that are remembered.
            if round > 0 || !tried.is_repeated {
                match self.database.fetch_optional(statement()?).await {
                    Ok(Some(row)) => return rows::column(&row, "notebooks", "version").map(Version),
                    // Not there, not at the base, has seen this commit, or is not as the caller thinks.
                    Ok(None) => {}
                    Err(error) if error.is_in_doubt() => in_doubt = Some(error),
                    // What refuses a repetition says nothing of the first time.
                    Err(error) => return Err(if in_doubt.is_some() { Error::Unknown(Box::new(error)) } else { error }),
                }
            }
            let found = match self.look(tried.above).await {
                Ok(found) => found,
                Err(error) if in_doubt.is_none() => return Err(error.of_look()),
                Err(error) => return Err(Error::Unknown(Box::new(error))),
            };
            match (found, self.base) {
                (Found::Done(version), _) => return Ok(version),
                (Found::Missing, Some(_)) => return Err(Error::NotFound),
                (Found::TooLate, _) => return Err(self.refused()),
                (Found::Forgotten, _) => break,
                // Refused, and yet nothing has moved: it was still under way when it was looked for, or what the caller
                // knows of the notebook is not what is stored. The next round tells.
                (Found::Open | Found::Missing, _) => {}
            }
        }
        Err(in_doubt.map_or_else(|| self.refused(), |error| Error::Unknown(Box::new(error))))
    }

    /// It did not happen, because others came first.
    fn refused(&self) -> Error {
        self.base.map_or(Error::Exists, |base| Error::Mismatch(base.revision))
    }

    /// Looks whether it has happened; if so, its version is higher than `above`.
    async fn look(&self, above: Version) -> Result<Found, Error> {
        const SQL: &str = "SELECT life, revision, version, commit_ids, commit_versions FROM notebooks WHERE id = $1";
        let mut found = self.database.read(|| sqlx::query(SQL).bind(self.id.as_str())).await?;
        let Some(row) = found.pop() else { return Ok(Found::Missing) };
        let stored = rows::base(&row)?;
        let newest: i64 = rows::column(&row, "notebooks", "version")?;
        let ids: Vec<Uuid> = rows::column(&row, "notebooks", "commit_ids")?;
        let older: Vec<i64> = rows::column(&row, "notebooks", "commit_versions")?;
        // The first id is that of the newest version, each following one of the next older.
        let versions = std::iter::once(newest).chain(older.iter().copied());
        if let Some((_, version)) = ids.iter().zip(versions).find(|(id, _)| **id == self.commit.0) {
            return Ok(Found::Done(Version(version)));
        }
        self.database.doubts.saw(Version(newest));
        let is_complete = ids.len() < REMEMBERED || older.last().is_none_or(|oldest| *oldest <= above.0);
        Ok(match self.base {
            _ if !is_complete => Found::Forgotten,
            Some(base) if base == stored => Found::Open,
            _ => Found::TooLate,
        })
    }
}

fn statement(commit: &Commit<'_>) -> Result<Statement, serde_json::Error> {
    let effects = effect::of(commit.changes);
    let cells_alone = commit.changes.iter().all(|change| change.name.is_none() && change.connection.is_none());
    let is_short = |update: &CellUpdate<'_>| cells_alone && update.results.is_none() && update.extra.is_none();
    // Who sends no keys has statements that know of none.
    Ok(match (effects.as_slice(), commit.answers) {
        ([Effect::Update(update)], []) if is_short(update) => update_cell(commit, update, UPDATE_CELL),
        ([Effect::Update(update)], answers) if is_short(update) => {
            answers::bind(update_cell(commit, update, UPDATE_CELL_ANSWERING), answers)
        }
        (_, []) => general(commit, &effects, COMMIT)?,
        (_, answers) => answers::bind(general(commit, &effects, COMMIT_ANSWERING)?, answers),
    })
}

fn head(commit: &Commit<'_>, sql: &'static str) -> Statement {
    sqlx::query(sql)
        .bind(commit.after.id.as_str().to_owned())
        .bind(commit.base.revision.0)
        .bind(commit.after.revision.0)
        .bind(commit.after.updated_at)
        .bind(commit.id.0)
}

fn update_cell(commit: &Commit<'_>, update: &CellUpdate<'_>, sql: &'static str) -> Statement {
    let names = |names: &Option<Vec<&str>>| {
        let names = names.as_ref()?.iter().map(|name| crate::text::encode(name).into_owned());
        Some(names.collect::<Vec<_>>())
    };
    head(commit, sql)
        .bind(update.id.as_str().to_owned())
        .bind(update.order_key.map(str::to_owned))
        .bind(update.cell_type)
        .bind(update.code.map(|code| crate::text::encode(code).into_owned()))
        .bind(names(&update.reads))
        .bind(names(&update.writes))
        .bind(update.revision)
        .bind(commit.base.life.number())
}

fn general(commit: &Commit<'_>, effects: &[Effect<'_>], sql: &'static str) -> Result<Statement, serde_json::Error> {
    let no_results = Results::default();
    let (mut updates, mut inserts) = (UpdateColumns::default(), CellColumns::default());
    let (mut deletes, mut outputs) = (Vec::new(), OutputColumns::default());
    for effect in effects {
        match effect {
            Effect::Insert(cell) => {
                inserts.push(cell)?;
                outputs.push(&cell.id, &cell.results);
            }
            Effect::Update(update) => {
                updates.push(update, &no_results)?;
                if let Some(results) = update.results {
                    outputs.push(update.id, results);
                }
            }
            Effect::Delete(id) => deletes.push(id.as_str()),
        }
    }
    let name = commit.changes.iter().rev().find_map(|change| change.name.as_ref());
    let connection = commit.changes.iter().rev().find_map(|change| change.connection.as_ref());
    let statement = head(commit, sql)
        .bind(name.is_some())
        .bind(name.and_then(|name| name.after.as_deref().map(str::to_owned)))
        .bind(connection.is_some())
        .bind(connection.and_then(|connection| connection.after.as_ref().map(|after| after.expose().to_owned())));
    let statement = updates.bind_ids(statement).bind(deletes);
    let statement = inserts.bind(updates.bind_rest(statement));
    Ok(outputs.bind(statement).bind(commit.base.life.number()))
}
