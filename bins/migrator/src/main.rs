//! The migrator: brings a database to the schema that the server needs, and reports its state.

mod cli;
mod database;
mod generation;
mod outcome;
mod reseal;
mod schema;

use std::io::{self, Write as _};
use std::process::ExitCode;

use quire_config::Sources;

use crate::cli::{Cli, Command};
use crate::outcome::{Exit, Failure};

fn main() -> ExitCode {
    let environment = Box::new(|name: &str| std::env::var(name));
    let (cli, sources) = match quire_config::load::<Cli>(std::env::args_os(), environment) {
        Ok(loaded) => loaded,
        Err(error) => return error.report("quire-migrate"),
    };
    match run(cli.command, &sources) {
        Ok(exit) => exit.into(),
        Err(failure) => failed(&failure),
    }
}

fn run(command: Command, sources: &Sources) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(schema::run(command, sources))
}

/// Prints on standard error why the process ends; a failure to print is ignored.
fn failed(failure: &Failure) -> ExitCode {
    let _ = writeln!(io::stderr(), "quire-migrate: {failure}");
    failure.exit.into()
}
