//! Where a database stands, seen from a list of steps.

use std::fmt;

use sqlx::PgConnection;

use crate::history::{self, Entry};
use crate::step::{Kind, Step};
use crate::{MigrateError, Progress, session};

const READ: &str = "read which steps were applied";

/// Where a database stands, seen from a build's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Nothing was ever applied.
    NotMigrated,
    /// Nothing was ever applied where the search path leads, but in schemas that it leaves out.
    Elsewhere {
        /// The schemas' names.
        schemas: Vec<String>,
    },
    /// Steps are still to be applied.
    Behind {
        /// They, in their order.
        pending: Vec<Pending>,
    },
    /// All of the steps, and no others.
    Current,
    /// Steps were applied that the build does not know.
    Ahead {
        /// Whether all of the build's steps were applied, and all the others are later and compatible.
        compatible: bool,
        /// The others' names.
        unknown: Vec<String>,
    },
    /// A run was cut off in a step, or is under way.
    Unfinished {
        /// The step.
        name: String,
    },
    /// A step was edited after it was applied.
    Changed {
        /// The step.
        name: String,
    },
}

/// A step that is still to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub name: &'static str,
    /// What it means to servers that do not know it.
    pub kind: Kind,
}

/// Reads where a database stands. Needs no more than the right to read the record.
///
/// # Errors
///
/// When the database cannot be read, or has another encoding than UTF8.
pub async fn state(connection: &mut PgConnection, steps: &[Step]) -> Result<SchemaState, MigrateError> {
    session::check_encoding(connection).await?;
    match history::read(connection).await.map_err(MigrateError::database(READ))? {
        Some(entries) => Ok(compare(steps, &entries)),
        None => unrecorded(connection).await,
    }
}

/// Where a database without a visible record stands.
async fn unrecorded(connection: &mut PgConnection) -> Result<SchemaState, MigrateError> {
    let schemas = history::elsewhere(connection).await.map_err(MigrateError::database(READ))?;
    Ok(if schemas.is_empty() { SchemaState::NotMigrated } else { SchemaState::Elsewhere { schemas } })
}

/// A step in [`list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub standing: StepStatus,
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// It is still to be applied.
    Pending(Kind),
    /// It was begun then, and not finished.
    Begun(String),
    /// It was begun then, and is applied.
    Applied(String),
    /// It was applied then, by a build that knows it; this one does not.
    Unknown(String),
}

/// The steps of the build and those of the database, by name, and where the database stands.
///
/// # Errors
///
/// When the database cannot be read.
pub async fn list(connection: &mut PgConnection, steps: &[Step]) -> Result<(Vec<Listed>, SchemaState), MigrateError> {
    let recorded = history::read(connection).await.map_err(MigrateError::database(READ))?;
    let state = match &recorded {
        Some(entries) => compare(steps, entries),
        None => unrecorded(connection).await?,
    };
    let entries = recorded.unwrap_or_default();
    let known = |entry: &Entry| steps.iter().any(|step| step.name == entry.name);
    let standing = |entry: &Entry| {
        let at = entry.started_at.clone();
        match (entry.finished, known(entry)) {
            (false, _) => StepStatus::Begun(at),
            (true, true) => StepStatus::Applied(at),
            (true, false) => StepStatus::Unknown(at),
        }
    };
    let mut listed: Vec<_> =
        entries.iter().map(|entry| Listed { name: entry.name.clone(), standing: standing(entry) }).collect();
    let pending = steps.iter().filter(|step| entries.iter().all(|entry| entry.name != step.name));
    listed.extend(pending.map(|step| Listed { name: step.name.to_owned(), standing: StepStatus::Pending(step.kind) }));
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((listed, state))
}

impl SchemaState {
    /// Whether a server of the build works on it.
    #[must_use]
    pub fn may_serve(&self) -> bool {
        matches!(self, Self::Current | Self::Ahead { compatible: true, .. })
    }

    /// What to do so that a server can start, as a clause, or `None` where it can.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Current | Self::Ahead { compatible: true, .. } => None,
            Self::Elsewhere { .. } => Some(
                "give the role a search_path that has it (ALTER ROLE ... SET search_path), or run `quire-migrate up` for \
                 another schema beside it",
            ),
            Self::NotMigrated | Self::Behind { .. } => Some("run `quire-migrate up`"),
            Self::Unfinished { .. } => Some("run `quire-migrate up`, which completes it, unless one is under way"),
            Self::Ahead { compatible: false, .. } => Some("use the build that applied them"),
            Self::Changed { .. } => Some("use the build that applied it, and put the change into a new step"),
        }
    }
}

impl fmt::Display for SchemaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMigrated => f.write_str("the database has no schema yet"),
            Self::Elsewhere { schemas } => {
                let schemas: Vec<_> = schemas.iter().map(|schema| format!("{schema:?}")).collect();
                write!(f, "Quire's tables are in schema {}, which is not on the search_path", schemas.join(", "))
            }
            Self::Behind { pending } => {
                let names: Vec<_> = pending.iter().map(|step| step.name).collect();
                write!(f, "the schema is behind: {} not applied", names.join(", "))
            }
            Self::Current => f.write_str("the schema is current"),
            Self::Ahead { compatible: true, unknown } => {
                write!(f, "the schema is ahead by compatible steps: {}", unknown.join(", "))
            }
            Self::Ahead { compatible: false, unknown } => {
                write!(f, "the schema is ahead of this build, or unknown to it: {}", unknown.join(", "))
            }
            Self::Unfinished { name } => write!(f, "step {name} was begun and not finished"),
            Self::Changed { name } => write!(f, "step {name} was changed after it was applied"),
        }
    }
}

/// What is worst comes first: a record that cannot be trusted, then one of another build, then work that is left.
pub(crate) fn compare(steps: &[Step], entries: &[Entry]) -> SchemaState {
    let entry_of = |step: &Step| entries.iter().find(|entry| entry.name == step.name);
    if let Some(step) = steps.iter().find(|step| entry_of(step).is_some_and(|entry| changed(step, entry))) {
        return SchemaState::Changed { name: step.name.to_owned() };
    }
    let unknown: Vec<_> = entries.iter().filter(|entry| steps.iter().all(|step| step.name != entry.name)).collect();
    let pending: Vec<_> = steps
        .iter()
        .filter(|step| entry_of(step).is_none())
        .map(|step| Pending { name: step.name, kind: step.kind })
        .collect();
    let unfinished = entries.iter().find(|entry| !entry.finished);
    if !unknown.is_empty() {
        let last = steps.last().map_or("", |step| step.name);
        // An unfinished step that we know is ours to complete; one that we do not know has an effect we cannot judge.
        let compatible = pending.is_empty()
            && unfinished.is_none()
            && unknown.iter().all(|entry| entry.compatible && entry.name.as_str() > last);
        let unknown = unknown.into_iter().map(|entry| entry.name.clone()).collect();
        return SchemaState::Ahead { compatible, unknown };
    }
    match unfinished {
        Some(entry) => SchemaState::Unfinished { name: entry.name.clone() },
        None if entries.is_empty() => SchemaState::NotMigrated,
        None if pending.is_empty() => SchemaState::Current,
        None => SchemaState::Behind { pending },
    }
}

/// A transactional step that was not finished left nothing behind, so its text does not matter.
fn changed(step: &Step, entry: &Entry) -> bool {
    entry.checksum != step.checksum() && (entry.finished || !step.transactional)
}

impl Entry {
    /// What is told when a run completes it.
    pub(crate) fn resuming(&self) -> Progress {
        Progress::Resuming { name: self.name.clone(), begun: self.started_at.clone() }
    }
}
