//! The commands that concern the schema.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use quire_config::Sources;
use quire_migration::{Progress, Report, STEPS, StepStatus};
use sqlx::PgConnection;

use crate::cli::Command;
use crate::database::{self, Target};
use crate::outcome::{Exit, Failure};
use crate::{generation, reseal};

/// Runs a command.
pub(crate) async fn run(command: Command, sources: &Sources) -> Result<Exit, Failure> {
    match command {
        Command::Up { sql: true, .. } => {
            let _ = write!(io::stdout(), "{}", quire_migration::sql(STEPS));
            Ok(Exit::Done)
        }
        Command::Up { sql: false, .. } => {
            let Target { options, limits } = database::target(sources)?;
            Ok(print_report(&quire_migration::up(&options, STEPS, &limits, &mut say_progress).await?))
        }
        Command::Down { steps, .. } => {
            let Target { options, limits } = database::target(sources)?;
            Ok(print_report(&quire_migration::down(&options, STEPS, steps.get(), &limits, &mut say_progress).await?))
        }
        Command::Status { .. } => status(&mut connect(sources).await?).await,
        Command::Fresh { yes, .. } => fresh(&database::target(sources)?, yes).await,
        Command::Reseal { .. } => reseal::run(sources).await,
        Command::NewGeneration { .. } => generation::run(sources).await,
        Command::Check { .. } => check(&mut connect(sources).await?).await,
    }
}

async fn status(connection: &mut PgConnection) -> Result<Exit, Failure> {
    let (steps, state) = quire_migration::list(connection, STEPS).await?;
    for step in steps {
        let name = step.name;
        match step.status {
            StepStatus::Applied(at) => say(&format_args!("applied  {name} at {at}")),
            StepStatus::Begun(at) => say(&format_args!("begun    {name} at {at}, not finished")),
            StepStatus::Unknown(at) => say(&format_args!("unknown  {name} at {at}")),
            StepStatus::Pending(kind) => say(&format_args!("pending  {name} ({kind})")),
        }
    }
    match state.advice() {
        Some(advice) => say(&format_args!("{state}; {advice}")),
        None => say(&state),
    }
    Ok((&state).into())
}

async fn check(connection: &mut PgConnection) -> Result<Exit, Failure> {
    let state = quire_migration::state(connection, STEPS).await?;
    if let Exit::Done = Exit::from(&state) {
        let findings = quire_migration::check(connection, quire_migration::SCHEMA).await?;
        for difference in &findings.differences {
            say(difference);
        }
        for other in &findings.others {
            say(&format_args!("{other}: not Quire's, ignored"));
        }
        if findings.differences.is_empty() {
            say(&"the schema is the one expected");
            return Ok(Exit::Done);
        }
        return Ok(Exit::Drift);
    }
    let advice = state.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    say(&format_args!("{state}{advice}; only a current schema can be checked"));
    Ok((&state).into())
}

async fn fresh(target: &Target, yes: bool) -> Result<Exit, Failure> {
    let Target { options, limits } = target;
    let mut connection = quire_migration::connect(options, limits.connect).await?;
    let contents = quire_migration::contents(&mut connection).await?;
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = &contents.database;
    let notebooks = match contents.notebooks {
        1 => "1 notebook".to_owned(),
        more => format!("{more} notebooks"),
    };
    let loss =
        format!("database {database:?} on {place}: {notebooks}, and all else that Quire holds there, will be lost");
    if yes {
        say(&loss);
    } else if !io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Refused, format!("{loss}; add --yes, since nobody can be asked here")));
    } else if !confirmed(&loss, database) {
        return Err(Failure::new(Exit::Refused, "nothing was changed"));
    }
    Ok(print_report(&quire_migration::fresh(options, STEPS, limits, &mut say_progress).await?))
}

/// Returns `true` if the person at the terminal typed the database's name, which hardly happens by mistake.
fn confirmed(loss: &str, database: &str) -> bool {
    let _ = write!(io::stderr(), "{loss}\nType the database's name to go on: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && answer.trim() == database
}

async fn connect(sources: &Sources) -> Result<PgConnection, Failure> {
    let Target { options, limits } = database::target(sources)?;
    Ok(quire_migration::connect(&options, limits.connect).await?)
}

fn print_report(report: &Report) -> Exit {
    if report.steps.is_empty() {
        say(&format_args!("{}; nothing to do", report.state));
    } else {
        say(&report.state);
    }
    Exit::Done
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that the library calls")]
fn say_progress(progress: Progress) {
    say(&progress);
}

/// Prints one line on standard output. A failure is ignored, so that work continues if nothing reads the output.
pub(crate) fn say(line: &dyn Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
