//! Runs: the way from where a database stands to where it should.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use crate::apply::Applier;
use crate::history::{self, Entry};
use crate::lock::Lock;
use crate::state::{SchemaState, compare};
use crate::step::Step;
use crate::{MigrateError, Progress, session};

/// Who is told how a run goes on.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// How long a run waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For another run to end, and, in steps that block nobody while they wait, for old transactions to end.
    pub wait_for_lock: Duration,
    /// For a table's lock. Everybody who wants the table queues up behind us meanwhile.
    pub lock_timeout: Duration,
    /// How often a step is tried that did not get its locks.
    pub tries: u32,
    /// Between the tries, so that those who queued up get their turn.
    pub pause: Duration,
    /// Between two looks at who is in the way.
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

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The steps that it applied, or took back, in this order.
    pub steps: Vec<String>,
    /// Where the database stands now.
    pub state: SchemaState,
}

/// Applies what is pending, one run at a time: a second one waits for the first, and then finds nothing left to do.
/// On a schema that is ahead by compatible steps only there is nothing to do either.
///
/// # Errors
///
/// When the run is refused (see [`MigrateError::is_refusal`]) or fails. Steps that were applied before stay applied.
pub async fn up(
    options: &PgConnectOptions,
    steps: &[Step],
    limits: &Limits,
    tell: Tell<'_>,
) -> Result<Report, MigrateError> {
    let mut lock = Lock::take(options, limits, tell).await?;
    let done = apply_pending(options, &mut lock, steps, limits, tell).await?;
    report(lock, steps, done).await
}

/// Takes the last steps back, as many as `count`. Their data is lost.
///
/// # Errors
///
/// As [`up`], and on a schema that holds steps this build does not know.
pub async fn down(
    options: &PgConnectOptions,
    steps: &[Step],
    count: usize,
    limits: &Limits,
    tell: Tell<'_>,
) -> Result<Report, MigrateError> {
    let mut lock = Lock::take(options, limits, tell).await?;
    let entries = read(&mut lock).await?;
    match compare(steps, &entries) {
        SchemaState::Changed { name } => return Err(MigrateError::Changed { name }),
        SchemaState::Ahead { unknown, .. } => return Err(MigrateError::Ahead { unknown }),
        _ => {}
    }
    let done = take_back(options, &mut lock, steps, &entries, count, limits, tell).await?;
    report(lock, steps, done).await
}

/// Takes everything back, and applies it anew: an empty database, all its data lost. Steps that were edited since they were
/// applied are taken back as they are now, which is what somebody needs who is still writing one.
///
/// # Errors
///
/// As [`down`].
pub async fn fresh(
    options: &PgConnectOptions,
    steps: &[Step],
    limits: &Limits,
    tell: Tell<'_>,
) -> Result<Report, MigrateError> {
    let mut lock = Lock::take(options, limits, tell).await?;
    session::check_encoding(lock.connection()).await?;
    let entries = read(&mut lock).await?;
    let known = |entry: &Entry| steps.iter().any(|step| step.name == entry.name);
    let unknown: Vec<_> = entries.iter().filter(|entry| !known(entry)).map(|entry| entry.name.clone()).collect();
    if !unknown.is_empty() {
        return Err(MigrateError::Ahead { unknown });
    }
    take_back(options, &mut lock, steps, &entries, usize::MAX, limits, tell).await?;
    let done = apply_pending(options, &mut lock, steps, limits, tell).await?;
    report(lock, steps, done).await
}

async fn apply_pending(
    options: &PgConnectOptions,
    lock: &mut Lock,
    steps: &[Step],
    limits: &Limits,
    tell: Tell<'_>,
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
    let mut applier = Applier::start(options, lock, limits, tell).await?;
    applier.create_record().await?;
    for step in steps {
        let entry = entries.iter().find(|entry| entry.name == step.name);
        if entry.is_some_and(|entry| entry.finished) {
            continue;
        }
        if let Some(entry) = entry {
            (applier.tell)(entry.resuming());
        }
        let since = Instant::now();
        applier.up(step).await?;
        done.push(step.name.to_owned());
        (applier.tell)(Progress::Applied { name: step.name.to_owned(), took: since.elapsed() });
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
    tell: Tell<'_>,
) -> Result<Vec<String>, MigrateError> {
    let recorded = |step: &Step| entries.iter().find(|entry| entry.name == step.name);
    let last: Vec<_> =
        steps.iter().rev().filter_map(|step| recorded(step).map(|entry| (step, entry))).take(count).collect();
    let mut reverted = Vec::new();
    if last.is_empty() {
        return Ok(reverted);
    }
    let mut applier = Applier::start(options, lock, limits, tell).await?;
    for (step, entry) in last {
        let since = Instant::now();
        applier.down(step, entry.finished).await?;
        reverted.push(step.name.to_owned());
        (applier.tell)(Progress::Reverted { name: step.name.to_owned(), took: since.elapsed() });
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
