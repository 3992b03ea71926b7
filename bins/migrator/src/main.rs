//! The migrator: brings a database to the schema that the server needs, and reports its state.

mod cli;
mod database;
mod generation;
mod outcome;
mod reseal;
mod schema;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::Command;
use crate::outcome::{Exit, Failure};

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(cli::Parsed::Run(command)) => command,
        Ok(cli::Parsed::Text(text)) => {
            let _ = write!(io::stdout(), "{text}");
            return Exit::Done.into();
        }
        Err(failure) => return failed(&failure),
    };
    match run(command) {
        Ok(exit) => exit.into(),
        Err(failure) => failed(&failure),
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(schema::run(command))
}

/// Prints on standard error why the process ends; a failure to print is ignored.
fn failed(failure: &Failure) -> ExitCode {
    let _ = writeln!(io::stderr(), "quire-migrate: {failure}");
    failure.exit.into()
}
