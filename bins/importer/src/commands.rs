//! The commands.

use std::sync::Arc;

use chrono::SecondsFormat;
use quire_config::Sources;
use quire_domain::{SecretKeys, Timestamp};
use quire_storage::NotebookStore;
use quire_transfer::{Export, Import, Outcome, Secrets, Source, Summary, Verify};

use crate::cli::{Command, FilesArgs, FormatArg, WorkArgs};
use crate::database;
use crate::destination::Destination;
use crate::files::Files;
use crate::ipynb::IpynbFiles;
use crate::outcome::{Exit, Failure};
use crate::screen::Screen;

const IMPORT: &[Outcome] =
    &[Outcome::Imported, Outcome::Updated, Outcome::Unchanged, Outcome::Skipped, Outcome::Invalid, Outcome::Failed];
const VERIFY: &[Outcome] = &[
    Outcome::Same,
    Outcome::Newer,
    Outcome::Different,
    Outcome::Missing,
    Outcome::Skipped,
    Outcome::Invalid,
    Outcome::Failed,
];
const EXPORT: &[Outcome] = &[Outcome::Exported, Outcome::Unchanged, Outcome::Removed, Outcome::Failed];

/// Runs a command.
pub(crate) async fn run(command: Command, sources: &Sources) -> Result<Exit, Failure> {
    match command {
        Command::Run { files, dry_run, verify, on_conflict, work, .. } => {
            let (source, store) = open(&files, sources, &work).await?;
            let keys = keys(sources)?;
            let jobs = work.jobs.get();
            let mut screen = Screen::new(&work, if dry_run { "planning" } else { "importing" }, dry_run)?;
            let import = Import {
                store: Arc::clone(&store),
                source: Arc::clone(&source),
                keys: keys.clone(),
                on_conflict: on_conflict.into(),
                dry_run,
                jobs,
            };
            let summary = import.run(&mut screen).await.map_err(Failure::of)?;
            let exit = Exit::of(&summary);
            let next = screen.next("verifying");
            screen.end(&summary, IMPORT, &[("dry_run", dry_run.into())]);
            if !verify {
                return Ok(exit);
            }
            Ok(exit.and(verified(Verify { store, source, keys, jobs }, next).await?))
        }
        Command::Verify { files, work, .. } => {
            let (source, store) = open(&files, sources, &work).await?;
            let screen = Screen::new(&work, "verifying", false)?;
            verified(Verify { store, source, keys: keys(sources)?, jobs: work.jobs.get() }, screen).await
        }
        Command::Export { to, user, format, secrets, work, .. } => {
            let from = database::open(sources, work.jobs.get()).await?;
            let keys = keys(sources)?;
            let secrets = Secrets::from(secrets);
            if secrets == Secrets::Plain && keys.is_none() {
                return Err(Failure::usage("--secrets plain needs QUIRE_SECRET_KEY, to open what is sealed"));
            }
            if secrets == Secrets::Plain && format == FormatArg::Ipynb {
                return Err(Failure::usage(
                    "--secrets plain needs --format json: Jupyter notebooks have no connection string",
                ));
            }
            let (destination, to) = Destination::open(&to, format, user.clone())?;
            let mut screen = Screen::new(&work, "exporting", false)?;
            let export = Export { from, to, owner: user, secrets, keys, jobs: work.jobs.get(), now };
            let exported = export.run(&mut screen).await.map_err(Failure::of)?;
            let all_well = Exit::of(&exported.summary) == Exit::Well;
            if all_well && exported.reflects.is_some() {
                destination.finish(&exported)?;
            }
            let time = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::Micros, true);
            match exported.reflects {
                Some(at) if all_well => screen.say(&format!("the files are as the database was at {}", time(at))),
                Some(at) => screen.say(&format!(
                    "the files are as the database was at {}, but for what failed: run the same command again",
                    time(at)
                )),
                None => screen.warn(&format!(
                    "notebooks were changed all the while: each file is as the database was at some moment after {}; start the \
                     servers with --read-only and run the same command again",
                    time(exported.began)
                )),
            }
            let moments = [("began", time(exported.began).into()), ("reflects", exported.reflects.map(time).into())];
            screen.end(&exported.summary, EXPORT, &moments);
            // A copy that reflects no single moment is no reliable backup.
            Ok(if all_well && exported.reflects.is_some() { Exit::Well } else { Exit::Failed })
        }
    }
}

async fn open(
    files: &FilesArgs,
    sources: &Sources,
    work: &WorkArgs,
) -> Result<(Arc<dyn Source>, Arc<dyn NotebookStore>), Failure> {
    let source: Arc<dyn Source> = match files.format {
        FormatArg::Json => Arc::new(Files::open(files)?),
        FormatArg::Ipynb => Arc::new(IpynbFiles::open(files)?),
    };
    Ok((source, database::open(sources, work.jobs.get()).await?))
}

/// The keys that connection strings are sealed with, if there are any.
fn keys(sources: &Sources) -> Result<Option<Arc<SecretKeys>>, Failure> {
    Ok(sources.secret_keys()?.map(Arc::new))
}

async fn verified(verify: Verify, mut screen: Screen) -> Result<Exit, Failure> {
    let summary: Summary = verify.run(&mut screen).await.map_err(Failure::of)?;
    screen.end(&summary, VERIFY, &[]);
    Ok(Exit::of(&summary))
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program where time comes in")]
fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
