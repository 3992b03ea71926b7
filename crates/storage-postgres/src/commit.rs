//! Commits of changes: one statement each, and the resolution of its outcome if its answer is lost.

use quire_domain::{Base, NotebookId, Results};
use quire_storage::{Commit, CommitId, Committed, Version};
use sea_orm::{ConnectionTrait, EntityTrait as _, FromQueryResult, QuerySelect as _, QueryTrait as _, Statement};
use uuid::Uuid;

use crate::effect::{self, Effect};
use crate::entity::notebooks::{Column, Entity};
use crate::error::Error;
use crate::idempotency::recording;
use crate::named_sql::{ABSENT, ABSENT_TIME, NamedSql, Parameters};
use crate::notebooks::set_base;
use crate::parameters::{CellColumns, CellUpdate, OutputColumns, UpdateColumns, encoded, set_records};
use crate::rows::{self, BaseRow, VersionRow};
use crate::unresolved::{Attempt, UnresolvedCommits};

/// Maximum attempts of a commit whose outcome the database leaves in doubt.
const TRIES: usize = 4;
/// Maximum number of commits that a notebook's row remembers.
const REMEMBERED: usize = 16;

// Data-modifying CTEs: the builder has no arrays of rows, and a commit is one round trip.
static UPDATE_CELL: NamedSql =
    NamedSql::new(concat!(include_str!("sql/update_cell.sql"), "SELECT version, previous FROM bump"));
static UPDATE_CELL_RECORDING: NamedSql = NamedSql::new(concat!(
    include_str!("sql/update_cell.sql"),
    recording!("bump"),
    "SELECT version, previous FROM bump"
));
static COMMIT: NamedSql = NamedSql::new(concat!(include_str!("sql/commit.sql"), "SELECT version, previous FROM bump"));
static COMMIT_RECORDING: NamedSql =
    NamedSql::new(concat!(include_str!("sql/commit.sql"), recording!("bump"), "SELECT version, previous FROM bump"));

/// Makes a commit durable. Idempotent: a repeated commit takes effect once.
pub(crate) async fn commit(
    db: &impl ConnectionTrait,
    unresolved: &UnresolvedCommits,
    commit: &Commit<'_>,
) -> Result<Committed, Error> {
    let id = &commit.after.id;
    let resolver = CommitResolver { db, unresolved, id, commit: commit.id, base: Some(commit.base) };
    resolver.run(|| statement(commit)).await
}

/// A change that takes effect at most once, identified by the commit id stored with it.
#[derive(Debug)]
pub(crate) struct CommitResolver<'a, C> {
    pub(crate) db: &'a C,
    pub(crate) unresolved: &'a UnresolvedCommits,
    pub(crate) id: &'a NotebookId,
    pub(crate) commit: CommitId,
    /// The state that the change was made on; absent for a notebook that must not exist yet.
    pub(crate) base: Option<Base>,
}

/// The last commits of a notebook.
#[derive(FromQueryResult)]
struct CommitsRow {
    #[sea_orm(nested)]
    base: BaseRow,
    version: i64,
    commit_ids: Vec<Uuid>,
    commit_versions: Vec<i64>,
}

/// State of a commit according to the stored notebook.
enum Resolution {
    /// The commit took effect.
    Done(Committed),
    /// The notebook does not exist.
    Missing,
    /// The commit did not take effect, and can be retried.
    Open,
    /// The commit did not take effect, and cannot any more.
    TooLate,
    /// So many other commits followed the first attempt that the outcome cannot be determined.
    Forgotten,
}

