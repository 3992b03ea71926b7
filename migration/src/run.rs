//! Runs: bringing a database from its present schema to the expected one.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use crate::apply::Applier;
use crate::history::{self, Entry};
use crate::lock::Lock;
use crate::state::{SchemaState, compare};
use crate::step::Step;
use crate::{MigrateError, Progress, session};

/// Receiver of a run's progress.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Time-outs and numbers of attempts of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time-out for a connection.
    pub connect: Duration,
    /// Time-out for another run to end, and for old transactions to end in steps that block no session while they wait.
    pub wait_for_lock: Duration,
    /// Time-out for a table's lock. Other sessions that want the table queue behind the run meanwhile.
    pub lock_timeout: Duration,
    /// Maximum attempts of a step that does not get its locks.
    pub tries: u32,
    /// Pause between two attempts, so that queued sessions get their turn.
    pub pause: Duration,
    /// Interval between two polls of the blocking sessions.
    pub poll: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            wait_for_lock: Duration::from_mins(10),
            lock_timeout: Duration::from_secs(3),
            tries: 5,
            pause: Duration::from_secs(2),
            poll: Duration::from_millis(250),
        }
    }
}

/// Result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Names of the steps that it applied, or took back, in this order.
    pub steps: Vec<String>,
    /// State of the database after the run.
    pub state: SchemaState,
}

/// Applies the pending steps, one run at a time: a second run waits for the first, and then finds no step left to
/// apply. On a schema that is ahead by compatible steps only there is nothing to do either.
///
/// # Errors
///
/// If the run is refused (see [`MigrateError::is_refusal`]) or fails. Steps applied before remain applied.
pub async fn up(
    options: &PgConnectOptions,
    steps: &[Step],
    limits: &Limits,
    on_progress: OnProgress<'_>,
) -> Result<Report, MigrateError> {
    let mut lock = Lock::take(options, limits, on_progress).await?;
    let done = apply_pending(options, &mut lock, steps, limits, on_progress).await?;
    report(lock, steps, done).await
}

/// Takes back the last `count` steps. Their data is lost.
///
/// # Errors
///
/// As [`up`], and if the schema contains steps that this build does not know.
pub async fn down(
    options: &PgConnectOptions,
    steps: &[Step],
    count: usize,
    limits: &Limits,
    on_progress: OnProgress<'_>,
) -> Result<Report, MigrateError> {
    let mut lock = Lock::take(options, limits, on_progress).await?;
    let entries = read(&mut lock).await?;
    match compare(steps, &entries) {
        SchemaState::Changed { name } => return Err(MigrateError::Changed { name }),
        SchemaState::Ahead { unknown, .. } => return Err(MigrateError::Ahead { unknown }),
        _ => {}
    }
    let done = take_back(options, &mut lock, steps, &entries, count, limits, on_progress).await?;
    report(lock, steps, done).await
}

/// Takes all steps back and applies them again: the result is an empty database, and all data is lost. Steps that were
/// edited since they were applied are taken back by their present text, as is needed while a step is being written.
///
/// # Errors
///
/// As [`down`].
pub async fn fresh(
    options: &PgConnectOptions,
    steps: &[Step],
    limits: &Limits,
    on_progress: OnProgress<'_>,
) -> Result<Report, MigrateError> {
    let mut lock = Lock::take(options, limits, on_progress).await?;
    session::check_encoding(lock.connection()).await?;
    let entries = read(&mut lock).await?;
    let known = |entry: &Entry| steps.iter().any(|step| step.name == entry.name);
    let unknown: Vec<_> = entries.iter().filter(|entry| !known(entry)).map(|entry| entry.name.clone()).collect();
    if !unknown.is_empty() {
        return Err(MigrateError::Ahead { unknown });
    }
    take_back(options, &mut lock, steps, &entries, usize::MAX, limits, on_progress).await?;
    let done = apply_pending(options, &mut lock, steps, limits, on_progress).await?;
    report(lock, steps, done).await
}

async fn apply_pending(
    options: &PgConnectOptions,
    lock: &mut Lock,
    steps: &[Step],
    limits: &Limits,
    on_progress: OnProgress<'_>,
) -> Result<Vec<String>, MigrateError> {
    session::check_encoding(lock.connection()).await?;
    let entries = read(lock).await?;
    let mut done = Vec::new();
    match compare(steps, &entries) {
        SchemaState::Current | SchemaState::Ahead { compatible: true, .. } => return Ok(done),
        SchemaState::Changed { name } => return Err(MigrateError::Changed { name }),
        SchemaState::Ahead { compatible: false, unknown } => return Err(MigrateError::Ahead { unknown }),
        SchemaState::NotMigrated
        | SchemaState::Elsewhere { .. }
        | SchemaState::Behind { .. }
        | SchemaState::Unfinished { .. } => {}
    }
    let mut applier = Applier::start(options, lock, limits, on_progress).await?;
    applier.create_record().await?;
    for step in steps {
        let entry = entries.iter().find(|entry| entry.name == step.name);
        if entry.is_some_and(|entry| entry.finished) {
            continue;
        }
        if let Some(entry) = entry {
            (applier.on_progress)(entry.resuming());
        }
        let since = Instant::now();
        applier.up(step).await?;
        done.push(step.name.to_owned());
        (applier.on_progress)(Progress::Applied { name: step.name.to_owned(), took: since.elapsed() });
    }
    applier.close().await;
    Ok(done)
}

async fn take_back(
    options: &PgConnectOptions,
    lock: &mut Lock,
    steps: &[Step],
    entries: &[Entry],
    count: usize,
    limits: &Limits,
    on_progress: OnProgress<'_>,
) -> Result<Vec<String>, MigrateError> {
    let recorded = |step: &Step| entries.iter().find(|entry| entry.name == step.name);
    let last: Vec<_> =
        steps.iter().rev().filter_map(|step| recorded(step).map(|entry| (step, entry))).take(count).collect();
    let mut reverted = Vec::new();
    if last.is_empty() {
        return Ok(reverted);
    }
    let mut applier = Applier::start(options, lock, limits, on_progress).await?;
    for (step, entry) in last {
        let since = Instant::now();
        applier.down(step, entry.finished).await?;
        reverted.push(step.name.to_owned());
        (applier.on_progress)(Progress::Reverted { name: step.name.to_owned(), took: since.elapsed() });
    }
    applier.close().await;
    Ok(reverted)
}

async fn read(lock: &mut Lock) -> Result<Vec<Entry>, MigrateError> {
    let entries = history::read(lock.connection()).await;
    entries.map(Option::unwrap_or_default).map_err(MigrateError::database("read which steps were applied"))
}

async fn report(mut lock: Lock, steps: &[Step], done: Vec<String>) -> Result<Report, MigrateError> {
    let state = compare(steps, &read(&mut lock).await?);
    lock.release().await;
    Ok(Report { steps: done, state })
}
