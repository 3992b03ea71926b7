//! State of a database's schema relative to a list of steps.

use std::fmt;

use sqlx::PgConnection;

use crate::history::{self, Entry};
use crate::step::{Kind, Step};
use crate::{MigrateError, Progress, session};

const READ: &str = "read which steps were applied";

/// State of a database's schema relative to a build's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// No step was ever applied.
    NotMigrated,
    /// No step was ever applied in the schemas of the search path, but in others.
    Elsewhere {
        /// Names of those schemas.
        schemas: Vec<String>,
    },
    /// Some steps are pending.
    Behind {
        /// The pending steps, in order.
        pending: Vec<Pending>,
    },
    /// All of the steps are applied, and no others.
    Current,
    /// Steps are applied that the build does not know.
    Ahead {
        /// `true` if all of the build's steps are applied, and all the others are later and compatible.
        compatible: bool,
        /// Names of the unknown steps.
        unknown: Vec<String>,
    },
    /// A run was interrupted in a step, or is in progress.
    Unfinished {
        /// Name of the step.
        name: String,
    },
    /// A step was edited after it was applied.
    Changed {
        /// Name of the step.
        name: String,
    },
}

/// A pending step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Name of the step.
    pub name: &'static str,
    /// Compatibility with servers that do not know the step.
    pub kind: Kind,
}

/// Reads the state of a database. Requires only the right to read the record.
///
/// # Errors
///
/// If the database cannot be read, or has another encoding than UTF8.
pub async fn state(connection: &mut PgConnection, steps: &[Step]) -> Result<SchemaState, MigrateError> {
    session::check_encoding(connection).await?;
    match history::read(connection).await.map_err(MigrateError::database(READ))? {
        Some(entries) => Ok(compare(steps, &entries)),
        None => unrecorded(connection).await,
    }
}

/// Returns the state of a database without a visible record.
async fn unrecorded(connection: &mut PgConnection) -> Result<SchemaState, MigrateError> {
    let schemas = history::elsewhere(connection).await.map_err(MigrateError::database(READ))?;
    Ok(if schemas.is_empty() { SchemaState::NotMigrated } else { SchemaState::Elsewhere { schemas } })
}

/// A step in [`list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name of the step.
    pub name: String,
    /// Status of the step.
    pub status: StepStatus,
}

/// Status of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// The step is pending.
    Pending(Kind),
    /// The step was begun at this time, and not finished.
    Begun(String),
    /// The step was begun at this time, and is applied.
    Applied(String),
    /// The step was begun at this time and is applied, but this build does not know it.
    Unknown(String),
}

/// Lists the steps of the build and those of the database by name, with the state of the database.
///
/// # Errors
///
/// If the database cannot be read.
pub async fn list(connection: &mut PgConnection, steps: &[Step]) -> Result<(Vec<Listed>, SchemaState), MigrateError> {
    let recorded = history::read(connection).await.map_err(MigrateError::database(READ))?;
    let state = match &recorded {
        Some(entries) => compare(steps, entries),
        None => unrecorded(connection).await?,
    };
    let entries = recorded.unwrap_or_default();
    let known = |entry: &Entry| steps.iter().any(|step| step.name == entry.name);
    let status = |entry: &Entry| {
        let at = entry.started_at.clone();
        match (entry.finished, known(entry)) {
            (false, _) => StepStatus::Begun(at),
            (true, true) => StepStatus::Applied(at),
            (true, false) => StepStatus::Unknown(at),
        }
    };
    let mut listed: Vec<_> =
        entries.iter().map(|entry| Listed { name: entry.name.clone(), status: status(entry) }).collect();
    let pending = steps.iter().filter(|step| entries.iter().all(|entry| entry.name != step.name));
    listed.extend(pending.map(|step| Listed { name: step.name.to_owned(), status: StepStatus::Pending(step.kind) }));
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((listed, state))
}

impl SchemaState {
    /// Returns `true` if a server of the build can work on the schema.
    #[must_use]
    pub fn may_serve(&self) -> bool {
        matches!(self, Self::Current | Self::Ahead { compatible: true, .. })
    }

    /// Returns what to do so that a server can start, as a clause; `None` if it can.
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

/// Compares steps with the record. The worst state takes precedence: an untrustworthy record, then one of another
/// build, then pending work.
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
        // This build can complete an unfinished step that it knows; the effect of one that it does not know is unknown.
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

/// Returns `true` if the text of a step differs from the applied one. An unfinished transactional step was rolled back,
/// so its text does not matter.
fn changed(step: &Step, entry: &Entry) -> bool {
    entry.checksum != step.checksum() && (entry.finished || !step.transactional)
}

impl Entry {
    /// Returns the progress event of a run that completes this step.
    pub(crate) fn resuming(&self) -> Progress {
        Progress::Resuming { name: self.name.clone(), begun: self.started_at.clone() }
    }
}