impl<C: ConnectionTrait> CommitResolver<'_, C> {
    /// Runs a statement that returns the new and the previous version, or no row if it refused, until its outcome is known or the
    /// attempts are used up.
    pub(crate) async fn run(&self, statement: impl Fn() -> Result<Statement, Error>) -> Result<Committed, Error> {
        let attempt = self.unresolved.begin(self.commit);
        let outcome = self.decide(statement, attempt).await;
        if let Ok(committed) = &outcome {
            self.unresolved.took(attempt, committed.version);
        }
        self.unresolved.end(self.commit, attempt, !matches!(outcome, Err(Error::Unknown(_))));
        outcome
    }

    async fn decide(
        &self,
        statement: impl Fn() -> Result<Statement, Error>,
        attempt: Attempt,
    ) -> Result<Committed, Error> {
        let mut in_doubt = attempt.is_repeated.then_some(Error::Unsettled);
        for round in 0..TRIES {
            // A commit that may have taken effect, and may be forgotten, is looked up before it is sent again: the
            // statement itself recognises only the commits that the row remembers.
            if round > 0 || !attempt.is_repeated {
                match VersionRow::find_by_statement(statement()?).one(self.db).await.map_err(Error::from) {
                    Ok(Some(row)) => return Ok(row.into()),
                    // The notebook does not exist, is not at the base, has seen this commit, or differs from what the
                    // caller assumes.
                    Ok(None) => {}
                    Err(error) if error.is_in_doubt() => in_doubt = Some(error),
                    // The refusal of a repetition says nothing about the first attempt.
                    Err(error) => return Err(if in_doubt.is_some() { Error::Unknown(Box::new(error)) } else { error }),
                }
            }
            let found = match self.look_up(attempt.above).await {
                Ok(found) => found,
                Err(error) if in_doubt.is_none() => return Err(error.of_look_up()),
                Err(error) => return Err(Error::Unknown(Box::new(error))),
            };
            match (found, self.base) {
                (Resolution::Done(committed), _) => return Ok(committed),
                (Resolution::Missing, Some(_)) => return Err(Error::NotFound),
                (Resolution::TooLate, _) => return Err(self.refused()),
                (Resolution::Forgotten, _) => break,
                // Refused, although the base is stored: either an earlier attempt was still in flight during the
                // look-up, or the stored notebook differs from what the caller assumes. The next round decides.
                (Resolution::Open | Resolution::Missing, _) => {}
            }
        }
        Err(in_doubt.map_or_else(|| self.refused(), |error| Error::Unknown(Box::new(error))))
    }

    /// Returns the error of a commit that others preceded.
    fn refused(&self) -> Error {
        self.base.map_or(Error::Exists, |base| Error::Mismatch(base.revision))
    }

    /// Looks up the outcome of the commit. If it took effect, its version is higher than `above`.
    async fn look_up(&self, above: Version) -> Result<Resolution, Error> {
        let columns = [Column::Life, Column::Revision, Column::Version, Column::CommitIds, Column::CommitVersions];
        let query = Entity::find_by_id(self.id.as_str()).select_only().columns(columns);
        let found = rows::one::<CommitsRow>(self.db, query.as_query(), "notebooks").await?;
        let Some(row) = found else { return Ok(Resolution::Missing) };
        let (stored, newest) = (Base::from(row.base), row.version);
        let (ids, older) = (row.commit_ids, row.commit_versions);
        // The first id belongs to the newest version, and each following id to the next older version.
        let mut versions = std::iter::once(newest).chain(older.iter().copied()).map(Version);
        if let Some(place) = ids.iter().position(|id| *id == self.commit.0)
            && let Some(version) = versions.nth(place)
        {
            return Ok(Resolution::Done(Committed { version, previous: versions.next() }));
        }
        self.unresolved.observe(Version(newest));
        let is_complete = ids.len() < REMEMBERED || older.last().is_none_or(|oldest| *oldest <= above.0);
        Ok(match self.base {
            _ if !is_complete => Resolution::Forgotten,
            Some(base) if base == stored => Resolution::Open,
            _ => Resolution::TooLate,
        })
    }
}

fn statement(commit: &Commit<'_>) -> Result<Statement, Error> {
    let effects = effect::of(commit.changes);
    let cells_alone = commit
        .changes
        .iter()
        .all(|change| change.name.is_none() && change.connection.is_none() && change.reactive.is_none());
    let is_short = |update: &CellUpdate<'_>| cells_alone && update.results.is_none() && update.extra.is_none();
    let (parameters, plain, recording) = match effects.as_slice() {
        [Effect::Update(update)] if is_short(update) => {
            (update_cell(commit, update), &UPDATE_CELL, &UPDATE_CELL_RECORDING)
        }
        effects => (general(commit, effects)?, &COMMIT, &COMMIT_RECORDING),
    };
    // A commit without idempotency records uses statements without them.
    match commit.records {
        [] => plain.bind(parameters),
        records => recording.bind(set_records(parameters, records)),
    }
}

fn head(commit: &Commit<'_>) -> Parameters {
    let parameters = Parameters::default()
        .set("id", commit.after.id.as_str())
        .set("revision", commit.after.revision.0)
        .set("updated_at", commit.after.updated_at)
        .set("commit", commit.id.0);
    set_base(parameters, commit.base)
}

fn update_cell(commit: &Commit<'_>, update: &CellUpdate<'_>) -> Parameters {
    let names =
        |names: &Option<Vec<&str>>| names.as_ref().map(|names| names.iter().copied().map(encoded).collect::<Vec<_>>());
    head(commit)
        .set("cell", update.id.as_str())
        .set("order_key", update.order_key)
        .set("type", update.cell_type)
        .set("code", update.code.map(encoded))
        .set("reads", names(&update.reads))
        .set("writes", names(&update.writes))
        .set("cell_revision", update.revision)
}

fn general(commit: &Commit<'_>, effects: &[Effect<'_>]) -> Result<Parameters, serde_json::Error> {
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
            Effect::Delete(id) => deletes.push(id.as_str().to_owned()),
        }
    }
    let name = commit.changes.iter().rev().find_map(|change| change.name.as_ref());
    let connection = commit.changes.iter().rev().find_map(|change| change.connection.as_ref());
    let reactive = commit.changes.iter().rev().find_map(|change| change.reactive.as_ref());
    let parameters = head(commit)
        .set("renames", name.is_some())
        .set("name", name.and_then(|name| name.after.as_deref()))
        .set("connects", connection.is_some())
        .set("connection", connection.and_then(|it| it.after.as_ref().map(|after| after.expose().to_owned())))
        .set("reactive", reactive.map(|reactive| reactive.after))
        .set("deleted_ids", deletes)
        .set("absent", ABSENT)
        .set("absent_time", ABSENT_TIME);
    Ok(outputs.set(inserts.set(updates.set(parameters))))
}
