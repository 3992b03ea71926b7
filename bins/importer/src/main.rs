//! The importer: moves notebooks from files into a database, proves that nothing is missing, and moves them back.

mod cli;
mod commands;
mod database;
mod destination;
mod files;
mod ipynb;
mod ipynb_folder;
mod outcome;
mod report;
mod screen;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli::Cli;
use crate::outcome::{Exit, Failure};

fn main() -> ExitCode {
    let environment = Box::new(|name: &str| std::env::var(name));
    let (cli, sources) = match quire_config::load::<Cli>(std::env::args_os(), environment) {
        Ok(loaded) => loaded,
        Err(error) => return error.report("quire-import"),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::new(Exit::Failed, format!("cannot start threads: {error}"))),
    };
    match runtime.block_on(commands::run(cli.command, &sources)) {
        Ok(exit) => exit.into(),
        Err(failure) => failed(&failure),
    }
}

/// Prints on standard error why the process ends; a failure to print is ignored.
fn failed(failure: &Failure) -> ExitCode {
    let _ = writeln!(io::stderr(), "quire-import: {failure}");
    failure.exit.into()
}
